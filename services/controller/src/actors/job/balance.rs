//! Makes the pods that a job lacks and ends those that are too many.

use std::collections::BTreeSet;
use std::time::Duration;

use actor::{World, Write};
use api::json::child;
use api::views::Pod;
use api::{Object, Timestamp};
use serde_json::{Value, json};

use super::attempts::{Attempts, COMPLETION_INDEX, index_of};
use super::crew::{PodList, release};
use super::tally::{end_of_indexes, replaces_only_failed};
use super::{TRACKING, Turn, count};
use crate::actors::names::free_names;
use crate::actors::replica_set::missed_least_first;
use crate::actors::{pods, sooner};

/// How long the replacement of the first failed pod waits; each further failure in a row doubles it.
const FIRST_DELAY: Duration = Duration::from_secs(10);
/// No replacement waits longer.
const LONGEST_DELAY: Duration = Duration::from_secs(600);
/// The variable that tells a container its index.
const INDEX_VARIABLE: &str = "JOB_COMPLETION_INDEX";

impl Turn<'_> {
    /// As many active pods as the job may have and needs.
    pub(super) fn balance(&mut self, world: &World<'_>) {
        let (mut stay, mut go) = self.useful_pods();
        let wanted = self.wanted(stay.len());
        missed_least_first(&mut stay);
        let surplus = stay.len().saturating_sub(wanted);
        go.extend(stay.drain(..surplus));
        for pod in go {
            self.commands.push(release(&pod, "the job needs fewer pods"));
            self.commands.push(pods::delete(&pod, "the job needs fewer pods"));
        }
        let ending = if replaces_only_failed(self.me) { self.crew.terminating.len() } else { 0 };
        let missing = wanted.saturating_sub(stay.len() + ending);
        if missing == 0 {
            return;
        }
        let wait =
            if self.me.spec.backoff_limit_per_index.is_some() { Duration::ZERO } else { self.back_off() };
        if !wait.is_zero() {
            self.wake_after = sooner(self.wake_after, Some(wait));
            return;
        }
        let because = format!("{} of {wanted} pods are active", stay.len());
        let made = match end_of_indexes(self.me) {
            Some(end) => self.indexed(world, &stay, end, missing, &because),
            None => self.plain(world, missing, &because),
        };
        self.commands.extend(made);
    }

    /// Active pods, and among them those that nobody needs: they work on an index that is done or that another one works on.
    fn useful_pods(&self) -> (PodList, PodList) {
        let Some(end) = end_of_indexes(self.me) else { return (self.crew.active.clone(), Vec::new()) };
        let mut taken = self.decided_indexes();
        self.crew
            .active
            .iter()
            .cloned()
            .partition(|pod| index_of(pod).is_some_and(|index| index < end && taken.insert(index)))
    }

    /// Nobody needs to work on them any more.
    fn decided_indexes(&self) -> BTreeSet<u32> {
        let decided = [&self.tally.completed, &self.tally.given_up].into_iter().flatten();
        decided.flat_map(|indexes| &indexes.0).copied().collect()
    }

    fn wanted(&self, active: usize) -> usize {
        let parallelism = usize::try_from(self.me.spec.parallelism).unwrap_or_default();
        match self.me.spec.completions {
            // Others finish what they do when one has succeeded; no new ones come.
            None if self.tally.succeeded > 0 => active.min(parallelism),
            None => parallelism,
            Some(completions) => {
                let given_up = self.tally.given_up.as_ref().map_or(0, |given_up| count(given_up.0.len()));
                let open = completions.saturating_sub(self.tally.succeeded.saturating_add(given_up));
                parallelism.min(usize::try_from(open).unwrap_or_default())
            }
        }
    }

    /// How long replacements still wait: the longer, the more pods have failed since the last success.
    fn back_off(&self) -> Duration {
        let ended: Vec<(Timestamp, bool)> = self.crew.all.iter().filter_map(|pod| ending(pod)).collect();
        let last_success = ended.iter().filter(|(_, failed)| !failed).map(|(at, _)| *at).max();
        let failures: Vec<Timestamp> = ended
            .iter()
            .filter(|(at, failed)| *failed && last_success.is_none_or(|success| *at > success))
            .map(|(at, _)| *at)
            .collect();
        let Some(last) = failures.iter().max() else { return Duration::ZERO };
        delay_after(failures.len()).saturating_sub(self.now.since(*last))
    }

    /// How long the next pod of an index still waits, after the last one of it failed.
    fn back_off_of(&self, last: &Object<Pod>) -> Duration {
        let failures = Attempts::with(self.me, last).total();
        let ended = last.ended_at().unwrap_or(last.metadata.creation_timestamp);
        delay_after(usize::try_from(failures).unwrap_or_default()).saturating_sub(self.now.since(ended))
    }

    fn plain(&self, world: &World<'_>, count: usize, because: &str) -> Vec<Write> {
        let base = format!("{}-", self.me.key.name);
        let names = self.free_names(world, &base, count);
        names.into_iter().map(|name| self.create(&name, &base, None, because)).collect()
    }

    /// Pods for the first indexes that nobody works on and that need not wait.
    fn indexed(
        &mut self,
        world: &World<'_>,
        active: &PodList,
        end: u32,
        count: usize,
        because: &str,
    ) -> Vec<Write> {
        let mut taken = self.decided_indexes();
        taken.extend(active.iter().filter_map(|pod| index_of(pod)));
        if replaces_only_failed(self.me) {
            taken.extend(self.crew.terminating.iter().filter_map(|pod| index_of(pod)));
        }
        for (index, last) in &self.tally.last_failed {
            let wait = self.back_off_of(last);
            if !wait.is_zero() && taken.insert(*index) {
                self.wake_after = sooner(self.wake_after, Some(wait));
            }
        }
        let free = (0..end).filter(|index| !taken.contains(index)).take(count);
        let create = |index: u32| {
            let base = format!("{}-{index}-", self.me.key.name);
            let names = self.free_names(world, &base, 1);
            names.into_iter().next().map(|name| self.create(&name, &base, Some(index), because))
        };
        free.filter_map(create).collect()
    }

    fn free_names(&self, world: &World<'_>, base: &str, count: usize) -> Vec<String> {
        let taken = |name: &str| world.stored(&pods::key(&self.owner, name)).is_some();
        free_names(base, &self.me.metadata.uid, count, taken)
    }

    fn create(&self, name: &str, base: &str, index: Option<u32>, because: &str) -> Write {
        let template = &self.me.spec.template;
        let mut pod = pods::from_template(template, &self.owner, name, Some(base));
        if let Some(metadata) = child(&mut pod, "metadata") {
            let finalizers = metadata.entry("finalizers").or_insert_with(|| json!([]));
            if let Some(finalizers) = finalizers.as_array_mut() {
                finalizers.push(json!(TRACKING));
            }
        }
        if let Some(index) = index {
            assign(&mut pod, &self.me.key.name, index);
            self.hand_on(&mut pod, index);
        }
        pods::create(&self.owner, name, pod, because)
    }

    /// Tells a pod how often its index failed before, if that is counted.
    fn hand_on(&self, pod: &mut Value, index: u32) {
        if self.me.spec.backoff_limit_per_index.is_none() {
            return;
        }
        let before = self.tally.last_failed.get(&index).map(|last| Attempts::with(self.me, last));
        if let Some(annotations) = pod.get_mut("metadata").and_then(|metadata| child(metadata, "annotations"))
        {
            let counts = before.unwrap_or_default().annotations();
            annotations.extend(counts.map(|(name, count)| (name.into(), json!(count))));
        }
    }
}

