//! Resources that are answered and never stored: reviews, and what is measured.

use crate::reviews::REVIEWS;
use crate::usage::MEASURED;

/// A resource as discovery tells of it.
#[derive(Clone, Copy, Debug)]
pub struct Unstored {
    /// `metrics.k8s.io`.
    pub group: &'static str,
    /// `v1beta1`.
    pub version: &'static str,
    /// `pods`.
    pub plural: &'static str,
    /// `pod`.
    pub singular: &'static str,
    /// `PodMetrics`.
    pub kind: &'static str,
    /// Is asked for in a namespace.
    pub namespaced: bool,
    /// What can be done with it.
    pub verbs: &'static [&'static str],
}

/// Every such resource.
pub fn all() -> impl Iterator<Item = Unstored> {
    let reviews = REVIEWS.iter().map(|review| Unstored {
        group: review.group,
        version: review.version,
        plural: review.plural,
        singular: review.singular,
        kind: review.kind,
        namespaced: review.namespaced,
        verbs: &["create"],
    });
    reviews.chain(MEASURED.iter().copied())
}
