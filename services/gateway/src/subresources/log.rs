//! `pods/log`: bytes from the agent that runs the pod.

use api::json::text;
use api::messages::LogsRequest;
use api::{Timestamp, Uid};
use bus::ByteStream;
use bytes::Bytes;
use futures::stream;
use serde_json::Value;

use super::target::{container, unreachable_node};
use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::path::Query;
use crate::read;
use crate::respond::{self, Response, StreamError};

/// `GET pods/<name>/log`.
pub async fn stream(context: &Context, call: &Call) -> Result<Response, Failure> {
    let pod = read::find(context, call)?.value();
    let request = request(&pod, &call.query)?;
    let node = text(&pod, "/spec/nodeName");
    if node.is_empty() {
        return Ok(respond::bytes(200, "text/plain", Bytes::new()));
    }
    let subject = format!("odeon.node.{}.logs", bus::token(node));
    let bytes =
        context.bus.open_stream(&subject, &request).await.map_err(|error| unreachable_node(node, &error))?;
    let stopping = context.stopping.clone();
    let pieces = stream::unfold(Some(bytes), move |open| {
        let stopping = stopping.clone();
        async move {
            let mut open: ByteStream = open?;
            let piece = tokio::select! {
                piece = open.recv() => piece?,
                () = stopping.cancelled() => return None,
            };
            match piece {
                Ok(bytes) => Some((Ok(bytes), Some(open))),
                Err(why) => Some((Err(StreamError::from(why)), None)),
            }
        }
    });
    Ok(respond::stream("text/plain", pieces))
}

/// What to ask of the agent.
fn request(pod: &Value, query: &Query) -> Result<LogsRequest, Failure> {
    let since_seconds: Option<i64> = query.number("sinceSeconds")?;
    let since_time = query.text("sinceTime");
    if since_seconds.is_some() && !since_time.is_empty() {
        return Err(Failure::bad_request("at most one of `sinceTime` or `sinceSeconds` may be specified"));
    }
    let since_micros = match since_time {
        "" => None,
        text => Some(Timestamp::parse(text).ok_or_else(|| {
            Failure::bad_request(format!("invalid sinceTime: \"{text}\" is not an RFC 3339 time"))
        })?),
    };
    Ok(LogsRequest {
        namespace: text(pod, "/metadata/namespace").to_owned(),
        pod: text(pod, "/metadata/name").to_owned(),
        uid: Uid::from(text(pod, "/metadata/uid")),
        container: container(pod, query.text("container"))?,
        follow: query.flag("follow"),
        previous: query.flag("previous"),
        timestamps: query.flag("timestamps"),
        tail_lines: query.number("tailLines")?,
        since_seconds,
        since_micros: since_micros.map(|time| time.0),
        limit_bytes: query.number("limitBytes")?,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ask(query: &str, containers: &[&str]) -> Result<LogsRequest, String> {
        let containers: Vec<Value> = containers.iter().map(|name| json!({"name": name})).collect();
        let pod = json!({
            "metadata": {"name": "web", "namespace": "default", "uid": "u"},
            "spec": {"containers": containers, "initContainers": [{"name": "setup"}]},
        });
        request(&pod, &Query::parse(query)).map_err(|failure| failure.status.message)
    }

    #[test]
    fn the_container_is_found_or_asked_for() {
        assert_eq!(ask("", &["a"]).unwrap().container, "a");
        assert_eq!(ask("container=setup", &["a", "b"]).unwrap().container, "setup");
        assert_eq!(
            ask("", &["a", "b"]).unwrap_err(),
            "a container name must be specified for pod web, choose one of: [a b] or one of the init containers: [setup]"
        );
        assert_eq!(ask("container=c", &["a"]).unwrap_err(), "container c is not valid for pod web");
    }

    #[test]
    fn options_are_passed_on() {
        let request =
            ask("follow=true&tailLines=10&previous=1&limitBytes=5&sinceTime=2026-01-01T00:00:01Z", &["a"])
                .unwrap();
        assert!(request.follow && request.previous && !request.timestamps);
        assert_eq!((request.tail_lines, request.limit_bytes), (Some(10), Some(5)));
        assert_eq!(request.since_micros, Some(1_767_225_601_000_000));
        assert!(ask("sinceTime=2026-01-01T00:00:01Z&sinceSeconds=1", &["a"]).is_err());
        assert!(ask("tailLines=x", &["a"]).is_err());
    }
}
