//! OpenAPI documents, of version 3 per group and version, and of version 2 whole; made when they are first asked for.

mod custom;
mod gnostic;
mod model;
mod paths;
mod schemas;
mod terms;

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use api::Kinds;
use bytes::Bytes;
use hyper::header::{CACHE_CONTROL, HeaderValue, LOCATION};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::aggregate::Remote;
use crate::failure::Failure;
use crate::negotiate::media_ranges;
use crate::respond::{self, Response};
use model::{GroupVersion, Resource};
use schemas::Flavour;

/// Clients ask for `…v2@v1.0+protobuf`, which is no media type by the RFC, so answers are named like this.
const PROTOBUF: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";
/// To be raised when documents change although neither the tables nor the version do.
const EDITION: &str = "2";

/// The newest edition of each document, by its hash: one serves the whole process.
static RENDERED: LazyLock<Mutex<HashMap<Document, (String, Bytes)>>> = LazyLock::new(Mutex::default);
/// What every document's hash starts with: everything that documents are made from.
static INPUTS: LazyLock<Sha256> = LazyLock::new(|| {
    let [table, descriptions] = api::schema::sources();
    Sha256::new().chain_update(EDITION).chain_update(table).chain_update(descriptions)
});

/// One document in one encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Document {
    V2Json,
    V2Protobuf,
    V3(GroupVersion),
}

/// What a request says about the document that it wants.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The `Accept` header.
    pub accept: &'a str,
    /// The `hash` parameter: the document is known to have it.
    pub hash: &'a str,
    /// The `If-None-Match` header: the document that the client has.
    pub known: &'a str,
}

/// `/openapi/…`.
pub fn answer(
    kinds: &Kinds,
    remotes: impl FnOnce() -> Vec<Remote>,
    rest: &str,
    wanted: Wanted<'_>,
) -> Result<Response, Failure> {
    let document = match rest {
        "v3" => return Ok(respond::value(200, &index(kinds, &remotes()))),
        "v2" if wanted.accept.contains("proto-openapi.spec.v2") => Document::V2Protobuf,
        "v2" => Document::V2Json,
        rest => {
            let path = rest.strip_prefix("v3/").ok_or_else(Failure::no_such_path)?;
            let of_path = model::group_versions(kinds).into_iter().find(|version| version.path() == path);
            Document::V3(of_path.ok_or_else(Failure::no_such_path)?)
        }
    };
    if matches!(document, Document::V3(_))
        && !media_ranges(wanted.accept).iter().any(|range| range.takes_json())
    {
        return Err(Failure::not_acceptable());
    }
    Ok(deliver(kinds, document, wanted))
}

/// The document, or that the client has it already, or where its newest edition is.
fn deliver(kinds: &Kinds, document: Document, wanted: Wanted<'_>) -> Response {
    let hash = document.hash(kinds);
    if let (Document::V3(version), false) = (document, ["", hash.as_str()].contains(&wanted.hash)) {
        let mut moved = respond::bytes(301, "text/plain", Bytes::new());
        if let Ok(place) = HeaderValue::from_str(&version.document_url(&hash)) {
            moved.headers_mut().insert(LOCATION, place);
        }
        return moved;
    }
    let rendered = || document.rendered(kinds, &hash);
    let mut response = respond::revalidated(document.media_type(), &hash, wanted.known, rendered);
    if !wanted.hash.is_empty() {
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("public, immutable"));
    }
    response
}

/// `/openapi/v3`: where the documents of the groups and versions are. Hashes tell clients when to fetch them anew.
fn index(kinds: &Kinds, remotes: &[Remote]) -> Value {
    let entry = |version: GroupVersion| {
        let url = version.document_url(&Document::V3(version).hash(kinds));
        (version.path(), json!({"serverRelativeURL": url}))
    };
    let elsewhere = remotes.iter().filter_map(|remote| {
        let url = remote.document.as_deref()?;
        Some((format!("apis/{}/{}", remote.api.group, remote.api.version), json!({"serverRelativeURL": url})))
    });
    let paths: Map<String, Value> =
        model::group_versions(kinds).into_iter().map(entry).chain(elsewhere).collect();
    json!({"paths": paths})
}

impl Document {
    fn media_type(self) -> &'static str {
        match self {
            Self::V2Json | Self::V3(_) => "application/json",
            Self::V2Protobuf => PROTOBUF,
        }
    }

    /// A hash of what the document is made from, so that telling it does not need the document.
    fn hash(self, kinds: &Kinds) -> String {
        let digest = INPUTS.clone().chain_update(format!("{self:?}{:?}", model::resources(kinds))).finalize();
        digest.iter().take(16).map(|byte| format!("{byte:02X}")).collect()
    }

    fn rendered(self, kinds: &Kinds, hash: &str) -> Bytes {
        let mut rendered = RENDERED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, bytes)) = rendered.get(&self).filter(|(known, _)| known == hash) {
            return bytes.clone();
        }
        let bytes = self.render(kinds);
        rendered.insert(self, (hash.to_owned(), bytes.clone()));
        bytes
    }

    fn render(self, kinds: &Kinds) -> Bytes {
        match self {
            Self::V2Json => Bytes::from(version_2(kinds).to_string()),
            Self::V2Protobuf => Bytes::from(gnostic::document(&version_2(kinds))),
            Self::V3(version) => Bytes::from(version_3(kinds, version).to_string()),
        }
    }
}

fn info() -> Value {
    json!({"title": "Odeon", "version": concat!("v1.35.0+odeon.", env!("CARGO_PKG_VERSION"))})
}

fn version_2(kinds: &Kinds) -> Value {
    let resources = model::resources(kinds);
    json!({
        "swagger": "2.0", "info": info(), "paths": paths::of(&resources, Flavour::V2),
        "definitions": schemas::of(&resources, Flavour::V2),
    })
}

fn version_3(kinds: &Kinds, version: GroupVersion) -> Value {
    let resources: Vec<Resource> =
        model::resources(kinds).into_iter().filter(|resource| resource.version == version).collect();
    json!({
        "openapi": "3.0.0", "info": info(), "paths": paths::of(&resources, Flavour::V3),
        "components": {"schemas": schemas::of(&resources, Flavour::V3)},
    })
}

#[cfg(test)]
mod tests;
