//! `pods/log`: bytes from the agent that runs the pod.

use api::json::{items, text};
use api::kinds::FieldError;
use api::messages::{LogsRequest, Output};
use api::{Timestamp, Uid, status};
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
    open(context, &pod, call.query.text("container"), &call.query).await
}

/// What a container of a pod has written, and writes if that is asked for.
pub async fn open(
    context: &Context,
    pod: &Value,
    container: &str,
    query: &Query,
) -> Result<Response, Failure> {
    let request = request(pod, container, query)?;
    let node = text(pod, "/spec/nodeName");
    if node.is_empty() {
        return Ok(respond::bytes(200, "text/plain", Bytes::new()));
    }
    if let Some(why) = waiting(pod, &request.container).filter(|_| !request.previous) {
        return Err(Failure::bad_request(why));
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

/// Why a container has nothing to show, if its status says more of that than its agent will: it knows what it has run.
fn waiting(pod: &Value, container: &str) -> Option<String> {
    let lists = ["containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"];
    let statuses = lists.iter().flat_map(|list| items(pod, &format!("/status/{list}")));
    let status = statuses.into_iter().find(|status| text(status, "/name") == container)?;
    let has_run = status.pointer("/lastState/terminated").is_some();
    let reason = match text(status, "/state/waiting/reason") {
        "" | "ContainerCreating" => return None,
        "ErrImagePull" => "image can't be pulled",
        "ImagePullBackOff" => "trying and failing to pull image",
        reason => reason,
    };
    let name = text(pod, "/metadata/name");
    (!has_run).then(|| format!("container \"{container}\" in pod \"{name}\" is waiting to start: {reason}"))
}

/// What to ask of the agent.
fn request(pod: &Value, asked: &str, query: &Query) -> Result<LogsRequest, Failure> {
    let options = Options::read(query)?;
    let name = text(pod, "/metadata/name");
    match options.wrong().as_slice() {
        [] => {}
        errors => return Err(status::invalid_options("", "PodLogOptions", name, errors).into()),
    }
    let amount = |number: Option<i64>| number.and_then(|number| u64::try_from(number).ok());
    Ok(LogsRequest {
        namespace: text(pod, "/metadata/namespace").to_owned(),
        pod: name.to_owned(),
        uid: Uid::from(text(pod, "/metadata/uid")),
        container: container(pod, asked)?,
        follow: query.flag("follow"),
        previous: query.flag("previous"),
        timestamps: query.flag("timestamps"),
        tail_lines: amount(options.tail_lines),
        since_seconds: options.since_seconds,
        since_micros: options.since_time.map(|time| time.0),
        limit_bytes: amount(options.limit_bytes),
        only: match options.stream.as_str() {
            "Stdout" => Some(Output::Stdout),
            "Stderr" => Some(Output::Stderr),
            _ => None,
        },
    })
}

/// Which part of a log is asked for, as it was written.
struct Options {
    tail_lines: Option<i64>,
    limit_bytes: Option<i64>,
    since_seconds: Option<i64>,
    since_time: Option<Timestamp>,
    /// Empty: both.
    stream: String,
}

impl Options {
    fn read(query: &Query) -> Result<Self, Failure> {
        let since_time = match query.text("sinceTime") {
            "" => None,
            text => Some(Timestamp::parse(text).ok_or_else(|| {
                Failure::bad_request(format!("invalid sinceTime: \"{text}\" is not an RFC 3339 time"))
            })?),
        };
        Ok(Self {
            tail_lines: query.number("tailLines")?,
            limit_bytes: query.number("limitBytes")?,
            since_seconds: query.number("sinceSeconds")?,
            since_time,
            stream: query.text("stream").to_owned(),
        })
    }

    /// The rules that are violated (Kubernetes' `ValidatePodLogOptions`).
    fn wrong(&self) -> Vec<FieldError> {
        let error =
            |field: &str, reason, message: String| FieldError { field: field.to_owned(), reason, message };
        let invalid = |field, value: i64, why| {
            error(field, "FieldValueInvalid", format!("Invalid value: {value}: {why}"))
        };
        let forbidden = |why: &str| error("", "FieldValueForbidden", format!("Forbidden: {why}"));
        let below = |number: Option<i64>, least: i64| number.filter(|number| *number < least);
        let mut errors = Vec::new();
        if let Some(lines) = below(self.tail_lines, 0) {
            errors.push(invalid("tailLines", lines, "must be greater than or equal to 0"));
        }
        if let Some(bytes) = below(self.limit_bytes, 1) {
            errors.push(invalid("limitBytes", bytes, "must be greater than 0"));
        }
        if self.since_seconds.is_some() && self.since_time.is_some() {
            errors.push(forbidden("at most one of `sinceTime` or `sinceSeconds` may be specified"));
        } else if let Some(seconds) = below(self.since_seconds, 1) {
            errors.push(invalid("sinceSeconds", seconds, "must be greater than 0"));
        }
        if !matches!(self.stream.as_str(), "" | "All" | "Stdout" | "Stderr") {
            let known = r#"supported values: "All", "Stderr", "Stdout""#;
            let message = format!("Unsupported value: \"{}\": {known}", self.stream);
            errors.push(error("stream", "FieldValueNotSupported", message));
        }
        if !matches!(self.stream.as_str(), "" | "All") && self.tail_lines.is_some() {
            errors.push(forbidden("`tailLines` and specific `stream` are mutually exclusive for now"));
        }
        errors
    }
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
        let query = Query::parse(query);
        request(&pod, query.text("container"), &query).map_err(|failure| failure.status.message)
    }

    #[test]
    fn the_container_is_found_or_asked_for() {
        assert_eq!(ask("", &["a"]).unwrap().container, "a");
        assert_eq!(ask("container=setup", &["a", "b"]).unwrap().container, "setup");
        assert_eq!(
            ask("", &["a", "b"]).unwrap_err(),
            "a container name must be specified for pod web, choose one of: [setup a b]"
        );
        assert_eq!(ask("container=c", &["a"]).unwrap_err(), "container c is not valid for pod web");
    }

    #[test]
    fn options_are_passed_on() {
        let request = ask(
            "follow=true&tailLines=10&previous=1&limitBytes=5&sinceTime=2026-01-01T00:00:01Z&stream=All",
            &["a"],
        )
        .unwrap();
        assert!(request.follow && request.previous && !request.timestamps);
        assert_eq!((request.tail_lines, request.limit_bytes), (Some(10), Some(5)));
        assert_eq!(request.since_micros, Some(1_767_225_601_000_000));
        assert_eq!(ask("stream=Stderr", &["a"]).unwrap().only, Some(Output::Stderr));
        assert!(ask("tailLines=x", &["a"]).is_err());
        assert!(ask("sinceTime=yesterday", &["a"]).is_err());
    }

    #[test]
    fn wrong_options_are_named_in_kubernetes_words() {
        for (query, why) in [
            ("tailLines=-1", "tailLines: Invalid value: -1: must be greater than or equal to 0"),
            ("limitBytes=0", "limitBytes: Invalid value: 0: must be greater than 0"),
            ("sinceSeconds=0", "sinceSeconds: Invalid value: 0: must be greater than 0"),
            (
                "sinceTime=2026-01-01T00:00:01Z&sinceSeconds=1",
                ": Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified",
            ),
            ("stream=x", r#"stream: Unsupported value: "x": supported values: "All", "Stderr", "Stdout""#),
            (
                "stream=Stdout&tailLines=1",
                ": Forbidden: `tailLines` and specific `stream` are mutually exclusive for now",
            ),
        ] {
            assert_eq!(ask(query, &["a"]).unwrap_err(), format!("PodLogOptions \"web\" is invalid: {why}"));
        }
    }

    #[test]
    fn who_waits_says_what_for() {
        let pod =
            |state: Value| json!({"metadata": {"name": "web"}, "status": {"containerStatuses": [state]}});
        let why =
            |reason: &str| waiting(&pod(json!({"name": "c", "state": {"waiting": {"reason": reason}}})), "c");
        let starts = "container \"c\" in pod \"web\" is waiting to start: ";
        assert_eq!(why("ErrImagePull").unwrap(), format!("{starts}image can't be pulled"));
        assert_eq!(why("ImagePullBackOff").unwrap(), format!("{starts}trying and failing to pull image"));
        assert_eq!(why("PodInitializing").unwrap(), format!("{starts}PodInitializing"));
        assert_eq!(why("ContainerCreating"), None, "the agent may know better by now");
        let again = json!({"name": "c", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {}}});
        assert_eq!(waiting(&pod(again), "c"), None, "what it wrote is there");
    }
}
