//! The Node performer: registers, says that it lives, takes assignments, reports, and stops what may not run without a lease.

pub mod beat;
pub mod exec;
pub mod inbox;
pub mod logs;
pub mod object;
pub mod outbox;
pub mod portforward;
pub mod register;
pub mod tokens;
pub mod usage;
pub mod volumes;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use api::{NodeName, Revision};
use bus::Bus;
use tokio::sync::Semaphore;

use crate::pod::performer::Pods;
use crate::runtime::ContainerRuntime;

/// Requests of this process to keepers that may be under way at once.
const REQUESTS_AT_ONCE: usize = 64;

/// Everything that the tasks of an agent process share.
pub struct Agent<R: ContainerRuntime> {
    /// To the keepers.
    pub bus: Bus,
    /// The pods of all its nodes.
    pub pods: Pods<R>,
    /// Its nodes by subject token.
    pub nodes: HashMap<String, Arc<Node>>,
    /// Tokens that its pods mount.
    pub tokens: tokens::Tokens,
    /// What is to be reported.
    pub outbox: Arc<outbox::Outbox>,
    /// Drawn at every start.
    pub session: u64,
    /// Bounds requests under way.
    pub requests: Arc<Semaphore>,
    /// What containers used when they were last measured.
    pub meter: usage::Meter,
    /// This process stops in order.
    pub leaving: AtomicBool,
    /// What is wrong with the runtime, if anything is.
    pub unhealthy: Mutex<Option<String>>,
}

/// One node of this process.
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// Its name in subjects.
    pub token: String,
    /// The Node object as it is registered, in JSON text.
    pub object: String,
    /// The lease epoch; 0 while it is not registered.
    pub epoch: AtomicU64,
    /// The last assignment that was applied; 0 asks for a full one.
    pub assignment: AtomicU64,
    /// Everything that happened to its pods up to this revision was heard of; 0 if that is not known.
    pub revision: AtomicU64,
    /// When the heartbeat was sent that was acknowledged last: the lease counts from there.
    pub renewed: Mutex<Instant>,
    /// Unique pods are stopped, for want of a lease.
    pub fenced: AtomicBool,
    /// A registration is under way.
    pub registering: AtomicBool,
    /// Counts heartbeats.
    pub beats: AtomicU32,
    /// Counts its pods, as last seen.
    pub pods: AtomicU32,
}

impl Node {
    /// A node that is not registered yet.
    pub fn new(name: NodeName, object: String) -> Self {
        Self {
            token: bus::token(name.as_str()),
            name,
            object,
            epoch: AtomicU64::new(0),
            assignment: AtomicU64::new(0),
            revision: AtomicU64::new(0),
            renewed: Mutex::new(Instant::now()),
            fenced: AtomicBool::new(false),
            registering: AtomicBool::new(false),
            beats: AtomicU32::new(0),
            pods: AtomicU32::new(0),
        }
    }

    /// `odeon.node.<token>.<verb>`.
    pub fn subject(&self, verb: &str) -> String {
        format!("odeon.node.{}.{verb}", self.token)
    }

    /// The lease epoch, if it is registered.
    pub fn epoch(&self) -> Option<u64> {
        Some(self.epoch.load(Ordering::Acquire)).filter(|epoch| *epoch > 0)
    }

    /// An assignment was applied that was made of this revision.
    pub fn applied(&self, seq: u64, revision: Revision) {
        self.assignment.store(seq, Ordering::Release);
        self.revision.fetch_max(revision.0, Ordering::AcqRel);
    }

    /// What the node runs may not be what it shall run: it needs everything.
    pub fn forget_assignment(&self) {
        self.assignment.store(0, Ordering::Release);
        self.revision.store(0, Ordering::Release);
    }

    /// The lease was renewed by a heartbeat that was sent then.
    pub fn renew(&self, sent: Instant) {
        let mut renewed = self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
        *renewed = sent.max(*renewed);
    }
}

impl<R: ContainerRuntime> Agent<R> {
    /// An agent that has not said anything yet.
    pub fn new(bus: Bus, pods: Pods<R>, nodes: Vec<Node>, outbox: Arc<outbox::Outbox>) -> Self {
        Self {
            bus,
            pods,
            nodes: nodes.into_iter().map(|node| (node.token.clone(), Arc::new(node))).collect(),
            tokens: tokens::Tokens::default(),
            outbox,
            session: rand::random::<u64>().max(1),
            requests: Arc::new(Semaphore::new(REQUESTS_AT_ONCE)),
            meter: usage::Meter::default(),
            leaving: AtomicBool::new(false),
            unhealthy: Mutex::new(None),
        }
    }

    /// What a subscription for all of its nodes is for: its own name, or every name if it performs many.
    pub fn subject(&self, verb: &str) -> String {
        match self.nodes.values().next() {
            Some(only) if self.nodes.len() == 1 => only.subject(verb),
            Some(_) | None => format!("odeon.node.*.{verb}"),
        }
    }

    /// The node that a subject names, if it is one of these.
    pub fn node_of(&self, subject: &str) -> Option<&Arc<Node>> {
        self.nodes.get(subject.split('.').nth(2)?)
    }

    /// What is wrong with the runtime.
    pub fn trouble(&self) -> Option<String> {
        self.unhealthy.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
