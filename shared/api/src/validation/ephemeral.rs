//! Rules of ephemeral containers: they are added to a pod that runs, and stay.

use std::collections::HashSet;

use serde_json::Value;

use super::container::{Pod, common, of_pods_only};
use super::{Errors, pod};
use crate::json::{entries, items, text};
use crate::kinds::FieldError;

const LIST: &str = "/spec/ephemeralContainers";
const PATH: &str = "spec.ephemeralContainers";
/// What they may not have: nobody waits for them, and nothing is kept for them.
const NEVER: [&str; 8] = [
    "ports",
    "livenessProbe",
    "readinessProbe",
    "startupProbe",
    "lifecycle",
    "resizePolicy",
    "restartPolicy",
    "restartPolicyRules",
];

/// Checks a pod whose ephemeral containers were changed.
pub fn ephemeral_containers(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut errors = Errors::default();
    pod::whole(&mut errors, new, Some(old));
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

/// Checks the ephemeral containers of a pod spec at `path`.
pub(super) fn containers(errors: &mut Errors, spec: &Value, path: &str, pod: &Pod<'_>) {
    let names = |list: &str| items(spec, list).iter().map(|one| text(one, "/name"));
    let others: HashSet<&str> = names("/containers").chain(names("/initContainers")).collect();
    let mut seen = others.clone();
    for (index, one) in items(spec, "/ephemeralContainers").iter().enumerate() {
        let path = format!("{path}.ephemeralContainers[{index}]");
        common(errors, one, &path, pod);
        of_pods_only(errors, one, &path);
        let name = text(one, "/name");
        if !seen.insert(name) {
            errors.duplicate(format!("{path}.name"), name);
        }
        let target = text(one, "/targetContainerName");
        if !target.is_empty() && !others.contains(target) {
            errors.not_found(format!("{path}.targetContainerName"), target);
        }
        refused(errors, one, &path);
    }
}

fn refused(errors: &mut Errors, container: &Value, path: &str) {
    const DETAIL: &str = "cannot be set for an Ephemeral Container";
    let resources = entries(container, "/resources").next().map(|_| "resources");
    let never = NEVER.into_iter().filter(|field| container.get(*field).is_some_and(|value| !value.is_null()));
    for field in never.chain(resources) {
        errors.forbidden(format!("{path}.{field}"), DETAIL);
    }
    for (index, mount) in items(container, "/volumeMounts").iter().enumerate() {
        for key in ["subPath", "subPathExpr"] {
            if !text(mount, &format!("/{key}")).is_empty() {
                errors.forbidden(format!("{path}.volumeMounts[{index}].{key}"), DETAIL);
            }
        }
    }
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
