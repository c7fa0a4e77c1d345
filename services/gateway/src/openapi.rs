//! OpenAPI documents: an empty one of version 2, so that kubectl leaves validation and merging to the server.

use bytes::Bytes;
use serde_json::json;

use crate::failure::Failure;
use crate::respond::{self, Response};

/// Clients ask for `…v2@v1.0+protobuf`, which is no media type by the RFC, so answers are named like this.
const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// `/openapi/…`. Version 3 is absent: clients then take version 2.
pub fn answer(rest: &str, accept: &str) -> Result<Response, Failure> {
    match rest {
        "v2" if accept.contains("proto-openapi.spec.v2") => {
            Ok(respond::bytes(200, PROTOBUF, Bytes::from(document())))
        }
        "v2" => {
            let info = json!({"title": "Odeon", "version": env!("CARGO_PKG_VERSION")});
            Ok(respond::value(200, &json!({"swagger": "2.0", "info": info, "paths": {}, "definitions": {}})))
        }
        _ => Err(Failure::no_such_path()),
    }
}

/// `openapi.v2.Document` with nothing but its head: `swagger` (1), `info` (2), empty `paths` (8) and `definitions` (9).
fn document() -> Vec<u8> {
    let info = [text(1, "Odeon"), text(2, env!("CARGO_PKG_VERSION"))].concat();
    [text(1, "2.0"), field(2, &info), field(8, &[]), field(9, &[])].concat()
}

fn text(number: u8, text: &str) -> Vec<u8> {
    field(number, text.as_bytes())
}

/// A length-delimited field; its content is shorter than 128 bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len().min(127)).unwrap_or_default();
    let mut bytes = vec![(number << 3) | 2, length];
    bytes.extend_from_slice(content);
    bytes
}
