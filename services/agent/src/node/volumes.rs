//! Removes persistent volumes of the built-in driver when the keeper says that nobody wants them any more.

use std::sync::Arc;

use api::NodeName;
use api::messages::{VolumeRemoval, VolumeRemoved};
use bus::{BusError, Reply, Subscription};

use super::Agent;
use crate::pod::claim::{engine_name, is_plain};
use crate::runtime::ContainerRuntime;

/// Subscribes for all nodes of the process.
pub async fn subscribe<R: ContainerRuntime>(
    agent: &Agent<R>,
) -> Result<Subscription<VolumeRemoval>, BusError> {
    agent.bus.subscribe(&agent.subject("volume")).await
}

/// Answers until the subscription ends.
pub async fn run<R: ContainerRuntime>(agent: Arc<Agent<R>>, mut requests: Subscription<VolumeRemoval>) {
    while let Some(delivery) = requests.next().await {
        let Some(node) = agent.node_of(&delivery.subject).map(|node| node.name.clone()) else { continue };
        if let Some(reply) = delivery.reply {
            tokio::spawn(remove(Arc::clone(&agent), node, delivery.message.handle, reply));
        }
    }
}

async fn remove<R: ContainerRuntime>(agent: Arc<Agent<R>>, node: NodeName, handle: String, reply: Reply) {
    let refused = match is_plain(&handle) {
        false => Some(format!("volume handle \"{handle}\" is not a plain name")),
        true => {
            let removed = agent.pods.runtime().remove_persistent(&node, &engine_name(&handle)).await;
            removed.err().map(|error| error.text())
        }
    };
    match &refused {
        None => tracing::info!(%node, volume = handle, "removed a persistent volume"),
        Some(why) => tracing::warn!(%node, volume = handle, error = why, "persistent volume not removed"),
    }
    if let Err(error) = reply.send(&VolumeRemoved { refused }).await {
        tracing::debug!(%node, %error, "answer about a volume not sent");
    }
}
