//! Text tables for the brain.