/// How long a replacement waits after so many failures.
fn delay_after(failures: usize) -> Duration {
    let doublings = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX).min(10);
    (FIRST_DELAY * 2_u32.pow(doublings)).min(LONGEST_DELAY)
}

/// Tells a pod which index it works on: by annotation, label, host name and environment.
fn assign(pod: &mut Value, job: &str, index: u32) {
    for field in ["annotations", "labels"] {
        if let Some(of) = pod.get_mut("metadata").and_then(|metadata| child(metadata, field)) {
            of.insert(COMPLETION_INDEX.into(), json!(index.to_string()));
        }
    }
    let Some(spec) = child(pod, "spec") else { return };
    spec.insert("hostname".into(), json!(format!("{job}-{index}")));
    let path = format!("metadata.labels['{COMPLETION_INDEX}']");
    for field in ["initContainers", "containers"] {
        let containers = spec.get_mut(field).and_then(Value::as_array_mut).into_iter().flatten();
        for container in containers.filter_map(Value::as_object_mut) {
            let env = container.entry("env").or_insert_with(|| json!([]));
            let Some(variables) = env.as_array_mut() else { continue };
            if !variables.iter().any(|variable| variable.get("name") == Some(&json!(INDEX_VARIABLE))) {
                variables.push(json!({"name": INDEX_VARIABLE, "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": path}}}));
            }
        }
    }
}

/// When a pod ended by itself, and whether it failed.
fn ending(pod: &Object<Pod>) -> Option<(Timestamp, bool)> {
    let failed = match pod.status.phase.as_str() {
        "Failed" => true,
        "Succeeded" => false,
        _ => return None,
    };
    Some((pod.ended_at().unwrap_or(pod.metadata.creation_timestamp), failed))
}
