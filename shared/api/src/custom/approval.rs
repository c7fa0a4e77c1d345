//! How a definition in a group of Kubernetes' community says that the community has approved it.

/// The annotation that says so.
pub const APPROVAL: &str = "api-approved.kubernetes.io";
const SEE: &str = "see https://github.com/kubernetes/enhancements/pull/1111";

/// What the annotation says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Approval {
    /// Nothing.
    Missing,
    /// That there is none, on purpose.
    Bypassed,
    /// Where it was given.
    Approved,
    /// Something else.
    Invalid,
}

/// Whether a group is one of those that need approval.
pub fn is_protected(group: &str) -> bool {
    ["k8s.io", "kubernetes.io"].iter().any(|domain| {
        group.strip_suffix(domain).is_some_and(|above| above.is_empty() || above.ends_with('.'))
    })
}

impl Approval {
    /// Reads the annotation.
    pub fn of(annotation: &str) -> Self {
        let is_url = annotation
            .split_once("://")
            .is_some_and(|(scheme, rest)| !scheme.is_empty() && !rest.is_empty() && !rest.starts_with('/'));
        match annotation {
            "" => Self::Missing,
            written if written.starts_with("unapproved") => Self::Bypassed,
            _ if is_url => Self::Approved,
            _ => Self::Invalid,
        }
    }

    /// Kubernetes' words for it.
    pub fn words(self, annotation: &str) -> String {
        match self {
            Self::Missing => {
                format!("protected groups must have approval annotation \"{APPROVAL}\", {SEE}")
            }
            Self::Bypassed => format!("not approved: {annotation:?}"),
            Self::Approved => format!("approved in {annotation}"),
            Self::Invalid => format!(
                "protected groups must have approval annotation \"{APPROVAL}\" with either a URL or a reason starting with \"unapproved\", {SEE}"
            ),
        }
    }

    /// Status and reason of the condition `KubernetesAPIApprovalPolicyConformant`.
    pub fn condition(self) -> (&'static str, &'static str) {
        match self {
            Self::Missing => ("False", "MissingAnnotation"),
            Self::Bypassed => ("False", "UnapprovedAnnotation"),
            Self::Approved => ("True", "ApprovedAnnotation"),
            Self::Invalid => ("False", "InvalidAnnotation"),
        }
    }
}
