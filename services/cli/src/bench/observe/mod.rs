//! Watches pods or nodes through the public API, in one stream, with a client that costs little.

mod census;
mod event;
mod missing;

pub use census::Census;
pub use missing::missing;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bytes::Bytes;
use http::Method;
use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::wire::{Endpoint, Lines};
use crate::verbs::encode;
use census::Roll;
use event::{Event, Page};

/// Objects of one page of a list.
const PAGE: usize = 500;
/// Before a server that has gone is looked for again.
const AGAIN: Duration = Duration::from_millis(10);
/// How finely the course of the counts is kept.
const EVERY: Duration = Duration::from_millis(20);

/// A watch that goes on through every interruption, and what it has counted so far.
pub struct Watcher {
    endpoint: Endpoint,
    /// The collection, with a query that ends in `?` or `&`.
    path: String,
    census: watch::Sender<Census>,
    shared: Arc<Mutex<Shared>>,
    _task: AbortOnDropHandle<()>,
}

/// What is watched.
#[derive(Clone, Debug)]
pub struct Collection {
    /// `/api/v1/nodes`, `/api/v1/namespaces/<namespace>/pods`.
    pub path: String,
    /// Only those with this label, if any.
    pub label: Option<String>,
}

impl Collection {
    /// The path with the beginning of a query.
    fn query(&self) -> String {
        match &self.label {
            Some(label) => format!("{}?labelSelector={}&", self.path, encode(label)),
            None => format!("{}?", self.path),
        }
    }
}

struct Shared {
    roll: Roll,
    /// What the times are counted from.
    begun: Instant,
    /// The counts over time: seconds, and how it was then.
    course: Vec<(f64, Census)>,
}

/// A watcher's task.
struct Following {
    endpoint: Endpoint,
    path: String,
    shared: Arc<Mutex<Shared>>,
    census: watch::Sender<Census>,
    /// Where the watch goes on.
    version: String,
}

impl Watcher {
    /// Lists what there is and goes on from there. Times are counted from now.
    ///
    /// # Errors
    /// The first list failed.
    pub async fn start(
        endpoint: &Endpoint,
        collection: &Collection,
        lost_prefix: Option<&str>,
    ) -> Result<Self> {
        let path = collection.query();
        let shared = Arc::new(Mutex::new(Shared {
            roll: Roll::new(lost_prefix.map(str::to_owned)),
            begun: Instant::now(),
            course: Vec::new(),
        }));
        let census = watch::Sender::new(Census::default());
        let mut following = Following {
            endpoint: endpoint.clone(),
            path: path.clone(),
            shared: Arc::clone(&shared),
            census: census.clone(),
            version: String::new(),
        };
        following.list().await?;
        let task = AbortOnDropHandle::new(tokio::spawn(following.run()));
        Ok(Self { endpoint: endpoint.clone(), path, census, shared, _task: task })
    }

    /// The counts now.
    pub fn census(&self) -> Census {
        *self.census.borrow()
    }

    /// The counts as they change, for whoever shows them.
    pub fn counts(&self) -> watch::Receiver<Census> {
        self.census.subscribe()
    }

    /// From here on: times are counted from now, and what was is forgotten.
    pub fn restart(&self) -> Instant {
        let mut shared = self.lock();
        shared.roll.forget();
        shared.begun = Instant::now();
        let census = shared.roll.census();
        shared.course = vec![(0.0, census)];
        // Whoever waits must not take the counts of before for those of now.
        self.census.send_replace(census);
        shared.begun
    }

    /// Waits until the counts are as wanted.
    ///
    /// # Errors
    /// They are not within `patience`; what is missing is said.
    pub async fn until(
        &self,
        what: &str,
        patience: Duration,
        wanted: impl Fn(&Census) -> bool,
    ) -> Result<Census> {
        let mut counts = self.census.subscribe();
        let reached = tokio::time::timeout(patience, counts.wait_for(|census| wanted(census)));
        match reached.await {
            Ok(Ok(census)) => return Ok(*census),
            Ok(Err(_)) => bail!("the watch has ended"),
            Err(_) => {}
        }
        let now = self.census();
        let missing = match missing(&self.endpoint, &self.path).await {
            Ok(missing) => missing,
            Err(error) => format!("and it cannot be listed: {}", telemetry::chain(error.as_ref())),
        };
        bail!(
            "not within {} s: {what}; {} exist, {} have a node, {} are Ready, {} are ending; {missing}",
            patience.as_secs(),
            now.existing,
            now.bound,
            now.ready,
            now.ending
        )
    }

