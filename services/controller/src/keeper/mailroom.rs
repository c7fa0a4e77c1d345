//! Receives what agents send: registrations, heartbeats and reports.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use api::journal::{EventView, JournalEntry};
use api::messages::{Heartbeat, HeartbeatAck, Register, Registered, Report};
use api::{NodeName, Revision, Timestamp};
use bus::{Bus, BusError, ChangeTo, Delivery, Expect, Mutation, WriteError};
use serde_json::Value;
use telemetry::clock;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::assigner::Behind;
use super::presence::{self, Heard, hear};
use super::register::{epoch_of, registered};
use super::reports::Clerk;
use super::{Keeper, node_key};

/// Reports that are written at the same time.
const REPORTS_AT_ONCE: usize = 256;
/// A registration that loses so many races gives up; its agent asks again.
const ATTEMPTS: usize = 5;

/// Starts receiving.
pub async fn start(
    keeper: &Arc<Keeper>,
    shells: &mut JoinSet<()>,
    shutdown: &CancellationToken,
) -> Result<(), BusError> {
    let mut registrations = keeper.bus.subscribe::<Register>("odeon.node.*.register").await?;
    let mut reports = keeper.bus.subscribe::<Report>("odeon.node.*.report").await?;
    let room = keeper.clone();
    let hearing = keeper.clone();
    let heartbeats = keeper.bus.express("heartbeats", move |bus| hear_heartbeats(hearing, bus)).await?;
    let clerk = Arc::new(Clerk::new(keeper));
    let gate = Arc::new(Semaphore::new(REPORTS_AT_ONCE));
    let stop = shutdown.clone();
    shells.spawn(async move {
        let mut tasks = JoinSet::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(registration) = registrations.next() => {
                    let room = room.clone();
                    tasks.spawn(async move { room.register(registration).await });
                }
                Some(report) = reports.next() => {
                    if !room.is_for_us(&report.subject, &report.message.node, "report") {
                        continue;
                    }
                    let (clerk, gate) = (clerk.clone(), gate.clone());
                    tasks.spawn(async move {
                        let _turn = gate.acquire().await;
                        clerk.receive(report).await;
                    });
                }
                Some(_) = tasks.join_next() => {}
                else => break,
            }
        }
        drop(heartbeats);
        while tasks.join_next().await.is_some() {}
    });
    Ok(())
}

async fn hear_heartbeats(room: Arc<Keeper>, bus: Bus) {
    match bus.subscribe::<Heartbeat>("odeon.node.*.heartbeat").await {
        Ok(mut heartbeats) => {
            while let Some(heartbeat) = heartbeats.next().await {
                room.heartbeat(heartbeat).await;
            }
        }
        Err(error) => error!(error = %telemetry::chain(&error), "no heartbeat can be heard"),
    }
}

impl Keeper {
    /// The node is ours, and the message came over the node's own subject: NATS lets an agent publish only there.
    fn is_for_us(&self, subject: &str, node: &NodeName, verb: &str) -> bool {
        let expected = format!("odeon.node.{}.{verb}", bus::token(node.as_str()));
        if subject != expected {
            warn!(subject, %node, "a message speaks for another node than its subject says");
            return false;
        }
        self.owns(node)
    }

    async fn heartbeat(&self, delivery: Delivery<Heartbeat>) {
        let Delivery { subject, message: heartbeat, reply, .. } = delivery;
        let node = &heartbeat.node;
        if !self.is_for_us(&subject, node, "heartbeat") {
            return;
        }
        let now = clock::now();
        if self.facts.presence(node).is_none() {
            self.take_over(node, now);
        }
        let mut heard = Heard::Stranger { epoch: 0 };
        self.facts.update_presence(node, |presence| heard = hear(presence, &heartbeat, reply.is_some(), now));
        // Before the sequence: it is set after it.
        let revision = Revision(self.told.load(Ordering::Acquire));
        let current = self.sequences.get(node).map_or(0, |sequence| *sequence);
        let epoch = match heard {
            Heard::Stranger { epoch } => {
                debug!(%node, session = heartbeat.session, "a heartbeat from an agent that must register");
                epoch
            }
            Heard::Known { news } => {
                if news {
                    let _ = self.heard.send(node.clone());
                    self.host.wake(&node_key(node), "heard");
                }
                if current == 0 || current != heartbeat.assignment {
                    let since = if heartbeat.assignment == 0 { Revision(0) } else { heartbeat.revision };
                    let _ = self.behind.send(Behind { node: node.clone(), since });
                }
                heartbeat.epoch
            }
        };
        if let Some(reply) = reply
            && let Err(error) = reply.send(&HeartbeatAck { epoch, assignment: current, revision }).await
        {
            debug!(%node, error = %telemetry::chain(&error), "failed to acknowledge a heartbeat");
        }
    }

