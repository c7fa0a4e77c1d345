//! `pods/exec` and `pods/attach`: a conversation with a process in a container, over a WebSocket or in SPDY's streams.

mod channels;
mod ending;
pub mod streams;

use std::sync::Arc;

use api::conversation::{Listener, Said};
use api::messages::ExecRequest;
use bus::{StreamReceiver, StreamSender};
use bytes::Bytes;
use serde_json::Value;

use super::target::{self, Target};
use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::path::Query;
use crate::respond::Response;
use crate::upgrade::{Gone, Upgrade};
use ending::Ending;

/// Standard input goes on in pieces of this size.
const PIECE: usize = 32 * 1024;

/// What a client says.
trait Ear: Send {
    /// What it has said next; `None` when it goes.
    fn hear(&mut self) -> impl Future<Output = Option<Vec<Said>>> + Send;
}

/// What a client is told.
trait Mouth: Send {
    /// What a process has written.
    fn say(&mut self, from: Output, bytes: Bytes) -> impl Future<Output = Result<(), Gone>> + Send;
}

/// Where a process writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Output {
    Stdout,
    Stderr,
}

/// Answers `exec` and `attach`.
pub fn answer(context: &Arc<Context>, mut call: Call, attach: bool) -> Result<Response, Failure> {
    let (target, pod) = Target::of(context, &call)?;
    let request = request(&target, &pod, &call.query, attach)?;
    let upgrade = target::upgrade(&mut call)?;
    let wish = Wish { context: Arc::clone(context), target, request };
    let stopping = context.stopping.clone();
    match upgrade {
        Upgrade::WebSocket(upgrade) => {
            let protocol = upgrade.protocol(&channels::PROTOCOLS)?;
            Ok(upgrade.accept(protocol, move |socket| async move {
                stopping.run_until_cancelled(channels::serve(wish, socket)).await;
            }))
        }
        Upgrade::Spdy(upgrade) => {
            let protocol = upgrade.protocol(&streams::PROTOCOLS)?;
            Ok(upgrade.accept(protocol, move |pipe| async move {
                stopping.run_until_cancelled(streams::serve(wish, protocol, pipe)).await;
            }))
        }
    }
}

/// What to ask of the agent.
fn request(target: &Target, pod: &Value, query: &Query, attach: bool) -> Result<ExecRequest, Failure> {
    let request = ExecRequest {
        namespace: target.namespace.clone(),
        pod: target.pod.clone(),
        uid: target.uid.clone(),
        container: target::container(pod, query.text("container"))?,
        command: if attach { Vec::new() } else { query.all("command").to_vec() },
        stdin: query.flag("stdin"),
        stdout: query.flag("stdout"),
        stderr: query.flag("stderr") && !query.flag("tty"),
        tty: query.flag("tty"),
    };
    if !attach && request.command.is_empty() {
        return Err(Failure::bad_request("you must specify at least one command for the container"));
    }
    if !(request.stdin || request.stdout || request.stderr) {
        return Err(Failure::bad_request("you must specify at least 1 of stdin, stdout, stderr"));
    }
    Ok(request)
}

/// A conversation that a client wants.
struct Wish {
    context: Arc<Context>,
    target: Target,
    request: ExecRequest,
}

impl Wish {
    /// Passes on what both sides say. How it ended, unless the client went before.
    async fn converse(&self, ear: &mut impl Ear, mouth: &mut impl Mouth) -> Option<Ending> {
        let opened = self.context.bus.open_stream(&self.target.subject("exec"), &self.request).await;
        let stream = match opened {
            Ok(stream) => stream,
            Err(error) => {
                let why = self.target.unreachable(&error).status.message;
                return Some(Ending::Failed(format!("unable to upgrade connection: {why}")));
            }
        };
        let (mut to_agent, mut from_agent) = stream.split();
        // Dropping the agent's stream tells it that the conversation is over.
        tokio::select! {
            ending = tell_client(&mut from_agent, mouth) => ending,
            () = tell_agent(ear, &mut to_agent) => None,
        }
    }
}

