//! Tells every node of ours what to run: everything once, then what changes; and tells pods to stop when their proxies have let go.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use api::journal::JournalEntry;
use api::messages::{Applied, Assign, AssignedPod};
use api::views::{ConfigMap, EndpointSlice, PersistentVolume, PersistentVolumeClaim, Pod, Secret, Service};
use api::{NodeName, ObjectKey, Resource, Revision, Uid};
use bus::{BusError, Change, ChangeKind, Changes, Reader, Stored};
use telemetry::clock;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::Keeper;
use super::assignment::{assigned, is_news, refs};
use super::drain::{Gate, Offer, PROXY_ALIVE, gate, offers};

/// An assignment that was sent so lately may still be on its way, or wait for its agent: its node is not behind yet. Messages are
/// seldom lost without the agent noticing by itself, so this can be long; it doubles while nothing helps.
const ON_ITS_WAY: Duration = Duration::from_secs(2);
const LONG_ON_ITS_WAY: Duration = Duration::from_secs(16);
/// Without pods that drain there is nothing to look at.
const NOTHING_DRAINS: Duration = Duration::from_secs(3600);

/// Starts assigning.
pub async fn start(
    keeper: &Arc<Keeper>,
    inbox: mpsc::UnboundedReceiver<Behind>,
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
    /// Pods by the ConfigMaps, Secrets, claims and volumes that they use.
    users: Users,
    /// Namespaces whose Services or slices changed since the gates were last looked at.
    moved: HashSet<Arc<str>>,
}

struct Sent {
    epoch: u64,
    seq: u64,
    at: Instant,
    /// How long it may be on its way.
    patience: Duration,
}

/// A node whose agent is not where we are.
#[derive(Debug)]
pub struct Behind {
    /// Which node.
    pub node: NodeName,
    /// Its agent has heard of everything up to here; zero if it needs everything.
    pub since: Revision,
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

/// Pods by what they use.
type Users = HashMap<ObjectKey, HashSet<ObjectKey>>;

type AllNews = HashMap<NodeName, News>;

impl Assigner {
    async fn assign(
        mut self,
        mut inbox: mpsc::UnboundedReceiver<Behind>,
        mut applied: bus::Subscription<Applied>,
    ) {
        let (mut changes, mut read) = self.restart();
        let mut look_again = NOTHING_DRAINS;
        loop {
            let mut news = AllNews::new();
            tokio::select! {
                batch = changes.next_batch() => match batch {
                    Ok(batch) => {
                        batch.iter().for_each(|change| self.observe(change, &mut news));
                        read = batch.last().map_or(read, |last| last.revision());
                    }
                    Err(expired) => {
                        warn!(%expired, "fell behind the view, looking at every node again");
                        (changes, read) = self.restart();
                    }
                },
                Some(behind) = inbox.recv() => self.catch_up(&behind).await,
                Some(delivery) = applied.next() => {
                    let Applied { node, revision } = delivery.message;
                    self.proxies.insert(node, (revision, Instant::now()));
                }
                () = tokio::time::sleep(look_again) => {}
            }
            look_again = self.look_at_gates(&mut news);
            for (node, news) in news {
                self.send_news(node, news, read).await;
            }
            self.keeper.told.store(read.0, Ordering::Release);
        }
    }

    /// Forgets what was sent: every node is brought up to date after its next heartbeat. Tells from where changes are read.
    fn restart(&mut self) -> (Changes, Revision) {
        self.sent.clear();
        self.keeper.sequences.clear();
        self.draining.clear();
        loop {
            let revision = self.keeper.view.revision();
            if let Ok(changes) = self.keeper.view.changes(revision) {
                return (changes, revision);
            }
        }
    }

