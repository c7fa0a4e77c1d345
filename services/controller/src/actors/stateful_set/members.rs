//! The pods of one StatefulSet as they are now, by ordinal.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use actor::{World, Write};
use api::views::{Pod, StatefulSet, StatefulSetStatus};
use api::{Object, Timestamp};

use super::super::history::{REVISION_HASH, Revision};
use super::super::ownership::Owner;
use super::super::{pods, sooner};
use super::identity::ordinal;

/// All pods of a set.
pub(super) struct Members {
    /// The ordinals that are wanted, ascending, with the pods that have them.
    pub wanted: BTreeMap<i32, Option<Member>>,
    /// Pods with other ordinals, descending: the order in which they go.
    pub surplus: Vec<Member>,
    /// When the next ready pod becomes available.
    pub next_available: Option<Duration>,
}

/// One pod.
pub(super) struct Member {
    /// As observed.
    pub pod: Arc<Object<Pod>>,
    /// Its number in the set.
    pub ordinal: i32,
    /// Its revision's name.
    pub revision: String,
    /// It has been ready for long enough, and stays.
    pub available: bool,
}

impl Members {
    /// Looks at the pods that the set manages, and at those with its names that nobody manages.
    pub fn observe(
        owner: &Owner<'_>,
        me: &Object<StatefulSet>,
        world: &World<'_>,
        now: Timestamp,
    ) -> (Self, Vec<Write>) {
        let (pods, claims) =
            owner.claim_all::<Pod>(world, |pod| ordinal(&me.key.name, &pod.key.name).is_some());
        let start = me.spec.ordinals.start;
        let end = start.saturating_add(me.spec.replicas);
        let mut members = Self {
            wanted: (start..end).map(|ordinal| (ordinal, None)).collect(),
            surplus: Vec::new(),
            next_available: None,
        };
        let settle = pods::seconds(me.spec.min_ready_seconds);
        for pod in pods {
            let Some(ordinal) = ordinal(&me.key.name, &pod.key.name) else { continue };
            let wait = pods::available_in(&pod, settle, now).filter(|_| !pod.metadata.is_terminating());
            if let Some(wait) = wait.filter(|wait| !wait.is_zero()) {
                members.next_available = sooner(members.next_available, Some(wait));
            }
            let revision = pod.metadata.labels.get(REVISION_HASH).map(ToString::to_string);
            let member = Member {
                ordinal,
                revision: revision.unwrap_or_default(),
                available: wait == Some(Duration::ZERO),
                pod,
            };
            match members.wanted.get_mut(&ordinal) {
                Some(place) => *place = Some(member),
                None => members.surplus.push(member),
            }
        }
        members.surplus.sort_by_key(|member| std::cmp::Reverse(member.ordinal));
        (members, claims)
    }

    fn all(&self) -> impl Iterator<Item = &Member> {
        self.wanted.values().flatten().chain(&self.surplus)
    }

    /// The revisions that some pod has.
    pub fn revisions(&self) -> impl Iterator<Item = String> {
        self.all().map(|member| member.revision.clone())
    }

    /// The counts; and when every pod has the new revision, that is the current one.
    pub fn status(
        &self,
        me: &Object<StatefulSet>,
        current: &Revision,
        update: &Revision,
    ) -> StatefulSetStatus {
        let count = |counts: &dyn Fn(&Member) -> bool| {
            i32::try_from(self.all().filter(|member| counts(member)).count()).unwrap_or(i32::MAX)
        };
        let of = |revision: &Revision| {
            count(&|member| {
                member.revision == revision.name && !member.is_terminating() && !member.pod.has_ended()
            })
        };
        let mut status = StatefulSetStatus {
            observed_generation: me.metadata.generation,
            replicas: count(&|member| !member.pod.has_ended()),
            ready_replicas: count(&|member| member.pod.is_ready() && !member.is_terminating()),
            available_replicas: count(&|member| member.available),
            current_replicas: of(current),
            updated_replicas: of(update),
            current_revision: current.name.clone(),
            update_revision: update.name.clone(),
            collision_count: Some(0),
            conditions: me.status.conditions.clone(),
        };
        let wanted = me.spec.replicas;
        let rolled = status.updated_replicas == wanted
            && status.ready_replicas == wanted
            && status.replicas == wanted
            && me.spec.update_strategy.kind != "OnDelete";
        if rolled {
            status.current_revision.clone_from(&status.update_revision);
            status.current_replicas = status.updated_replicas;
        }
        status
    }
}

impl Member {
    /// It is being deleted.
    pub fn is_terminating(&self) -> bool {
        self.pod.metadata.is_terminating()
    }
}