/// What the process says, until it ends. `None` if the client does not listen.
async fn tell_client(from_agent: &mut StreamReceiver, mouth: &mut impl Mouth) -> Option<Ending> {
    let mut listener = Listener::default();
    loop {
        let said = match listener.next_frame() {
            Ok(Some(said)) => said,
            Ok(None) => match from_agent.recv().await {
                Some(Ok(bytes)) => {
                    listener.hear(&bytes);
                    continue;
                }
                Some(Err(why)) => return Some(Ending::Failed(why)),
                None => return Some(Ending::Failed("the agent ended the conversation".to_owned())),
            },
            Err(error) => return Some(Ending::Failed(error.to_string())),
        };
        match said {
            Said::Stdout(bytes) => mouth.say(Output::Stdout, bytes).await.ok()?,
            Said::Stderr(bytes) => mouth.say(Output::Stderr, bytes).await.ok()?,
            Said::Exited(0) | Said::Detached => return Some(Ending::Done),
            Said::Exited(code) => return Some(Ending::Exited(code)),
            Said::Failed(why) => return Some(Ending::Failed(why)),
            Said::Stdin(_) | Said::StdinEnds | Said::Resize { .. } => {}
        }
    }
}

/// What the client says, until it goes.
async fn tell_agent(ear: &mut impl Ear, to_agent: &mut StreamSender) {
    while let Some(heard) = ear.hear().await {
        for said in heard {
            // An agent that has ended the conversation has said why.
            let _ = to_agent.send(said.encode()).await;
        }
    }
}

/// Standard input, in pieces that are not too long.
fn stdin(mut bytes: Bytes) -> impl Iterator<Item = Said> {
    std::iter::from_fn(move || {
        let piece = bytes.split_to(bytes.len().min(PIECE));
        (!piece.is_empty()).then_some(Said::Stdin(piece))
    })
}

/// The size of the client's terminal.
fn resize(size: &Value) -> Option<Said> {
    let number = |name: &str| u16::try_from(size.get(name)?.as_u64()?).ok();
    Some(Said::Resize { width: number("Width")?, height: number("Height")? })
}

#[cfg(test)]
mod tests {
    use api::Uid;
    use serde_json::json;

    use super::*;

    fn ask(query: &str, attach: bool) -> Result<ExecRequest, String> {
        let pod = json!({
            "metadata": {"name": "web", "namespace": "default", "uid": "u"},
            "spec": {"containers": [{"name": "a"}], "nodeName": "n"},
        });
        let target = Target {
            namespace: "default".to_owned(),
            pod: "web".to_owned(),
            uid: Uid::from("u"),
            node: "n".into(),
        };
        request(&target, &pod, &Query::parse(query), attach).map_err(|failure| failure.status.message)
    }

    #[test]
    fn requests_are_read() {
        let request = ask("command=ls&command=-l+%2F&stdout=true&stderr=true", false).unwrap();
        assert_eq!(
            (request.container.as_str(), request.command.as_slice()),
            ("a", ["ls", "-l /"].map(String::from).as_slice())
        );
        assert!(request.stdout && request.stderr && !request.stdin && !request.tty);
        assert!(!ask("command=sh&stdin=true&stdout=true&stderr=true&tty=true", false).unwrap().stderr);
        assert_eq!(
            ask("command=ls", false).unwrap_err(),
            "you must specify at least 1 of stdin, stdout, stderr"
        );
        assert_eq!(
            ask("stdout=true", false).unwrap_err(),
            "you must specify at least one command for the container"
        );
        assert_eq!(ask("stdout=true&container=b", true).unwrap_err(), "container b is not valid for pod web");
        assert!(ask("stdout=true", true).unwrap().command.is_empty());
    }
}
