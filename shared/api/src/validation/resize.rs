//! Rules of `pods/resize`: processors and memory of containers that run, and nothing else (KEP-1287).

use std::collections::BTreeMap;

use serde_json::Value;

use super::Errors;
use super::resources::resources;
use crate::json::{entries, items, text};
use crate::kinds::FieldError;
use crate::qos;

/// What may change while a container runs.
const RESIZABLE: [&str; 2] = ["cpu", "memory"];
const LISTS: [&str; 2] = ["limits", "requests"];

/// Checks a pod whose containers were given other resources; `old` has the same containers in the same order.
pub fn resize(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let class = qos::class(new);
    if class != qos::of(old) {
        errors.invalid("spec", class, "Pod QOS Class may not change as a result of resizing");
    }
    let mut others_change = false;
    for list in ["containers", "initContainers"] {
        let pointer = format!("/spec/{list}");
        for (index, (new, old)) in items(new, &pointer).iter().zip(items(old, &pointer)).enumerate() {
            let path = format!("spec.{list}[{index}]");
            let ends = list == "initContainers" && text(old, "/restartPolicy") != "Always";
            if ends && new.get("resources") != old.get("resources") {
                let path = format!("{path}.resources");
                errors.forbidden(path, "resources for non-sidecar init containers are immutable");
                continue;
            }
            resources(&mut errors, new, &path);
            removals(&mut errors, new, old, &path);
            others_change |= LISTS.iter().any(|list| others(new, list) != others(old, list));
        }
    }
    if others_change {
        errors.forbidden("spec", "only cpu and memory resources are mutable");
    }
    errors.0
}

fn removals(errors: &mut Errors, new: &Value, old: &Value, path: &str) {
    for list in LISTS {
        let has = |container: &Value, name| container.pointer(&format!("/resources/{list}/{name}")).is_some();
        if RESIZABLE.iter().any(|name| has(old, name) && !has(new, name)) {
            let why = format!("resource {list} cannot be removed");
            errors.forbidden(format!("{path}.resources.{list}"), &why);
        }
    }
}

/// A container's amounts of what may not change.
fn others<'a>(container: &'a Value, list: &str) -> BTreeMap<&'a str, &'a Value> {
    let all = entries(container, &format!("/resources/{list}"));
    all.filter(|(name, _)| !RESIZABLE.contains(name)).collect()
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
                spec.initContainers[0].resources: Forbidden: resources for non-sidecar init containers are immutable
            "#]],
        );
        check(
            json!({"requests": {"cpu": "300m"}, "limits": {"cpu": "200m", "ephemeral-storage": "1Gi"}}),
            Value::Null,
            expect![[r#"
                spec.containers[0].resources.requests: Invalid value: "300m": must be less than or equal to cpu limit of 200m
                spec.containers[0].resources.limits: Forbidden: resource limits cannot be removed
                spec.containers[0].resources.requests: Forbidden: resource requests cannot be removed
                spec: Forbidden: only cpu and memory resources are mutable
            "#]],
        );
    }
}