    async fn register(&self, delivery: Delivery<Register>) {
        let Delivery { subject, message: registration, reply, cause } = delivery;
        let node = registration.node.clone();
        if !self.is_for_us(&subject, &node, "register") {
            return;
        }
        let answer = match serde_json::from_str::<Value>(&registration.object) {
            Err(error) => {
                Some(Registered { epoch: 0, refused: Some(format!("the Node object is not JSON: {error}")) })
            }
            Ok(offered) => self.admit(&registration, offered, cause.unwrap_or_default()).await,
        };
        // Without an answer the agent asks again.
        if let (Some(answer), Some(reply)) = (answer, reply)
            && let Err(error) = reply.send(&answer).await
        {
            debug!(%node, error = %telemetry::chain(&error), "failed to answer a registration");
        }
        // The agent asks for its assignments when it has read the answer: what is sent before could overtake it.
        self.sequences.remove(&node);
    }

    /// A node that is ours now, as its object tells it, so that its agent need not register again.
    pub(super) fn take_over(&self, node: &NodeName, now: Timestamp) {
        if let Some(stored) = self.view.get(&node_key(node)) {
            self.facts.set_presence(node.clone(), presence::taken_over(epoch_of(&stored), now));
        }
    }

    /// Writes the Node object with a new epoch; `None` if it cannot be written now.
    async fn admit(
        &self,
        registration: &Register,
        offered: Value,
        cause: api::journal::Cause,
    ) -> Option<Registered> {
        let (node, key) = (&registration.node, node_key(&registration.node));
        let store = self.bus.store();
        for _ in 0..ATTEMPTS {
            let current = self.view.get(&key);
            let known = self.facts.presence(node).map_or(0, |presence| presence.epoch);
            let epoch = current.as_deref().map_or(0, epoch_of).max(known) + 1;
            let existing = current.as_ref().map(|stored| stored.value());
            let cause = clock::child_of(cause);
            let object = registered(
                existing.as_ref(),
                offered.clone(),
                &key,
                epoch,
                &clock::fresh_uid(),
                clock::now(),
            );
            let expect = current.as_ref().map_or(Expect::Absent, |stored| Expect::At(stored.revision));
            let mutation = Mutation { key: key.clone(), expect, change: ChangeTo::Put(object), cause };
            match store.write(mutation).await {
                Ok(revision) => {
                    let presence = presence::registered(registration.session, epoch, clock::now());
                    self.facts.set_presence(node.clone(), presence);
                    self.view.wait_for(revision).await;
                    info!(%node, epoch, running = registration.running.len(), "node registered");
                    self.bus.journal().append(entry(registration, epoch, cause));
                    let _ = self.heard.send(node.clone());
                    self.host.wake(&key, "registered");
                    return Some(Registered { epoch, refused: None });
                }
                Err(WriteError::Conflict { current }) => {
                    self.view.wait_for(current.unwrap_or_default()).await
                }
                Err(error) => {
                    warn!(%node, error = %telemetry::chain(&error), "failed to write a registered node");
                    return None;
                }
            }
        }
        None
    }
}

fn entry(registration: &Register, epoch: u64, cause: api::journal::Cause) -> JournalEntry {
    let (node, key) = (&registration.node, node_key(&registration.node));
    JournalEntry {
        at_micros: clock::now().0,
        component: format!("agent/{node}"),
        object: Some(key.clone()),
        cause,
        trigger: "the agent registered".to_owned(),
        because: format!("it runs {} pods and gets lease epoch {epoch}", registration.running.len()),
        commands: vec![format!("register {node}")],
        targets: vec![key],
        outcome: "done".to_owned(),
        event: Some(EventView {
            severity: "Normal".to_owned(),
            reason: "RegisteredNode".to_owned(),
            message: format!("Node {node} event: Registered Node {node} in Controller"),
            regarding: None,
        }),
        ..JournalEntry::default()
    }
}
