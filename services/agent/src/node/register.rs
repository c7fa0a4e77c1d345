//! Registers nodes with their keeper, and again whenever the keeper may have forgotten them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use api::messages::{Register, Registered};

use super::{Agent, Node, beat};
use crate::runtime::ContainerRuntime;

const TIMEOUT: Duration = Duration::from_secs(1);
/// Between tries: a keeper that takes over answers within this.
const PAUSE: Duration = Duration::from_millis(200);

/// Starts registering a node unless that is under way; ends when a keeper has answered.
pub fn begin<R: ContainerRuntime>(agent: &Arc<Agent<R>>, node: &Arc<Node>) {
    if node.registering.swap(true, Ordering::AcqRel) {
        return;
    }
    let (agent, node) = (Arc::clone(agent), Arc::clone(node));
    tokio::spawn(async move {
        while !attempt(&agent, &node).await {
            tokio::time::sleep(PAUSE).await;
        }
        node.registering.store(false, Ordering::Release);
        // Asks for the assignments at once.
        beat::send(&agent, &agent.bus, &node, true).await;
    });
}

async fn attempt<R: ContainerRuntime>(agent: &Agent<R>, node: &Node) -> bool {
    let _turn = agent.requests.acquire().await;
    let question = Register {
        node: node.name.clone(),
        session: agent.session,
        object: node.object.clone(),
        running: agent.pods.running(&node.name),
    };
    let sent = Instant::now();
    match agent.bus.request::<_, Registered>(&node.subject("register"), &question, TIMEOUT).await {
        Ok(Registered { refused: Some(refused), .. }) => {
            tracing::error!(node = %node.name, because = refused, "registration refused");
            false
        }
        Ok(Registered { epoch, refused: None }) => {
            node.forget_assignment();
            node.epoch.store(epoch, Ordering::Release);
            node.renew(sent);
            tracing::info!(node = %node.name, epoch, running = question.running.len(), "registered");
            true
        }
        Err(error) => {
            tracing::debug!(node = %node.name, %error, "no keeper has answered the registration");
            false
        }
    }
}
