//! What the end-to-end tests share: finding binaries, starting clusters, waiting on predicates.
