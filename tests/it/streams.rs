//! Conversations with containers, driven by kubectl: exec, attach, cp and port-forward.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use odeon_tests::images::BUSYBOX;
use odeon_tests::{Cluster, Output, eventually, run};

const PATIENCE: Duration = Duration::from_secs(30);
/// Serves files of `/tmp` on port 8080 and says what it reads.
const SCRIPT: &str = "echo served > /tmp/index.html; httpd -p 8080 -h /tmp; while read line; do echo got $line; done; sleep 1000";

/// A cluster on this machine's engine with the pod `box`.
fn cluster() -> Cluster {
    let cluster = Cluster::docker("10.121.0.0/16", "31800-31899");
    let manifest = format!(
        "apiVersion: v1
kind: Pod
metadata: {{name: box, labels: {{app: box}}}}
spec:
  terminationGracePeriodSeconds: 1
  containers:
    - {{name: main, image: {BUSYBOX}, stdin: true, command: [sh, -c, '{SCRIPT}']}}
    - {{name: other, image: {BUSYBOX}, command: [sleep, '1000']}}
"
    );
    cluster.kubectl_with(&["apply", "-f", "-"], &manifest).ok();
    cluster.kubectl(&["wait", "pod/box", "--for=condition=Ready", "--timeout=60s"]).ok();
    cluster
}

fn exec(cluster: &Cluster, words: &[&str]) -> Output {
    cluster.kubectl(&[&["exec", "box", "-c", "main"], words].concat())
}

