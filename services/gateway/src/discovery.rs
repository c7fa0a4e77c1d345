//! Tells clients which groups, versions and resources there are, in the old form and in the aggregated one.

use std::collections::BTreeMap;

use api::versions::maturity;
use api::{KindInfo, Kinds, ResourceId};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::aggregate::{Remote, aggregated_resources};
use crate::api_services;
use crate::context::Context;
use crate::failure::Failure;
use crate::fields::set;
use crate::negotiate::media_ranges;
use crate::path::GroupVersion;
use crate::respond::{self, Response};
use crate::subresources;
use crate::unstored::{self, Unstored};

/// The same of custom kinds, in Kubernetes' order.
const CUSTOM_VERBS: [&str; 8] =
    ["delete", "deletecollection", "get", "list", "patch", "create", "update", "watch"];
const NAMESPACES: ResourceId = ResourceId::new("namespaces");
const VERBS: [&str; 8] = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"];

/// What a request says about the form of what it wants.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The `Accept` header.
    pub accept: &'a str,
    /// The `If-None-Match` header: what the client has.
    pub known: &'a str,
}

/// `/version`. It speaks as the version of Kubernetes whose API this is.
pub fn version() -> Response {
    respond::value(
        200,
        &json!({
            "major": "1", "minor": "35", "emulationMajor": "1", "emulationMinor": "35",
            "minCompatibilityMajor": "1", "minCompatibilityMinor": "34", "gitVersion": concat!("v1.35.0+odeon.", env!("CARGO_PKG_VERSION")),
            "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z",
            "goVersion": "", "compiler": "rustc", "platform": format!("{}/{}", std::env::consts::OS, go_architecture()),
        }),
    )
}

fn go_architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// `/`.
pub fn paths(kinds: &Kinds, remotes: &[Remote]) -> Response {
    let groups = group_versions(kinds, remotes).into_keys().filter(|group| !group.is_empty());
    let known = [
        "/api",
        "/api/v1",
        "/apis",
        "/healthz",
        "/livez",
        "/metrics",
        "/openapi/v2",
        "/openapi/v3",
        "/readyz",
        "/version",
    ];
    let paths: Vec<String> =
        known.map(str::to_owned).into_iter().chain(groups.map(|group| format!("/apis/{group}"))).collect();
    respond::value(200, &json!({"paths": paths}))
}

/// `/api`.
pub fn core_versions(kinds: &Kinds, wanted: Wanted<'_>, context: &Context) -> Response {
    aggregated(kinds, &[], wanted, |group| group.is_empty()).unwrap_or_else(|| {
        let address = json!([{"clientCIDR": "0.0.0.0/0", "serverAddress": context.address.to_string()}]);
        respond::value(
            200,
            &json!({"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": address}),
        )
    })
}

