//! Reads a request's path and query: which resource, which namespace, which name, and what is asked of it.

use std::collections::BTreeMap;
use std::num::IntErrorKind;

use api::Revision;

use crate::failure::Failure;

/// What a path points at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// `/version`.
    Version,
    /// `/livez`, `/readyz`, `/healthz` and what is below them.
    Health,
    /// `/metrics`.
    Metrics,
    /// `/api`.
    CoreVersions,
    /// `/apis`.
    Groups,
    /// `/apis/<group>`.
    Group(String),
    /// `/api/v1`, `/apis/<group>/<version>`.
    Resources(GroupVersion),
    /// `/openapi/…`.
    OpenApi(String),
    /// Objects.
    Objects(ObjectPath),
    /// `/odeon/v1/why`.
    Why,
    /// `/odeon/v1/journal`.
    Journal,
    /// `/`.
    Root,
}

/// A group (empty for the core one) and a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupVersion {
    /// `apps`; empty for the core group.
    pub group: String,
    /// `v1`.
    pub version: String,
}

/// A collection, an object or a subresource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectPath {
    /// Group and version.
    pub api: GroupVersion,
    /// `None`: cluster-scoped, or all namespaces.
    pub namespace: Option<String>,
    /// `pods`.
    pub plural: String,
    /// `None`: the collection.
    pub name: Option<String>,
    /// `status`, `scale`, `log`, …
    pub subresource: Option<String>,
    /// More follows, which is for a server behind this one.
    pub deeper: bool,
}

/// Reads a path. Percent-encoding is decoded per segment.
pub fn parse(path: &str) -> Result<Place, Failure> {
    let segments: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(decode).collect();
    let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
    match parts.as_slice() {
        [] => Ok(Place::Root),
        ["version"] => Ok(Place::Version),
        ["livez" | "readyz" | "healthz", ..] => Ok(Place::Health),
        ["metrics"] => Ok(Place::Metrics),
        ["api"] => Ok(Place::CoreVersions),
        ["apis"] => Ok(Place::Groups),
        ["apis", group] => Ok(Place::Group((*group).to_owned())),
        ["api", version] => Ok(Place::Resources(group_version("", version))),
        ["apis", group, version] => Ok(Place::Resources(group_version(group, version))),
        ["openapi", rest @ ..] => Ok(Place::OpenApi(rest.join("/"))),
        ["odeon", "v1", "why"] => Ok(Place::Why),
        ["odeon", "v1", "journal"] => Ok(Place::Journal),
        ["api", version, rest @ ..] => objects(group_version("", version), rest),
        ["apis", group, version, rest @ ..] => objects(group_version(group, version), rest),
        _ => Err(Failure::no_such_path()),
    }
}

fn objects(api: GroupVersion, rest: &[&str]) -> Result<Place, Failure> {
    let (namespace, rest) = match rest {
        // `namespaces/web/status` is a subresource of a namespace, `namespaces/web/pods` a collection in it.
        ["namespaces"] | ["namespaces", _] | ["namespaces", _, "status" | "finalize"] => (None, rest),
        ["namespaces", namespace, inner @ ..] => (Some((*namespace).to_owned()), inner),
        _ => (None, rest),
    };
    let owned = |text: &str| Some(text.to_owned());
    let (plural, name, subresource) = match rest {
        [plural] => (*plural, None, None),
        [plural, name] => (*plural, owned(name), None),
        [plural, name, subresource, ..] => (*plural, owned(name), owned(subresource)),
        [] => return Err(Failure::no_such_path()),
    };
    let (plural, deeper) = (plural.to_owned(), rest.len() > 3);
    Ok(Place::Objects(ObjectPath { api, namespace, plural, name, subresource, deeper }))
}

/// What follows the first so many segments of a path, as it was written; begins with a slash if it is not empty.
pub fn below(path: &str, segments: usize) -> &str {
    let (mut rest, mut left) = (path, segments);
    while left > 0 {
        let segment = rest.trim_start_matches('/');
        rest = segment.get(segment.find('/').unwrap_or(segment.len())..).unwrap_or_default();
        left -= 1;
    }
    rest
}

fn group_version(group: &str, version: &str) -> GroupVersion {
    GroupVersion { group: group.to_owned(), version: version.to_owned() }
}

/// The query's parameters; of a repeated one the first counts, as in Go, except through `all`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Query(BTreeMap<String, Vec<String>>);

impl Query {
    /// Reads `a=b&c=d`, form-encoded.
    pub fn parse(text: &str) -> Self {
        let mut parameters: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            let value = decode(&value.replace('+', " "));
            parameters.entry(decode(&key.replace('+', " "))).or_default().push(value);
        }
        Self(parameters)
    }

    /// A parameter's value; `""` if it is absent.
    pub fn text(&self, key: &str) -> &str {
        self.all(key).first().map(String::as_str).unwrap_or_default()
    }

    /// All values of a parameter.
    pub fn all(&self, key: &str) -> &[String] {
        self.0.get(key).map(Vec::as_slice).unwrap_or_default()
    }

    /// Whatever is given and is neither `false` nor `0` is true, as in Kubernetes: a parameter without a value is.
    pub fn flag(&self, key: &str) -> bool {
        self.0.contains_key(key) && self.text(key) != "0" && !self.text(key).eq_ignore_ascii_case("false")
    }

    /// The version that the client has seen; none if it is `0`, which is any.
    pub fn version(&self) -> Result<Option<Revision>, Failure> {
        let text = self.text("resourceVersion");
        match text.parse::<u64>() {
            Ok(0) => Ok(None),
            Ok(version) => Ok(Some(Revision(version))),
            Err(_) if text.is_empty() => Ok(None),
            Err(error) => {
                let what = match error.kind() {
                    IntErrorKind::PosOverflow => "value out of range",
                    _ => "invalid syntax",
                };
                let why = format!("strconv.ParseUint: parsing {text:?}: {what}");
                let message =
                    format!("invalid resource version: resourceVersion: Invalid value: {text:?}: {why}");
                Err(Failure::bad_request(message))
            }
        }
    }

    /// An integer; a failure if the parameter is there and is none.
    pub fn number<N: std::str::FromStr>(&self, key: &str) -> Result<Option<N>, Failure> {
        match self.text(key) {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| {
                // What Go's parser says of it, which does not name the parameter.
                let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
                let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
                let what = if is_number { "value out of range" } else { "invalid syntax" };
                Failure::bad_request(format!("strconv.ParseInt: parsing \"{text}\": {what}"))
            }),
        }
    }

    /// Every write of the request is only tried out (`dryRun=All`).
    pub fn dry_run(&self) -> Result<bool, Failure> {
        match self.text("dryRun") {
            "" if !self.0.contains_key("dryRun") => Ok(false),
            "All" => Ok(true),
            other => {
                let message = format!("invalid dryRun value: \"{other}\": supported values: \"All\"");
                Err(Failure::bad_request(message))
            }
        }
    }
}