#[test]
fn people_talk_with_containers() {
    let cluster = cluster();

    let mixed = exec(&cluster, &["--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((mixed.success, mixed.stdout.as_str()), (false, "out\n"));
    assert_eq!(mixed.stderr, "err\ncommand terminated with exit code 7\n");
    assert_eq!(exec(&cluster, &["--", "true"]).ok(), "");
    let sorted = cluster.kubectl_with(&["exec", "-i", "box", "-c", "main", "--", "sort"], "b\na\n").ok();
    assert_eq!(sorted, "a\nb\n", "standard input ends, or sort would wait for ever");

    let wrong = cluster.kubectl(&["exec", "box", "-c", "nosuch", "--", "true"]).err();
    assert!(wrong.contains("container nosuch is not valid for pod box"), "{wrong}");
    let raw = "/api/v1/namespaces/default/pods/box/exec?command=ls&stdout=true";
    let unnamed = cluster.kubectl(&["get", "--raw", raw]).err();
    assert!(
        unnamed.contains("a container name must be specified for pod box, choose one of: [main other]"),
        "{unnamed}"
    );
    let plain = cluster.kubectl(&["get", "--raw", &format!("{raw}&container=main")]).err();
    assert!(plain.contains("Upgrade request required"), "{plain}");

    a_terminal_knows_its_size(&cluster);
    files_are_copied_both_ways(&cluster);
    attached_input_reaches_the_process(&cluster);
    ports_are_forwarded(&cluster);
    servers_in_pods_are_reached(&cluster);
    logs_have_options(&cluster);
}

/// `script` gives kubectl a terminal.
fn a_terminal_knows_its_size(cluster: &Cluster) {
    let kubectl = cluster.kubectl_command();
    let line = format!(
        "stty rows 33 cols 101; {} exec -it box -c main -- sh -c 'tty; until stty size | grep ^[0-9]; do sleep 0.1; done; exit 5'",
        kubectl.get_program().to_string_lossy()
    );
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).env("KUBECONFIG", cluster.kubeconfig()).stdin(Stdio::null());
    let seen = run(&mut command);
    assert!(seen.stdout.contains("/dev/pts/"), "{seen:?}");
    assert!(seen.stdout.contains("exit code 5"), "{seen:?}");
    assert!(seen.stdout.contains("33 101"), "{seen:?}");
}

fn files_are_copied_both_ways(cluster: &Cluster) {
    let (there, back) = (cluster.directory().join("there"), cluster.directory().join("back"));
    let bytes: Vec<u8> =
        (0..3_000_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    std::fs::write(&there, &bytes).unwrap();
    cluster.kubectl(&["cp", "-c", "main", &there.to_string_lossy(), "box:/tmp/copied"]).ok();
    cluster.kubectl(&["cp", "-c", "main", "box:/tmp/copied", &back.to_string_lossy()]).ok();
    assert!(std::fs::read(&back).unwrap() == bytes, "the copy differs");
}

fn attached_input_reaches_the_process(cluster: &Cluster) {
    let mut command = cluster.kubectl_command();
    command.args(["attach", "-i", "box", "-c", "main"]);
    let mut attached = Background::start(&mut command);
    let mut input = attached.0.stdin.take().unwrap();
    input.write_all(b"a line\n").unwrap();
    let mut lines = BufReader::new(attached.0.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "got a line");
    eventually("the log has it too", PATIENCE, || {
        let log = cluster.kubectl(&["logs", "box", "-c", "main"]).ok();
        log.contains("got a line").then_some(()).ok_or(log)
    });
}

fn servers_in_pods_are_reached(cluster: &Cluster) {
    let raw = |path: &str| cluster.kubectl(&["get", "--raw", &format!("/api/v1/namespaces/default/{path}")]);
    assert_eq!(raw("pods/box:8080/proxy/index.html").ok(), "served\n");
    let refused = raw("pods/box:9999/proxy/").err();
    assert!(refused.contains("error trying to reach service"), "{refused}");
    cluster.kubectl(&["expose", "pod", "box", "--name=web", "--port=80", "--target-port=8080"]).ok();
    let answer = eventually("the service answers", PATIENCE, || {
        let answer = raw("services/web:80/proxy/index.html");
        if answer.success { Ok(answer.stdout) } else { Err(answer.stderr) }
    });
    assert_eq!(answer, "served\n");
    let mut command = cluster.kubectl_command();
    command.args(["proxy", "--port=0"]);
    let mut proxy = Background::start(&mut command);
    let line = BufReader::new(proxy.0.stdout.take().unwrap()).lines().next().unwrap().unwrap();
    let port = line.rsplit_once(':').unwrap().1.parse().unwrap();
    let served = get(port, "/api/v1/namespaces/default/services/web:80/proxy/index.html");
    assert!(served.ends_with(b"served\n"), "{}", String::from_utf8_lossy(&served));
}

fn logs_have_options(cluster: &Cluster) {
    let log = |query: &str| {
        let path = format!("/api/v1/namespaces/default/pods/box/log?container=main&{query}");
        cluster.kubectl(&["get", "--raw", &path])
    };
    assert!(log("stream=Stdout").ok().contains("got a line"));
    assert_eq!(log("stream=Stderr").ok(), "");
    assert_eq!(log("limitBytes=3").ok(), "got");
    let wrong = log("tailLines=-1").err();
    assert!(wrong.contains("tailLines: Invalid value: -1: must be greater than or equal to 0"), "{wrong}");
    let never = cluster.kubectl(&["logs", "box", "-c", "main", "--previous"]).err();
    assert!(never.contains("previous terminated container \"main\" in pod \"box\" not found"), "{never}");
}

fn ports_are_forwarded(cluster: &Cluster) {
    let mut command = cluster.kubectl_command();
    command.args(["port-forward", "pod/box", ":8080", ":9999"]);
    let mut forwarding = Background::start(&mut command);
    let mut lines = BufReader::new(forwarding.0.stdout.take().unwrap()).lines().map_while(Result::ok);
    let mut local = |port: &str| -> u16 {
        let line = lines
            .find(|line| line.starts_with("Forwarding from 127.0.0.1:") && line.ends_with(port))
            .unwrap();
        let (_, rest) = line.split_once("127.0.0.1:").unwrap();
        rest.split_once(' ').unwrap().0.parse().unwrap()
    };
    let (open, closed) = (local("8080"), local("9999"));
    assert!(get(open, "/index.html").ends_with(b"served\n"));
    let copied = get(open, "/copied");
    assert!(copied.len() > 12_000_000, "{} bytes came", copied.len());
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..20).map(|_| scope.spawn(|| get(open, "/index.html"))).collect();
        assert!(all.into_iter().all(|one| one.join().unwrap().ends_with(b"served\n")));
    });
    assert_eq!(get(closed, "/"), b"");
    let mut complaint = String::new();
    // kubectl gives up when a port in the pod refuses, and says why.
    forwarding.0.stderr.take().unwrap().read_to_string(&mut complaint).unwrap();
    assert!(complaint.contains("error forwarding port 9999 to pod box"), "{complaint}");
}

/// What an HTTP server on this port answers, to its end.
fn get(port: u16, path: &str) -> Vec<u8> {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let mut answer = Vec::new();
    let asked = write!(connection, "GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    if asked.is_ok() {
        // A refused connection is reset or ends, as it happens.
        let _ = connection.read_to_end(&mut answer);
    }
    answer
}

/// A program that runs beside the test and ends with it.
struct Background(Child);

impl Background {
    fn start(command: &mut Command) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self(command.spawn().unwrap())
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn hollow_containers_have_no_processes() {
    let cluster = Cluster::hollow(1);
    cluster.kubectl(&["run", "thin", "--image=any"]).ok();
    cluster.kubectl(&["wait", "pod/thin", "--for=condition=Ready", "--timeout=30s"]).ok();
    let refused = cluster.kubectl(&["exec", "thin", "--", "true"]).err();
    assert!(refused.contains("hollow containers have no processes"), "{refused}");
}
