//! Decisions as text.
