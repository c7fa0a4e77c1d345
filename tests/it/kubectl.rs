//! What unmodified kubectls say about a cluster: schemas, reviews, tokens, and the words of every common verb.

use std::process::Command;
use std::time::Duration;

use odeon_tests::{Cluster, eventually, run, tool};

const WEB: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: c, image: 'nginx:1', ports: [{containerPort: 80}]}]
";

fn says(cluster: &Cluster, arguments: &str, expected: &str) {
    let words: Vec<&str> = arguments.split(' ').collect();
    let text = cluster.kubectl(&words).ok();
    assert!(text.contains(expected), "kubectl {arguments}: {text}");
}

fn refuses(cluster: &Cluster, arguments: &str, expected: &str) {
    let words: Vec<&str> = arguments.split(' ').collect();
    let text = cluster.kubectl(&words).err();
    assert!(text.contains(expected), "kubectl {arguments}: {text}");
}

#[test]
fn kubectl_explains_every_field() {
    let cluster = Cluster::hollow(1);
    says(&cluster, "explain pod.spec.containers", "List of containers belonging to the pod.");
    says(&cluster, "explain pod.spec.containers", "-required-");
    says(&cluster, "explain deployment.spec.strategy.rollingUpdate.maxSurge", "<IntOrString>");
    says(&cluster, "explain pods --output=plaintext-openapiv2", "Pod is a collection of containers");
    refuses(&cluster, "explain pod.spec.nope", "field \"nope\" does not exist");
    let fields = cluster.kubectl(&["explain", "deployment", "--recursive"]).ok();
    assert!(fields.contains("topologySpreadConstraints\t<[]TopologySpreadConstraint>"), "{fields}");
}

#[test]
fn mistakes_in_manifests_are_named() {
    let cluster = Cluster::hollow(1);
    let unknown = cluster.kubectl_with(&["apply", "-f", "-"], &WEB.replace("replicas", "replcas")).err();
    assert!(unknown.contains("strict decoding error: unknown field \"spec.replcas\""), "{unknown}");
    let wrong =
        cluster.kubectl_with(&["create", "-f", "-"], &WEB.replace("replicas: 2", "replicas: x")).err();
    let told = "Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal string into \
                Go struct field DeploymentSpec.spec.replicas of type int32";
    assert!(wrong.contains(&format!("error when creating \"STDIN\": {told}")), "{wrong}");
    let invalid = cluster.kubectl_with(&["apply", "-f", "-"], &WEB.replace("name: c,", "name: C_,")).err();
    let told =
        "The Deployment \"web\" is invalid: spec.template.spec.containers[0].name: Invalid value: \"C_\"";
    assert!(invalid.contains(told), "{invalid}");
}

#[test]
fn kubectl_shows_differences() {
    let cluster = Cluster::hollow(1);
    cluster.kubectl_with(&["apply", "-f", "-"], WEB).ok();
    assert_eq!(cluster.kubectl_with(&["diff", "-f", "-"], WEB).ok(), "");
    let differs = cluster.kubectl_with(&["diff", "-f", "-"], &WEB.replace("nginx:1", "nginx:2"));
    assert!(!differs.success);
    assert!(
        differs.stdout.contains("-      - image: nginx:1\n+      - image: nginx:2"),
        "{}",
        differs.stdout
    );
    let differs =
        cluster.kubectl_with(&["diff", "--server-side", "-f", "-"], &WEB.replace("nginx:1", "nginx:2"));
    assert!(differs.stdout.contains("+      - image: nginx:2"), "{}", differs.stdout);
}

