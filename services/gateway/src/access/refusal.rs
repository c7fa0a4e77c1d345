//! Refuses in Kubernetes' words.

use super::{ResourceWish, Wish};
use crate::auth::User;
use crate::failure::Failure;

/// 403, with what went wrong while it was decided, if anything did.
pub fn of(user: &User, wish: &Wish, because: &str) -> Failure {
    let because = if because.is_empty() { String::new() } else { format!(": {because}") };
    let who = &user.name;
    let wish = match wish {
        Wish::Path { verb, path } => {
            let message = format!("forbidden: User \"{who}\" cannot {verb} path \"{path}\"{because}");
            return Failure::new(403, "Forbidden", message);
        }
        Wish::Resource(wish) => wish,
    };
    let ResourceWish { verb, group, resource, subresource, namespace, name } = wish;
    let below = if subresource.is_empty() { String::new() } else { format!("/{subresource}") };
    let dotted = if group.is_empty() { resource.clone() } else { format!("{resource}.{group}") };
    let subject = if name.is_empty() { dotted } else { format!("{dotted} \"{name}\"") };
    let place = match namespace.as_str() {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace \"{namespace}\""),
    };
    let message = format!(
        "{subject} is forbidden: User \"{who}\" cannot {verb} resource \"{resource}{below}\" in API group \"{group}\" {place}{because}"
    );
    let mut failure = Failure::new(403, "Forbidden", message);
    for (key, value) in [("name", name), ("group", group), ("kind", resource)] {
        if !value.is_empty() {
            failure.status.details.insert(key.into(), value.as_str().into());
        }
    }
    failure
}
