//! OpenAPI documents: of version 2, which parameters patches of every kind take, so that kubectl leaves validation, dry runs and
//! merging to the server.

use api::KindInfo;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::respond::{self, Response};

/// Clients ask for `…v2@v1.0+protobuf`, which is no media type by the RFC, so answers are named like this.
const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/// What a patch's query may hold; kubectl looks for the first and the last.
const PARAMETERS: [&str; 4] = ["dryRun", "fieldManager", "force", "fieldValidation"];
const GROUP_VERSION_KIND: &str = "x-kubernetes-group-version-kind";

/// `/openapi/…`. Version 3 is absent: clients then take version 2.
pub fn answer(rest: &str, accept: &str) -> Result<Response, Failure> {
    match rest {
        "v2" if accept.contains("proto-openapi.spec.v2") => {
            Ok(respond::bytes(200, PROTOBUF, Bytes::from(protobuf())))
        }
        "v2" => Ok(respond::value(200, &document())),
        _ => Err(Failure::no_such_path()),
    }
}

fn document() -> Value {
    let operation = |kind: &KindInfo| {
        let parameters = PARAMETERS.map(|name| json!({"name": name, "in": "query", "type": "string"}));
        let kind = json!({"group": kind.group, "version": kind.version, "kind": kind.kind});
        json!({"patch": {"parameters": parameters, "responses": {}, GROUP_VERSION_KIND: kind}})
    };
    let paths: serde_json::Map<String, Value> =
        api::kinds().iter().map(|kind| (path(kind), operation(kind))).collect();
    let info = json!({"title": "Odeon", "version": env!("CARGO_PKG_VERSION")});
    json!({"swagger": "2.0", "info": info, "paths": paths, "definitions": {}})
}

fn path(kind: &KindInfo) -> String {
    let root = if kind.group.is_empty() { "api" } else { "apis" };
    let namespace = if kind.namespaced { "namespaces/{namespace}/" } else { "" };
    format!("/{root}/{}/{namespace}{}/{{name}}", kind.api_version(), kind.id.plural())
}

/// The same document as `openapi.v2.Document`.
fn protobuf() -> Vec<u8> {
    let info = [text(1, "Odeon"), text(2, env!("CARGO_PKG_VERSION"))].concat();
    let paths: Vec<u8> = api::kinds().iter().flat_map(|kind| field(2, &named_path(kind))).collect();
    [text(1, "2.0"), field(2, &info), field(8, &paths), field(9, &[])].concat()
}

/// `NamedPathItem { name, value: PathItem { patch: Operation { parameters, vendor_extension } } }`.
fn named_path(kind: &KindInfo) -> Vec<u8> {
    let parameters = PARAMETERS.into_iter().flat_map(|name| field(8, &query_parameter(name)));
    let yaml = format!("group: \"{}\"\nversion: {}\nkind: {}\n", kind.group, kind.version, kind.kind);
    let extension = [text(1, GROUP_VERSION_KIND), field(2, &text(2, &yaml))].concat();
    let operation: Vec<u8> = parameters.chain(field(13, &extension)).collect();
    [text(1, &path(kind)), field(2, &field(8, &operation))].concat()
}

/// `ParametersItem { parameter: Parameter { non_body_parameter: NonBodyParameter { query_parameter_sub_schema } } }`.
fn query_parameter(name: &str) -> Vec<u8> {
    let schema = [text(2, "query"), text(4, name), text(6, "string")].concat();
    field(1, &field(2, &field(3, &schema)))
}

fn text(number: u8, text: &str) -> Vec<u8> {
    field(number, text.as_bytes())
}

/// A length-delimited field; numbers are below 16.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![(number << 3) | 2];
    let mut length = content.len();
    while length >= 0x80 {
        bytes.push(u8::try_from(length & 0x7f).unwrap_or_default() | 0x80);
        length >>= 7;
    }
    bytes.push(u8::try_from(length).unwrap_or_default());
    bytes.extend_from_slice(content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_fields_have_long_lengths() {
        assert_eq!(field(1, b"ab"), [10, 2, b'a', b'b']);
        assert_eq!(field(2, &[0; 300])[..3], [18, 0xac, 0x02]);
    }

    #[test]
    fn every_kind_has_its_path() {
        let document = document();
        let deployments =
            &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"]["patch"];
        assert_eq!(deployments[GROUP_VERSION_KIND]["kind"], "Deployment");
        assert!(document["paths"].get("/api/v1/nodes/{name}").is_some());
    }
}
