//! Lets clients of the gateway talk with processes in containers: `kubectl exec`, `attach` and `cp`.

use std::pin::Pin;
use std::sync::Arc;

use api::NodeName;
use api::conversation::{Listener, Said};
use api::messages::ExecRequest;
use bus::{BusError, ByteStream, Incoming, StreamReceiver, StreamSender};
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::Agent;
use crate::runtime::process::{Output, Process, ProcessId, Processes, Wish};
use crate::runtime::{ContainerRuntime, PodRef, RunState, RuntimeError};

/// Listens for all nodes of the process.
pub async fn listen<R: ContainerRuntime>(
    agent: &Agent<R>,
) -> Result<BoxStream<'static, Incoming<ExecRequest>>, BusError> {
    Ok(agent.bus.accept_streams::<ExecRequest>(&agent.subject("exec")).await?.boxed())
}

/// Serves requests until the subscription ends.
pub async fn run<R: ContainerRuntime>(
    agent: Arc<Agent<R>>,
    mut requests: BoxStream<'static, Incoming<ExecRequest>>,
) {
    while let Some(incoming) = requests.next().await {
        let Some(node) = agent.node_of(&incoming.subject).map(|node| node.name.clone()) else { continue };
        tokio::spawn(serve(Arc::clone(&agent), node, incoming));
    }
}

async fn serve<R: ContainerRuntime>(agent: Arc<Agent<R>>, node: NodeName, incoming: Incoming<ExecRequest>) {
    let process = match open(&agent, node, &incoming.request).await {
        Ok(process) => process,
        Err(why) => return incoming.refuse(&why).await,
    };
    let pod = incoming.request.pod.clone();
    match incoming.accept().await {
        Ok(stream) => converse(agent.pods.runtime().as_ref(), process, stream).await,
        Err(error) => tracing::debug!(pod, %error, "exec stream not accepted"),
    }
}

/// Starts the command in the running instance of the container, or joins that.
async fn open<R: ContainerRuntime>(
    agent: &Agent<R>,
    node: NodeName,
    request: &ExecRequest,
) -> Result<Process, String> {
    let pod = PodRef {
        node,
        namespace: request.namespace.as_str().into(),
        name: request.pod.as_str().into(),
        uid: request.uid.clone(),
    };
    let text = |error: RuntimeError| error.text();
    let instances = agent.pods.instances(&pod, &request.container).await.map_err(text)?;
    let running = instances.into_iter().find(|instance| matches!(instance.state, RunState::Running { .. }));
    let running = running.ok_or_else(|| format!("container not found (\"{}\")", request.container))?;
    let wish = Wish {
        command: request.command.clone(),
        stdin: request.stdin,
        stdout: request.stdout,
        stderr: request.stderr,
        tty: request.tty,
    };
    agent.pods.runtime().talk(&running.id, &wish).await.map_err(text)
}

/// Passes on what each side says until the process ends or the client goes.
async fn converse<R: Processes>(runtime: &R, process: Process, stream: ByteStream) {
    let Process { id, output, input } = process;
    let (mut to_client, from_client) = stream.split();
    let ending = tokio::select! {
        ending = speak(runtime, &id, output, &mut to_client) => ending,
        () = listen_to_client(runtime, &id, input, from_client) => return,
    };
    if let Some(ending) = ending
        && to_client.send(ending.encode()).await.is_ok()
    {
        to_client.close(None).await;
    }
}

/// Sends what the process writes; then says how it ended. `None` if nobody listens.
async fn speak<R: Processes>(
    runtime: &R,
    id: &ProcessId,
    mut output: BoxStream<'static, Result<Output, RuntimeError>>,
    to_client: &mut StreamSender,
) -> Option<Said> {
    while let Some(piece) = output.next().await {
        let said = match piece {
            Ok(Output::Stdout(bytes)) => Said::Stdout(bytes),
            Ok(Output::Stderr(bytes)) => Said::Stderr(bytes),
            Err(error) => return Some(Said::Failed(error.text())),
        };
        to_client.send(said.encode()).await.ok()?;
    }
    Some(match runtime.exit_code(id).await {
        Ok(Some(code)) => Said::Exited(code),
        Ok(None) => Said::Detached,
        Err(error) => Said::Failed(error.text()),
    })
}

/// Does what the client says; ends when the client is gone.
async fn listen_to_client<R: Processes>(
    runtime: &R,
    id: &ProcessId,
    input: Pin<Box<dyn AsyncWrite + Send>>,
    mut from_client: StreamReceiver,
) {
    let mut input = Some(input);
    let mut listener = Listener::default();
    while let Some(Ok(bytes)) = from_client.recv().await {
        listener.hear(&bytes);
        loop {
            match listener.next_frame() {
                Ok(Some(said)) => heed(runtime, id, &mut input, said).await,
                Ok(None) => break,
                Err(error) => return tracing::warn!(process = %id, %error, "a client is not understood"),
            }
        }
    }
}

async fn heed<R: Processes>(
    runtime: &R,
    id: &ProcessId,
    input: &mut Option<Pin<Box<dyn AsyncWrite + Send>>>,
    said: Said,
) {
    match said {
        Said::Stdin(bytes) => {
            let Some(open) = input else { return };
            let written = async {
                open.write_all(&bytes).await?;
                open.flush().await
            };
            // A process that does not read any more may still have something to say.
            if written.await.is_err() {
                *input = None;
            }
        }
        Said::StdinEnds => {
            if let Some(mut open) = input.take() {
                let _ = open.shutdown().await;
            }
        }
        Said::Resize { width, height } => {
            if let Err(error) = runtime.resize(id, width, height).await {
                tracing::debug!(process = %id, error = error.text(), "terminal not resized");
            }
        }
        Said::Stdout(_) | Said::Stderr(_) | Said::Exited(_) | Said::Detached | Said::Failed(_) => {}
    }
}
