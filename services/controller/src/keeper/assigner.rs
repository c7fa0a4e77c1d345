//! Tells every node of ours what to run: everything once, then what changes; and tells pods to stop when their proxies have let go.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use api::journal::JournalEntry;
use api::messages::{Applied, Assign, AssignedPod};
use api::views::{ConfigMap, EndpointSlice, Pod, Secret, Service};
use api::{NodeName, ObjectKey, Resource, Revision, Uid};
use bus::{BusError, Change, ChangeKind, Changes, Stored};
use telemetry::clock;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::Keeper;
use super::assignment::{assigned, is_news};
use super::drain::{Gate, Offer, PROXY_ALIVE, gate, offers};

/// An assignment that was sent so lately may still be on its way: its node is not behind yet.
const ON_ITS_WAY: Duration = Duration::from_millis(300);
/// Without pods that drain there is nothing to look at.
const NOTHING_DRAINS: Duration = Duration::from_secs(3600);

/// Starts assigning.
pub async fn start(
    keeper: &Arc<Keeper>,
    inbox: mpsc::UnboundedReceiver<NodeName>,
    shells: &mut JoinSet<()>,
    shutdown: &CancellationToken,
) -> Result<(), BusError> {
    let applied = keeper.bus.subscribe::<Applied>("odeon.proxy.*.applied").await?;
    let assigner = Assigner {
        keeper: keeper.clone(),
        sent: HashMap::new(),
        draining: HashMap::new(),
        proxies: HashMap::new(),
        users: HashMap::new(),
        moved: HashSet::new(),
    };
    let stop = shutdown.clone().cancelled_owned();
    shells.spawn(async move {
        tokio::select! {
            () = stop => {}
            () = assigner.assign(inbox, applied) => {}
        }
    });
    Ok(())
}

struct Assigner {
    keeper: Arc<Keeper>,
    /// What was sent to each node that has got everything once.
    sent: HashMap<NodeName, Sent>,
    /// Deleted pods on our nodes.
    draining: HashMap<Uid, Draining>,
    /// The table that each proxy serves, and when it said so.
    proxies: HashMap<NodeName, (Revision, Instant)>,
    /// Pods by the ConfigMaps and Secrets that they use.
    users: HashMap<ObjectKey, HashSet<ObjectKey>>,
    /// Namespaces whose Services or slices changed since the gates were last looked at.
    moved: HashSet<Arc<str>>,
}

struct Sent {
    epoch: u64,
    seq: u64,
    at: Instant,
}

struct Draining {
    key: ObjectKey,
    node: NodeName,
    since: Instant,
    grace: i64,
    offer: Option<Offer>,
    open: bool,
}

/// What a node must hear.
#[derive(Default)]
struct News {
    upserts: BTreeSet<ObjectKey>,
    removed: Vec<Uid>,
}

type AllNews = HashMap<NodeName, News>;

impl Assigner {
    async fn assign(
        mut self,
        mut inbox: mpsc::UnboundedReceiver<NodeName>,
        mut applied: bus::Subscription<Applied>,
    ) {
        let mut changes = self.restart();
        let mut look_again = NOTHING_DRAINS;
        loop {
            let mut news = AllNews::new();
            tokio::select! {
                batch = changes.next_batch() => match batch {
                    Ok(batch) => batch.iter().for_each(|change| self.observe(change, &mut news)),
                    Err(expired) => {
                        warn!(%expired, "fell behind the view, assigning everything again");
                        changes = self.restart();
                    }
                },
                Some(node) = inbox.recv() => self.catch_up(&node).await,
                Some(delivery) = applied.next() => {
                    let Applied { node, revision } = delivery.message;
                    self.proxies.insert(node, (revision, Instant::now()));
                }
                () = tokio::time::sleep(look_again) => {}
            }
            look_again = self.look_at_gates(&mut news);
            for (node, news) in news {
                self.send_news(node, news).await;
            }
        }
    }

    /// Forgets what was sent: every node gets everything with its next heartbeat.
    fn restart(&mut self) -> Changes {
        self.sent.clear();
        self.keeper.sequences.clear();
        self.draining.clear();
        loop {
            if let Ok(changes) = self.keeper.view.changes(self.keeper.view.revision()) {
                return changes;
            }
        }
    }

