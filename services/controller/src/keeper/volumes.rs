//! Has nodes' agents remove volumes of the built-in driver whose claims are gone, and lets their objects go.

use std::sync::Arc;
use std::time::Duration;

use actor::{Propagation, Write};
use api::journal::{Cause, EventView};
use api::messages::{VolumeRemoval, VolumeRemoved};
use api::views::PersistentVolume;
use api::volumes::{DATA_PROTECTION, LOCAL_NODE, VOLUME_PROTECTION, is_local};
use api::{NodeName, Object, Resource};
use bus::ChangeKind;
use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::Keeper;

/// How long removing one volume may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// What could not be removed is tried again after this time.
const AGAIN: Duration = Duration::from_secs(10);

/// Starts removing.
pub fn start(keeper: &Arc<Keeper>, shells: &mut JoinSet<()>, shutdown: &CancellationToken) {
    let (keeper, stop) = (Arc::clone(keeper), shutdown.clone().cancelled_owned());
    shells.spawn(async move {
        tokio::select! {
            () = stop => {}
            () = remove_all(&keeper) => {}
        }
    });
}

/// Removes whenever a volume changes, and what is left every now and then.
async fn remove_all(keeper: &Keeper) {
    loop {
        let Ok(mut changes) = keeper.view.changes(keeper.view.revision()) else {
            tokio::task::yield_now().await;
            continue;
        };
        let mut again = tokio::time::interval(AGAIN);
        loop {
            let due = tokio::select! {
                batch = changes.next_batch() => match batch {
                    Ok(batch) => batch.iter().any(|change| {
                        change.kind == ChangeKind::Put
                            && change.key().resource == PersistentVolume::ID
                            && unwanted(&change.object.object::<PersistentVolume>()).is_some()
                    }),
                    Err(_) => break,
                },
                _ = again.tick() => true,
            };
            if due {
                remove_unwanted(keeper).await;
            }
        }
    }
}

async fn remove_unwanted(keeper: &Keeper) {
    let found: Vec<Arc<Object<PersistentVolume>>> = {
        let reader = keeper.view.read();
        reader.list(PersistentVolume::ID, None).map(|stored| stored.object::<PersistentVolume>()).collect()
    };
    let ours = found.iter().filter_map(|volume| Some((volume, unwanted(volume)?)));
    let ours = ours.filter(|(_, (node, _))| keeper.owns(node));
    futures::future::join_all(ours.map(|(volume, (node, handle))| remove(keeper, volume, node, handle)))
        .await;
}

/// The node and the handle of a volume whose data are to be deleted.
pub fn unwanted(volume: &Object<PersistentVolume>) -> Option<(NodeName, String)> {
    let ends = is_local(volume)
        && volume.status.phase == "Released"
        && volume.spec.persistent_volume_reclaim_policy == "Delete";
    let csi = volume.spec.csi.as_ref().filter(|_| ends)?;
    let node = csi.volume_attributes.get(LOCAL_NODE)?;
    Some((NodeName::from(node.as_str()), csi.volume_handle.clone()))
}

async fn remove(keeper: &Keeper, volume: &Object<PersistentVolume>, node: NodeName, handle: String) {
    let subject = format!("odeon.node.{}.volume", bus::token(node.as_str()));
    let asked = keeper.bus.request::<_, VolumeRemoved>(&subject, &VolumeRemoval { handle }, PATIENCE).await;
    let why = match asked {
        Ok(VolumeRemoved { refused: None }) => None,
        Ok(VolumeRemoved { refused: Some(why) }) => Some(why),
        Err(error) => Some(format!("node {node} does not answer: {}", telemetry::chain(&error))),
    };
    let performed = keeper
        .hands
        .perform(Some(&volume.key), "its claim is gone", Cause::default(), writes(volume, why))
        .await;
    if let Err(error) = performed {
        warn!(volume = %volume.key, error = %telemetry::chain(&error), "failed to let a volume go");
    }
}

/// Lets a volume go whose data are removed, or says why they are not.
pub fn writes(volume: &Object<PersistentVolume>, why: Option<String>) -> Vec<Write> {
    if let Some(message) = why {
        let (severity, reason) = ("Warning".to_owned(), "VolumeFailedDelete".to_owned());
        let event = EventView { severity, reason, message, regarding: None };
        return vec![Write::Tell { key: volume.key.clone(), event }];
    }
    let because = "its data are removed".to_owned();
    let own = [DATA_PROTECTION, VOLUME_PROTECTION];
    let others: Vec<_> = volume.metadata.finalizers.iter().filter(|name| !own.contains(&&***name)).collect();
    vec![
        Write::Patch {
            key: volume.key.clone(),
            seen: volume.revision,
            merge: json!({"metadata": {"finalizers": others}}),
            subresource_status: false,
            because: because.clone(),
            event: None,
        },
        Write::Delete {
            key: volume.key.clone(),
            uid: volume.metadata.uid.clone(),
            grace: None,
            propagation: Propagation::Background,
            because,
            event: None,
        },
    ]
}
