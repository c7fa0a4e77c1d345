//! Turns a request into what its client asks for: a WebSocket, or a bare SPDY/3.1 connection, with the protocol that both sides know.

mod pipe;
mod spdy;
mod websocket;

use hyper::header::{CONNECTION, HeaderMap, HeaderName, UPGRADE};
use hyper::http::request::Parts;
use hyper::upgrade::OnUpgrade;

pub use pipe::{FAREWELL, Gone, Incoming, Outgoing, Pipe};
pub use spdy::ToSpdy;
pub use websocket::{Socket, ToWebSocket, farewell, on_channel};

/// A request whose connection is to speak another protocol.
pub enum Upgrade {
    /// What browsers, kubectl since 1.30 and most libraries ask for.
    WebSocket(ToWebSocket),
    /// What Kubernetes' Go libraries and older kubectls ask for.
    Spdy(ToSpdy),
}

impl Upgrade {
    /// What the request wants, if it wants that at all.
    pub fn of(parts: &mut Parts) -> Option<Self> {
        let wants = |name: &HeaderName, word: &str| {
            tokens(&parts.headers, name).any(|token| token.eq_ignore_ascii_case(word))
        };
        if !wants(&CONNECTION, "upgrade") {
            return None;
        }
        if wants(&UPGRADE, "websocket") {
            return ToWebSocket::of(parts).map(Self::WebSocket);
        }
        wants(&UPGRADE, spdy::NAME).then(|| ToSpdy::of(parts)).flatten().map(Self::Spdy)
    }
}

/// The connection itself, when it is no longer HTTP's.
fn connection(parts: &mut Parts) -> Option<OnUpgrade> {
    parts.extensions.remove::<OnUpgrade>()
}

/// The first offered protocol that is known.
fn common(offered: &[String], known: &[&'static str]) -> Option<&'static str> {
    offered.iter().find_map(|offer| known.iter().copied().find(|name| name == offer))
}

fn tokens<'a>(headers: &'a HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'a str> {
    headers
        .get_all(name)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .filter(|token| !token.is_empty())
}