#[test]
fn applies_move_to_the_server() {
    let cluster = Cluster::hollow(1);
    cluster.kubectl_with(&["apply", "-f", "-"], WEB).ok();
    let owners = [
        "get",
        "deployment",
        "web",
        "--show-managed-fields",
        "-o",
        "jsonpath={.metadata.managedFields[*].manager}",
    ];
    assert_eq!(cluster.kubectl(&owners).ok(), "kubectl-client-side-apply");
    says(&cluster, "apply view-last-applied deployment/web", "image: nginx:1");
    let edited = run(cluster.kubectl_command().env("EDITOR", "sed -i s/nginx:1/nginx:0/").args([
        "apply",
        "edit-last-applied",
        "deployment/web",
    ]))
    .ok();
    assert_eq!(edited.trim(), "deployment.apps/web edited");
    says(&cluster, "apply view-last-applied deployment/web", "image: nginx:0");
    cluster.kubectl_with(&["apply", "-f", "-"], WEB).ok();
    let moved = cluster.kubectl_with(&["apply", "--server-side", "--force-conflicts", "-f", "-"], WEB).ok();
    assert_eq!(moved.trim(), "deployment.apps/web serverside-applied");
    let managers = cluster.kubectl(&owners).ok();
    assert!(!managers.contains("client-side"), "{managers}");
    let apply = ["apply", "--server-side", "--field-manager=other", "-f", "-"];
    let newer = WEB.replace("nginx:1", "nginx:2");
    let refused = cluster.kubectl_with(&apply, &newer).err();
    let told = "Apply failed with 1 conflict: conflict with \"kubectl\": .spec.template.spec.containers[name=\"c\"].image";
    assert!(refused.contains(told), "{refused}");
    cluster.kubectl_with(&[&apply[..], &["--force-conflicts"]].concat(), &newer).ok();
    says(&cluster, "scale deployment web --replicas=4", "deployment.apps/web scaled");
    let refused = cluster.kubectl_with(&apply, &newer).err();
    assert!(
        refused
            .contains("conflict with \"kubectl\" with subresource \"scale\" using apps/v1: .spec.replicas"),
        "{refused}"
    );
}

#[test]
fn reviews_and_tokens_work() {
    let cluster = Cluster::hollow(1);
    let account = eventually("there is a default service account", Duration::from_secs(20), || {
        let found = cluster.kubectl(&["get", "serviceaccount", "default", "-o", "name"]);
        if found.success { Ok(found.stdout) } else { Err(found.stderr) }
    });
    assert_eq!(account.trim(), "serviceaccount/default");
    says(&cluster, "auth whoami", "[system:masters system:authenticated]");
    says(&cluster, "auth can-i delete nodes", "yes");
    says(&cluster, "auth can-i --list", "*.*");
    let robot = "--as=system:serviceaccount:default:default";
    assert_eq!(cluster.kubectl(&["auth", "can-i", "get", "pods", robot]).stdout.trim(), "no");
    cluster
        .kubectl(&[
            "create",
            "rolebinding",
            "viewers",
            "--clusterrole=view",
            "--serviceaccount=default:default",
        ])
        .ok();
    says(&cluster, &format!("auth can-i get pods {robot}"), "yes");
    assert_eq!(cluster.kubectl(&["auth", "can-i", "delete", "pods", robot]).stdout.trim(), "no");
    refuses(
        &cluster,
        &format!("get secrets {robot}"),
        "Error from server (Forbidden): secrets is forbidden: User \"system:serviceaccount:default:default\" cannot \
         list resource \"secrets\" in API group \"\" in the namespace \"default\"",
    );
    let token = cluster.kubectl(&["create", "token", "default"]).ok();
    let only_token = anonymous(&cluster, token.trim()).unwrap();
    let who =
        run(Command::new(tool("kubectl")).arg("--kubeconfig").arg(&only_token).args(["auth", "whoami"])).ok();
    assert!(who.contains("system:serviceaccount:default:default"), "{who}");
    let denied =
        run(Command::new(tool("kubectl")).arg("--kubeconfig").arg(&only_token).args(["get", "nodes"])).err();
    assert!(
        denied.contains("cannot list resource \"nodes\" in API group \"\" at the cluster scope"),
        "{denied}"
    );
    refuses(
        &cluster,
        "create token default --duration=1m",
        "may not specify a duration less than 10 minutes",
    );
    refuses(&cluster, "create token nobody", "serviceaccounts \"nobody\" not found");
}

