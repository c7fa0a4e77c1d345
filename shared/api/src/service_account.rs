//! The volume that gives a pod's containers a token of its service account, as Kubernetes' admission adds it.

use serde_json::{Map, Value, json};

use crate::Uid;
use crate::json::{items, text};
use crate::names_for::child_suffix;

/// Where containers look for the token, the cluster's certificate and their namespace.
pub const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The account of pods that name none.
pub const DEFAULT: &str = "default";
/// How long a token lasts; the odd seconds tell that nobody chose it.
const LASTS: i64 = 3607;

/// Adds the volume to a new pod, and mounts it where nothing else is mounted, if the pod and its account (`None`: not there yet)
/// want it.
pub fn mount_token(pod: &mut Value, account: Option<&Value>, uid: &Uid) {
    let own = pod.pointer("/spec/automountServiceAccountToken").and_then(Value::as_bool);
    let of_account = || account?.get("automountServiceAccountToken").and_then(Value::as_bool);
    if !own.or_else(of_account).unwrap_or(true) {
        return;
    }
    let name = free_name(pod, uid);
    let mut mounted = false;
    for list in ["containers", "initContainers"] {
        let containers =
            pod.get_mut("spec").and_then(|spec| spec.get_mut(list)).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten().filter_map(Value::as_object_mut) {
            mounted |= mount(container, &name);
        }
    }
    if mounted
        && let Some(volumes) = crate::json::child(pod, "spec")
            .and_then(|spec| spec.entry("volumes").or_insert_with(|| json!([])).as_array_mut())
    {
        volumes.push(volume(&name));
    }
}

/// False if the container has something else there.
fn mount(container: &mut Map<String, Value>, name: &str) -> bool {
    let Some(mounts) = container.entry("volumeMounts").or_insert_with(|| json!([])).as_array_mut() else {
        return false;
    };
    let taken = mounts.iter().any(|mount| text(mount, "/mountPath").trim_end_matches('/') == MOUNT_PATH);
    if !taken {
        mounts.push(json!({"name": name, "mountPath": MOUNT_PATH, "readOnly": true}));
    }
    !taken
}

fn free_name(pod: &Value, uid: &Uid) -> String {
    let name = |ordinal| format!("kube-api-access-{}", child_suffix(uid, ordinal));
    let taken =
        |name: &String| items(pod, "/spec/volumes").iter().any(|volume| text(volume, "/name") == name);
    (0..).map(name).find(|name| !taken(name)).unwrap_or_default()
}

fn volume(name: &str) -> Value {
    json!({"name": name, "projected": {"defaultMode": 420, "sources": [
        {"serviceAccountToken": {"expirationSeconds": LASTS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [
            {"path": "namespace", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.namespace"}},
        ]}},
    ]}})
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    fn mounted(spec: Value, account: Option<Value>) -> Value {
        let mut pod = json!({"spec": spec});
        mount_token(&mut pod, account.as_ref(), &"u-1".into());
        pod
    }

    #[test]
    fn accounts_with_a_name_are_mounted_once() {
        let spec = json!({"serviceAccountName": "robot", "initContainers": [{"name": "i"}], "containers": [
            {"name": "a", "volumeMounts": [{"name": "v", "mountPath": "/x"}]},
            {"name": "b", "volumeMounts": [{"name": "mine", "mountPath": format!("{MOUNT_PATH}/")}]},
        ]});
        let pod = mounted(spec, None);
        expect![[r#"{"spec":{"containers":[{"name":"a","volumeMounts":[{"mountPath":"/x","name":"v"},{"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount","name":"kube-api-access-w5vhc","readOnly":true}]},{"name":"b","volumeMounts":[{"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount/","name":"mine"}]}],"initContainers":[{"name":"i","volumeMounts":[{"mountPath":"/var/run/secrets/kubernetes.io/serviceaccount","name":"kube-api-access-w5vhc","readOnly":true}]}],"serviceAccountName":"robot","volumes":[{"name":"kube-api-access-w5vhc","projected":{"defaultMode":420,"sources":[{"serviceAccountToken":{"expirationSeconds":3607,"path":"token"}},{"configMap":{"items":[{"key":"ca.crt","path":"ca.crt"}],"name":"kube-root-ca.crt"}},{"downwardAPI":{"items":[{"fieldRef":{"apiVersion":"v1","fieldPath":"metadata.namespace"},"path":"namespace"}]}}]}}]}}"#]].assert_eq(&pod.to_string());
        let kind = crate::kind(crate::ResourceId::new("pods")).unwrap();
        let mut whole =
            json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p"}, "spec": pod["spec"]});
        whole["spec"]["containers"] = json!([pod["spec"]["containers"][0]]);
        whole["spec"]["volumes"].as_array_mut().unwrap().push(json!({"name": "v", "emptyDir": {}}));
        whole["spec"]["containers"][0]["image"] = json!("nginx");
        whole["spec"]["initContainers"][0]["image"] = json!("nginx");
        kind.default(&mut whole);
        assert_eq!(kind.validate(&whole, None), []);
    }

    #[test]
    fn pods_and_accounts_have_a_say() {
        let wants = |spec: Value, account: Option<bool>| {
            let mut spec = spec;
            spec["containers"] = json!([{"name": "c"}]);
            let account = account.map(|wants| json!({"automountServiceAccountToken": wants}));
            !items(&mounted(spec, account), "/spec/volumes").is_empty()
        };
        assert!(wants(json!({}), None));
        assert!(wants(json!({"serviceAccountName": "default"}), None));
        assert!(!wants(json!({"serviceAccountName": "default"}), Some(false)));
        assert!(wants(json!({"automountServiceAccountToken": true}), Some(false)));
        assert!(!wants(json!({"serviceAccountName": "robot"}), Some(false)));
        assert!(!wants(
            json!({"serviceAccountName": "robot", "automountServiceAccountToken": false}),
            Some(true)
        ));
    }
}
