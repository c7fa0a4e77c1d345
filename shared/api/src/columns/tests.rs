//! Tables, as text.
