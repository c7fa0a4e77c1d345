//! What containers may do, from manifests as people write them.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;

fn pod() -> PodRef {
    PodRef { node: "n".into(), namespace: "default".into(), name: "web".into(), uid: "u-1".into() }
}

fn read(pod: Value, container: Value) -> (k8s::PodSpec, k8s::Container) {
    let (mut pod, mut container) = (pod, container);
    pod["containers"] = json!([]);
    container["name"] = json!("c");
    (serde_json::from_value(pod).unwrap(), serde_json::from_value(container).unwrap())
}

fn restricted(pod: Value, container: Value, expected: Expect) {
    let (pod, container) = read(pod, container);
    let mut made = ContainerSpec::default();
    let told = match restrict(&mut made, &pod, &container) {
        Ok(()) => format!(
            "user={} groups={:?} processes={:?} host_ipc={} options={:?}",
            made.user.as_deref().unwrap_or("-"),
            made.groups,
            made.processes,
            made.host_ipc,
            made.security_options
        ),
        Err(why) => why,
    };
    expected.assert_eq(&told);
}

#[test]
fn containers_override_their_pod() {
    restricted(
        json!({}),
        json!({}),
        expect![[r#"user=- groups=[] processes=Own host_ipc=false options=[]"#]],
    );
    restricted(
        json!({"hostPID": true, "hostIPC": true, "shareProcessNamespace": false, "securityContext": {
            "runAsUser": 1, "runAsGroup": 2, "fsGroup": 3, "supplementalGroups": [4],
            "seccompProfile": {"type": "Unconfined"}, "seLinuxOptions": {"type": "spc_t", "level": "s0"},
        }}),
        json!({"securityContext": {"runAsUser": 9, "allowPrivilegeEscalation": false}}),
        expect![[
            r#"user=9:2 groups=["4", "3"] processes=OfHost host_ipc=true options=["no-new-privileges", "seccomp=unconfined", "label=type:spc_t", "label=level:s0"]"#
        ]],
    );
    restricted(
        json!({"shareProcessNamespace": true, "securityContext": {"seccompProfile": {"type": "Unconfined"}}}),
        json!({"securityContext": {
            "seccompProfile": {"type": "RuntimeDefault"}, "appArmorProfile": {"type": "Localhost", "localhostProfile": "k8s-web"},
        }}),
        expect![[r#"user=- groups=[] processes=OfSandbox host_ipc=false options=["apparmor=k8s-web"]"#]],
    );
    restricted(
        json!({}),
        json!({"securityContext": {"seccompProfile": {"type": "Localhost", "localhostProfile": "x.json"}}}),
        expect!["this node keeps no seccomp profiles of its own (Localhost)"],
    );
}

#[test]
fn root_is_refused_in_the_kubelets_words() {
    let check = |shared: Value, own: Value, image_user: &str, expected: Expect| {
        let (spec, container) = read(json!({"securityContext": shared}), json!({"securityContext": own}));
        let told =
            refuse_root(&pod(), &spec, &container, image_user).err().unwrap_or_else(|| "fine".to_owned());
        expected.assert_eq(&told);
    };
    check(json!({}), json!({}), "", expect!["fine"]);
    check(
        json!({"runAsNonRoot": true}),
        json!({}),
        "",
        expect![[
            r#"container has runAsNonRoot and image will run as root (pod: "web_default(u-1)", container: c)"#
        ]],
    );
    check(
        json!({"runAsNonRoot": true}),
        json!({}),
        "0:0",
        expect![[
            r#"container has runAsNonRoot and image will run as root (pod: "web_default(u-1)", container: c)"#
        ]],
    );
    check(
        json!({"runAsNonRoot": true}),
        json!({}),
        "nginx",
        expect![[
            r#"container has runAsNonRoot and image has non-numeric user (nginx), cannot verify user is non-root (pod: "web_default(u-1)", container: c)"#
        ]],
    );
    check(json!({"runAsNonRoot": true}), json!({}), "101:101", expect!["fine"]);
    check(json!({"runAsNonRoot": true}), json!({"runAsNonRoot": false}), "", expect!["fine"]);
    check(json!({"runAsNonRoot": true, "runAsUser": 0}), json!({"runAsUser": 7}), "", expect!["fine"]);
    check(
        json!({"runAsUser": 0}),
        json!({"runAsNonRoot": true}),
        "101",
        expect![[r#"container's runAsUser breaks non-root policy (pod: "web_default(u-1)", container: c)"#]],
    );
}
