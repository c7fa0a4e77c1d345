//! The clusters that are measured: `odeon up` of this same binary on free ports, gone afterwards.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::client::Client;

/// A running cluster.
pub struct BenchCluster {
    directory: PathBuf,
    process: Child,
    /// From the start of the process to its ready line.
    pub boot: Duration,
}

impl BenchCluster {
    /// Starts one in a new directory.
    pub async fn start(arguments: &[&str]) -> Result<Self> {
        let directory = std::env::temp_dir().join(format!(
            "odeon-bench-{}-{:08x}",
            std::process::id(),
            rand::random::<u32>()
        ));
        let started = Instant::now();
        let mut process = Command::new(std::env::current_exe()?)
            .arg("up")
            .arg("--data-dir")
            .arg(&directory)
            .args(["--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"])
            .args(arguments)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start odeon up")?;
        let mut lines = BufReader::new(process.stdout.take().context("no output")?).lines();
        while let Some(line) = lines.next_line().await? {
            if line.starts_with("ready") {
                return Ok(Self { directory, process, boot: started.elapsed() });
            }
        }
        bail!("the cluster did not become ready");
    }

    /// A client of it.
    pub async fn client(&self) -> Result<Client> {
        Client::connect(Some(&self.directory.join("kubeconfig"))).await
    }

    /// Its data directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The name of its containers' cluster.
    pub fn name(&self) -> String {
        std::fs::read_to_string(self.directory.join("cluster")).unwrap_or_default()
    }

    /// Resident memory of the process and its NATS server, in MiB.
    pub fn memory(&self) -> f64 {
        let own = self.process.id().unwrap_or_default();
        let children =
            std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        let pids = children.split_whitespace().filter_map(|pid| pid.parse().ok()).chain([own]);
        pids.map(resident_mib).sum()
    }

    /// CPU seconds that the process and its NATS server have used.
    pub fn cpu_seconds(&self) -> f64 {
        let own = self.process.id().unwrap_or_default();
        let children =
            std::fs::read_to_string(format!("/proc/{own}/task/{own}/children")).unwrap_or_default();
        let pids = children.split_whitespace().filter_map(|pid| pid.parse().ok()).chain([own]);
        pids.map(cpu_seconds).sum()
    }

    /// Stops it in order and removes its directory.
    pub async fn stop(mut self) -> Result<()> {
        if let Some(pid) = self.process.id().and_then(|pid| i32::try_from(pid).ok()) {
            kill(Pid::from_raw(pid), Signal::SIGTERM)?;
        }
        self.process.wait().await?;
        std::fs::remove_dir_all(&self.directory).context("cannot remove the cluster's directory")
    }
}

fn resident_mib(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kib.unwrap_or(0.0) / 1024.0
}

/// User and system time, in the kernel's ticks of a hundredth of a second.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let fields = stat
        .rsplit_once(')')
        .map(|(_, rest)| rest.split_whitespace().collect::<Vec<_>>())
        .unwrap_or_default();
    [11, 12].iter().filter_map(|&index| fields.get(index)?.parse::<f64>().ok()).sum::<f64>() / 100.0
}