/// `/apis`.
pub fn groups(kinds: &Kinds, remotes: &[Remote], wanted: Wanted<'_>) -> Response {
    aggregated(kinds, remotes, wanted, |group| !group.is_empty()).unwrap_or_else(|| {
        let named = by_priority(kinds, remotes).into_iter().filter(|(group, _)| !group.is_empty());
        let groups: Vec<Value> = named.map(|(group, versions)| group_value(group, &versions)).collect();
        respond::value(200, &json!({"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}))
    })
}

/// `/apis/<group>`.
pub fn group(kinds: &Kinds, remotes: &[Remote], name: &str) -> Result<Response, Failure> {
    let groups = group_versions(kinds, remotes);
    let (group, versions) = groups
        .get_key_value(name)
        .filter(|(group, _)| !group.is_empty())
        .ok_or_else(Failure::no_such_path)?;
    let mut value = group_value(group, versions);
    set(&mut value, "kind", json!("APIGroup"));
    set(&mut value, "apiVersion", json!("v1"));
    Ok(respond::value(200, &value))
}

/// `/api/v1`, `/apis/<group>/<version>`.
pub fn resources(kinds: &Kinds, api: &GroupVersion) -> Result<Response, Failure> {
    let of_version = kinds.iter().filter(|kind| kind.group == api.group && kind.version == api.version);
    let others = unstored::all().filter(|other| other.group == api.group && other.version == api.version);
    let resources: Vec<Value> =
        of_version.flat_map(|kind| resource_values(kind)).chain(others.map(unstored_value)).collect();
    if resources.is_empty() {
        return Err(Failure::no_such_path());
    }
    let group_version = match api.group.as_str() {
        "" => api.version.clone(),
        group => format!("{group}/{}", api.version),
    };
    let list = json!({
        "kind": "APIResourceList", "apiVersion": "v1", "groupVersion": group_version, "resources": resources,
    });
    Ok(respond::value(200, &list))
}

/// Every group with its versions, the newest first.
fn group_versions<'r>(kinds: &Kinds, remotes: &'r [Remote]) -> BTreeMap<&'r str, Vec<&'r str>> {
    let mut groups: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let served = kinds.iter().map(|kind| (kind.group, kind.version));
    let unstored = unstored::all().map(|other| (other.group, other.version));
    let remote = remotes.iter().map(|remote| (remote.api.group.as_str(), remote.api.version.as_str()));
    for (group, version) in served.chain(unstored).chain(remote) {
        let versions = groups.entry(group).or_default();
        if !versions.contains(&version) {
            versions.push(version);
        }
    }
    groups
        .values_mut()
        .for_each(|versions| versions.sort_by_key(|version| std::cmp::Reverse(maturity(version))));
    groups
}

/// The same in the order in which clients look for a resource of which they know the name only.
fn by_priority<'r>(kinds: &Kinds, remotes: &'r [Remote]) -> Vec<(&'r str, Vec<&'r str>)> {
    let mut groups: Vec<_> = group_versions(kinds, remotes).into_iter().collect();
    let priority = |group: &str| {
        let registered = remotes.iter().filter(|remote| remote.api.group == group);
        let highest = registered.map(|remote| remote.priority).max();
        highest.unwrap_or_else(|| api_services::group_priority(group))
    };
    groups.sort_by_key(|(group, _)| std::cmp::Reverse(priority(group)));
    groups
}

fn group_value(group: &str, versions: &[&str]) -> Value {
    let entry = |version: &&str| json!({"groupVersion": format!("{group}/{version}"), "version": version});
    let versions: Vec<Value> = versions.iter().map(entry).collect();
    json!({"name": group, "versions": versions, "preferredVersion": versions.first()})
}

/// What can be done with objects of a kind. Namespaces are deleted one by one, as in Kubernetes.
pub fn verbs(kind: &KindInfo) -> Vec<&'static str> {
    let all = if kind.custom().is_some() { CUSTOM_VERBS } else { VERBS };
    all.into_iter().filter(|verb| kind.id != NAMESPACES || *verb != "deletecollection").collect()
}

fn resource_values(kind: &KindInfo) -> Vec<Value> {
    let plural = kind.id.plural();
    let mut main = json!({
        "name": plural, "singularName": kind.singular, "namespaced": kind.namespaced, "kind": kind.kind,
        "verbs": verbs(kind),
    });
    if !kind.short_names.is_empty() {
        set(&mut main, "shortNames", json!(kind.short_names));
    }
    if !kind.categories.is_empty() {
        set(&mut main, "categories", json!(kind.categories));
    }
    set(&mut main, "storageVersionHash", json!(storage_hash(kind)));
    let below = subresources::of_kind(kind).into_iter().map(|sub| {
        let mut value = json!({
            "name": format!("{plural}/{}", sub.name), "singularName": "", "namespaced": kind.namespaced,
            "kind": sub.kind, "verbs": sub.verbs,
        });
        if (sub.group, sub.version) != (kind.group, kind.version) {
            set(&mut value, "group", json!(sub.group));
            set(&mut value, "version", json!(sub.version));
        }
        value
    });
    std::iter::once(main).chain(below).collect()
}

/// Stands for the version that objects of a kind are stored in, as in Kubernetes.
fn storage_hash(kind: &KindInfo) -> String {
    let stored = kind.stored_version();
    let version = stored.rsplit('/').next().unwrap_or(&stored);
    let hash = Sha256::digest(format!("{}/{version}/{}", kind.group, kind.kind));
    STANDARD.encode(hash.get(..8).unwrap_or_default())
}

