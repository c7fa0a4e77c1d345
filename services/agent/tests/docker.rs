//! Pods on a real Docker engine. Nothing is pulled: the only image holds a small static program that this test compiles.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod support;

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use api::messages::LogsRequest;
use bus::testing::NatsServer;
use serde_json::{Value, json};
use support::{Keeper, config, config_object, is_ready, pod};
use tokio_util::sync::CancellationToken;

/// Answers HTTP with what its container shows: `/file/<path>`, `/env/<name>`, `/exit/<code>`, `/healthy`, `/sick`.
const PROGRAM: &str = r#"
use std::io::{BufRead, BufReader, Write};
fn main() {
    let args: Vec<String> = std::env::args().collect();
    match args.get(1).map(String::as_str) {
        Some("sandbox") => loop { std::thread::sleep(std::time::Duration::from_secs(3600)) },
        Some("write") => std::fs::write(&args[2], &args[3]).unwrap(),
        Some("fail") => { println!("something is wrong"); std::process::exit(4) }
        _ => {}
    }
    if args.get(1).map(String::as_str) != Some("serve") { return }
    println!("listening");
    for stream in std::net::TcpListener::bind("0.0.0.0:8080").unwrap().incoming() {
        let mut stream = stream.unwrap();
        let mut line = String::new();
        BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
        let path = line.split(' ').nth(1).unwrap_or("/").to_owned();
        let (verb, rest) = path[1..].split_once('/').unwrap_or((&path[1..], ""));
        let body = match verb {
            "file" => std::fs::read_to_string(format!("/{rest}")).unwrap_or_else(|error| error.to_string()),
            "env" => std::env::var(rest).unwrap_or_default(),
            "exit" => { println!("leaving"); std::process::exit(rest.parse().unwrap()) }
            _ => "ok".to_owned(),
        };
        let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    }
}
"#;

/// Everything that a test leaves in the engine has its cluster's name, and goes with this.
struct Engine {
    cluster: String,
    image: String,
    program: PathBuf,
    _directory: tempfile::TempDir,
}

impl Engine {
    /// `None` only if the tests were told to do without an engine.
    fn prepare(name: &str) -> Option<Self> {
        if std::env::var("ODEON_TEST_DOCKER").as_deref() == Ok("0") {
            return None;
        }
        let answers =
            Command::new("docker").arg("version").output().is_ok_and(|output| output.status.success());
        assert!(answers, "these tests need a Docker engine; set ODEON_TEST_DOCKER=0 to do without them");
        let directory = tempfile::TempDir::new().unwrap();
        let (source, program) = (directory.path().join("program.rs"), directory.path().join("odeon"));
        std::fs::write(&source, PROGRAM).unwrap();
        let rustc = Command::new("rustc")
            .args(["--edition=2021", "-O", "-C", "target-feature=+crt-static", "-C", "strip=symbols"])
            .args(["--target", "x86_64-unknown-linux-gnu", "-o"])
            .args([&program, &source])
            .output()
            .unwrap();
        assert!(rustc.status.success(), "{}", String::from_utf8_lossy(&rustc.stderr));
        let cluster = format!("test-{name}-{}", std::process::id());
        let image = format!("odeon-{cluster}:1");
        let mut archive = tar::Builder::new(Vec::new());
        archive.append_path_with_name(&program, "odeon").unwrap();
        let mut import = Command::new("docker")
            .args(["import", "-c", "ENTRYPOINT [\"/odeon\"]", "-", &image])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        import.stdin.take().unwrap().write_all(&archive.into_inner().unwrap()).unwrap();
        assert!(import.wait().unwrap().success());
        Some(Self { cluster, image, program, _directory: directory })
    }

    fn containers(&self) -> Vec<String> {
        let filter = format!("label=odeon.dev/cluster={}", self.cluster);
        let output =
            Command::new("docker").args(["ps", "-aq", "--no-trunc", "--filter", &filter]).output().unwrap();
        let mut ids: Vec<_> = String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect();
        ids.sort();
        ids
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        let filter = format!("label=odeon.dev/cluster={}", self.cluster);
        let script = format!(
            "docker ps -aq --filter {filter} | xargs -r docker rm -fv; \
             docker volume ls -q --filter {filter} | xargs -r docker volume rm -f; \
             docker network ls -q --filter {filter} | xargs -r docker network rm; \
             docker images -q odeon-sandbox-{} | xargs -r docker rmi -f; docker rmi -f {}",
            self.cluster, self.image
        );
        let _ = Command::new("sh").args(["-c", &script]).output();
    }
}

/// An agent on the engine.
struct Agent {
    shutdown: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

impl Agent {
    async fn start(engine: &Engine, url: &str) -> Self {
        let mut config = config("node-a", &engine.cluster, agent::RuntimeKind::Docker);
        config.sandbox_binary = Some(engine.program.clone());
        let bus = support::connect(url).await;
        let shutdown = CancellationToken::new();
        let token = shutdown.clone();
        let running = tokio::spawn(async move { agent::run(config, bus, token).await.expect("it performs") });
        Self { shutdown, running }
    }

