//! Answers in protobuf, for clients that take nothing else: everything here is JSON, and translated at the door.

use bytes::{Bytes, BytesMut};
use futures::stream;
use http_body_util::BodyExt;
use hyper::header::CONTENT_TYPE;
use serde_json::Value;

use crate::failure::Failure;
use crate::negotiate;
use crate::respond::{self, Body, Response, StreamError};

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
const WATCH: &str = "application/vnd.kubernetes.protobuf;stream=watch";

/// The client takes protobuf and no JSON.
pub fn is_wanted(accept: &str) -> bool {
    let ranges = negotiate::media_ranges(accept);
    ranges.iter().any(|range| range.kind == PROTOBUF) && !ranges.iter().any(negotiate::MediaRange::takes_json)
}

/// The same answer in protobuf; `watch`: it is a stream of events. What is no JSON stays as it is.
pub async fn translate(response: Response, watch: bool) -> Response {
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if !is_json {
        return response;
    }
    let code = response.status().as_u16();
    if watch && code == 200 {
        return respond::stream(WATCH, events(response.into_body()));
    }
    let (head, body) = response.into_parts();
    let encoded = match body.collect().await {
        Ok(body) => whole(&body.to_bytes()),
        Err(error) => Err(format!("the answer ended early: {error}")),
    };
    match encoded {
        Ok(bytes) => {
            let mut translated = respond::bytes(code, PROTOBUF, bytes);
            for (name, value) in head.headers.iter().filter(|(name, _)| *name != CONTENT_TYPE) {
                translated.headers_mut().insert(name, value.clone());
            }
            translated
        }
        // Kinds that protobuf does not know, such as tables and custom resources.
        Err(_) => respond::failure(&Failure::not_acceptable()),
    }
}

fn whole(json: &[u8]) -> Result<Bytes, String> {
    let object: Value = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    api::protobuf::encode(&object).map(Bytes::from).map_err(|error| error.to_string())
}

/// One message per line of JSON.
fn events(body: Body) -> impl futures::Stream<Item = Result<Bytes, StreamError>> {
    stream::try_unfold((body, BytesMut::new()), |(mut body, mut rest)| async move {
        loop {
            if let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line = rest.split_to(end + 1);
                return Ok(Some((event(&line)?, (body, rest))));
            }
            match body.frame().await {
                None => return Ok(None),
                Some(Err(error)) => return Err(error),
                Some(Ok(frame)) => rest.extend_from_slice(&frame.into_data().unwrap_or_default()),
            }
        }
    })
}

/// An event with its length before it.
fn event(line: &[u8]) -> Result<Bytes, StreamError> {
    let event: Value = serde_json::from_slice(line)?;
    let object = event.get("object").unwrap_or(&Value::Null);
    let encoded = api::protobuf::encode_event(api::json::text(&event, "/type"), object)?;
    let length = u32::try_from(encoded.len())?;
    Ok([&length.to_be_bytes()[..], &encoded].concat().into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_those_who_take_nothing_else_get_protobuf() {
        assert!(is_wanted(PROTOBUF));
        assert!(is_wanted("application/vnd.kubernetes.protobuf;stream=watch"));
        assert!(!is_wanted("application/vnd.kubernetes.protobuf,application/json"));
        assert!(!is_wanted("application/vnd.kubernetes.protobuf, */*"));
        assert!(!is_wanted(""));
    }

    #[tokio::test]
    async fn answers_and_events_are_translated() {
        let map =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"a": "b"}});
        let list = json!({"apiVersion": "v1", "kind": "ConfigMapList", "metadata": {"resourceVersion": "7"}, "items": [map]});
        let read = async |response: Response| response.into_body().collect().await.unwrap().to_bytes();
        for object in [&map, &list] {
            let answer = translate(respond::value(200, object), false).await;
            assert_eq!(answer.headers()[CONTENT_TYPE], PROTOBUF);
            let decoded = api::protobuf::decode(&read(answer).await).unwrap();
            assert_eq!(decoded.pointer("/items/0/data").or(decoded.get("data")), Some(&json!({"a": "b"})));
        }
        let failure = translate(respond::failure(&Failure::unauthorized()), true).await;
        assert_eq!(failure.status(), 401);
        assert_eq!(api::protobuf::decode(&read(failure).await).unwrap()["reason"], "Unauthorized");
        let table =
            translate(respond::value(200, &json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1"})), false)
                .await;
        assert_eq!(table.status(), 406);
        // Lines are cut anywhere.
        let line = format!("{}\n", json!({"type": "ADDED", "object": map}));
        let (one, other) = line.split_at(20);
        let pieces = [one.to_owned(), format!("{other}{line}")].map(|piece| Ok(Bytes::from(piece)));
        let watch = translate(respond::stream("application/json", stream::iter(pieces)), true).await;
        let bytes = read(watch).await;
        let length = u32::from_be_bytes(bytes[..4].try_into().unwrap()) as usize;
        assert_eq!(bytes.len(), 2 * (length + 4));
        assert_eq!(bytes[4..6 + 5], *b"\x0a\x05ADDED");
    }
}
