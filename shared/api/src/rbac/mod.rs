//! Role-based access control without IO: what rules allow, what they cover, and how cluster roles are put together.

mod aggregate;
mod binding;
mod cover;
mod rule;

pub use aggregate::aggregated;
pub use binding::{Binding, Subject};
pub use cover::missing;
pub use rule::{Rule, Wanted, rules_of};

use crate::ResourceId;

/// The group of everything here.
pub const GROUP: &str = "rbac.authorization.k8s.io";
/// Roles of a namespace.
pub const ROLES: ResourceId = ResourceId::new("roles.rbac.authorization.k8s.io");
/// Roles that any binding may name.
pub const CLUSTER_ROLES: ResourceId = ResourceId::new("clusterroles.rbac.authorization.k8s.io");
/// Who has a role in a namespace.
pub const ROLE_BINDINGS: ResourceId = ResourceId::new("rolebindings.rbac.authorization.k8s.io");
/// Who has a role everywhere.
pub const CLUSTER_ROLE_BINDINGS: ResourceId =
    ResourceId::new("clusterrolebindings.rbac.authorization.k8s.io");