    /// The counts over time, in seconds since the start.
    pub fn course(&self) -> Vec<(f64, Census)> {
        let shared = self.lock();
        let mut course = shared.course.clone();
        course.push((shared.begun.elapsed().as_secs_f64(), shared.roll.census()));
        course
    }

    /// How long each object took from its first event to the one that said Ready.
    pub fn until_ready(&self) -> Vec<Duration> {
        self.lock()
            .roll
            .until_ready()
            .iter()
            .map(|seconds| Duration::from_secs_f32(seconds.max(0.0)))
            .collect()
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Following {
    /// Goes on until it is dropped. A server that is gone comes back, or the one who waits loses patience.
    async fn run(mut self) {
        loop {
            let outcome = match self.version.is_empty() {
                true => self.list().await,
                false => self.watch().await,
            };
            if let Err(error) = outcome {
                tracing::debug!(path = self.path, error = telemetry::chain(error.as_ref()), "watching again");
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Takes in everything, page by page.
    async fn list(&mut self) -> Result<()> {
        let mut wire = self.endpoint.connect().await?;
        self.shared.lock().unwrap_or_else(PoisonError::into_inner).roll.clear();
        let mut next = String::new();
        loop {
            let from = if next.is_empty() { String::new() } else { format!("&continue={}", encode(&next)) };
            let body =
                wire.send(Method::GET, &format!("{}limit={PAGE}{from}", self.path), Bytes::new()).await?;
            let page: Page<'_> = serde_json::from_slice(&body)?;
            let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
            let now = shared.begun.elapsed().as_secs_f32();
            page.items.iter().for_each(|object| shared.roll.present(object, now, true));
            next = page.metadata.next.into_owned();
            if next.is_empty() {
                page.metadata.resource_version.clone_into(&mut self.version);
                self.census.send_replace(shared.roll.census());
                return Ok(());
            }
        }
    }

    async fn watch(&mut self) -> Result<()> {
        let query = format!("watch=true&allowWatchBookmarks=true&resourceVersion={}", self.version);
        let mut lines =
            self.endpoint.connect().await?.lines(&format!("{}{query}", self.path)).await.inspect_err(
                |_| {
                    // A version that the server no longer knows is refused at once by some servers.
                    self.version.clear();
                },
            )?;
        loop {
            let first = lines.next().await?;
            if !self.take_in(&first, &mut lines) {
                self.version.clear();
                return Ok(());
            }
        }
    }

    /// Counts a line and all that have come with it; false if the server has ended the watch.
    fn take_in(&mut self, first: &Bytes, lines: &mut Lines) -> bool {
        let mut shared = self.shared.lock().unwrap_or_else(PoisonError::into_inner);
        let now = shared.begun.elapsed();
        let mut line = Some(first.clone());
        let mut goes_on = true;
        while let Some(text) = line.take() {
            let object = match Event::of(&text) {
                Event::Present(object) => {
                    shared.roll.present(&object, now.as_secs_f32(), false);
                    object
                }
                Event::Gone(object) => {
                    shared.roll.gone(&object);
                    object
                }
                Event::Bookmark(object) => object,
                Event::Expired => {
                    goes_on = false;
                    break;
                }
            };
            object.metadata.resource_version.clone_into(&mut self.version);
            line = lines.buffered();
        }
        let census = shared.roll.census();
        if shared.course.last().is_none_or(|(at, _)| now.as_secs_f64() - at >= EVERY.as_secs_f64()) {
            shared.course.push((now.as_secs_f64(), census));
        }
        self.census.send_replace(census);
        goes_on
    }
}
