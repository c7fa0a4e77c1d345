//! Answers in YAML, for people who ask for it: everything here is JSON, and translated at the door.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::header::CONTENT_TYPE;
use serde_json::Value;

use crate::failure::Failure;
use crate::negotiate;
use crate::respond::{self, Response};

const YAML: &str = "application/yaml";

/// The client would rather have YAML than JSON.
pub fn is_wanted(accept: &str) -> bool {
    // Nearly nobody does, and every request is asked.
    if !accept.contains(YAML) {
        return false;
    }
    let ranges = negotiate::media_ranges(accept);
    let best = ranges.iter().find(|range| range.takes_json() || range.kind == YAML);
    best.is_some_and(|range| range.kind == YAML)
}

/// The same answer in YAML. What is no JSON stays as it is.
pub async fn translate(response: Response) -> Response {
    if response.headers().get(CONTENT_TYPE).is_none_or(|kind| kind != "application/json") {
        return response;
    }
    let code = response.status().as_u16();
    let (head, body) = response.into_parts();
    let Ok(body) = body.collect().await else {
        return respond::failure(&Failure::unavailable("the answer ended early"));
    };
    let value: Result<Value, _> = serde_json::from_slice(&body.to_bytes());
    let Some(text) = value.ok().and_then(|value| serde_yaml_ng::to_string(&value).ok()) else {
        return respond::failure(&Failure::not_acceptable());
    };
    let mut translated = respond::compressible(respond::bytes(code, YAML, Bytes::from(text)));
    for (name, value) in head.headers.iter().filter(|(name, _)| *name != CONTENT_TYPE) {
        translated.headers_mut().append(name, value.clone());
    }
    translated
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn whoever_prefers_yaml_gets_it() {
        assert!(is_wanted("application/yaml"));
        assert!(is_wanted("application/json;q=0.1,application/yaml"));
        assert!(!is_wanted("application/json,application/yaml"));
        assert!(!is_wanted("*/*"));
        assert!(!is_wanted("application/vnd.kubernetes.protobuf"));
    }

    #[tokio::test]
    async fn answers_are_translated() {
        let mut answer = respond::value(409, &json!({"kind": "Status", "code": 409, "message": "a: b"}));
        respond::warn(&mut answer, &["one".to_owned(), "two".to_owned()]);
        let answer = translate(answer).await;
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()[CONTENT_TYPE]),
            (409, &YAML.parse().unwrap())
        );
        assert_eq!(answer.headers().get_all("warning").iter().count(), 2);
        let body = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(body, "code: 409\nkind: Status\nmessage: 'a: b'\n");
    }
}
