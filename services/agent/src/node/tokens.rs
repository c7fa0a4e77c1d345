//! Gets the tokens that pods mount, and new ones before they end: to a pod they are one more thing that its assignment brings.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use api::messages::{AssignedPod, ConfigObject, TokenAnswer, TokenRequest};
use api::{NodeName, Revision, Timestamp, Uid};
use bus::RequestError;
use dashmap::{DashMap, Entry};
use k8s_openapi::api::core::v1 as k8s;
use serde_bytes::ByteBuf;
use tokio_util::task::AbortOnDropHandle;

use super::{Agent, Node};
use crate::pod::plan::{TOKENS, Wanted, wanted_tokens};
use crate::runtime::ContainerRuntime;

/// How long a gateway may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long to wait after a failure.
const AGAIN: Duration = Duration::from_secs(2);

/// Pods that mount tokens, each with the task that keeps them fresh.
#[derive(Default)]
pub struct Tokens(DashMap<Uid, Keeping>);

/// A pod's tokens and who renews them.
struct Keeping {
    node: NodeName,
    assigned: AssignedPod,
    tokens: Vec<ConfigObject>,
    _renewal: AbortOnDropHandle<()>,
}

/// Takes an assigned pod in, with its tokens: a new one waits for them.
pub fn assign<R: ContainerRuntime>(
    agent: &Arc<Agent<R>>,
    node: &Arc<Node>,
    mut assigned: AssignedPod,
    now: Timestamp,
) {
    let uid = assigned.uid.clone();
    match agent.tokens.0.entry(uid.clone()) {
        // A pod's volumes never change, so one that is known is not read again.
        Entry::Occupied(mut known) => {
            known.get_mut().assigned = assigned.clone();
            assigned.config.extend(known.get().tokens.iter().cloned());
        }
        // What is to end needs none any more.
        Entry::Vacant(_) if assigned.stop.is_some() => {}
        Entry::Vacant(place) => {
            let wanted = wanted_by(&assigned);
            if !wanted.is_empty() {
                let renewal = tokio::spawn(renew(Arc::clone(agent), Arc::clone(node), uid, wanted));
                let _renewal = AbortOnDropHandle::new(renewal);
                place.insert(Keeping { node: node.name.clone(), assigned, tokens: Vec::new(), _renewal });
                return;
            }
        }
    }
    agent.pods.assign(&node.name, assigned, now);
}

/// The tokens that a pod's volumes ask for. Pods that ask for none are not read to find that out.
fn wanted_by(assigned: &AssignedPod) -> BTreeSet<Wanted> {
    const FIELD: &[u8] = b"serviceAccountToken";
    let is_field = |bytes: &[u8]| bytes.first() == FIELD.first() && bytes == FIELD;
    match assigned.object.windows(FIELD.len()).any(is_field) {
        // Whoever reads a pod next says what is wrong with it.
        true => bus::decode::<k8s::Pod>(&assigned.object).map(|pod| wanted_tokens(&pod)).unwrap_or_default(),
        false => BTreeSet::new(),
    }
}

impl Tokens {
    /// Forgets pods that are gone.
    pub fn forget(&self, gone: &[Uid]) {
        for uid in gone {
            self.0.remove(uid);
        }
    }

    /// Forgets all pods of a node but these.
    pub fn retain(&self, node: &NodeName, stays: &HashSet<Uid>) {
        self.0.retain(|uid, keeping| keeping.node != *node || stays.contains(uid));
    }
}

/// Asks for tokens, hands them to the pod, and does so again when most of their life is over.
async fn renew<R: ContainerRuntime>(
    agent: Arc<Agent<R>>,
    node: Arc<Node>,
    uid: Uid,
    wanted: BTreeSet<Wanted>,
) {
    loop {
        let known = agent.tokens.0.get(&uid);
        let known = known.map(|keeping| (keeping.assigned.key.clone(), keeping.assigned.revision));
        let Some((key, seen)) = known else { return };
        let ask = |wanted: &Wanted| TokenRequest {
            pod: key.clone(),
            uid: uid.clone(),
            seen,
            audience: wanted.audience.clone(),
            seconds: wanted.seconds,
        };
        match all(&agent, &node, wanted.iter().map(|wanted| (wanted, ask(wanted)))).await {
            Ok((tokens, lasts)) => {
                hand_over(&agent, &node, &uid, Some(tokens));
                // As the kubelet does: after four fifths of its life.
                tokio::time::sleep(lasts.mul_f64(0.8)).await;
            }
            Err(error) => {
                tracing::warn!(pod = %key, error, "failed to get a token");
                // With those that it has; without any, its status says what it waits for.
                hand_over(&agent, &node, &uid, None);
                tokio::time::sleep(AGAIN).await;
            }
        }
    }
}

/// All tokens, and how long the first of them to end lasts.
async fn all<'a, R: ContainerRuntime>(
    agent: &Agent<R>,
    node: &Node,
    wanted: impl Iterator<Item = (&'a Wanted, TokenRequest)>,
) -> Result<(Vec<ConfigObject>, Duration), String> {
    let (mut tokens, mut lasts) = (Vec::new(), Duration::MAX);
    for (wanted, question) in wanted {
        let answer: Result<TokenAnswer, RequestError> =
            agent.bus.request(&node.subject("token"), &question, PATIENCE).await;
        let answer = answer.map_err(|error| telemetry::chain(&error))?;
        if let Some(refused) = answer.refused {
            return Err(refused);
        }
        let now = telemetry::clock::now().0.div_euclid(1_000_000);
        let left = u64::try_from(answer.expires.saturating_sub(now)).unwrap_or_default();
        lasts = lasts.min(Duration::from_secs(left));
        tokens.push(ConfigObject {
            resource: TOKENS,
            name: wanted.name(),
            // A new token is a new state of the files.
            revision: Revision(u64::try_from(answer.expires).unwrap_or_default()),
            object: ByteBuf::from(answer.token.into_bytes()),
        });
    }
    Ok((tokens, lasts.max(AGAIN)))
}

/// Gives the pod new tokens, if there are any, along with everything else that is assigned to it.
fn hand_over<R: ContainerRuntime>(
    agent: &Agent<R>,
    node: &Node,
    uid: &Uid,
    fresh: Option<Vec<ConfigObject>>,
) {
    let assigned = agent.tokens.0.get_mut(uid).map(|mut keeping| {
        if let Some(fresh) = fresh {
            keeping.tokens = fresh;
        }
        let mut assigned = keeping.assigned.clone();
        assigned.config.extend(keeping.tokens.iter().cloned());
        assigned
    });
    if let Some(assigned) = assigned {
        agent.pods.assign(&node.name, assigned, telemetry::clock::now());
    }
}
