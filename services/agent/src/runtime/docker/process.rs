//! Talks with processes in containers of the Docker engine.

use std::time::Duration;

use bollard::container::{AttachContainerResults, LogOutput};
use bollard::exec::{ResizeExecOptions, StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use bollard::query_parameters as query;
use futures::{StreamExt, TryStreamExt};

use super::{DockerEngine, failed};
use crate::runtime::process::{Output, Process, ProcessId, Processes, Wish};
use crate::runtime::{ContainerId, FailureKind, RuntimeError};

/// Buffer for a command's output.
const OUTPUT_CAPACITY: usize = 64 * 1024;
/// Before the engine is asked again about a command that is about to start or to end.
const FIRST_LOOK: Duration = Duration::from_millis(10);
const LAST_LOOK: Duration = Duration::from_millis(500);

impl Processes for DockerEngine {
    async fn talk(&self, id: &ContainerId, wish: &Wish) -> Result<Process, RuntimeError> {
        match wish.command.is_empty() {
            true => self.attach(id, wish).await,
            false => self.run(id, wish).await,
        }
    }

    async fn resize(&self, process: &ProcessId, width: u16, height: u16) -> Result<(), RuntimeError> {
        let mut pause = FIRST_LOOK;
        loop {
            match self.resize_once(process, width, height).await {
                // The engine refuses while the process is only starting.
                Err(_) if pause < LAST_LOOK => tokio::time::sleep(pause).await,
                resized => {
                    return resized
                        .map_err(|error| failed("resize the terminal of", &process.to_string(), error));
                }
            }
            pause *= 2;
        }
    }

    async fn exit_code(&self, process: &ProcessId) -> Result<Option<i64>, RuntimeError> {
        let ProcessId::Command(id) = process else { return Ok(None) };
        let mut pause = FIRST_LOOK;
        loop {
            let seen = self.client.inspect_exec(id).await;
            let seen = seen.map_err(|error| failed("inspect command", id, error))?;
            if seen.running != Some(true) {
                return Ok(Some(seen.exit_code.unwrap_or(-1)));
            }
            // Its output ends a moment before the engine knows its exit code.
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LAST_LOOK);
        }
    }
}

impl DockerEngine {
    async fn resize_once(
        &self,
        process: &ProcessId,
        width: u16,
        height: u16,
    ) -> Result<(), bollard::errors::Error> {
        match process {
            ProcessId::Main(id) => {
                let options = query::ResizeContainerTTYOptions { h: height.into(), w: width.into() };
                self.client.resize_container_tty(id.as_str(), options).await
            }
            ProcessId::Command(id) => self.client.resize_exec(id, ResizeExecOptions { height, width }).await,
        }
    }

    async fn run(&self, id: &ContainerId, wish: &Wish) -> Result<Process, RuntimeError> {
        let failed = |error| failed("run a command in container", id.as_str(), error);
        let config = ExecConfig {
            cmd: Some(wish.command.clone()),
            attach_stdin: Some(wish.stdin),
            attach_stdout: Some(wish.stdout),
            attach_stderr: Some(wish.stderr && !wish.tty),
            tty: Some(wish.tty),
            ..Default::default()
        };
        let created = self.client.create_exec(id.as_str(), config).await.map_err(failed)?.id;
        let options =
            StartExecOptions { detach: false, tty: wish.tty, output_capacity: Some(OUTPUT_CAPACITY) };
        match self.client.start_exec(&created, Some(options)).await.map_err(failed)? {
            StartExecResults::Attached { output, input } => {
                Ok(process(id, ProcessId::Command(created), output.boxed(), input))
            }
            StartExecResults::Detached => Err(RuntimeError::new(
                "run a command in container",
                id.as_str(),
                FailureKind::Refused,
                "the engine detached it",
            )),
        }
    }

    async fn attach(&self, id: &ContainerId, wish: &Wish) -> Result<Process, RuntimeError> {
        let options = query::AttachContainerOptions {
            stream: true,
            stdin: wish.stdin,
            stdout: wish.stdout,
            stderr: wish.stderr,
            ..Default::default()
        };
        let attached = self.client.attach_container(id.as_str(), Some(options)).await;
        let AttachContainerResults { output, input } =
            attached.map_err(|error| failed("attach to container", id.as_str(), error))?;
        Ok(process(id, ProcessId::Main(id.clone()), output.boxed(), input))
    }
}

type EngineOutput = futures::stream::BoxStream<'static, Result<LogOutput, bollard::errors::Error>>;

fn process(
    container: &ContainerId,
    id: ProcessId,
    output: EngineOutput,
    input: std::pin::Pin<Box<dyn tokio::io::AsyncWrite + Send>>,
) -> Process {
    let container = container.clone();
    let output = output
        .map_ok(|piece| match piece {
            LogOutput::StdErr { message } => Output::Stderr(message),
            LogOutput::StdOut { message } | LogOutput::Console { message } | LogOutput::StdIn { message } => {
                Output::Stdout(message)
            }
        })
        .map_err(move |error| failed("hear a process of container", container.as_str(), error));
    Process { id, output: output.boxed(), input }
}
