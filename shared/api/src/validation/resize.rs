//! Rules of `pods/resize`: processors and memory of containers that run, and nothing else (KEP-1287).

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Errors, pod};
use crate::json::{entries, items, text};
use crate::kinds::FieldError;
use crate::qos;

/// What may change while a container runs.
const RESIZABLE: [&str; 2] = ["cpu", "memory"];
const LISTS: [&str; 2] = ["limits", "requests"];

/// Checks a pod whose containers were given other resources; `old` has the same containers in the same order.
pub fn resize(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    pod::whole(&mut errors, new, Some(old));
    if LISTS.iter().any(|list| entries(old, &format!("/spec/resources/{list}")).next().is_some()) {
        let mut alone = Errors::default();
        alone.forbidden("", "pods with pod-level resources cannot be resized");
        return alone.0;
    }
    let class = qos::class(new);
    if class != qos::of(old) {
        errors.invalid("spec", class, "Pod QOS Class may not change as a result of resizing");
    }
    for list in ["initContainers", "containers"] {
        for (index, (new, old)) in pairs(new, old, list).enumerate() {
            if list == "containers" || text(old, "/restartPolicy") == "Always" {
                removals(&mut errors, new, old, &format!("spec.{list}[{index}].resources"));
            }
        }
    }
    for list in ["containers", "initContainers"] {
        for (new, old) in pairs(new, old, list) {
            let sidecar = text(old, "/restartPolicy") == "Always";
            let why = match list {
                "containers" if others(new) != others(old) => "only cpu and memory resources are mutable",
                "initContainers" if sidecar && others(new) != others(old) => {
                    "only cpu and memory resources for sidecar containers are mutable"
                }
                "initContainers" if !sidecar && new.get("resources") != old.get("resources") => {
                    "resources for non-sidecar init containers are immutable"
                }
                _ => continue,
            };
            errors.forbidden("spec", why);
        }
    }
    errors.0
}

fn pairs<'a>(
    new: &'a Value,
    old: &'a Value,
    list: &str,
) -> impl Iterator<Item = (&'a Value, &'a Value)> + use<'a> {
    let pointer = format!("/spec/{list}");
    items(new, &pointer).iter().zip(items(old, &pointer))
}

fn removals(errors: &mut Errors, new: &Value, old: &Value, path: &str) {
    for (list, what) in [("requests", "resource requests"), ("limits", "resource limits")] {
        let has = |container: &Value, name: &str| {
            container
                .pointer("/resources")
                .and_then(|all| all.get(list))
                .is_some_and(|all| all.get(name).is_some())
        };
        if entries(old, &format!("/resources/{list}")).any(|(name, _)| !has(new, name)) {
            errors.forbidden(format!("{path}.{list}"), &format!("{what} cannot be removed"));
        }
    }
}

/// A container's amounts of what may not change.
fn others(container: &Value) -> BTreeMap<(&'static str, &str), &Value> {
    let of = |list: &'static str| {
        entries(container, &format!("/resources/{list}")).map(move |(name, amount)| ((list, name), amount))
    };
    LISTS.into_iter().flat_map(of).filter(|((_, name), _)| !RESIZABLE.contains(name)).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::json;

    use super::*;

    fn check(resources: Value, other: Value, expected: Expect) {
        let pod = |resources: &Value, init: &Value| {
            let mut pod = json!({"metadata": {"name": "p"}, "spec": {
                "containers": [{"name": "c", "image": "i", "resources": resources}],
                "initContainers": [{"name": "i", "image": "i", "resources": init}],
            }});
            crate::defaults::pod(&mut pod);
            pod
        };
        let given = json!({"requests": {"cpu": "100m", "memory": "32Mi"}, "limits": {"cpu": "200m", "memory": "64Mi"}});
        let init = json!({"requests": {"cpu": "1"}});
        let init_now = if other.is_null() { &init } else { &other };
        let errors = resize(&pod(&resources, init_now), &pod(&given, &init));
        let told: String =
            errors.iter().map(|error| format!("{}: {}\n", error.field, error.message.trim_end())).collect();
        expected.assert_eq(&told);
    }

    #[test]
    fn processors_and_memory_change_within_their_class() {
        let more =
            json!({"requests": {"cpu": "150m", "memory": "32Mi"}, "limits": {"cpu": "1", "memory": "64Mi"}});
        check(more, Value::Null, expect![""]);
        let guaranteed =
            json!({"requests": {"cpu": "1", "memory": "32Mi"}, "limits": {"cpu": "1", "memory": "32Mi"}});
        check(
            guaranteed,
            json!({"requests": {"cpu": "1", "memory": "1Mi"}, "limits": {"cpu": "1", "memory": "1Mi"}}),
            expect![[r#"
                spec: Invalid value: "Guaranteed": Pod QOS Class may not change as a result of resizing
                spec: Forbidden: resources for non-sidecar init containers are immutable
            "#]],
        );
        check(
            json!({"requests": {"cpu": "300m"}, "limits": {"cpu": "200m", "ephemeral-storage": "1Gi"}}),
            Value::Null,
            expect![[r#"
                spec.containers[0].resources.requests: Invalid value: "300m": must be less than or equal to cpu limit of 200m
                spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed
                spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed
                spec: Forbidden: only cpu and memory resources are mutable
            "#]],
        );
    }
}
