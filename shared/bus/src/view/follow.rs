//! Keeps a view up to date.
