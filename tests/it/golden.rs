//! Sessions with real kubectls, line by line, against text that Kubernetes would print.
//!
//! A session is a file in `golden/`: `$ command`, then what it prints. `~ command` is asked again until it prints that, for what
//! takes a moment; a command with `<<EOF` goes on to its end. Commands see `kubectl`, `kubectl-1.32` and `kubectl-1.20`. What differs
//! from run to run is written as [`Normaliser`] writes it. `UPDATE_GOLDEN=1` writes what is printed now: read every line before
//! it is kept, for it claims to be what Kubernetes says.

mod normaliser;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use odeon_tests::{Cluster, repository, run};

use normaliser::Normaliser;

/// How long a `~` command may take to print what is expected.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long to wait before a `~` command is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// One command of a session and what it prints.
struct Step {
    /// Comments and empty lines before it, kept when the file is rewritten.
    before: String,
    command: String,
    /// Ask again until it prints what is expected.
    patient: bool,
    expected: String,
}

impl Step {
    /// Reads the steps of a file, and what follows the last one.
    fn all_of(text: &str) -> Vec<Self> {
        let mut steps: Vec<Self> = Vec::new();
        let mut before = String::new();
        let mut lines = text.lines().peekable();
        while let Some(line) = lines.next() {
            let start = line.strip_prefix("$ ").map(|command| (command, false));
            let Some((command, patient)) = start.or_else(|| Some((line.strip_prefix("~ ")?, true))) else {
                before.push_str(&format!("{line}\n"));
                continue;
            };
            let mut command = command.to_owned();
            if command.contains("<<EOF") {
                for line in lines.by_ref() {
                    command.push_str(&format!("\n{line}"));
                    if line == "EOF" {
                        break;
                    }
                }
            }
            let mut expected = String::new();
            while lines.peek().is_some_and(|line| !line.is_empty()) {
                expected.push_str(&format!("{}\n", lines.next().unwrap()));
            }
            steps.push(Self { before: std::mem::take(&mut before), command, patient, expected });
        }
        steps
    }

    fn text(&self, printed: &str) -> String {
        let mark = if self.patient { '~' } else { '$' };
        format!("{}{mark} {}\n{printed}", self.before, self.command)
    }

    /// What it prints, normalised, after the last attempt.
    fn printed(&self, cluster: &Cluster, normaliser: &Normaliser) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let output = normaliser.normalised(&ask(cluster, &self.command));
            if !self.patient || output == self.expected || Instant::now() > deadline {
                return output;
            }
            std::thread::sleep(PAUSE);
        }
    }
}

/// Both outputs of a shell command, with its exit code where that is not 0. Empty lines are left out, for they separate steps.
fn ask(cluster: &Cluster, command: &str) -> String {
    let tools = repository().join(".odeon/tools");
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap_or_default());
    let script = format!("exec 2>&1\n{command}\ncode=$?\n[ $code = 0 ] || echo \"[exit $code]\"");
    let output = run(Command::new("sh")
        .args(["-c", &script])
        .env("PATH", path)
        .env("HOME", cluster.directory())
        .env("KUBECONFIG", cluster.kubeconfig())
        .env("KUBECACHEDIR", cluster.directory().join("kubectl-cache"))
        .current_dir(cluster.directory()));
    output.stdout.lines().filter(|line| !line.trim().is_empty()).map(|line| format!("{line}\n")).collect()
}

/// Two nodes without containers.
fn hollow() -> Cluster {
    Cluster::start(&["--runtime", "hollow", "--nodes", "2", "--node-name", "node"])
}

/// One node whose pods' containers run on this machine's engine.
fn containers() -> Cluster {
    Cluster::docker("10.126.0.0/16", "31300-31399")
}

/// Runs a session on a cluster of its own.
fn session(name: &str, cluster: &Cluster) {
    let path: PathBuf = repository().join("tests/it/golden").join(format!("{name}.txt"));
    let text = std::fs::read_to_string(&path).unwrap();
    let normaliser = Normaliser::new();
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let (mut written, mut differences) = (String::new(), String::new());
    for step in Step::all_of(&text) {
        let printed = step.printed(cluster, &normaliser);
        written.push_str(&step.text(&printed));
        if printed != step.expected {
            let (command, expected) = (&step.command, &step.expected);
            differences.push_str(&format!("$ {command}\n--- expected\n{expected}--- printed\n{printed}\n"));
        }
    }
    if update {
        std::fs::write(&path, written).unwrap();
    } else {
        assert!(differences.is_empty(), "{}:\n{differences}", path.display());
    }
}

/// A test per session, so that they run at once.
macro_rules! sessions {
    ($($name:ident on $cluster:ident,)*) => {
        $(#[test]
        fn $name() {
            session(stringify!($name), &$cluster());
        })*

        /// Every file is run, every name has a file.
        #[test]
        fn every_session_is_run() {
            let directory = repository().join("tests/it/golden");
            let names = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name());
            let mut found: Vec<String> = names.filter_map(|name| Some(name.to_str()?.strip_suffix(".txt")?.to_owned())).collect();
            let mut listed = vec![$(stringify!($name).to_owned()),*];
            found.sort();
            listed.sort();
            assert_eq!(found, listed);
        }
    };
}

sessions! {
    applying on hollow,
    deploying on hollow,
    describing on hollow,
    editing on hollow,
    errors on hollow,
    objects on hollow,
    old_kubectls on hollow,
    operating on hollow,
    tables on hollow,
    talking on containers,
}
