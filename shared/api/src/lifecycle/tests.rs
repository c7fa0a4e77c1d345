//! Lives of objects, as text.