    fn observe(&mut self, change: &Change, news: &mut AllNews) {
        match change.key().resource {
            Pod::ID => self.observe_pod(change, news),
            ConfigMap::ID | Secret::ID => {
                let Some(users) = self.users.get(change.key()) else { return };
                let reader = self.keeper.view.read();
                for pod in users {
                    let node =
                        reader.get(pod).and_then(|stored| stored.object::<Pod>().spec.node_name.clone());
                    if let Some(node) = node {
                        news.entry(node).or_default().upserts.insert(pod.clone());
                    }
                }
            }
            Service::ID | EndpointSlice::ID => {
                if let Some(namespace) = &change.key().namespace {
                    self.moved.insert(namespace.clone());
                }
            }
            _ => {}
        }
    }

    fn observe_pod(&mut self, change: &Change, news: &mut AllNews) {
        let (object, uid) = (&change.object, &change.object.metadata.uid);
        let previous = change.previous.as_ref().filter(|previous| previous.metadata.uid != *uid);
        if let Some(previous) = previous {
            self.leave(previous, news);
        }
        let Some(node) = object.object::<Pod>().spec.node_name.clone() else { return };
        if change.kind == ChangeKind::Deleted {
            self.leave(object, news);
            return;
        }
        if !self.sent.contains_key(&node) || !is_news(change) {
            return;
        }
        if object.metadata.is_terminating() {
            self.begin_draining(object, &node);
        }
        news.entry(node).or_default().upserts.insert(object.key.clone());
    }

    /// The pod's object is gone.
    fn leave(&mut self, pod: &Stored, news: &mut AllNews) {
        self.draining.remove(&pod.metadata.uid);
        if let Some(node) = pod.object::<Pod>().spec.node_name.clone() {
            news.entry(node).or_default().removed.push(pod.metadata.uid.clone());
        }
    }

    fn begin_draining(&mut self, pod: &Stored, node: &NodeName) {
        let grace = pod.metadata.deletion_grace_period_seconds.unwrap_or(0);
        let draining = self.draining.entry(pod.metadata.uid.clone()).or_insert_with(|| Draining {
            key: pod.key.clone(),
            node: node.clone(),
            since: Instant::now(),
            grace,
            offer: None,
            open: false,
        });
        draining.grace = grace;
    }

    /// Opens the gates that may be opened; returns when the next one may be, if nothing happens before.
    fn look_at_gates(&mut self, news: &mut AllNews) -> Duration {
        let moved = std::mem::take(&mut self.moved);
        self.refresh_offers(&moved);
        let alive: Vec<Revision> = self
            .proxies
            .values()
            .filter(|(_, at)| at.elapsed() < PROXY_ALIVE)
            .map(|(revision, _)| *revision)
            .collect();
        let mut look_again = NOTHING_DRAINS;
        for (uid, pod) in self.draining.iter_mut().filter(|(_, pod)| !pod.open) {
            let offer = pod.offer.unwrap_or(Offer::Offered);
            match gate(offer, alive.iter().copied(), pod.since.elapsed(), pod.grace) {
                Gate::Wait(left) => look_again = look_again.min(left + Duration::from_millis(1)),
                Gate::Open(because) => {
                    pod.open = true;
                    debug!(pod = %pod.key, because, "pod may stop");
                    self.keeper.record_stop(uid, pod, because);
                    news.entry(pod.node.clone()).or_default().upserts.insert(pod.key.clone());
                }
            }
        }
        look_again
    }

    /// Asks the view how Services offer pods of which that is not known, or may have changed.
    fn refresh_offers(&mut self, moved: &HashSet<Arc<str>>) {
        let mut unknown: HashMap<Arc<str>, HashSet<Uid>> = HashMap::new();
        for (uid, pod) in self.draining.iter().filter(|(_, pod)| !pod.open) {
            let Some(namespace) = &pod.key.namespace else { continue };
            let ask = match pod.offer {
                None => true,
                Some(Offer::Offered) => moved.contains(namespace),
                Some(Offer::Nowhere | Offer::Withdrawn(_)) => false,
            };
            if ask {
                unknown.entry(namespace.clone()).or_default().insert(uid.clone());
            }
        }
        if unknown.is_empty() {
            return;
        }
        let reader = self.keeper.view.read();
        for (namespace, pods) in unknown {
            for (uid, offer) in offers(&reader, &namespace, &pods) {
                if let Some(pod) = self.draining.get_mut(&uid) {
                    pod.offer = Some(offer);
                }
            }
        }
    }

