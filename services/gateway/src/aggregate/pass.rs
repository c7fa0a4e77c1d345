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
    let path = forward::uri(request.uri().path(), request.uri().query())?;
    let journey = Journey { to: &to, trust: Some(&trust), path, headers: headers(user) };
    forward::pass_on(context, journey, request).await.map_err(|trouble| trouble.failure())
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
