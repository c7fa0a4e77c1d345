//! Hollow containers have no processes to talk with.

use super::super::process::{Process, ProcessId, Processes, Wish};
use super::super::{ContainerId, FailureKind, RuntimeError};
use super::Hollow;

impl Processes for Hollow {
    async fn talk(&self, id: &ContainerId, _wish: &Wish) -> Result<Process, RuntimeError> {
        Err(no_processes("talk with a process of", id.as_str()))
    }

    async fn resize(&self, process: &ProcessId, _width: u16, _height: u16) -> Result<(), RuntimeError> {
        Err(no_processes("resize the terminal of", &process.to_string()))
    }

    async fn exit_code(&self, process: &ProcessId) -> Result<Option<i64>, RuntimeError> {
        Err(no_processes("ask for the exit code of", &process.to_string()))
    }
}

fn no_processes(operation: &'static str, subject: &str) -> RuntimeError {
    RuntimeError::new(operation, subject, FailureKind::Refused, "hollow containers have no processes")
}