    /// A node says that it is not where we are: it gets everything, unless what it needs is on its way.
    async fn catch_up(&mut self, node: &NodeName) {
        let Some(presence) = self.keeper.facts.presence(node).filter(|_| self.keeper.owns(node)) else {
            return;
        };
        let on_its_way = self
            .sent
            .get(node)
            .is_some_and(|sent| sent.epoch == presence.epoch && sent.at.elapsed() < ON_ITS_WAY);
        if on_its_way && self.keeper.sequences.contains_key(node) {
            return;
        }
        let pods: Vec<Arc<Stored>> = self.keeper.view.read().pods_on(node).cloned().collect();
        for pod in pods.iter().filter(|pod| pod.metadata.is_terminating()) {
            self.begin_draining(pod, node);
        }
        let seq = self.next_seq(node);
        let pods = self.build(pods.iter().map(|pod| &pod.key));
        debug!(%node, pods = pods.len(), seq, "assigning everything");
        self.send(node, presence.epoch, seq, &Assign::Full { epoch: presence.epoch, seq, pods }).await;
    }

    async fn send_news(&mut self, node: NodeName, news: News) {
        let Some(Sent { epoch, seq: previous, .. }) = self.sent.get(&node) else { return };
        let (epoch, previous) = (*epoch, *previous);
        if !self.keeper.owns(&node) {
            self.sent.remove(&node);
            self.draining.retain(|_, pod| pod.node != node);
            return;
        }
        let seq = self.next_seq(&node);
        let upserts = self.build(news.upserts.iter());
        let delta = Assign::Delta { epoch, previous, seq, upserts, removed: news.removed };
        self.send(&node, epoch, seq, &delta).await;
    }

    /// Pods as they are now; those that are gone meanwhile are left out.
    fn build<'a>(&mut self, keys: impl Iterator<Item = &'a ObjectKey>) -> Vec<AssignedPod> {
        let reader = self.keeper.view.read();
        let mut pods = Vec::new();
        for stored in keys.filter_map(|key| reader.get(key)) {
            let open = self.draining.get(&stored.metadata.uid).filter(|pod| pod.open);
            let stop = open.map(|pod| u32::try_from(pod.grace).unwrap_or(0));
            let (pod, refs) = assigned(&reader, stored, stop);
            for key in refs {
                let users = self.users.entry(key).or_default();
                if users.len() > 1024 {
                    users.retain(|pod| reader.get(pod).is_some());
                }
                users.insert(stored.key.clone());
            }
            pods.push(pod);
        }
        pods
    }

    /// Grows with every assignment, and over keepers: one that takes over must not continue another's count by chance.
    fn next_seq(&self, node: &NodeName) -> u64 {
        let now = u64::try_from(clock::now().0).unwrap_or(1);
        self.sent.get(node).map_or(now, |sent| now.max(sent.seq + 1))
    }

    async fn send(&mut self, node: &NodeName, epoch: u64, seq: u64, assign: &Assign) {
        let subject = format!("odeon.node.{}.assign", bus::token(node.as_str()));
        self.sent.insert(node.clone(), Sent { epoch, seq, at: Instant::now() });
        self.keeper.sequences.insert(node.clone(), seq);
        if let Err(error) = self.keeper.bus.publish(&subject, assign).await {
            warn!(%node, error = %telemetry::chain(&error), "failed to send an assignment");
        }
    }
}

impl Keeper {
    fn record_stop(&self, uid: &Uid, pod: &Draining, because: &str) {
        let parent = self.view.get(&pod.key).map(|stored| stored.cause).unwrap_or_default();
        self.bus.journal().append(JournalEntry {
            at_micros: clock::now().0,
            component: "keeper".to_owned(),
            object: Some(pod.key.clone()),
            uid: uid.clone(),
            cause: clock::child_of(parent),
            parent_span: parent.span_id,
            trigger: "the pod is to be deleted".to_owned(),
            because: because.to_owned(),
            commands: vec![format!("stop on {}", pod.node)],
            targets: vec![pod.key.clone()],
            outcome: "done".to_owned(),
            event: None,
        });
    }
}
