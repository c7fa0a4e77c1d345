//! Messages, byte streams, the journal and leases.

use std::time::Duration;

use api::journal::{Cause, JournalEntry};
use bus::testing::NatsServer;
use bus::{ByteStream, JournalFilter, RequestError};
use bytes::Bytes;
use futures::StreamExt;

use crate::support::{eventually, key, soon};

const WAIT: Duration = Duration::from_secs(5);

#[tokio::test]
async fn questions_are_answered_and_carry_their_cause() {
    let server = NatsServer::start().await;
    let (asking, answering) = (server.connect().await, server.connect().await);
    let nobody = asking.request::<_, String>("odeon.test", &"?", WAIT).await;
    assert!(matches!(nobody, Err(RequestError::NoResponders { .. })), "{nobody:?}");
    let mut questions = answering.subscribe::<String>("odeon.test").await.unwrap();
    let serve = tokio::spawn(async move {
        let mut causes = Vec::new();
        while let Some(question) = questions.next().await {
            causes.push(question.cause);
            match question.reply {
                Some(reply) => reply.send(&format!("{}!", question.message)).await.unwrap(),
                None => return causes,
            }
        }
        causes
    });
    asking.publish("odeon.test", &17).await.unwrap();
    let cause = Cause { trace_id: 7, span_id: 8 };
    let answer: String = asking.because(cause).request("odeon.test", &"hello", WAIT).await.unwrap();
    assert_eq!(answer, "hello!");
    asking.publish("odeon.test", &"the end").await.unwrap();
    assert_eq!(soon(serve).await.unwrap(), [Some(cause), None], "the malformed message was skipped");
}

async fn stream_pair(server: &NatsServer) -> (ByteStream, ByteStream) {
    let (opening, accepting) = (server.connect().await, server.connect().await);
    let mut incoming = accepting.accept_streams::<String>("odeon.node.n.exec").await.unwrap();
    let accept = async { incoming.next().await.unwrap().accept().await.unwrap() };
    let (opened, accepted) =
        soon(async { tokio::join!(opening.open_stream("odeon.node.n.exec", &"sh"), accept) }).await;
    (opened.unwrap(), accepted)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_carry_bytes_both_ways_and_wait_for_slow_readers() {
    let server = NatsServer::start().await;
    let (left, right) = stream_pair(&server).await;
    let (mut send, mut receive) = left.split();
    let writer = tokio::spawn(async move {
        for i in 0..300_u32 {
            send.send(Bytes::from(vec![(i % 251) as u8; 70_000])).await.unwrap();
        }
        send.close(None).await;
    });
    let (mut answer, mut read) = right.split();
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!writer.is_finished(), "a reader that does not read stops the writer");
    let mut total = 0;
    while let Some(bytes) = soon(read.recv()).await {
        total += bytes.unwrap().len();
    }
    assert_eq!(total, 300 * 70_000);
    soon(writer).await.unwrap();
    answer.send(Bytes::from_static(b"done")).await.unwrap();
    answer.close(Some("exit 3".to_owned())).await;
    assert_eq!(soon(receive.recv()).await, Some(Ok(Bytes::from_static(b"done"))));
    assert_eq!(soon(receive.recv()).await, Some(Err("exit 3".to_owned())));
    assert_eq!(soon(receive.recv()).await, None);
}

#[tokio::test]
async fn a_stream_ends_when_its_other_side_goes() {
    let server = NatsServer::start().await;
    let (mut left, right) = stream_pair(&server).await;
    drop(right);
    assert_eq!(soon(left.recv()).await, Some(Err("the other side went away".to_owned())));
    eventually("sending fails", || {
        futures::FutureExt::now_or_never(left.send(Bytes::from_static(b"x")))
            .is_some_and(|sent| sent.is_err())
    })
    .await;
}

#[tokio::test]
async fn streams_are_refused_in_words() {
    let server = NatsServer::start().await;
    let (opening, accepting) = (server.connect().await, server.connect().await);
    let nobody = opening.open_stream("odeon.node.n.logs", &"x").await;
    assert!(matches!(nobody, Err(RequestError::NoResponders { .. })));
    let mut incoming = accepting.accept_streams::<String>("odeon.node.*.logs").await.unwrap();
    let refuse = async { incoming.next().await.unwrap().refuse("no such pod").await };
    let (opened, ()) = tokio::join!(opening.open_stream("odeon.node.n.logs", &"x"), refuse);
    assert_eq!(opened.err().unwrap().to_string(), "no such pod");
}

#[tokio::test]
async fn a_silent_peer_is_noticed() {
    let mut server = NatsServer::start().await;
    let (mut left, _right) = stream_pair(&server).await;
    server.kill();
    assert_eq!(soon(left.recv()).await, Some(Err("the other side is silent".to_owned())));
}

fn entry(name: &str, trace_id: u128, n: i64) -> JournalEntry {
    JournalEntry {
        at_micros: n,
        object: Some(key(name)),
        because: format!("{name} {n}"),
        cause: Cause { trace_id, span_id: 1 },
        ..JournalEntry::default()
    }
}

#[tokio::test]
async fn the_journal_is_read_by_object_and_followed() {
    let server = NatsServer::start().await;
    let bus = server.bus().await;
    let journal = bus.journal();
    let mut following = journal.follow(None).await.unwrap();
    for n in 0..1_000 {
        journal.append(entry(if n % 100 == 0 { "rare.pod" } else { "web" }, u128::from(n % 2 == 0), n));
    }
    bus.flush().await;
    let because = |entries: Vec<(u64, JournalEntry)>| -> Vec<String> {
        entries.into_iter().map(|(_, entry)| entry.because).collect()
    };
    let rare = journal.read(&JournalFilter::object(&key("rare.pod")), 3).await.unwrap();
    assert_eq!(because(rare), ["rare.pod 700", "rare.pod 800", "rare.pod 900"]);
    let newest = journal.read(&JournalFilter::all(), 2).await.unwrap();
    assert_eq!(because(newest), ["web 998", "web 999"]);
    assert_eq!(journal.read(&JournalFilter::trace(1), 10_000).await.unwrap().len(), 500);
    let all = journal.read(&JournalFilter::all(), 10_000).await.unwrap();
    assert_eq!(all.len(), 1_000);
    for expected in all {
        assert_eq!(soon(following.next()).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn one_holder_at_a_time() {
    let mut server = NatsServer::start().await;
    let (a, b) = (server.bus().await, server.bus().await);
    let ttl = Duration::from_millis(400);
    let mut first = a.leases().try_acquire("part-1", "a", ttl).await.unwrap().unwrap();
    assert!(b.leases().try_acquire("part-1", "b", ttl).await.unwrap().is_none());
    assert!(first.renew().await);
    assert_eq!(b.leases().holders().await.unwrap()[0].holder, "a");
    let taken = soon(async {
        loop {
            if let Some(lease) = b.leases().try_acquire("part-1", "b", ttl).await.unwrap() {
                return lease;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(taken.epoch > first.epoch);
    assert!(!first.renew().await, "it is over");
    taken.release().await;
    let mut third = a.leases().try_acquire("part-1", "a", Duration::from_secs(20)).await.unwrap().unwrap();
    server.restart().await;
    eventually("connected again", || *a.connected().borrow()).await;
    assert!(third.renew().await, "the server has lost its memory, the holder has not");
    soon(async {
        while !matches!(b.leases().try_acquire("part-1", "b", ttl).await, Ok(None)) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert!(third.renew().await && third.is_valid());
}
