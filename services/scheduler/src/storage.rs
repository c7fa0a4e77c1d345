//! Claims, volumes and classes as the scheduler sees them, and what the claims of a pod ask of its node. The words are Kubernetes'
//! (`volumebinding`, `volumerestrictions`).

use std::collections::HashMap;
use std::sync::Arc;

use api::views::{PersistentVolume, PersistentVolumeClaim, StorageClass};
use api::volumes::{self, BIND_COMPLETED, NO_PROVISIONER, SELECTED_NODE};
use api::{NodeName, Object, ObjectKey, Resource};

use crate::class::PodClass;
use crate::filter::Misfit;
use crate::node_info::NodeInfo;

/// What is known of storage.
#[derive(Debug, Default)]
pub struct Storage {
    claims: HashMap<ObjectKey, Arc<Object<PersistentVolumeClaim>>>,
    volumes: HashMap<Arc<str>, Arc<Object<PersistentVolume>>>,
    classes: HashMap<Arc<str>, Arc<Object<StorageClass>>>,
    /// How many placed pods use a claim.
    users: HashMap<ObjectKey, u32>,
}

/// What one claim asks of a node.
#[derive(Clone, Debug)]
pub enum Need {
    /// Reach its volume.
    Reach(Arc<Object<PersistentVolume>>),
    /// Be the node for which a volume is chosen or made.
    Choose {
        /// The claim.
        claim: ObjectKey,
        /// It was chosen before.
        selected: Option<NodeName>,
        /// Volumes that may serve.
        volumes: Vec<Arc<Object<PersistentVolume>>>,
        /// The class that makes one, if it does.
        makes: Option<Arc<Object<StorageClass>>>,
    },
    /// Nowhere while another pod uses it: only one may.
    Alone,
}

impl Storage {
    /// A claim was created or changed.
    pub fn put_claim(&mut self, claim: Arc<Object<PersistentVolumeClaim>>) {
        self.claims.insert(claim.key.clone(), claim);
    }

    /// A volume was created or changed.
    pub fn put_volume(&mut self, volume: Arc<Object<PersistentVolume>>) {
        self.volumes.insert(Arc::clone(&volume.key.name), volume);
    }

    /// A class was created or changed.
    pub fn put_class(&mut self, class: Arc<Object<StorageClass>>) {
        self.classes.insert(Arc::clone(&class.key.name), class);
    }

    /// A claim, a volume or a class is gone.
    pub fn forget(&mut self, key: &ObjectKey) {
        match key.resource {
            PersistentVolumeClaim::ID => drop(self.claims.remove(key)),
            PersistentVolume::ID => drop(self.volumes.remove(&key.name)),
            _ => drop(self.classes.remove(&key.name)),
        }
    }

    /// A pod was placed (`1`) or removed (`-1`).
    pub fn count_users(&mut self, class: &PodClass, by: i32) {
        for (claim, _) in &class.claims {
            let key = claim_key(class, claim);
            let count = self.users.entry(key.clone()).or_default();
            *count = count.saturating_add_signed(by);
            if *count == 0 {
                self.users.remove(&key);
            }
        }
    }

    /// What a class' claims ask of a node, or why its pods have to wait wherever they are to go.
    pub fn needs(&self, class: &PodClass) -> Result<Vec<Need>, String> {
        let mut needs = Vec::new();
        for (name, own) in &class.claims {
            let key = claim_key(class, name);
            let Some(claim) = self.claims.get(&key) else {
                return Err(match own {
                    true => format!(
                        "waiting for ephemeral volume controller to create the persistentvolumeclaim {name:?}"
                    ),
                    false => format!("persistentvolumeclaim {name:?} not found"),
                });
            };
            let alone = claim.spec.access_modes.iter().any(|mode| mode == "ReadWriteOncePod");
            if alone && self.users.contains_key(&key) {
                needs.push(Need::Alone);
            }
            needs.push(self.need(claim)?);
        }
        Ok(needs)
    }

    fn need(&self, claim: &Object<PersistentVolumeClaim>) -> Result<Need, String> {
        let (name, volume) = (&claim.key.name, claim.spec.volume_name.as_str());
        if claim.status.phase == "Lost" {
            return Err(format!(
                "persistentvolumeclaim {name:?} bound to non-existent persistentvolume {volume:?}"
            ));
        }
        if claim.metadata.is_terminating() {
            return Err(format!("persistentvolumeclaim {name:?} is being deleted"));
        }
        if claim.metadata.annotations.contains_key(BIND_COMPLETED) && !volume.is_empty() {
            let found = self.volumes.get(volume).cloned();
            return found.map(Need::Reach).ok_or_else(|| {
                format!("persistentvolumeclaim {name:?} bound to non-existent persistentvolume {volume:?}")
            });
        }
        let class = self.classes.get(claim.spec.class()).filter(|class| volumes::waits(class));
        let (Some(class), true) = (class, volume.is_empty()) else {
            return Err("pod has unbound immediate PersistentVolumeClaims".to_owned());
        };
        let may_serve = |volume: &&Arc<Object<PersistentVolume>>| {
            volumes::is_kept_for(volume, claim) || volumes::may_serve(volume, claim)
        };
        Ok(Need::Choose {
            claim: claim.key.clone(),
            selected: claim.metadata.annotations.get(SELECTED_NODE).map(|node| NodeName::from(&**node)),
            volumes: self.volumes.values().filter(may_serve).cloned().collect(),
            makes: Some(class).filter(|class| class.provisioner != NO_PROVISIONER).cloned(),
        })
    }
}

impl Need {
    /// Why the node does not do, if it does not.
    pub fn misfit(&self, node: &NodeInfo) -> Option<Misfit<'static>> {
        let reaches = |volume: &PersistentVolume| volumes::reaches(volume, node.name.as_str(), &node.labels);
        match self {
            Self::Alone => Some(Misfit::ClaimTaken),
            Self::Reach(volume) => (!reaches(volume)).then_some(Misfit::VolumeElsewhere),
            Self::Choose { selected: Some(selected), .. } if *selected != node.name => Some(Misfit::NoVolume),
            Self::Choose { volumes: found, makes, .. } => {
                let made = makes.as_ref().is_some_and(|class| volumes::allows(class, &node.labels));
                let serves = made || found.iter().any(|volume| reaches(volume));
                (!serves).then_some(Misfit::NoVolume)
            }
        }
    }
}

fn claim_key(class: &PodClass, claim: &str) -> ObjectKey {
    ObjectKey::namespaced(PersistentVolumeClaim::ID, &class.namespace, claim)
}
