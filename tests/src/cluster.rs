//! A cluster of a test's own: `odeon up` on free ports in a directory of its own, gone when the test ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Once;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::tools::{Output, eventually, odeon, run, tool};

/// How long a cluster may take to start or to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running `odeon up`.
pub struct Cluster {
    directory: tempfile::TempDir,
    arguments: Vec<String>,
    process: Option<Started>,
}

/// The process and the line it printed when it was ready.
pub struct Started {
    child: Child,
    /// `ready in 0.42 s: …`.
    pub ready_line: String,
}

impl Cluster {
    /// Starts a cluster without containers.
    pub fn hollow(nodes: u32) -> Self {
        Self::start(&["--runtime", "hollow", "--nodes", &nodes.to_string()])
    }

    /// Makes the tests' images, and starts a cluster whose one node runs containers on this machine's Docker engine. Tests that
    /// run at the same time need services' addresses and node ports (`FIRST-LAST`) of their own.
    pub fn docker(service_cidr: &str, node_ports: &str) -> Self {
        static IMAGES: Once = Once::new();
        IMAGES.call_once(crate::images::make);
        Self::start(&["--runtime", "docker", "--service-cidr", service_cidr, "--node-port-range", node_ports])
    }

    /// Starts a cluster with further arguments of `odeon up`.
    ///
    /// # Panics
    /// It does not become ready.
    #[expect(clippy::expect_used, reason = "a test without its cluster has failed")]
    pub fn start(arguments: &[&str]) -> Self {
        let directory =
            tempfile::Builder::new().prefix("odeon-test-").tempdir().expect("a temporary directory");
        let mut cluster = Self {
            directory,
            arguments: arguments.iter().map(|word| (*word).to_owned()).collect(),
            process: None,
        };
        cluster.resume();
        cluster
    }

    /// Starts it again on the same directory.
    pub fn resume(&mut self) {
        let process = launch(self.directory.path(), &self.arguments);
        self.process = Some(process);
    }

    /// Stops it in order and waits until it has.
    ///
    /// # Panics
    /// It says that something went wrong.
    pub fn stop(&mut self) {
        assert!(self.signal(Signal::SIGTERM), "odeon up did not stop in order");
    }

    /// Kills it as a crash would.
    pub fn kill(&mut self) {
        self.signal(Signal::SIGKILL);
    }

    /// Whether it ended with success, or was not running.
    fn signal(&mut self, signal: Signal) -> bool {
        let Some(mut process) = self.process.take() else { return true };
        let pid = Pid::from_raw(i32::try_from(process.child.id()).unwrap_or_default());
        let _ = kill(pid, signal);
        let stopped = eventually("odeon up has stopped", PATIENCE, || {
            process
                .child
                .try_wait()
                .map_err(|error| error.to_string())?
                .ok_or_else(|| "still running".to_owned())
        });
        stopped.success()
    }

    /// Its data directory.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Its admin kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.directory.path().join("kubeconfig")
    }

    /// The line that `odeon up` printed when it was ready.
    pub fn ready_line(&self) -> &str {
        self.process.as_ref().map(|process| process.ready_line.as_str()).unwrap_or_default()
    }

    /// Runs the current kubectl.
    pub fn kubectl(&self, arguments: &[&str]) -> Output {
        run(self.kubectl_command().args(arguments))
    }

    /// The current kubectl with this cluster's kubeconfig, for what `kubectl` cannot say.
    pub fn kubectl_command(&self) -> Command {
        let mut command = Command::new(tool("kubectl"));
        command
            .env("KUBECONFIG", self.kubeconfig())
            .env("KUBECACHEDIR", self.directory.path().join("kubectl-cache"));
        command.current_dir(crate::repository());
        command
    }

    /// Runs one of our own verbs.
    pub fn odeon(&self, arguments: &[&str]) -> Output {
        run(Command::new(odeon())
            .arg("--kubeconfig")
            .arg(self.kubeconfig())
            .args(arguments)
            .current_dir(crate::repository()))
    }

    /// Runs kubectl with a manifest on standard input.
    #[expect(clippy::expect_used, reason = "a test without its tools has failed")]
    pub fn kubectl_with(&self, arguments: &[&str], manifest: &str) -> Output {
        let mut command = self.kubectl_command();
        command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("kubectl starts");
        child.stdin.take().expect("a pipe").write_all(manifest.as_bytes()).expect("kubectl reads");
        let output = child.wait_with_output().expect("kubectl ends");
        Output {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// The cluster's name on the container engine.
    fn engine_name(&self) -> Option<String> {
        std::fs::read_to_string(self.directory.path().join("cluster")).ok().map(|name| name.trim().to_owned())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let stopped = self.signal(Signal::SIGTERM);
        if self.arguments.iter().any(|word| word == "docker")
            && let Some(name) = self.engine_name()
        {
            let cleaned = run(Command::new(odeon()).args(["agent", "cleanup", "--cluster", &name]));
            if !cleaned.success {
                eprintln!("clean-up of {name}: {}", cleaned.stderr);
            }
        }
        if !std::thread::panicking() {
            assert!(stopped, "odeon up did not stop in order");
        }
    }
}

#[expect(clippy::expect_used, clippy::panic, reason = "a test without its cluster has failed")]
fn launch(directory: &Path, arguments: &[String]) -> Started {
    let mut child = Command::new(odeon())
        .arg("up")
        .arg("--data-dir")
        .arg(directory)
        .args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"])
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("odeon starts");
    let mut errors = child.stderr.take().expect("a pipe");
    let complaints = std::thread::spawn(move || {
        let mut text = String::new();
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = errors.read(&mut buffer) {
            let chunk = String::from_utf8_lossy(buffer.get(..count).unwrap_or_default()).into_owned();
            eprint!("{chunk}");
            text.push_str(&chunk);
        }
        text
    });
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let ready = lines.by_ref().map_while(Result::ok).find(|line| line.starts_with("ready"));
    let Some(ready_line) = ready else {
        let _ = child.wait();
        panic!("odeon up did not become ready: {}", complaints.join().unwrap_or_default());
    };
    Started { child, ready_line }
}
