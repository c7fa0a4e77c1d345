//! What needs more than one request of the engine: parts of volumes, and commands in containers.

use bollard::exec::{StartExecOptions, StartExecResults};
use bollard::models::ExecConfig;
use futures::StreamExt;

use super::failed;
use crate::runtime::{ContainerId, ContainerSpec, ExecOutcome, FailureKind, MountSource, RuntimeError};

/// Enough of a probe's output for a message.
const OUTPUT_LIMIT: usize = 10 * 1024;

/// Parts of volumes as bind mounts of the volume's directory: engines before 25 cannot mount a part of a volume.
pub(super) async fn sub_path_binds(
    client: &bollard::Docker,
    spec: &ContainerSpec,
) -> Result<Vec<String>, RuntimeError> {
    let mut binds = Vec::new();
    for mount in &spec.mounts {
        let MountSource::Volume { name, sub_path: Some(sub_path) } = &mount.source else { continue };
        if sub_path.split('/').any(|part| part == "..") {
            let why = "a subPath must not leave its volume";
            return Err(RuntimeError::new("mount volume", name, FailureKind::Refused, why));
        }
        let volume =
            client.inspect_volume(name).await.map_err(|error| failed("inspect volume", name, error))?;
        let suffix = if mount.read_only { ":ro" } else { "" };
        binds.push(format!("{}/{sub_path}:{}{suffix}", volume.mountpoint, mount.path));
    }
    Ok(binds)
}

/// Runs a command to its end.
pub(super) async fn exec(
    client: &bollard::Docker,
    id: &ContainerId,
    command: &[String],
) -> Result<ExecOutcome, RuntimeError> {
    let failed = |error| failed("run a command in container", id.as_str(), error);
    let config = ExecConfig {
        cmd: Some(command.to_vec()),
        attach_stdout: Some(true),
        attach_stderr: Some(true),
        ..Default::default()
    };
    let created = client.create_exec(id.as_str(), config).await.map_err(failed)?;
    let started = client.start_exec(&created.id, None::<StartExecOptions>).await.map_err(failed)?;
    let mut output = Vec::new();
    if let StartExecResults::Attached { output: mut chunks, .. } = started {
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(failed)?;
            let room = OUTPUT_LIMIT.saturating_sub(output.len());
            output.extend(chunk.as_ref().iter().take(room));
        }
    }
    let ended = client.inspect_exec(&created.id).await.map_err(failed)?;
    Ok(ExecOutcome {
        code: ended.exit_code.unwrap_or(-1),
        output: String::from_utf8_lossy(&output).into_owned(),
    })
}
