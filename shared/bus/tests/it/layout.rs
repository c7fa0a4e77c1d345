//! Laying out, upgrading, permissions, and what the server does on its own.

use std::path::Path;
use std::time::Duration;

use api::Revision;
use async_nats::jetstream;
use bus::testing::NatsServer;
use bus::{Bus, BusConfig, BusError, Layout};

use crate::support::{create, delete, eventually, key, soon};

async fn raw(server: &NatsServer) -> jetstream::Context {
    jetstream::new(async_nats::connect(server.url()).await.unwrap())
}

#[tokio::test]
async fn laying_out_is_repeatable_and_refuses_what_it_does_not_know() {
    let server = NatsServer::start().await;
    let bus = server.connect().await;
    assert!(matches!(bus.view().await, Err(BusError::NotProvisioned { .. })));
    let (a, b) = tokio::join!(bus.provision(Layout::default()), bus.provision(Layout::default()));
    a.and(b).unwrap();
    bus.provision(Layout { journal_age: Duration::from_secs(3600), ..Layout::default() }).await.unwrap();
    let raw = raw(&server).await;
    let journal = raw.get_stream("ODEON_JOURNAL").await.unwrap();
    let mut config = journal.cached_info().config.clone();
    assert_eq!(config.max_age, Duration::from_secs(3600));
    config.metadata.insert("odeon.layout".to_owned(), "99".to_owned());
    raw.update_stream(config).await.unwrap();
    let refused = bus.provision(Layout::default()).await.unwrap_err().to_string();
    assert_eq!(
        refused,
        "stream `ODEON_JOURNAL` has layout version 99, this Odeon knows only up to 1: upgrade this binary"
    );
}

#[tokio::test]
async fn an_expired_marker_surprises_nobody() {
    let server = NatsServer::start().await;
    let bus = server.bus().await;
    let (store, view) = (bus.store(), bus.view().await.unwrap());
    let created = store.write(create("a", 1)).await.unwrap();
    soon(view.wait_for(created)).await;
    // A marker as we write it, but with a short life.
    let client = async_nats::connect(server.url()).await.unwrap();
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("KV-Operation", "DEL");
    headers.insert("Nats-TTL", "1s");
    client.request_with_headers("$KV.odeon.pods.default.a", headers, "".into()).await.unwrap();
    let mut changes = view.changes(created).unwrap();
    let change = soon(changes.next()).await.unwrap();
    assert_eq!(change.object.value()["spec"]["n"], 1, "a marker without a last state gets the view's");
    let raw = raw(&server).await;
    let stream = raw.get_stream("KV_odeon").await.unwrap();
    soon(async {
        while stream.get_last_raw_message_by_subject("$KV.odeon.pods.default.a").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let again = store.write(create("a", 2)).await.unwrap();
    assert_eq!(soon(changes.next()).await.unwrap().object.revision, again);
    assert!(changes.try_batch().unwrap().is_empty());
    let deleted = store.write(delete("a", again, 2)).await.unwrap();
    assert_eq!(soon(changes.next()).await.unwrap().object.revision, deleted);
}

#[tokio::test]
async fn a_purge_shows() {
    let server = NatsServer::start().await;
    let bus = server.bus().await;
    let (store, view) = (bus.store(), bus.view().await.unwrap());
    let last = store.write(create("a", 1)).await.unwrap();
    soon(view.wait_for(last)).await;
    raw(&server).await.get_stream("KV_odeon").await.unwrap().purge().await.unwrap();
    soon(async { eventually("the view is empty", || view.get(&key("a")).is_none()).await }).await;
    assert!(store.write(create("a", 2)).await.unwrap() > Revision(1));
}

fn shipped(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../nats").join(name)
}

#[tokio::test]
async fn agents_never_see_the_bucket() {
    let passwords = [("CONTROL_PASSWORD", "c-secret"), ("AGENT_PASSWORD", "a-secret")];
    let server = NatsServer::start_from(&shipped("single.conf"), &passwords).await;
    let connect = async |user: &str, password: &str| {
        let user = Some((user.to_owned(), password.to_owned()));
        Bus::connect(BusConfig { user, ..server.config() }).await
    };
    assert!(matches!(connect("agent", "wrong").await, Err(BusError::Denied { .. })));
    let (control, agent) =
        (connect("control", "c-secret").await.unwrap(), connect("agent", "a-secret").await.unwrap());
    soon(async {
        while control.provision(Layout::default()).await.is_err() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let view = control.view().await.unwrap();
    let written = control.store().write(create("a", 1)).await.unwrap();
    soon(view.wait_for(written)).await;
    let lease = control.leases().try_acquire("x", "me", Duration::from_secs(9)).await.unwrap();
    assert!(lease.unwrap().renew().await);
    control.journal().append(Default::default());
    control.flush().await;
    assert_eq!(control.journal().read(&bus::JournalFilter::all(), 9).await.unwrap().len(), 1);

    let mut reports = control.subscribe::<String>("odeon.node.*.report").await.unwrap();
    let serve = tokio::spawn(async move { reports.next().await.unwrap().reply.unwrap().send(&"yes").await });
    let wait = Duration::from_secs(5);
    let answer: String = agent.request("odeon.node.n1.report", &"fine", wait).await.unwrap();
    assert_eq!(answer, "yes");
    soon(serve).await.unwrap().unwrap();
    let mut incoming = agent.accept_streams::<String>("odeon.node.n1.logs").await.unwrap();
    let accept = async { futures::StreamExt::next(&mut incoming).await.unwrap().accept().await.unwrap() };
    let (opened, mut accepted) = tokio::join!(control.open_stream("odeon.node.n1.logs", &"x"), accept);
    accepted.send("line".into()).await.unwrap();
    assert_eq!(soon(opened.unwrap().recv()).await, Some(Ok("line".into())));

    let store = agent.store();
    let write = tokio::time::timeout(wait, store.write(create("b", 1)));
    let (view, written, layout) = tokio::join!(agent.view(), write, agent.provision(Layout::default()));
    assert!(view.is_err() && !matches!(written, Ok(Ok(_))) && layout.is_err(), "not the bucket");
}