    fn observe(&mut self, change: &Change, news: &mut AllNews) {
        match change.key().resource {
            Pod::ID => self.observe_pod(change, news),
            ConfigMap::ID | Secret::ID | PersistentVolumeClaim::ID | PersistentVolume::ID => {
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

    /// A node says that it is not where we are: it gets everything, unless what it needs is on its way. What it knows is only named.
    async fn catch_up(&mut self, behind: &Behind) {
        let node = &behind.node;
        let Some(presence) = self.keeper.facts.presence(node).filter(|_| self.keeper.owns(node)) else {
            return;
        };
        let sent = self.sent.get(node).filter(|sent| sent.epoch == presence.epoch);
        let waited = sent.map(|sent| (sent.at.elapsed(), sent.patience));
        let is_known = self.keeper.sequences.contains_key(node);
        let patience = match waited {
            Some((waited, patience)) if is_known && waited < patience => return,
            Some((waited, patience)) if waited < patience * 2 => (patience * 2).min(LONG_ON_ITS_WAY),
            Some(_) | None => ON_ITS_WAY,
        };
        let (revision, pods) = {
            let reader = self.keeper.view.read();
            (reader.revision(), reader.pods_on(node).cloned().collect::<Vec<Arc<Stored>>>())
        };
        for pod in pods.iter().filter(|pod| pod.metadata.is_terminating()) {
            self.begin_draining(pod, node);
        }
        let (epoch, seq, since) = (presence.epoch, self.next_seq(node), behind.since);
        let (known, changed): (Vec<_>, Vec<_>) =
            pods.iter().partition(|pod| since.0 > 0 && self.is_known_since(pod, since));
        debug!(%node, known = known.len(), changed = changed.len(), seq, "assigning everything");
        let upserts = self.build(changed.into_iter().map(|pod| &pod.key));
        let assign = match since {
            Revision(0) => Assign::Full { epoch, seq, revision, pods: upserts },
            since => {
                let kept = known.iter().map(|pod| pod.metadata.uid.clone()).collect();
                Assign::Since { epoch, since, seq, revision, upserts, kept }
            }
        };
        self.send(node, Sent { epoch, seq, at: Instant::now(), patience }, &assign).await;
    }

    /// Neither the pod nor anything that it uses is newer than that. Notes what it uses.
    fn is_known_since(&mut self, pod: &Stored, since: Revision) -> bool {
        let reader = self.keeper.view.read();
        let refs = refs(&reader, pod);
        let is_older = |key: &ObjectKey| reader.get(key).is_none_or(|config| config.revision <= since);
        let known = pod.revision <= since && refs.iter().all(is_older);
        note_users(&mut self.users, &reader, refs, &pod.key);
        known
    }

    async fn send_news(&mut self, node: NodeName, news: News, revision: Revision) {
        let Some(Sent { epoch, seq: previous, .. }) = self.sent.get(&node) else { return };
        let (epoch, previous) = (*epoch, *previous);
        if !self.keeper.owns(&node) {
            self.sent.remove(&node);
            self.draining.retain(|_, pod| pod.node != node);
            return;
        }
        let seq = self.next_seq(&node);
        let upserts = self.build(news.upserts.iter());
        let delta = Assign::Delta { epoch, previous, seq, revision, upserts, removed: news.removed };
        self.send(&node, Sent { epoch, seq, at: Instant::now(), patience: ON_ITS_WAY }, &delta).await;
    }

    /// Pods as they are now; those that are gone meanwhile are left out.
    fn build<'a>(&mut self, keys: impl Iterator<Item = &'a ObjectKey>) -> Vec<AssignedPod> {
        let reader = self.keeper.view.read();
        let mut pods = Vec::new();
        for stored in keys.filter_map(|key| reader.get(key)) {
            let open = self.draining.get(&stored.metadata.uid).filter(|pod| pod.open);
            let stop = open.map(|pod| u32::try_from(pod.grace).unwrap_or(0));
            let (pod, refs) = assigned(&reader, stored, stop);
            note_users(&mut self.users, &reader, refs, &stored.key);
            pods.push(pod);
        }
        pods
    }

    /// Grows with every assignment, and over keepers: one that takes over must not continue another's count by chance.
    fn next_seq(&self, node: &NodeName) -> u64 {
        let now = u64::try_from(clock::now().0).unwrap_or(1);
        self.sent.get(node).map_or(now, |sent| now.max(sent.seq + 1))
    }

    async fn send(&mut self, node: &NodeName, sent: Sent, assign: &Assign) {
        let subject = format!("odeon.node.{}.assign", bus::token(node.as_str()));
        self.keeper.sequences.insert(node.clone(), sent.seq);
        self.sent.insert(node.clone(), sent);
        if let Err(error) = self.keeper.bus.publish(&subject, assign).await {
            warn!(%node, error = %telemetry::chain(&error), "failed to send an assignment");
        }
    }
}

/// Remembers that a pod uses these ConfigMaps and Secrets, and forgets pods that are gone.
fn note_users(users: &mut Users, reader: &Reader<'_>, refs: BTreeSet<ObjectKey>, pod: &ObjectKey) {
    for key in refs {
        let users = users.entry(key).or_default();
        if users.len() > 1024 {
            users.retain(|pod| reader.get(pod).is_some());
        }
        users.insert(pod.clone());
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
            written: None,
        });
    }
}
