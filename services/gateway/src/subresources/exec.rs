//! `pods/exec` and `pods/attach`: a conversation with a process in a container, over a WebSocket.

use std::sync::Arc;

use api::conversation::{Listener, Said};
use api::messages::ExecRequest;
use bus::{StreamReceiver, StreamSender};
use bytes::{BufMut, Bytes, BytesMut};
use futures::stream::{SplitSink, SplitStream};
use futures::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::protocol::Message;

use super::target::{self, Target};
use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::path::Query;
use crate::respond::Response;
use crate::upgrade::{Socket, farewell};

/// The fifth version lets the client end standard input.
const V5: &str = "v5.channel.k8s.io";
const V4: &str = "v4.channel.k8s.io";
const STDIN: u8 = 0;
const STDOUT: u8 = 1;
const STDERR: u8 = 2;
/// How it ended, as a `Status`.
const STATUS: u8 = 3;
const RESIZE: u8 = 4;
/// Followed by the number of the channel that ends.
const CLOSE: u8 = 255;
/// Standard input goes on in pieces of this size.
const PIECE: usize = 32 * 1024;

/// Answers `exec` and `attach`.
pub fn answer(context: &Arc<Context>, mut call: Call, attach: bool) -> Result<Response, Failure> {
    let (target, pod) = Target::of(context, &call)?;
    let request = request(&target, &pod, &call.query, attach)?;
    let upgrade = target::upgrade(&mut call)?;
    let protocol = upgrade.protocol(&[V4, V5])?;
    let context = Arc::clone(context);
    Ok(upgrade.accept(protocol, move |socket| async move {
        let (ending, socket) = tokio::select! {
            ended = converse(&context, &target, &request, socket) => ended,
            () = context.stopping.cancelled() => return,
        };
        if let (Some(ending), Some(mut socket)) = (ending, socket)
            && socket.send(message(STATUS, ending.to_string().as_bytes())).await.is_ok()
        {
            farewell(socket).await;
        }
    }))
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

/// Passes on what both sides say. The `Status` with which it ended, and the socket if the client still listens.
async fn converse(
    context: &Context,
    target: &Target,
    request: &ExecRequest,
    mut socket: Socket,
) -> (Option<Value>, Option<Socket>) {
    let opened = context.bus.open_stream(&target.subject("exec"), request).await;
    let stream = match opened {
        Ok(stream) => stream,
        Err(error) => {
            let why = target.unreachable(&error).status.message;
            return (Some(failed(&format!("error executing command in container: {why}"))), Some(socket));
        }
    };
    // Some clients take the conversation as open only when they hear something, so they hear nothing.
    if socket.send(message(STDOUT, b"")).await.is_err() {
        return (None, None);
    }
    let (mut to_client, mut from_client) = socket.split();
    let (mut to_agent, mut from_agent) = stream.split();
    let ending = tokio::select! {
        ending = tell_client(&mut from_agent, &mut to_client) => ending,
        () = tell_agent(&mut from_client, &mut to_agent) => None,
    };
    // Dropping the agent's stream tells it that the conversation is over.
    (ending, to_client.reunite(from_client).ok())
}

/// What the process says, until it ends. `None` if the client does not listen.
async fn tell_client(
    from_agent: &mut StreamReceiver,
    to_client: &mut SplitSink<Socket, Message>,
) -> Option<Value> {
    let mut listener = Listener::default();
    loop {
        let said = match listener.next_frame() {
            Ok(Some(said)) => said,
            Ok(None) => match from_agent.recv().await {
                Some(Ok(bytes)) => {
                    listener.hear(&bytes);
                    continue;
                }
                Some(Err(why)) => return Some(failed(&why)),
                None => return Some(failed("the agent ended the conversation")),
            },
            Err(error) => return Some(failed(&error.to_string())),
        };
        match said {
            Said::Stdout(bytes) => to_client.send(message(STDOUT, &bytes)).await.ok()?,
            Said::Stderr(bytes) => to_client.send(message(STDERR, &bytes)).await.ok()?,
            Said::Exited(0) | Said::Detached => return Some(json!({"metadata": {}, "status": "Success"})),
            Said::Exited(code) => return Some(exited(code)),
            Said::Failed(why) => return Some(failed(&why)),
            Said::Stdin(_) | Said::StdinEnds | Said::Resize { .. } => {}
        }
    }
}

/// What the client says, until it goes.
async fn tell_agent(from_client: &mut SplitStream<Socket>, to_agent: &mut StreamSender) {
    while let Some(Ok(received)) = from_client.next().await {
        let heard = match received {
            Message::Binary(bytes) => read(&bytes),
            Message::Text(text) => read(text.as_bytes()),
            Message::Close(_) => return,
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => Vec::new(),
        };
        for said in heard {
            // An agent that has ended the conversation has said why.
            let _ = to_agent.send(said.encode()).await;
        }
    }
}

/// What a message of the client means.
fn read(message: &[u8]) -> Vec<Said> {
    match message.split_first() {
        Some((&STDIN, bytes)) => {
            bytes.chunks(PIECE).map(|piece| Said::Stdin(Bytes::copy_from_slice(piece))).collect()
        }
        Some((&CLOSE, [STDIN, ..])) => vec![Said::StdinEnds],
        Some((&RESIZE, size)) => resize(size).into_iter().collect(),
        _ => Vec::new(),
    }
}

fn resize(size: &[u8]) -> Option<Said> {
    let size: Value = serde_json::from_slice(size).ok()?;
    let number = |name: &str| u16::try_from(size.get(name)?.as_u64()?).ok();
    Some(Said::Resize { width: number("Width")?, height: number("Height")? })
}

fn message(channel: u8, bytes: &[u8]) -> Message {
    let mut message = BytesMut::with_capacity(bytes.len() + 1);
    message.put_u8(channel);
    message.put_slice(bytes);
    Message::Binary(message.freeze())
}

/// The `Status` of a command that failed by itself.
fn exited(code: i64) -> Value {
    json!({
        "metadata": {},
        "status": "Failure",
        "message": format!("command terminated with non-zero exit code: exit status {code}"),
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
    })
}

/// The `Status` of a command that could not be run or heard.
fn failed(why: &str) -> Value {
    json!({
        "metadata": {},
        "status": "Failure",
        "message": format!("Internal error occurred: {why}"),
        "reason": "InternalError",
        "details": {"causes": [{"message": why}]},
        "code": 500,
    })
}

#[cfg(test)]
mod tests {
    use api::Uid;

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

    #[test]
    fn messages_of_clients_are_read() {
        assert_eq!(read(b"\x00ls\n"), [Said::Stdin(Bytes::from_static(b"ls\n"))]);
        assert_eq!(read(&[vec![0], vec![b'x'; PIECE + 1]].concat()).len(), 2);
        assert_eq!(read(&[CLOSE, STDIN]), [Said::StdinEnds]);
        assert_eq!(read(b"\x04{\"Width\":80,\"Height\":24}"), [Said::Resize { width: 80, height: 24 }]);
        for ignored in [
            &b""[..],
            b"\x00",
            b"\xff",
            b"\xff\x01",
            b"\x04{}",
            b"\x04{\"Width\":-1,\"Height\":99999}",
            b"\x09x",
        ] {
            assert_eq!(read(ignored), []);
        }
    }
}
