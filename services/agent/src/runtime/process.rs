//! What the agent asks of a container engine to let a person talk with a process.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use bytes::Bytes;
use futures::stream::BoxStream;
use tokio::io::AsyncWrite;

use super::{ContainerId, RuntimeError};

/// Talks with processes in containers.
pub trait Processes: Send + Sync + 'static {
    /// Runs a command in a container, or joins the container's own process.
    fn talk(
        &self,
        id: &ContainerId,
        wish: &Wish,
    ) -> impl Future<Output = Result<Process, RuntimeError>> + Send;
    /// Tells a process' terminal its size.
    fn resize(
        &self,
        process: &ProcessId,
        width: u16,
        height: u16,
    ) -> impl Future<Output = Result<(), RuntimeError>> + Send;
    /// The exit code of a command whose output has ended; `None` for a container's own process.
    fn exit_code(
        &self,
        process: &ProcessId,
    ) -> impl Future<Output = Result<Option<i64>, RuntimeError>> + Send;
}

/// What to talk with, and over which streams.
#[derive(Clone, Debug, Default)]
pub struct Wish {
    /// What to run; empty: join the container's own process.
    pub command: Vec<String>,
    /// Standard input.
    pub stdin: bool,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
    /// Over a terminal.
    pub tty: bool,
}

/// A process that is talked with.
pub struct Process {
    /// How the engine knows it.
    pub id: ProcessId,
    /// What it writes, to its end.
    pub output: BoxStream<'static, Result<Output, RuntimeError>>,
    /// Its standard input; shutting it down ends it.
    pub input: Pin<Box<dyn AsyncWrite + Send>>,
}

/// How the engine knows a process.
#[derive(Clone, Debug)]
pub enum ProcessId {
    /// A container's own.
    Main(ContainerId),
    /// A command in a container.
    Command(String),
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Main(id) => id.fmt(f),
            Self::Command(id) => f.write_str(id),
        }
    }
}

/// A piece of what a process writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// To standard output or to its terminal.
    Stdout(Bytes),
    /// To standard error.
    Stderr(Bytes),
}
