//! The keeper with a real bus.
