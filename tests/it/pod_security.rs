//! Namespaces that ask something of their pods, as kubectl meets them.

use std::time::Duration;

use odeon_tests::{Cluster, eventually};

const HARDENED: &str = "
apiVersion: v1
kind: Pod
metadata: {name: hard}
spec:
  securityContext: {runAsNonRoot: true, runAsUser: 1000, seccompProfile: {type: RuntimeDefault}}
  containers:
  - {name: c, image: x, securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}}
";

#[test]
fn a_namespace_asks_something_of_its_pods() {
    let cluster = Cluster::hollow(1);
    let label = |labels: &[&str]| {
        let all = [&["label", "--overwrite", "namespace", "default"], labels].concat();
        cluster.kubectl(&all)
    };
    cluster.kubectl(&["run", "early", "--image=x"]).ok();
    cluster.kubectl(&["run", "other", "--image=x"]).ok();
    let wrong = label(&["pod-security.kubernetes.io/enforce=strict"]).err();
    let words = "metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: \"strict\": must be one of privileged, baseline, restricted";
    assert!(wrong.contains(words), "{wrong}");

    let restricted =
        ["pod-security.kubernetes.io/enforce=restricted", "pod-security.kubernetes.io/warn=restricted"];
    let told = label(&restricted);
    let said = told.stderr.clone();
    told.ok();
    let words = "Warning: existing pods in namespace \"default\" violate the new PodSecurity enforce level \"restricted:latest\"";
    assert!(said.contains(words), "{said}");
    let words = "Warning: early (and 1 other pod): allowPrivilegeEscalation != false, unrestricted capabilities, runAsNonRoot != true, seccompProfile";
    assert!(said.contains(words), "{said}");

    let refused = cluster.kubectl(&["run", "late", "--image=x"]).err();
    let violations = "allowPrivilegeEscalation != false (container \"late\" must set securityContext.allowPrivilegeEscalation=false), \
        unrestricted capabilities (container \"late\" must set securityContext.capabilities.drop=[\"ALL\"]), \
        runAsNonRoot != true (pod or container \"late\" must set securityContext.runAsNonRoot=true), \
        seccompProfile (pod or container \"late\" must set securityContext.seccompProfile.type to \"RuntimeDefault\" or \"Localhost\")";
    let words = format!(
        "Error from server (Forbidden): pods \"late\" is forbidden: violates PodSecurity \"restricted:latest\": {violations}"
    );
    assert!(refused.contains(&words), "{refused}");
    cluster.kubectl_with(&["apply", "-f", "-"], HARDENED).ok();
    // What was there stays, and what does not matter of it may change.
    cluster.kubectl(&["label", "pod", "early", "a=b"]).ok();
    let changed = cluster.kubectl(&["set", "image", "pod/early", "early=y"]).err();
    assert!(changed.contains("violates PodSecurity \"restricted:latest\""), "{changed}");

    let warned = cluster.kubectl(&["create", "deployment", "web", "--image=x"]);
    let said = warned.stderr.clone();
    warned.ok();
    let words = "Warning: would violate PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false (container \"x\"";
    assert!(said.contains(words), "{said}");
    eventually("the ReplicaSet tells why it has no pods", Duration::from_secs(30), || {
        let messages =
            ["get", "events", "--field-selector=reason=FailedCreate", "-o", "jsonpath={.items[*].message}"];
        let seen = cluster.kubectl(&messages).ok();
        let words =
            "is forbidden: violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false";
        if seen.starts_with("Error creating: pods \"web-") && seen.contains(words) {
            Ok(())
        } else {
            Err(seen)
        }
    });
    label(&["pod-security.kubernetes.io/enforce-"]).ok();
    cluster.kubectl(&["rollout", "status", "deployment/web", "--timeout=60s"]).ok();
}
