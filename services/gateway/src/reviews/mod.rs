//! Reviews: resources that are only ever created and never stored; the answer is the object with its status filled in.

/// A resource of reviews.
#[derive(Clone, Copy, Debug)]
pub struct Review {
    /// `authorization.k8s.io`.
    pub group: &'static str,
    /// `v1`.
    pub version: &'static str,
    /// `selfsubjectaccessreviews`.
    pub plural: &'static str,
    /// `selfsubjectaccessreview`.
    pub singular: &'static str,
    /// `SelfSubjectAccessReview`.
    pub kind: &'static str,
    /// Is created in a namespace.
    pub namespaced: bool,
}

const AUTHENTICATION: &str = "authentication.k8s.io";
const AUTHORIZATION: &str = "authorization.k8s.io";

/// Every resource of reviews.
#[rustfmt::skip]
pub const REVIEWS: &[Review] = &[
    Review { group: AUTHENTICATION, version: "v1", plural: "selfsubjectreviews", singular: "selfsubjectreview", kind: "SelfSubjectReview", namespaced: false },
    Review { group: AUTHENTICATION, version: "v1", plural: "tokenreviews", singular: "tokenreview", kind: "TokenReview", namespaced: false },
    Review { group: AUTHORIZATION, version: "v1", plural: "localsubjectaccessreviews", singular: "localsubjectaccessreview", kind: "LocalSubjectAccessReview", namespaced: true },
    Review { group: AUTHORIZATION, version: "v1", plural: "selfsubjectaccessreviews", singular: "selfsubjectaccessreview", kind: "SelfSubjectAccessReview", namespaced: false },
    Review { group: AUTHORIZATION, version: "v1", plural: "selfsubjectrulesreviews", singular: "selfsubjectrulesreview", kind: "SelfSubjectRulesReview", namespaced: false },
    Review { group: AUTHORIZATION, version: "v1", plural: "subjectaccessreviews", singular: "subjectaccessreview", kind: "SubjectAccessReview", namespaced: false },
];

/// The reviews behind a path's group, version and plural.
pub fn by_path(group: &str, version: &str, plural: &str) -> Option<&'static Review> {
    REVIEWS.iter().find(|review| (review.group, review.version, review.plural) == (group, version, plural))
}
