//! Runs resource actors over the bucket's view: wakes them by its changes, lets them decide, performs what they decide.

pub(crate) mod brain;
mod routing;
mod turn;

use std::sync::Arc;
use std::time::Duration;

use api::ObjectKey;
use bus::{Bus, BusError, View};
use tokio::task::JoinHandle;

use crate::partitions::COUNT;
use crate::stage::Reason;
use crate::{AnyActor, Facts, Hands, Partitions, ResourceActor, Stage, Write};
use brain::{Any, Brain, Typed};
use routing::{Route, Router};
use turn::Turns;

/// Runs resource actors: `Host::builder(…).serve::<DeploymentActor>().start()`.
pub struct Host;

/// A host that is not started yet.
pub struct HostBuilder {
    bus: Bus,
    view: Arc<View>,
    identity: Arc<str>,
    facts: Arc<Facts>,
    partitions: Option<Arc<Partitions>>,
    /// Starts the stage of each served actor, once the partitions are known.
    served: Vec<Serve>,
}

/// A running host.
pub struct HostHandle {
    router: Arc<Router>,
    following: JoinHandle<()>,
    partitions: Arc<Partitions>,
    /// The host has joined by itself, so it also leaves by itself.
    leaves: bool,
}

/// Starts one actor's stage.
type Serve = Box<dyn FnOnce(&Context) -> Box<dyn Route> + Send>;

/// What every stage of a host shares.
struct Context {
    bus: Bus,
    view: Arc<View>,
    identity: Arc<str>,
    facts: Arc<Facts>,
    partitions: Arc<Partitions>,
}

impl Host {
    /// A host without actors yet, which acts as `identity` on what `view` shows and `facts` tell.
    pub fn builder(bus: &Bus, view: &Arc<View>, identity: &str, facts: &Arc<Facts>) -> HostBuilder {
        HostBuilder {
            bus: bus.clone(),
            view: Arc::clone(view),
            identity: identity.into(),
            facts: Arc::clone(facts),
            partitions: None,
            served: Vec::new(),
        }
    }
}

impl HostBuilder {
    /// Acts for the keys of these partitions. Without this the host joins the group `controller` under its identity.
    pub fn partitions(mut self, partitions: &Arc<Partitions>) -> Self {
        self.partitions = Some(Arc::clone(partitions));
        self
    }

    /// Adds the actor of a kind.
    pub fn serve<A: ResourceActor<Command = Write>>(self) -> Self {
        self.add::<Typed<A>>()
    }

    /// Adds an actor over many kinds.
    pub fn serve_any<A: AnyActor>(self) -> Self {
        self.add::<Any<A>>()
    }

    /// Starts: wakes every object that this process owns, and follows the view from there on.
    pub async fn start(self) -> Result<HostHandle, BusError> {
        let Self { bus, view, identity, facts, partitions, served } = self;
        let leaves = partitions.is_none();
        let partitions = match partitions {
            Some(partitions) => partitions,
            None => Arc::new(Partitions::join(&bus, "controller", &identity, COUNT).await?),
        };
        let context = Context { bus, view, identity, facts, partitions };
        let routes = served.into_iter().map(|serve| serve(&context)).collect();
        let Context { view, partitions, .. } = context;
        let router = Arc::new(Router::new(view, Arc::clone(&partitions), routes));
        let following = tokio::spawn(Arc::clone(&router).follow());
        Ok(HostHandle { router, following, partitions, leaves })
    }

    fn add<B: Brain>(mut self) -> Self {
        self.served.push(Box::new(|context: &Context| {
            let hands = Hands::new(&context.bus, &context.view, &context.identity, B::NAME);
            let turns = Turns::<B>::new(
                hands,
                Arc::clone(&context.view),
                Arc::clone(&context.facts),
                Arc::clone(&context.partitions),
            );
            Box::new(Stage::start(B::NAME, turns))
        }));
        self
    }
}

impl HostHandle {
    /// Wakes the actors of an object, if this process acts for it: something that is not in the bucket has changed.
    pub fn wake(&self, key: &ObjectKey, reason: &'static str) {
        self.router.wake_own(key, Reason::plain(reason));
    }

    /// The keys that this process acts for.
    pub fn partitions(&self) -> &Arc<Partitions> {
        &self.partitions
    }

    /// How many objects have a turn running or pending.
    pub fn live(&self) -> usize {
        self.router.live()
    }

    /// Stops in order: no new turns, running ones end (for at most `patience`), partitions go back.
    pub async fn stop(self, patience: Duration) {
        self.following.abort();
        self.router.stop(patience).await;
        if self.leaves {
            self.partitions.leave().await;
        }
    }
}

#[cfg(test)]
mod tests;