/// Percent-decoding; what is not UTF-8 afterwards becomes replacement characters and so matches no name.
pub fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let escaped = (first == b'%').then(|| tail.get(..2)).flatten().and_then(hex_byte);
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let text =
        std::str::from_utf8(digits).ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
    u8::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};

    use super::*;

    fn check(paths: &[&str], expected: Expect) {
        let lines = paths.iter().map(|path| match parse(path) {
            Ok(Place::Objects(p)) => format!(
                "{path}: {}/{} ns={} {} name={} sub={}{}\n",
                p.api.group,
                p.api.version,
                p.namespace.as_deref().unwrap_or("-"),
                p.plural,
                p.name.as_deref().unwrap_or("-"),
                p.subresource.as_deref().unwrap_or("-"),
                if p.deeper { " deeper" } else { "" },
            ),
            Ok(other) => format!("{path}: {other:?}\n"),
            Err(failure) => format!("{path}: {}\n", failure.code()),
        });
        expected.assert_eq(&lines.collect::<String>());
    }

    #[test]
    fn paths_are_read() {
        check(
            &[
                "/api/v1/pods",
                "/api/v1/namespaces",
                "/api/v1/namespaces/web",
                "/api/v1/namespaces/web/status",
                "/api/v1/namespaces/web/pods",
                "/api/v1/namespaces/web/pods/a%2Db/log",
                "/apis/apps/v1/namespaces/web/deployments/w/scale",
                "/apis/apps/v1/deployments",
                "/apis/apps",
                "/apis/apps/v1/",
                "/healthz/ping",
                "/openapi/v3/apis/apps/v1",
                "/api/v1/nodes/a/proxy/metrics",
                "/api/v1/namespaces/web/services/https:a:443/proxy/b%20c/proxy/d/",
                "/apis/example.com/v1/namespaces/web/machines/m/portforward/22/tcp",
                "/what",
            ],
            expect![[r#"
                /api/v1/pods: /v1 ns=- pods name=- sub=-
                /api/v1/namespaces: /v1 ns=- namespaces name=- sub=-
                /api/v1/namespaces/web: /v1 ns=- namespaces name=web sub=-
                /api/v1/namespaces/web/status: /v1 ns=- namespaces name=web sub=status
                /api/v1/namespaces/web/pods: /v1 ns=web pods name=- sub=-
                /api/v1/namespaces/web/pods/a%2Db/log: /v1 ns=web pods name=a-b sub=log
                /apis/apps/v1/namespaces/web/deployments/w/scale: apps/v1 ns=web deployments name=w sub=scale
                /apis/apps/v1/deployments: apps/v1 ns=- deployments name=- sub=-
                /apis/apps: Group("apps")
                /apis/apps/v1/: Resources(GroupVersion { group: "apps", version: "v1" })
                /healthz/ping: Health
                /openapi/v3/apis/apps/v1: OpenApi("v3/apis/apps/v1")
                /api/v1/nodes/a/proxy/metrics: /v1 ns=- nodes name=a sub=proxy deeper
                /api/v1/namespaces/web/services/https:a:443/proxy/b%20c/proxy/d/: /v1 ns=web services name=https:a:443 sub=proxy deeper
                /apis/example.com/v1/namespaces/web/machines/m/portforward/22/tcp: example.com/v1 ns=web machines name=m sub=portforward deeper
                /what: 404
            "#]],
        );
    }

    #[test]
    fn what_follows_is_left_as_it_is() {
        assert_eq!(below("/api/v1/nodes/a/proxy/b%20c/proxy//d/", 5), "/b%20c/proxy//d/");
        assert_eq!(below("/api/v1/nodes/a/proxy/", 5), "/");
        assert_eq!(below("/api/v1/nodes/a/proxy", 5), "");
        assert_eq!(below("/api", 3), "");
    }

    #[test]
    fn queries_are_read() {
        let query = Query::parse(
            "labelSelector=app%3Dweb%2Ctier+in+%28a%29&watch=1&limit=x&dryRun=All&command=a&command=b",
        );
        assert_eq!(query.text("labelSelector"), "app=web,tier in (a)");
        assert!(query.flag("watch"));
        assert!(!query.flag("follow"));
        assert!(query.number::<u64>("limit").is_err());
        assert_eq!(query.dry_run(), Ok(true));
        assert_eq!(query.all("command"), ["a", "b"]);
        assert_eq!(decode("%zz%4"), "%zz%4");
    }
}
