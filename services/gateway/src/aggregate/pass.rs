//! Passes a request on to the server of another API, and tells it who asks, as front proxies do.

use std::fmt::Write as _;

use hyper::Request;
use hyper::body::Incoming;
use hyper::header::{HeaderMap, HeaderName, HeaderValue};

use super::Registered;
use crate::auth::User;
use crate::context::Context;
use crate::dial::Destination;
use crate::failure::Failure;
use crate::forward::{self, Journey};
use crate::path;
use crate::respond::{self, Response};

/// What the names of headers begin with that say who asks.
const REMOTE: &str = "x-remote-";
/// The users' names.
pub(super) const USER: HeaderName = HeaderName::from_static("x-remote-user");
const UID: HeaderName = HeaderName::from_static("x-remote-uid");
/// Their groups, one a header.
pub(super) const GROUP: HeaderName = HeaderName::from_static("x-remote-group");

/// The server's answer.
pub async fn answer(
    context: &Context,
    user: &User,
    registered: &Registered,
    mut request: Request<Incoming>,
) -> Result<Response, Failure> {
    if is_ambiguous(request.uri().path()) {
        return Err(Failure::bad_request("a part of the path stands for more than one, or for none"));
    }
    if !registered.is_available {
        return Ok(respond::bytes(503, "text/plain; charset=utf-8", "service unavailable\n".into()));
    }
    // Nobody says who he is but the gateway.
    let said: Vec<HeaderName> =
        request.headers().keys().filter(|name| name.as_str().starts_with(REMOTE)).cloned().collect();
    for name in said {
        request.headers_mut().remove(name);
    }
    let to = Destination::Service(registered.service.clone());
    let trust = registered.trust(context);
    let target = forward::uri(request.uri().path(), request.uri().query())?;
    let journey = Journey { to: &to, trust: Some(&trust), path: target, headers: headers(user) };
    forward::pass_on(context, journey, request).await.map_err(|trouble| trouble.failure())
}

/// The server might read another path than the one that was permitted: `a%2Fstatus`, `..`.
fn is_ambiguous(path: &str) -> bool {
    path.split('/').map(path::decode).any(|part| part.contains('/') || part == "." || part == "..")
}

/// Who asks. What cannot be said in a header is left out.
fn headers(user: &User) -> HeaderMap {
    let mut headers = HeaderMap::new();
    let mut say = |name: HeaderName, value: &str| {
        if let Ok(value) = HeaderValue::from_str(value) {
            headers.append(name, value);
        }
    };
    say(USER, &user.name);
    if !user.uid.is_empty() {
        say(UID, &user.uid);
    }
    user.groups.iter().for_each(|group| say(GROUP, group));
    for (key, values) in &user.extra {
        if let Ok(name) = HeaderName::from_bytes(format!("{REMOTE}extra-{}", escaped(key)).as_bytes()) {
            values.iter().for_each(|value| say(name.clone(), value));
        }
    }
    headers
}

/// A key as part of a header's name: what such names may not contain is written as `%2f`.
fn escaped(key: &str) -> String {
    const ALLOWED: &[u8] = b"!#$&'*+-.^_`|~";
    let mut text = String::with_capacity(key.len());
    for byte in key.bytes() {
        match byte.is_ascii_alphanumeric() || ALLOWED.contains(&byte) {
            true => text.push(char::from(byte)),
            false => drop(write!(text, "%{byte:02x}")),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn what_servers_may_read_otherwise_is_ambiguous() {
        for (path, expected) in [
            ("/apis/g/v1/namespaces/a/widgets/x", false),
            ("/apis/g/v1/namespaces/a/widgets/x%20y/console/..z", false),
            ("/apis/g/v1/namespaces/a/widgets/x%2Fconsole", true),
            ("/apis/g/v1/namespaces/a/widgets/%2e%2e/%2E", true),
            ("/apis/g/v1/../v2/widgets", true),
        ] {
            assert_eq!(is_ambiguous(path), expected, "{path}");
        }
    }

    #[test]
    fn headers_say_who_asks() {
        let user = User::of_service_account("shop", "robot", "u-1", "j-1").with("a b/ü%", "x".to_owned());
        let lines: String = headers(&user)
            .iter()
            .map(|(name, value)| format!("{name}: {}\n", value.to_str().unwrap()))
            .collect();
        expect![[r#"
            x-remote-user: system:serviceaccount:shop:robot
            x-remote-uid: u-1
            x-remote-group: system:serviceaccounts
            x-remote-group: system:serviceaccounts:shop
            x-remote-group: system:authenticated
            x-remote-extra-a%20b%2f%c3%bc%25: x
            x-remote-extra-authentication.kubernetes.io%2fcredential-id: JTI=j-1
        "#]]
        .assert_eq(&lines);
    }
}
