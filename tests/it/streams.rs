//! Conversations with containers, driven by kubectls of both kinds: exec, attach, cp and port-forward.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use odeon_tests::images::BUSYBOX;
use odeon_tests::{Cluster, Output, eventually, run, tool};

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

/// A kubectl, and how it talks.
struct Client<'a> {
    cluster: &'a Cluster,
    program: &'static str,
    environment: &'static [(&'static str, &'static str)],
}

/// The kubectls: the first speaks WebSockets, the others SPDY, by wish and because they know nothing else.
fn clients(cluster: &Cluster) -> [Client<'_>; 3] {
    let spdy =
        &[("KUBECTL_REMOTE_COMMAND_WEBSOCKETS", "false"), ("KUBECTL_PORT_FORWARD_WEBSOCKETS", "false")];
    [
        Client { cluster, program: "kubectl", environment: &[] },
        Client { cluster, program: "kubectl", environment: spdy },
        Client { cluster, program: "kubectl-1.20", environment: &[] },
    ]
}

impl Client<'_> {
    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(tool(self.program));
        command.env("KUBECONFIG", self.cluster.kubeconfig()).envs(self.environment.iter().copied());
        command.env("KUBECACHEDIR", self.cluster.directory().join("kubectl-cache"));
        // kubectl 1.20 has its cache below.
        command.env("HOME", self.cluster.directory()).args(words);
        command
    }

    fn exec(&self, words: &[&str]) -> Output {
        run(&mut self.command(&[&["exec", "box", "-c", "main"], words].concat()))
    }
}

#[test]
fn people_talk_with_containers() {
    let cluster = cluster();
    for client in clients(&cluster) {
        commands_run(&client);
        a_terminal_knows_its_size(&client);
        files_are_copied_both_ways(&client);
        attached_input_reaches_the_process(&client);
        ports_are_forwarded(&client);
    }
    what_makes_no_sense_is_refused(&cluster);
    servers_in_pods_are_reached(&cluster);
    logs_have_options(&cluster);
}

fn commands_run(client: &Client<'_>) {
    let mixed = client.exec(&["--", "sh", "-c", "echo out; echo err >&2; exit 7"]);
    assert_eq!((mixed.success, mixed.stdout.as_str()), (false, "out\n"));
    assert_eq!(mixed.stderr, "err\ncommand terminated with exit code 7\n");
    assert_eq!(client.exec(&["--", "true"]).ok(), "");
    let mut sorting =
        Background::start(&mut client.command(&["exec", "-i", "box", "-c", "main", "--", "sort"]));
    sorting.0.stdin.take().unwrap().write_all(b"b\na\n").unwrap();
    let mut sorted = String::new();
    sorting.0.stdout.take().unwrap().read_to_string(&mut sorted).unwrap();
    assert_eq!(sorted, "a\nb\n", "standard input ends, or sort would wait for ever");
    let long = client.exec(&["--", "sh", "-c", "yes 0123456789abcdef | head -c 5000000"]).ok();
    assert_eq!(long.len(), 5_000_000, "all of it arrives before the end does");
    let wrong = run(&mut client.command(&["exec", "box", "-c", "nosuch", "--", "true"])).err();
    assert!(wrong.contains("container nosuch is not valid for pod box"), "{wrong}");
}

fn what_makes_no_sense_is_refused(cluster: &Cluster) {
    let raw = "/api/v1/namespaces/default/pods/box/exec?command=ls&stdout=true";
    let unnamed = cluster.kubectl(&["get", "--raw", raw]).err();
    assert!(
        unnamed.contains("a container name must be specified for pod box, choose one of: [main other]"),
        "{unnamed}"
    );
    let plain = cluster.kubectl(&["get", "--raw", &format!("{raw}&container=main")]).err();
    assert!(plain.contains("Upgrade request required"), "{plain}");
}

/// `script` gives kubectl a terminal.
fn a_terminal_knows_its_size(client: &Client<'_>) {
    let kubectl = client.command(&[]);
    let line = format!(
        "stty rows 33 cols 101; {} exec -it box -c main -- sh -c 'tty; until stty size | grep ^[0-9]; do sleep 0.1; done; exit 5'",
        kubectl.get_program().to_string_lossy()
    );
    let mut command = Command::new("script");
    command.args(["-qec", &line, "/dev/null"]).stdin(Stdio::null());
    command.envs(kubectl.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let seen = run(&mut command);
    assert!(seen.stdout.contains("/dev/pts/"), "{seen:?}");
    assert!(seen.stdout.contains("exit code 5"), "{seen:?}");
    assert!(seen.stdout.contains("33 101"), "{seen:?}");
}

fn files_are_copied_both_ways(client: &Client<'_>) {
    let directory = client.cluster.directory();
    let (there, back) = (directory.join("there"), directory.join("back"));
    let bytes: Vec<u8> =
        (0..3_000_000_u32).flat_map(|number| number.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    std::fs::write(&there, &bytes).unwrap();
    run(&mut client.command(&["cp", "-c", "main", &there.to_string_lossy(), "box:/tmp/copied"])).ok();
    run(&mut client.command(&["cp", "-c", "main", "box:/tmp/copied", &back.to_string_lossy()])).ok();
    assert!(std::fs::read(&back).unwrap() == bytes, "the copy differs");
    std::fs::remove_file(back).unwrap();
}

fn attached_input_reaches_the_process(client: &Client<'_>) {
    let mut attached = Background::start(&mut client.command(&["attach", "-i", "box", "-c", "main"]));
    let mut input = attached.0.stdin.take().unwrap();
    input.write_all(b"a line\n").unwrap();
    let mut lines = BufReader::new(attached.0.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "got a line");
    eventually("the log has it too", PATIENCE, || {
        let log = client.cluster.kubectl(&["logs", "box", "-c", "main"]).ok();
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

fn ports_are_forwarded(client: &Client<'_>) {
    let mut forwarding =
        Background::start(&mut client.command(&["port-forward", "pod/box", ":8080", ":9999"]));
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
    // Newer kubectls give up when a port in the pod refuses; all say why.
    let mut complaints = BufReader::new(forwarding.0.stderr.take().unwrap()).lines().map_while(Result::ok);
    assert!(complaints.any(|line| line.contains("error forwarding port 9999 to pod box")));
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
