//! One process of a cluster: started, killed, started again, stopped, and quoted when it fails.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use crate::bench::sampler::Role;
use crate::up;

/// How long a process may take to stop before it is killed.
const STOP_PATIENCE: Duration = Duration::from_secs(20);
/// How much of a log is quoted.
const LAST_WORDS: usize = 400;

/// How a process is started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// As it is called in tables.
    pub name: String,
    /// What its CPU time counts as.
    pub role: Role,
    /// The file that is run.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Variables besides our own.
    pub environment: Vec<(&'static str, String)>,
    /// Where its output goes.
    pub log: PathBuf,
}

/// A process that was started from here.
pub struct Process {
    /// How it was started, and is started again.
    pub launch: Launch,
    child: Child,
    pid: u32,
}

impl Launch {
    /// Starts it.
    ///
    /// # Errors
    /// The program cannot be run.
    pub fn start(self) -> Result<Process> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("cannot write {}", self.log.display()))?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::from(log.try_clone()?))
            .stderr(Stdio::from(log))
            // Ctrl-C is for us: we stop everything in order.
            .process_group(0)
            .kill_on_drop(true);
        up::end_with_parent(&mut command);
        let child = command.spawn().with_context(|| format!("cannot start {}", self.program.display()))?;
        let pid = child.id().context("it ended at once")?;
        Ok(Process { launch: self, child, pid })
    }
}

impl Process {
    /// Its number.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Fails if it has ended by itself, with its last words.
    pub fn check(&mut self) -> Result<()> {
        match self.child.try_wait()? {
            None => Ok(()),
            Some(status) => bail!("{} ended ({status}): {}", self.launch.name, last_words(&self.launch.log)),
        }
    }

    /// Kills it as a crash would, and waits until it is gone.
    pub async fn kill(&mut self) -> Result<()> {
        self.child.kill().await.with_context(|| format!("cannot kill {}", self.launch.name))
    }

    /// Starts it again, as it was started first.
    pub fn start_again(&mut self) -> Result<()> {
        *self = self.launch.clone().start()?;
        Ok(())
    }

    /// Stops it in order; kills it if that takes too long.
    pub async fn stop(&mut self) -> Result<()> {
        if self.child.id().is_none() {
            return Ok(());
        }
        let pid = Pid::from_raw(i32::try_from(self.pid)?);
        kill(pid, Signal::SIGTERM).with_context(|| format!("cannot stop {}", self.launch.name))?;
        match tokio::time::timeout(STOP_PATIENCE, self.child.wait()).await {
            Ok(ended) => ended.map(drop).with_context(|| format!("cannot stop {}", self.launch.name)),
            Err(_) => self.kill().await,
        }
    }
}

/// The last resort, of whoever was interrupted: it is killed, and gone before its directory is removed.
impl Drop for Process {
    fn drop(&mut self) {
        if self.child.id().is_some() && self.child.start_kill().is_ok() {
            let _ = nix::sys::wait::waitpid(Pid::from_raw(i32::try_from(self.pid).unwrap_or_default()), None);
        }
    }
}

/// The end of a log: its last complaint, else its last line.
pub fn last_words(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let complains = |line: &&str| ["rror", "[FTL]", "[ERR]"].iter().any(|word| line.contains(word));
    let line = text.lines().rev().find(complains).or_else(|| text.lines().next_back());
    line.unwrap_or("it says nothing").chars().take(LAST_WORDS).collect()
}
