//! Rules of ephemeral containers: they are added to a pod that runs, and stay.

use std::collections::HashSet;

use serde_json::Value;

use super::Errors;
use super::container::{Role, container};
use crate::json::{items, text};
use crate::kinds::FieldError;

const LIST: &str = "/spec/ephemeralContainers";
const PATH: &str = "spec.ephemeralContainers";
/// What they may not have: nobody waits for them, and nothing is kept for them.
const NEVER: [&str; 6] =
    ["ports", "livenessProbe", "readinessProbe", "startupProbe", "lifecycle", "resizePolicy"];

/// Checks a pod whose ephemeral containers were changed.
pub fn ephemeral_containers(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    let names = |pod: &Value, list: &str| -> Vec<String> {
        items(pod, list).iter().map(|container| text(container, "/name").to_owned()).collect()
    };
    let others: Vec<String> =
        ["/spec/containers", "/spec/initContainers"].iter().flat_map(|list| names(new, list)).collect();
    let volumes: HashSet<&str> =
        items(new, "/spec/volumes").iter().map(|volume| text(volume, "/name")).collect();
    let mut seen = HashSet::new();
    for (index, one) in items(new, LIST).iter().enumerate() {
        let path = format!("{PATH}[{index}]");
        container(&mut errors, one, &path, Role::Main, &volumes);
        let name = text(one, "/name");
        if !name.is_empty() && (!seen.insert(name) || others.iter().any(|other| other == name)) {
            errors.duplicate(format!("{path}.name"), name);
        }
        for field in NEVER.iter().filter(|field| one.get(**field).is_some_and(|value| !value.is_null())) {
            errors.forbidden(format!("{path}.{field}"), "cannot be set for an Ephemeral Container");
        }
        let target = text(one, "/targetContainerName");
        if !target.is_empty() && !others.iter().any(|other| other == target) {
            errors.not_found(format!("{path}.targetContainerName"), target);
        }
    }
    for known in items(old, LIST) {
        let name = text(known, "/name");
        match items(new, LIST).iter().find(|one| text(one, "/name") == name) {
            None => errors
                .forbidden(PATH, &format!("existing ephemeral containers {name:?} may not be removed\n")),
            Some(one) if one != known => {
                errors
                    .forbidden(PATH, &format!("existing ephemeral containers {name:?} may not be changed\n"));
            }
            Some(_) => {}
        }
    }
    errors.0
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    #[test]
    fn they_are_added_and_stay() {
        let pod = |ephemeral: Value| {
            let mut pod = json!({"metadata": {"name": "p"}, "spec": {
                "containers": [{"name": "c", "image": "i"}], "ephemeralContainers": ephemeral,
            }});
            crate::defaults::pod(&mut pod);
            pod
        };
        let check = |new: Value, old: Value| {
            let errors = ephemeral_containers(&pod(new), &pod(old));
            errors
                .iter()
                .map(|error| format!("{}: {}\n", error.field, error.message.trim_end()))
                .collect::<String>()
        };
        let debug = json!({"name": "d", "image": "busybox", "targetContainerName": "c"});
        assert_eq!(check(json!([debug]), json!([])), "");
        assert_eq!(check(json!([debug, {"name": "e", "image": "x"}]), json!([debug])), "");
        let wrong = json!([
            {"name": "c", "image": "x", "ports": [{"containerPort": 1}]}, {"name": "e"},
            {"name": "f", "image": "x", "targetContainerName": "none"},
        ]);
        expect![[r#"
            spec.ephemeralContainers[0].name: Duplicate value: "c"
            spec.ephemeralContainers[0].ports: Forbidden: cannot be set for an Ephemeral Container
            spec.ephemeralContainers[1].image: Required value
            spec.ephemeralContainers[2].targetContainerName: Not found: "none"
            spec.ephemeralContainers: Forbidden: existing ephemeral containers "d" may not be removed
        "#]]
        .assert_eq(&check(wrong, json!([debug])));
        let changed = json!([{"name": "d", "image": "alpine", "targetContainerName": "c"}]);
        expect![[r#"
            spec.ephemeralContainers: Forbidden: existing ephemeral containers "d" may not be changed
        "#]]
        .assert_eq(&check(changed, json!([debug])));
    }
}
