//! Defaults, as text.
