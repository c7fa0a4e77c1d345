//! Validation, as text.
