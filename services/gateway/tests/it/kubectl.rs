//! Real kubectls, as many versions as `ODEON_KUBECTLS` (colon-separated) names; else the one in PATH, if there is one.

use std::path::Path;

use tokio::process::Command;

use crate::cluster::Cluster;

const MANIFEST: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: c, image: 'nginx:1'}]
";

struct Kubectl<'a> {
    program: &'a str,
    home: &'a Path,
}

impl Kubectl<'_> {
    async fn run(&self, arguments: &str) -> String {
        let output = Command::new(self.program)
            .args(arguments.split(' '))
            .env("KUBECONFIG", self.home.join("kubeconfig"))
            .env("HOME", self.home)
            .current_dir(self.home)
            .output()
            .await
            .unwrap();
        let text =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{} {arguments}: {text}", self.program);
        text
    }

    async fn says(&self, arguments: &str, expected: &str) {
        let text = self.run(arguments).await;
        assert!(text.contains(expected), "{} {arguments}: {text}", self.program);
    }
}

#[tokio::test]
async fn kubectl_works() {
    let named = std::env::var("ODEON_KUBECTLS").unwrap_or_else(|_| "kubectl".to_owned());
    for program in named.split(':') {
        if Command::new(program).args(["version", "--client"]).output().await.is_err() {
            eprintln!("no {program} here, its test is left out");
            continue;
        }
        tokio::time::timeout(std::time::Duration::from_secs(120), smoke(program)).await.unwrap();
    }
}

async fn smoke(program: &str) {
    let cluster = Cluster::start().await;
    let home = cluster.directory.path();
    std::fs::write(home.join("kubeconfig"), cluster.pki.kubeconfig(&format!("https://{}", cluster.address)))
        .unwrap();
    std::fs::write(home.join("web.yaml"), MANIFEST).unwrap();
    let kubectl = Kubectl { program, home };
    kubectl.says("version", "v1.35.0+odeon").await;
    kubectl.says("api-resources", "deployments").await;
    kubectl.says("get namespaces", "kube-system").await;
    kubectl.says("apply -f web.yaml", "deployment.apps/web created").await;
    kubectl.says("apply -f web.yaml", "unchanged").await;
    std::fs::write(home.join("web.yaml"), MANIFEST.replace("nginx:1", "nginx:2")).unwrap();
    kubectl.says("apply -f web.yaml", "configured").await;
    kubectl.says("apply --dry-run=server -f web.yaml", "(server dry run)").await;
    kubectl.says("diff -f web.yaml", "").await;
    kubectl.says("apply --server-side --force-conflicts -f web.yaml", "serverside-applied").await;
    kubectl.says("get deployment web -o wide", "nginx:2").await;
    kubectl.says("get deployment web -o yaml", "image: nginx:2").await;
    kubectl.says("scale deployment web --replicas=3", "scaled").await;
    kubectl.says("set image deployment/web c=nginx:3", "image updated").await;
    kubectl.says("rollout restart deployment/web", "restarted").await;
    kubectl.says("describe deployment web", "nginx:3").await;
    kubectl.says("expose deployment web --port=80", "exposed").await;
    kubectl.says("describe service web", "app=web").await;
    kubectl.says("create deployment other --image=nginx:1", "created").await;
    kubectl.says("create configmap c --from-literal=a=b", "created").await;
    kubectl.says("create configmap d --from-literal=a=b --dry-run=server", "dry run").await;
    kubectl.says("create secret generic s --from-literal=a=b", "created").await;
    kubectl.says("label configmap c x=y", "labeled").await;
    kubectl.says("annotate configmap c x=y", "annotated").await;
    kubectl.says("patch deployment web --type=json -p [{\"op\":\"replace\",\"path\":\"/spec/replicas\",\"value\":2}]", "patched").await;
    kubectl.says("run p --image=nginx:1", "created").await;
    kubectl.says("get pods,deployments", "pod/p").await;
    kubectl.says("describe pod p", "nginx:1").await;
    kubectl.says("get events", "").await;
    kubectl.says("get all", "service/web").await;
    kubectl.says("delete pod p", "deleted").await;
    kubectl.says("delete -f web.yaml", "deleted").await;
    kubectl.says("create namespace n", "created").await;
    kubectl.says("delete configmap,secret --all", "deleted").await;
}