    async fn stop(self) {
        self.shutdown.cancel();
        self.running.await.unwrap();
    }
}

async fn get(status: &Value, path: &str) -> String {
    let address = format!("{}:8080", status["podIP"].as_str().unwrap());
    let path = path.to_owned();
    let ask = move || {
        let mut stream = std::net::TcpStream::connect(&address).map_err(|error| error.to_string())?;
        write!(stream, "GET {path} HTTP/1.1\r\n\r\n").map_err(|error| error.to_string())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).map_err(|error| error.to_string())?;
        Ok::<_, String>(answer.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default())
    };
    tokio::task::spawn_blocking(ask).await.unwrap().unwrap_or_else(|error| error)
}

async fn until_answer(status: &Value, path: &str, wished: &str) {
    let wait = async {
        while get(status, path).await != wished {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait)
        .await
        .unwrap_or_else(|_| panic!("{path} is not {wished}"));
}

fn web(image: &str) -> Value {
    json!({
        "terminationGracePeriodSeconds": 1,
        "hostname": "the-web",
        "hostAliases": [{ "ip": "10.9.9.9", "hostnames": ["friend"] }],
        "volumes": [
            { "name": "conf", "configMap": { "name": "settings" } },
            { "name": "keys", "secret": { "secretName": "keys" } },
            { "name": "scratch", "emptyDir": {} },
            { "name": "fast", "emptyDir": { "medium": "Memory" } },
            { "name": "about", "downwardAPI": { "items": [{ "path": "name", "fieldRef": { "fieldPath": "metadata.name" } }] } },
        ],
        "initContainers": [{
            "name": "prepare", "image": image, "args": ["write", "/scratch/greeting", "hello"],
            "volumeMounts": [{ "name": "scratch", "mountPath": "/scratch" }],
            "securityContext": { "runAsUser": 1000 },
        }],
        "containers": [{
            "name": "web", "image": image, "args": ["serve"], "imagePullPolicy": "IfNotPresent",
            "env": [
                { "name": "POD", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
                { "name": "IP", "valueFrom": { "fieldRef": { "fieldPath": "status.podIP" } } },
                { "name": "COLOUR", "valueFrom": { "configMapKeyRef": { "name": "settings", "key": "colour" } } },
                { "name": "BOTH", "value": "$(POD) is $(COLOUR)" },
            ],
            "volumeMounts": [
                { "name": "conf", "mountPath": "/conf" }, { "name": "keys", "mountPath": "/keys" },
                { "name": "scratch", "mountPath": "/data" }, { "name": "fast", "mountPath": "/fast" },
                { "name": "about", "mountPath": "/about" },
                { "name": "scratch", "mountPath": "/one", "subPath": "sub" },
            ],
            "resources": { "limits": { "cpu": "500m", "memory": "64Mi" } },
            "readinessProbe": { "httpGet": { "path": "/healthy", "port": 8080 } },
            "livenessProbe": { "exec": { "command": ["/odeon", "nothing"] }, "periodSeconds": 1 },
        }],
    })
}

fn assigned(image: &str, colour: &str, revision: u64) -> api::messages::AssignedPod {
    let mut assigned = pod("u1", json!({}), web(image));
    assigned.config = vec![
        config_object("configmaps", "settings", revision, json!({ "data": { "colour": colour } })),
        config_object("secrets", "keys", 1, json!({ "data": { "key": "c2VjcmV0" } })),
    ];
    assigned
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pod_lives_and_ends_on_docker() {
    let Some(engine) = Engine::prepare("life") else { return };
    let server = NatsServer::start().await;
    let keeper = Keeper::start(&server.url(), "node-a").await;
    let agent = Agent::start(&engine, &server.url()).await;
    keeper.until_registered(1).await;

    keeper.assign_all(vec![assigned(&engine.image, "blue", 1)]).await;
    let status = keeper.until_pod("u1", "it is ready", is_ready).await;
    for (path, wished) in [
        ("/env/BOTH", "pod-u1 is blue"),
        ("/env/IP", status["podIP"].as_str().unwrap()),
        ("/file/conf/colour", "blue"),
        ("/file/keys/key", "secret"),
        ("/file/data/greeting", "hello"),
        ("/file/about/name", "pod-u1"),
        ("/file/etc/hostname", "the-web\n"),
    ] {
        assert_eq!(get(&status, path).await, wished, "{path}");
    }
    assert!(get(&status, "/file/etc/hosts").await.contains("10.9.9.9\tfriend"));
    assert!(get(&status, "/file/etc/resolv.conf").await.contains("default.svc.cluster.local"));

    // A changed ConfigMap reaches the file, not the variable.
    keeper.assign(vec![assigned(&engine.image, "red", 2)], Vec::new()).await;
    until_answer(&status, "/file/conf/colour", "red").await;
    assert_eq!(get(&status, "/env/COLOUR").await, "blue");

    // A container that ends is back at once.
    let ended = std::time::Instant::now();
    get(&status, "/exit/3").await;
    let again = |status: &Value| status["containerStatuses"][0]["restartCount"] == 1 && is_ready(status);
    let status = keeper.until_pod("u1", "it was restarted", again).await;
    assert!(ended.elapsed() < Duration::from_secs(3), "{:?}", ended.elapsed());
    assert_eq!(status["containerStatuses"][0]["lastState"]["terminated"]["exitCode"], 3);

    // Its log, and the log of the instance before.
    let mut request = LogsRequest {
        namespace: "default".into(),
        pod: "pod-u1".into(),
        uid: "u1".into(),
        container: "web".into(),
        ..Default::default()
    };
    assert_eq!(log(&keeper, &request).await, "listening\n");
    request.previous = true;
    assert_eq!(log(&keeper, &request).await, "listening\nleaving\n");

    // Another agent process adopts what runs.
    let before = engine.containers();
    agent.stop().await;
    let agent = Agent::start(&engine, &server.url()).await;
    keeper.until_registered(2).await;
    assert_eq!(keeper.heard(|heard| heard.registered.as_ref().unwrap().running.len()), 1);
    keeper.assign_all(vec![assigned(&engine.image, "red", 2)]).await;
    keeper.until_pod("u1", "it is still ready", is_ready).await;
    assert_eq!(engine.containers(), before);

    let mut ending = assigned(&engine.image, "red", 2);
    ending.stop = Some(1);
    keeper.assign(vec![ending], Vec::new()).await;
    keeper.until("it is gone", |heard| heard.pods.values().all(|report| report.gone)).await;
    assert_eq!(engine.containers(), Vec::<String>::new());
    agent.stop().await;
    assert!(agent::cleanup(&engine.cluster).await.unwrap() >= 2, "the network and the sandbox image");
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_told_and_surplus_goes() {
    let Some(engine) = Engine::prepare("fail") else { return };
    let server = NatsServer::start().await;
    let keeper = Keeper::start(&server.url(), "node-a").await;
    let agent = Agent::start(&engine, &server.url()).await;
    keeper.until_registered(1).await;
    let spec = |policy: &str, container: Value| json!({ "restartPolicy": policy, "terminationGracePeriodSeconds": 0, "containers": [container] });
    let image = engine.image.as_str();
    let failing = json!({
        "name": "a", "image": image, "args": ["fail"], "terminationMessagePolicy": "FallbackToLogsOnError",
        "imagePullPolicy": "Never",
    });
    let absent = json!({ "name": "a", "image": "odeon-no-such-image:1", "imagePullPolicy": "Never" });
    let missing = json!({
        "name": "a", "image": image, "envFrom": [{ "configMapRef": { "name": "nothing" } }],
    });
    let unstartable =
        json!({ "name": "a", "image": image, "command": ["/no-such-program"], "imagePullPolicy": "Never" });
    keeper
        .assign_all(vec![
            pod("fails", json!({}), spec("Never", failing)),
            pod("absent", json!({}), spec("Always", absent)),
            pod("missing", json!({}), spec("Always", missing)),
            pod("unstartable", json!({}), spec("Never", unstartable)),
        ])
        .await;
    let status = keeper.until_pod("fails", "it failed", |status| status["phase"] == "Failed").await;
    let over = &status["containerStatuses"][0]["state"]["terminated"];
    assert_eq!((&over["exitCode"], &over["message"]), (&json!(4), &json!("something is wrong\n")));
    let waits = |reason: &'static str| {
        move |status: &Value| status["containerStatuses"][0]["state"]["waiting"]["reason"] == reason
    };
    keeper.until_pod("absent", "its image is absent", waits("ErrImageNeverPull")).await;
    keeper.until_pod("missing", "its configuration is missing", waits("CreateContainerConfigError")).await;
    let status = keeper.until_pod("unstartable", "it failed", |status| status["phase"] == "Failed").await;
    assert_eq!(status["containerStatuses"][0]["state"]["terminated"]["reason"], "StartError", "{status}");
    keeper.assign_all(Vec::new()).await;
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while !engine.containers().is_empty() {
        assert!(std::time::Instant::now() < deadline, "surplus stays: {:?}", engine.containers());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    agent.stop().await;
}

async fn log(keeper: &Keeper, request: &LogsRequest) -> String {
    let mut stream =
        keeper.bus.open_stream("odeon.node.node-a.logs", request).await.expect("the agent serves logs");
    let mut text = Vec::new();
    while let Some(chunk) = stream.recv().await {
        text.extend_from_slice(&chunk.unwrap());
    }
    String::from_utf8(text).unwrap()
}