/// A kubeconfig with nothing but a token to show.
pub fn anonymous(cluster: &Cluster, token: &str) -> std::io::Result<std::path::PathBuf> {
    let text = std::fs::read_to_string(cluster.kubeconfig())?;
    let lines = text.lines().filter(|line| !line.contains("client-key-data:")).map(|line| match line {
        certificate if certificate.contains("client-certificate-data:") => format!("    token: {token}\n"),
        other => format!("{other}\n"),
    });
    let path = cluster.directory().join("token.kubeconfig");
    std::fs::write(&path, lines.collect::<String>())?;
    Ok(path)
}

#[test]
fn verbs_answer_in_kubernetes_words() {
    let cluster = Cluster::hollow(2);
    cluster.kubectl_with(&["apply", "-f", "-"], WEB).ok();
    says(
        &cluster,
        "rollout status deployment/web --timeout=30s",
        "deployment \"web\" successfully rolled out",
    );
    says(&cluster, "label deployment web x=y", "deployment.apps/web labeled");
    refuses(&cluster, "label deployment web x=z", "'x' already has a value (y), and --overwrite is false");
    says(&cluster, "label deployment web x-", "deployment.apps/web unlabeled");
    says(&cluster, "annotate deployment web a=b", "deployment.apps/web annotated");
    says(&cluster, "patch deployment web -p {\"spec\":{\"replicas\":3}}", "deployment.apps/web patched");
    // Of an object that no controller writes meanwhile.
    says(&cluster, "create configmap c --from-literal=a=b", "configmap/c created");
    says(&cluster, "patch configmap c -p {\"data\":{\"a\":\"c\"}}", "configmap/c patched");
    says(&cluster, "patch configmap c -p {\"data\":{\"a\":\"c\"}}", "configmap/c patched (no change)");
    says(
        &cluster,
        "patch deployment web --type=merge -p {\"spec\":{\"replicas\":1}}",
        "deployment.apps/web patched",
    );
    let json = r#"patch deployment web --type=json -p [{"op":"replace","path":"/spec/replicas","value":2}]"#;
    says(&cluster, json, "deployment.apps/web patched");
    says(
        &cluster,
        "patch deployment web --subresource=scale --type=merge -p {\"spec\":{\"replicas\":2}}",
        "scale.autoscaling/web",
    );
    says(
        &cluster,
        "wait --for=condition=Available deployment/web --timeout=30s",
        "deployment.apps/web condition met",
    );
    let node = cluster.kubectl(&["get", "nodes", "-o", "jsonpath={.items[0].metadata.name}"]).ok();
    says(&cluster, &format!("taint node {node} k=v:NoSchedule"), &format!("node/{node} tainted"));
    says(&cluster, &format!("taint node {node} k-"), &format!("node/{node} untainted"));
    says(&cluster, &format!("cordon {node}"), &format!("node/{node} cordoned"));
    says(&cluster, "get nodes", "Ready,SchedulingDisabled");
    says(
        &cluster,
        &format!("drain {node} --force --ignore-daemonsets --timeout=30s"),
        &format!("node/{node} drained"),
    );
    says(&cluster, &format!("uncordon {node}"), &format!("node/{node} uncordoned"));
    let applied = cluster.kubectl_with(&["apply", "--server-side", "--force-conflicts", "-f", "-"], WEB).ok();
    assert_eq!(applied.trim(), "deployment.apps/web serverside-applied");
    assert_eq!(
        cluster.kubectl_with(&["replace", "-f", "-"], WEB).ok().trim(),
        "deployment.apps/web replaced"
    );
    let edited = run(cluster.kubectl_command().env("EDITOR", "sed -i s/nginx:1/nginx:3/").args([
        "edit",
        "deployment",
        "web",
        "--output-patch",
    ]))
    .ok();
    assert!(edited.contains(r#""containers":[{"image":"nginx:3","name":"c"}]"#), "{edited}");
    says(&cluster, "events --for deployment/web", "Scaled up replica set");
    says(&cluster, "api-versions", "authorization.k8s.io/v1");
    says(&cluster, "top nodes", "CPU(cores)");
    says(&cluster, "delete deployment web", "deployment.apps \"web\" deleted");
}
