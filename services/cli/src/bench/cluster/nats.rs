//! The NATS server of a cluster under measurement: the production configuration on addresses of its own, and what it counts.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde::Serialize;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What a single server runs with in production; its users are in a file beside it.
const PRODUCTION: &str = include_str!("../../../../../nats/single.conf");
/// Who may do what.
pub const USERS: &str = include_str!("../../../../../nats/users.conf");
/// What of it is about this machine and not about how it works.
const PLACES: [&str; 3] = ["0.0.0.0:4222", "0.0.0.0:8222", "store_dir: /data"];
const DURABLE: &str = "sync_interval: always";
/// NATS' own default.
const RELAXED: &str = "sync_interval: \"2m\"";

/// The production configuration with other addresses and another directory; with `relaxed`, writes are acknowledged before they are on disk.
///
/// # Errors
/// The production configuration has changed and no longer says one of these.
pub fn configuration(port: u16, monitoring: u16, store: &Path, relaxed: bool) -> Result<String> {
    let here = [
        format!("127.0.0.1:{port}"),
        format!("127.0.0.1:{monitoring}"),
        format!("store_dir: {:?}", store.display().to_string()),
    ];
    let durability = (DURABLE, if relaxed { RELAXED } else { DURABLE }.to_owned());
    let mut text = PRODUCTION.to_owned();
    for (there, here) in PLACES.into_iter().zip(here).chain([durability]) {
        ensure!(text.contains(there), "nats/single.conf no longer says `{there}`");
        text = text.replace(there, &here);
    }
    Ok(text)
}

/// What a server has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Counted {
    /// Messages that clients have sent it.
    pub received: f64,
    /// Messages that it has sent to clients.
    pub sent: f64,
    /// Messages that its streams hold.
    pub stored: f64,
    /// Bytes of these.
    pub stored_mib: f64,
}

impl Counted {
    /// What a server with its monitoring at this port has counted.
    ///
    /// # Errors
    /// It does not answer, or with something else.
    pub async fn of(monitoring: u16) -> Result<Self> {
        Self::read(&fetch(monitoring, "varz").await?, &fetch(monitoring, "jsz").await?)
            .context("the NATS server's monitoring says something else")
    }

    fn read(varz: &Value, jsz: &Value) -> Option<Self> {
        let number = |page: &Value, field: &str| page.get(field)?.as_f64();
        Some(Self {
            received: number(varz, "in_msgs")?,
            sent: number(varz, "out_msgs")?,
            stored: number(jsz, "messages")?,
            stored_mib: number(jsz, "bytes")? / (1024.0 * 1024.0),
        })
    }

    /// Messages since an earlier look; what is stored is that of now. A server that was started again counts from nothing.
    pub fn since(self, earlier: Self) -> Self {
        let counted = |now: f64, before: f64| if now < before { now } else { now - before };
        Self {
            received: counted(self.received, earlier.received),
            sent: counted(self.sent, earlier.sent),
            ..self
        }
    }
}

/// One GET over HTTP/1.0: the answer ends with the connection.
async fn fetch(port: u16, page: &str) -> Result<Value> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.context("the NATS server's monitoring")?;
    stream.write_all(format!("GET /{page} HTTP/1.0\r\nHost: nats\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let text = String::from_utf8_lossy(&answer);
    let (_, body) = text.split_once("\r\n\r\n").context("not an HTTP answer")?;
    serde_json::from_str(body).context("not JSON")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn production_is_what_is_measured_but_for_the_places() {
        let text = configuration(1234, 1235, Path::new("/tmp/x y"), false).unwrap();
        for line in [
            "listen: 127.0.0.1:1234",
            "http: 127.0.0.1:1235",
            "store_dir: \"/tmp/x y\"",
            DURABLE,
            "include users.conf",
        ] {
            assert!(text.contains(line), "`{line}` is missing in {text}");
        }
        let relaxed = configuration(1234, 1235, Path::new("/tmp"), true).unwrap();
        assert!(relaxed.contains(RELAXED) && !relaxed.contains(DURABLE));
    }

    #[test]
    fn monitoring_is_read_and_subtracted() {
        let varz = |messages: u64| json!({"in_msgs": messages, "out_msgs": 2 * messages});
        let jsz = json!({"messages": 7, "bytes": 1_048_576});
        let (before, after) =
            (Counted::read(&varz(10), &jsz).unwrap(), Counted::read(&varz(15), &jsz).unwrap());
        assert_eq!(after.since(before), Counted { received: 5.0, sent: 10.0, stored: 7.0, stored_mib: 1.0 });
        assert_eq!(Counted::read(&json!({}), &jsz), None);
    }
}
