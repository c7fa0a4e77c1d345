//! The compose demo itself, up and down, as the README's reader meets it.

use std::process::Command;
use std::time::Duration;

use odeon_tests::{Output, eventually, odeon, repository, run, tool};

const PATIENCE: Duration = Duration::from_secs(60);

/// The demo on ports and under a project name of its own; gone when the test ends.
struct Demo;

impl Demo {
    fn script(word: &str) -> Output {
        run(Command::new("deploy/tools/demo.sh")
            .arg(word)
            .current_dir(repository())
            .env("ODEON_API_PORT", "16443")
            .env("ODEON_PROMETHEUS_PORT", "19090")
            .env("ODEON_NODE_PORTS", "31080-31099"))
    }

    fn kubectl(arguments: &[&str]) -> Output {
        run(Command::new(tool("kubectl"))
            .args(arguments)
            .env("KUBECONFIG", repository().join(".odeon/demo/kubeconfig")))
    }

    fn compose(arguments: &[&str]) -> Output {
        let v2 = run(Command::new("docker").args(["compose", "version"])).success;
        let mut command = if v2 { Command::new("docker") } else { Command::new("docker-compose") };
        if v2 {
            command.arg("compose");
        }
        command.args(["-p", "odeon-demo", "-f", "deploy/compose/compose.yaml"]).args(arguments);
        run(command
            .current_dir(repository())
            .env("ODEON_API_PORT", "16443")
            .env("ODEON_PROMETHEUS_PORT", "19090")
            .env("ODEON_NODE_PORTS", "31080-31099"))
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let down = Self::script("down");
        if !down.success {
            eprintln!("demo down: {}{}", down.stdout, down.stderr);
        }
    }
}

fn fetch(url: &str) -> String {
    run(Command::new("curl").args(["-fsS", "--max-time", "3", url])).stdout
}

#[test]
fn the_demo_comes_up_scales_moves_pods_and_leaves_nothing_behind() {
    let images = run(Command::new("deploy/tools/images.sh").current_dir(repository()));
    images.ok();
    let demo = Demo;
    let told = Demo::script("up").ok();
    let sample =
        told.lines().find_map(|line| line.trim().strip_prefix("sample").map(str::trim)).unwrap().to_owned();
    let sample = sample.split_whitespace().next().unwrap();

    let answers: std::collections::BTreeSet<String> = (0..60).map(|_| fetch(sample)).collect();
    assert_eq!(answers.len(), 6, "every replica answers in turn: {answers:?}");

    let pod = Demo::kubectl(&["get", "pods", "-o", "name"]).ok().lines().next().unwrap().to_owned();
    assert!(
        run(Command::new(odeon())
            .args(["--kubeconfig", ".odeon/demo/kubeconfig", "why", &pod])
            .current_dir(repository()))
        .ok()
        .contains("hello")
    );
    assert!(Demo::kubectl(&["logs", &pod]).ok().contains("hello listens"));

    Demo::compose(&["up", "-d", "--no-build", "--no-recreate", "--scale", "agent=5"]).ok();
    eventually("5 nodes are Ready", PATIENCE, || ready_nodes(5));
    Demo::kubectl(&["scale", "deployment", "hello", "--replicas=15"]).ok();
    Demo::kubectl(&["rollout", "status", "deployment/hello", "--timeout=60s"]).ok();
    let places = Demo::kubectl(&["get", "pods", "-o", "jsonpath={.items[*].spec.nodeName}"]).ok();
    assert_eq!(places.split_whitespace().collect::<std::collections::BTreeSet<_>>().len(), 5, "{places}");
    eventually("Prometheus has the new agents", PATIENCE, || {
        let targets = fetch("http://127.0.0.1:19090/api/v1/query?query=sum(up%7Bcomponent=%22agent%22%7D)");
        if targets.contains("\"5\"") { Ok(()) } else { Err(targets) }
    });

    Demo::compose(&["up", "-d", "--no-build", "--no-recreate", "--scale", "agent=3"]).ok();
    eventually("pods of stopped agents run elsewhere", PATIENCE, || {
        let ready =
            Demo::kubectl(&["get", "deployment", "hello", "-o", "jsonpath={.status.readyReplicas}"]).ok();
        ready_nodes(3).and_then(|()| if ready == "15" { Ok(()) } else { Err(ready) })
    });
    drop(demo);
    let left =
        run(Command::new("docker").args(["ps", "-aq", "--filter", "label=odeon.dev/cluster=demo"])).ok();
    assert!(left.is_empty(), "{left}");
    let volumes =
        run(Command::new("docker").args(["volume", "ls", "-q", "--filter", "name=odeon-demo"])).ok();
    let networks =
        run(Command::new("docker").args(["network", "ls", "-q", "--filter", "name=odeon-demo"])).ok();
    assert!(volumes.is_empty() && networks.is_empty(), "{volumes}{networks}");
}

fn ready_nodes(wanted: usize) -> Result<(), String> {
    let nodes = Demo::kubectl(&["get", "nodes", "--no-headers"]);
    let ready = nodes.stdout.lines().filter(|line| line.contains(" Ready ")).count();
    if ready == wanted { Ok(()) } else { Err(nodes.stdout) }
}
