//! Custom kinds, as kubectl sees them: from the definition to its end.

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::Duration;

use odeon_tests::{Cluster, eventually};

const DEFINITION: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: crontabs.stable.example.com}
spec:
  group: stable.example.com
  scope: Namespaced
  names: {plural: crontabs, singular: crontab, kind: CronTab, shortNames: [ct], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}, scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}}
    selectableFields: [{jsonPath: .spec.color}]
    additionalPrinterColumns:
    - {name: Spec, type: string, jsonPath: .spec.cronSpec}
    - {name: Replicas, type: integer, jsonPath: .spec.replicas}
    - {name: Image, type: string, jsonPath: .spec.image, priority: 1}
    schema:
      openAPIV3Schema:
        type: object
        description: Something that happens again and again.
        properties:
          spec:
            type: object
            required: [cronSpec]
            properties:
              cronSpec: {type: string, description: When it happens., pattern: '^[0-9* /]+$'}
              image: {type: string, default: busybox}
              replicas: {type: integer, minimum: 0, default: 1}
              color: {type: string}
          status:
            type: object
            properties: {replicas: {type: integer}}
  - name: v1beta1
    served: true
    storage: false
    schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}
";

const CRON_TAB: &str = "
apiVersion: stable.example.com/v1
kind: CronTab
metadata: {name: mine}
spec: {cronSpec: '* * * * */5', color: red}
";

#[test]
fn custom_kinds_work_like_others() {
    let cluster = Cluster::hollow(1);
    let says = |arguments: &str, expected: &str| {
        let words: Vec<&str> = arguments.split(' ').collect();
        let text = cluster.kubectl(&words).ok();
        assert!(text.contains(expected), "kubectl {arguments}: {text}");
    };
    let unknown = cluster.kubectl_with(&["apply", "-f", "-"], CRON_TAB).err();
    assert!(
        unknown.contains("no matches for kind \"CronTab\" in version \"stable.example.com/v1\""),
        "{unknown}"
    );
    cluster.kubectl_with(&["apply", "-f", "-"], DEFINITION).ok();
    says("wait --for=condition=Established crd/crontabs.stable.example.com --timeout=20s", "condition met");
    says("api-resources --api-group=stable.example.com", "crontabs   ct");
    says("get crd", "crontabs.stable.example.com");

    cluster.kubectl_with(&["apply", "-f", "-"], CRON_TAB).ok();
    says("get ct", "NAME   SPEC          REPLICAS\nmine   * * * * */5   1");
    says("get all -o name", "crontab.stable.example.com/mine");
    says(
        "get crontabs.v1beta1.stable.example.com mine -o jsonpath={.apiVersion}",
        "stable.example.com/v1beta1",
    );
    says("get ct --field-selector=spec.color=red -o name", "crontab.stable.example.com/mine");
    says("get ct -o wide", "busybox");
    says("explain crontab.spec.cronSpec", "When it happens.");
    says("explain crontab --recursive", "cronSpec\t<string> -required-");
    says("scale ct/mine --replicas=3", "scaled");
    says("get ct mine -o jsonpath={.spec.replicas}/{.metadata.generation}", "3/2");
    says("patch ct mine --subresource=status --type=merge -p {\"status\":{\"replicas\":3}}", "patched");
    says("get ct mine -o jsonpath={.status.replicas}/{.metadata.generation}", "3/2");
    says("label ct mine a=b", "labeled");
    says("describe ct mine", "Cron Spec:");

    let typo = cluster.kubectl_with(&["apply", "-f", "-"], &CRON_TAB.replace("color", "colour")).err();
    assert!(typo.contains("unknown field \"spec.colour\""), "{typo}");
    let wrong = cluster.kubectl_with(&["apply", "-f", "-"], &CRON_TAB.replace("*/5'", "often'")).err();
    let told = "The CronTab \"mine\" is invalid: spec.cronSpec: Invalid value: \"* * * * often\": spec.cronSpec in body should match '^[0-9* /]+$'";
    assert!(wrong.contains(told), "{wrong}");

    let odeon = cluster.odeon(&["get", "ct"]).ok();
    assert!(odeon.contains("* * * * */5"), "{odeon}");
    says("delete crd crontabs.stable.example.com", "deleted");
    eventually("its objects are gone with the definition", Duration::from_secs(20), || {
        let answer = cluster.kubectl(&["get", "ct"]);
        // kubectl may still remember the kind.
        let gone =
            ["the server doesn't have a resource type", "the server could not find the requested resource"];
        match !answer.success && gone.iter().any(|words| answer.stderr.contains(words)) {
            true => Ok(()),
            false => Err(format!("{answer:?}")),
        }
    });
}

/// The kind is described anew: whoever watches begins anew, and what is written without a change moves to the version that is
/// stored now.
#[test]
fn a_definition_changes() {
    let cluster = Cluster::hollow(1);
    let says = |arguments: &[&str]| cluster.kubectl(arguments).ok();
    cluster.kubectl_with(&["apply", "-f", "-"], DEFINITION).ok();
    let definition = "crd/crontabs.stable.example.com";
    says(&["wait", "--for=condition=Established", definition, "--timeout=20s"]);
    cluster.kubectl_with(&["apply", "-f", "-"], CRON_TAB).ok();

    let path = "/apis/stable.example.com/v1/crontabs?watch=true&timeoutSeconds=600";
    let mut watch =
        cluster.kubectl_command().args(["get", "--raw", path]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(watch.stdout.take().unwrap()).lines();
    let mut next = |name: &str| {
        let line = lines.next().unwrap().unwrap();
        assert!(line.contains(r#""type":"ADDED""#) && line.contains(name), "{line}");
    };
    next("mine");
    says(&["label", definition, "a=b"]);
    cluster.kubectl_with(&["apply", "-f", "-"], &CRON_TAB.replace("mine", "other")).ok();
    next("other");
    let storage = |index: usize, stored: bool| {
        format!(r#"{{"op":"replace","path":"/spec/versions/{index}/storage","value":{stored}}}"#)
    };
    let patch = format!("[{},{}]", storage(0, false), storage(1, true));
    says(&["patch", definition, "--type=json", "-p", &patch]);
    eventually("the watch ends", Duration::from_secs(20), || match watch.try_wait().unwrap() {
        Some(status) if status.success() => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert!(lines.next().is_none(), "it ends without an error");

    let revision = || says(&["get", "ct", "mine", "-o", "jsonpath={.metadata.resourceVersion}"]);
    let rewrite = || {
        says(&["patch", "ct", "mine", "--type=merge", "-p", "{}"]);
        revision()
    };
    let before = revision();
    let moved = rewrite();
    assert_ne!(moved, before, "it is stored as v1beta1 now");
    assert_eq!(rewrite(), moved);
    assert_eq!(says(&["get", "ct", "mine", "-o", "jsonpath={.metadata.generation}"]), "1");
}
