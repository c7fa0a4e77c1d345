//! What the standards have against pods, as text.

use expect_test::{Expect, expect};

use super::*;

const HARDENED: &str = "{allowPrivilegeEscalation: false, runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}, capabilities: {drop: [ALL]}}";

fn check(standard: &str, pod: &str, expect: Expect) {
    let (level, version) = standard.split_once(':').unwrap();
    let standard =
        Standard { level: Level::parse(level).unwrap(), version: Version::parse(version).unwrap() };
    let pod: Value = serde_yaml_ng::from_str(pod).unwrap();
    let found = standard.violations(&pod);
    let lines = found.iter().map(|violation| format!("{} ({})\n", violation.reason, violation.detail));
    expect.assert_eq(&lines.collect::<String>());
}

#[test]
fn plain_pods_are_fine_but_for_the_restricted() {
    let plain = "{spec: {containers: [{name: a}, {name: b}]}}";
    check("privileged:latest", plain, expect![""]);
    check("baseline:latest", plain, expect![""]);
    check(
        "restricted:latest",
        plain,
        expect![[r#"
        allowPrivilegeEscalation != false (containers "a", "b" must set securityContext.allowPrivilegeEscalation=false)
        unrestricted capabilities (containers "a", "b" must set securityContext.capabilities.drop=["ALL"])
        runAsNonRoot != true (pod or containers "a", "b" must set securityContext.runAsNonRoot=true)
        seccompProfile (pod or containers "a", "b" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")
    "#]],
    );
    check(
        "restricted:v1.7",
        plain,
        expect![[r#"
        runAsNonRoot != true (pod or containers "a", "b" must set securityContext.runAsNonRoot=true)
    "#]],
    );
    check(
        "restricted:latest",
        "{spec: {os: {name: windows}, securityContext: {runAsNonRoot: true}, containers: [{name: a}]}}",
        expect![[r#"
            allowPrivilegeEscalation != false (container "a" must set securityContext.allowPrivilegeEscalation=false)
            unrestricted capabilities (container "a" must set securityContext.capabilities.drop=["ALL"])
            seccompProfile (pod or container "a" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")
        "#]],
    );
    check(
        "restricted:latest",
        &format!("{{spec: {{containers: [{{name: a, securityContext: {HARDENED}}}]}}}}"),
        expect![""],
    );
}

/// Everything that a pod may not ask for.
const BAD: &str = "
metadata:
  annotations: {container.apparmor.security.beta.kubernetes.io/a: unconfined}
spec:
  hostNetwork: true
  hostPID: true
  securityContext:
    sysctls: [{name: net.ipv4.tcp_rmem}, {name: kernel.msgmax}, {name: kernel.shm_rmid_forced}]
    seLinuxOptions: {user: u}
    seccompProfile: {type: Unconfined}
    windowsOptions: {hostProcess: true}
    appArmorProfile: {type: Unconfined}
  volumes: [{name: v, hostPath: {path: /}}, {name: w, emptyDir: {}}, {name: x, nfs: {server: s}}]
  initContainers: [{name: i, securityContext: {privileged: true, procMount: Unmasked}}]
  containers:
  - name: a
    ports: [{containerPort: 80, hostPort: 8080}, {containerPort: 81, hostPort: 9090}]
    livenessProbe: {httpGet: {host: example.com, port: 80}}
    securityContext: {capabilities: {add: [SYS_ADMIN, CHOWN, NET_ADMIN]}, seLinuxOptions: {type: container_engine_t}}
  - {name: b, ports: [{containerPort: 80, hostPort: 8080}], securityContext: {privileged: true, seccompProfile: {type: Unconfined}}}
";

#[test]
fn what_reaches_the_machine_is_not_baseline() {
    check(
        "baseline:latest",
        BAD,
        expect![[r#"
        forbidden AppArmor profiles (pod and annotation must not set AppArmor profile type to "Unconfined", "container.apparmor.security.beta.kubernetes.io/a="unconfined"")
        host namespaces (hostNetwork=true, hostPID=true)
        hostPort (containers "a", "b" use hostPorts 8080, 9090)
        probe or lifecycle host (container "a" uses probe or lifecycle host "example.com")
        privileged (containers "i", "b" must not set securityContext.privileged=true)
        procMount (container "i" must not set securityContext.procMount to "Unmasked")
        seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: user may not be set)
        forbidden sysctls (kernel.msgmax)
        hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)
        non-default capabilities (container "a" must not include "NET_ADMIN", "SYS_ADMIN" in securityContext.capabilities.add)
        hostPath volumes (volume "v")
        seccompProfile (pod and container "b" must not set securityContext.seccompProfile.type to "Unconfined")
    "#]],
    );
    check(
        "baseline:v1.0",
        BAD,
        expect![[r#"
        forbidden AppArmor profiles (pod and annotation must not set AppArmor profile type to "Unconfined", "container.apparmor.security.beta.kubernetes.io/a="unconfined"")
        host namespaces (hostNetwork=true, hostPID=true)
        hostPort (containers "a", "b" use hostPorts 8080, 9090)
        privileged (containers "i", "b" must not set securityContext.privileged=true)
        procMount (container "i" must not set securityContext.procMount to "Unmasked")
        seLinuxOptions (pod and container "a" set forbidden securityContext.seLinuxOptions: type "container_engine_t"; user may not be set)
        forbidden sysctls (net.ipv4.tcp_rmem, kernel.msgmax)
        hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)
        non-default capabilities (container "a" must not include "NET_ADMIN", "SYS_ADMIN" in securityContext.capabilities.add)
        hostPath volumes (volume "v")
    "#]],
    );
    check(
        "restricted:latest",
        BAD,
        expect![[r#"
        forbidden AppArmor profiles (pod and annotation must not set AppArmor profile type to "Unconfined", "container.apparmor.security.beta.kubernetes.io/a="unconfined"")
        host namespaces (hostNetwork=true, hostPID=true)
        hostPort (containers "a", "b" use hostPorts 8080, 9090)
        probe or lifecycle host (container "a" uses probe or lifecycle host "example.com")
        privileged (containers "i", "b" must not set securityContext.privileged=true)
        procMount (container "i" must not set securityContext.procMount to "Unmasked")
        seLinuxOptions (pod set forbidden securityContext.seLinuxOptions: user may not be set)
        forbidden sysctls (kernel.msgmax)
        hostProcess (pod must not set securityContext.windowsOptions.hostProcess=true)
        allowPrivilegeEscalation != false (containers "i", "a", "b" must set securityContext.allowPrivilegeEscalation=false)
        unrestricted capabilities (containers "i", "a", "b" must set securityContext.capabilities.drop=["ALL"]; container "a" must not include "CHOWN", "NET_ADMIN", "SYS_ADMIN" in securityContext.capabilities.add)
        restricted volume types (volumes "v", "x" use restricted volume types "hostPath", "nfs")
        runAsNonRoot != true (pod or containers "i", "a", "b" must set securityContext.runAsNonRoot=true)
        seccompProfile (pod and container "b" must not set securityContext.seccompProfile.type to "Unconfined")
    "#]],
    );
}

#[test]
fn what_is_set_wrongly_is_told_before_what_is_not_set() {
    let wrong = "{spec: {securityContext: {runAsNonRoot: false, runAsUser: 0}, containers: [{name: a, securityContext: {runAsNonRoot: false, runAsUser: 0, seccompProfile: {type: Unconfined}}}, {name: b}]}}";
    check(
        "restricted:latest",
        wrong,
        expect![[r#"
        allowPrivilegeEscalation != false (containers "a", "b" must set securityContext.allowPrivilegeEscalation=false)
        unrestricted capabilities (containers "a", "b" must set securityContext.capabilities.drop=["ALL"])
        runAsNonRoot != true (pod and container "a" must not set securityContext.runAsNonRoot=false)
        runAsUser=0 (pod and container "a" must not set runAsUser=0)
        seccompProfile (container "a" must not set securityContext.seccompProfile.type to "Unconfined")
    "#]],
    );
}

#[test]
fn labels_say_what_a_namespace_asks() {
    let show = |labels: &str| {
        let labels: Value = serde_yaml_ng::from_str(labels).unwrap();
        let labels = labels.as_object().unwrap();
        let pairs = labels.iter().map(|(key, value)| (key.as_str(), value.as_str().unwrap()));
        let (policy, errors) = Policy::of(pairs);
        let mut text = format!("enforce {} warn {}\n", policy.enforce, policy.warn);
        errors.iter().for_each(|error| text.push_str(&format!("{}: {}\n", error.field, error.message)));
        text
    };
    let all = [
        show("{a: b}"),
        show(
            "{pod-security.kubernetes.io/enforce: baseline, pod-security.kubernetes.io/warn: restricted, pod-security.kubernetes.io/warn-version: v1.30}",
        ),
        show(
            "{pod-security.kubernetes.io/enforce: strict, pod-security.kubernetes.io/enforce-version: v1.030, pod-security.kubernetes.io/warn: x, pod-security.kubernetes.io/audit: y, pod-security.kubernetes.io/other: z}",
        ),
    ];
    expect![[r#"
        enforce privileged:latest warn privileged:latest
        enforce baseline:latest warn restricted:v1.30
        enforce restricted:latest warn privileged:latest
        metadata.labels[pod-security.kubernetes.io/audit]: Invalid value: "y": must be one of privileged, baseline, restricted
        metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "strict": must be one of privileged, baseline, restricted
        metadata.labels[pod-security.kubernetes.io/enforce-version]: Invalid value: "v1.030": must be "latest" or "v1.x"
        metadata.labels[pod-security.kubernetes.io/warn]: Invalid value: "x": must be one of privileged, baseline, restricted
    "#]].assert_eq(&all.concat());
}

#[test]
fn refusals_and_warnings_are_kubernetes() {
    let pod: Value = serde_yaml_ng::from_str("{spec: {hostIPC: true, containers: [{name: a}]}}").unwrap();
    let baseline = Standard { level: Level::Baseline, version: Version::Latest };
    let policy = Policy { enforce: baseline, warn: Standard { version: Version::Minor(28), ..baseline } };
    expect![[r#"violates PodSecurity "baseline:latest": host namespaces (hostIPC=true)"#]]
        .assert_eq(&policy.refusal(&pod).unwrap());
    expect![[r#"would violate PodSecurity "baseline:v1.28": host namespaces (hostIPC=true)"#]]
        .assert_eq(&policy.warning(&pod).unwrap());
    let changed: Value = serde_yaml_ng::from_str("{spec: {containers: [{name: a, image: b}]}}").unwrap();
    assert!(is_significant(&changed, &pod) && !is_significant(&pod, &pod));
}
