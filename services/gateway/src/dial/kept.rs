//! Connections that are kept for the next request: whoever is asked about every write should not be greeted anew each time.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;
use tokio::time::Instant;

use super::http::{Answer, Channel};
use super::{Destination, DialError, Dialer, Trust};

/// How long a connection is kept without being used.
const IDLE: Duration = Duration::from_secs(30);
/// Idle connections to one place under one name.
const MOST: usize = 16;

/// Idle connections.
#[derive(Default)]
pub(super) struct Kept(Arc<Mutex<Idle>>);

#[derive(Default)]
struct Idle {
    channels: HashMap<Peer, Vec<Waiting>>,
    /// Somebody will look for those that have waited too long.
    watched: bool,
}

struct Waiting {
    channel: Channel<Full<Bytes>>,
    since: Instant,
}

/// Whom a connection leads to, and as whom they have proved themselves.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Peer {
    place: Destination,
    trust: Option<Trust>,
}

impl Kept {
    fn take(&self, peer: &Peer) -> Option<Channel<Full<Bytes>>> {
        let mut idle = lock(&self.0);
        let waiting = idle.channels.get_mut(peer)?;
        let live = std::iter::from_fn(|| waiting.pop()).find(|waiting| waiting.channel.is_open());
        live.map(|waiting| waiting.channel)
    }

    fn give_back(&self, peer: Peer, channel: Channel<Full<Bytes>>) {
        let mut idle = lock(&self.0);
        let waiting = idle.channels.entry(peer).or_default();
        if waiting.len() < MOST {
            waiting.push(Waiting { channel, since: Instant::now() });
        }
        if !std::mem::replace(&mut idle.watched, true) {
            tokio::spawn(watch(Arc::clone(&self.0)));
        }
    }
}

/// Closes what has waited too long, until nothing waits.
async fn watch(kept: Arc<Mutex<Idle>>) {
    loop {
        tokio::time::sleep(IDLE).await;
        let mut idle = lock(&kept);
        for waiting in idle.channels.values_mut() {
            waiting.retain(|waiting| waiting.channel.is_open() && waiting.since.elapsed() < IDLE);
        }
        idle.channels.retain(|_, waiting| !waiting.is_empty());
        if idle.channels.is_empty() {
            idle.watched = false;
            return;
        }
    }
}

fn lock(kept: &Mutex<Idle>) -> std::sync::MutexGuard<'_, Idle> {
    kept.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Dialer {
    /// As [`Dialer::send`], but on a connection that was kept, if there is one. If that one has ended meanwhile the request is sent
    /// again: it must be one that may arrive twice.
    ///
    /// # Errors
    /// As [`Dialer::send`].
    pub async fn send_kept(
        &self,
        to: &Destination,
        trust: Option<&Trust>,
        request: Request<Bytes>,
        limit: Duration,
    ) -> Result<Answer, DialError> {
        let request = super::http::addressed(request, to, trust);
        let exchange = async {
            let place = match to {
                Destination::Service(service) => self.resolve(service)?,
                Destination::Pod { .. } | Destination::Address { .. } => to.clone(),
            };
            let peer = Peer { place, trust: trust.cloned() };
            while let Some(mut channel) = self.kept.take(&peer) {
                match channel.exchange(request.clone()).await {
                    Ok(answer) => {
                        self.kept.give_back(peer, channel);
                        return Ok(answer);
                    }
                    // It has answered, and would say the same again.
                    Err(error @ DialError::TooLarge(_)) => return Err(error),
                    Err(_) => {}
                }
            }
            let mut channel = self.open(&peer.place, trust).await?;
            let answer = channel.exchange(request).await?;
            self.kept.give_back(peer, channel);
            Ok(answer)
        };
        tokio::time::timeout(limit, exchange).await.unwrap_or(Err(DialError::TimedOut(limit)))
    }
}