fn unstored_value(other: &Unstored) -> Value {
    let mut value = json!({
        "name": other.plural, "singularName": other.singular, "namespaced": other.namespaced,
        "kind": other.kind, "verbs": other.verbs,
    });
    if !other.short_names.is_empty() {
        set(&mut value, "shortNames", json!(other.short_names));
    }
    value
}

fn aggregated_unstored(other: &Unstored) -> Value {
    let mut value = json!({
        "resource": other.plural, "singularResource": other.singular,
        "responseKind": {"group": other.group, "version": other.version, "kind": other.kind},
        "scope": if other.namespaced { "Namespaced" } else { "Cluster" }, "verbs": other.verbs,
    });
    if !other.short_names.is_empty() {
        set(&mut value, "shortNames", json!(other.short_names));
    }
    value
}

/// Everything at once, for clients that ask for it (kubectl 1.27 and newer).
fn aggregated(
    kinds: &Kinds,
    remotes: &[Remote],
    wanted: Wanted<'_>,
    belongs: impl Fn(&str) -> bool,
) -> Option<Response> {
    let ranges = media_ranges(wanted.accept);
    let range = ranges.iter().find(|range| range.form == "APIGroupDiscoveryList" || range.takes_json())?;
    let (version, content_type) = match (range.form.as_str(), range.version.as_str()) {
        ("APIGroupDiscoveryList", "v2") => {
            ("v2", "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
        }
        ("APIGroupDiscoveryList", "v2beta1") => {
            ("v2beta1", "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList")
        }
        _ => return None,
    };
    let groups = by_priority(kinds, remotes).into_iter().filter(|(group, _)| belongs(group));
    let items: Vec<Value> = groups
        .map(|(group, versions)| {
            let version = |version: &&str| version_value(kinds, remotes, group, version);
            let versions = versions.iter().map(version).collect::<Vec<_>>();
            match group {
                "" => json!({"metadata": {}, "versions": versions}),
                name => json!({"metadata": {"name": name}, "versions": versions}),
            }
        })
        .collect();
    let list = json!({
        "kind": "APIGroupDiscoveryList", "apiVersion": format!("apidiscovery.k8s.io/{version}"), "metadata": {},
        "items": items,
    });
    let text = list.to_string();
    let hash: String = Sha256::digest(&text).iter().map(|byte| format!("{byte:02X}")).collect();
    Some(respond::revalidated(content_type, &hash, wanted.known, || Bytes::from(text)))
}

fn version_value(kinds: &Kinds, remotes: &[Remote], group: &str, version: &str) -> Value {
    let is_asked = |remote: &&Remote| remote.api.group == group && remote.api.version == version;
    if let Some(remote) = remotes.iter().find(is_asked) {
        let freshness = if remote.is_current { "Current" } else { "Stale" };
        let resources = aggregated_resources(remote);
        return json!({"version": version, "freshness": freshness, "resources": resources});
    }
    let served = kinds.iter().filter(|kind| kind.group == group && kind.version == version);
    let others = unstored::all().filter(|other| other.group == group && other.version == version);
    let resources: Vec<Value> =
        served.map(|kind| aggregated_resource(kind)).chain(others.map(aggregated_unstored)).collect();
    json!({"version": version, "freshness": "Current", "resources": resources})
}

fn aggregated_resource(kind: &KindInfo) -> Value {
    let response_kind =
        |group: &str, version: &str, kind: &str| json!({"group": group, "version": version, "kind": kind});
    let mut value = json!({
        "resource": kind.id.plural(), "singularResource": kind.singular,
        "responseKind": response_kind(kind.group, kind.version, kind.kind),
        "scope": if kind.namespaced { "Namespaced" } else { "Cluster" }, "verbs": verbs(kind),
    });
    if !kind.short_names.is_empty() {
        set(&mut value, "shortNames", json!(kind.short_names));
    }
    if !kind.categories.is_empty() {
        set(&mut value, "categories", json!(kind.categories));
    }
    let below: Vec<Value> = subresources::of_kind(kind)
        .into_iter()
        .map(|sub| {
            let kind = response_kind(sub.group, sub.version, sub.kind);
            json!({"subresource": sub.name, "responseKind": kind, "verbs": sub.verbs})
        })
        .collect();
    if !below.is_empty() {
        set(&mut value, "subresources", json!(below));
    }
    value
}
