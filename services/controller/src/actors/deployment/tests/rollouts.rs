//! Whole rollouts in random order: deployment, replica sets and pods each act when chance has it, and the limits always hold.

use std::time::Duration;

use api::views::{Pod, ReplicaSet};
use api::{ObjectKey, Resource};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::DeploymentActor;
use crate::actors::ReplicaSetActor;
use crate::actors::testing::Cluster;
use crate::actors::testing_language::template;

/// Who acts next; the number chooses among the candidates, or how many commands get through before a crash.
#[derive(Clone, Copy, Debug)]
enum Step {
    Deployment(usize),
    ReplicaSet(usize, usize),
    PodBecomesReady(usize),
    PodIsGone(usize),
    NewTemplate(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let any = 0..64_usize;
    prop_oneof![
        6 => (0..6_usize).prop_map(Step::Deployment),
        6 => (any.clone(), 0..6_usize).prop_map(|(which, prefix)| Step::ReplicaSet(which, prefix)),
        6 => any.clone().prop_map(Step::PodBecomesReady),
        3 => any.prop_map(Step::PodIsGone),
        1 => (1..4_u8).prop_map(Step::NewTemplate),
    ]
}

fn pods(cluster: &Cluster, wanted: impl Fn(&Value) -> bool) -> Vec<ObjectKey> {
    cluster.all(Pod::ID).into_iter().filter(|(_, pod)| wanted(pod)).map(|(key, _)| key).collect()
}

fn is_terminating(pod: &Value) -> bool {
    !pod["metadata"]["deletionTimestamp"].is_null()
}

fn is_ready(pod: &Value) -> bool {
    !pod["status"]["conditions"].is_null()
}

fn pick(keys: &[ObjectKey], which: usize) -> Option<ObjectKey> {
    (!keys.is_empty()).then(|| keys[which % keys.len()].clone())
}

fn make_ready(cluster: &mut Cluster, pod: &ObjectKey) {
    let now = cluster.now;
    cluster.change(pod, |pod| {
        pod["spec"]["nodeName"] = json!("n");
        pod["status"] = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now}]});
    });
}

/// Only the first commands of a turn get through, then the process dies; with all of them the status is written too.
fn act(cluster: &mut Cluster, step: Step) {
    match step {
        Step::Deployment(prefix) => {
            let outcome = cluster.decide::<DeploymentActor>("web");
            outcome.writes.iter().take(prefix).for_each(|write| cluster.perform(write));
            if prefix >= outcome.writes.len() {
                cluster.write_status(api::views::Deployment::ID, "web", &outcome);
            }
        }
        Step::ReplicaSet(which, prefix) => {
            let sets: Vec<ObjectKey> = cluster.all(ReplicaSet::ID).into_iter().map(|(key, _)| key).collect();
            let Some(set) = pick(&sets, which) else { return };
            let outcome = cluster.decide::<ReplicaSetActor>(&set.name);
            outcome.writes.iter().take(prefix).for_each(|write| cluster.perform(write));
            if prefix >= outcome.writes.len() {
                cluster.write_status(ReplicaSet::ID, &set.name, &outcome);
            }
        }
        Step::PodBecomesReady(which) => {
            if let Some(pod) = pick(&pods(cluster, |pod| !is_ready(pod) && !is_terminating(pod)), which) {
                make_ready(cluster, &pod);
            }
        }
        Step::PodIsGone(which) => {
            if let Some(pod) = pick(&pods(cluster, is_terminating), which) {
                cluster.objects.remove(&pod);
            }
        }
        Step::NewTemplate(version) => {
            let key = cluster.key("deployment", "web");
            cluster.change(&key, |web| web["spec"]["template"] = template(&format!("v{version}"), None));
        }
    }
    cluster.now = cluster.now.plus(Duration::from_millis(400));
}

/// Everyone acts until nothing changes.
fn run_to_rest(cluster: &mut Cluster) {
    for _ in 0..200 {
        let before = cluster.objects.clone();
        act(cluster, Step::Deployment(usize::MAX));
        for set in 0..cluster.all(ReplicaSet::ID).len() {
            act(cluster, Step::ReplicaSet(set, usize::MAX));
        }
        for pod in pods(cluster, |pod| !is_ready(pod) && !is_terminating(pod)) {
            make_ready(cluster, &pod);
        }
        for pod in pods(cluster, is_terminating) {
            cluster.objects.remove(&pod);
        }
        if before == cluster.objects {
            return;
        }
    }
    panic!("it does not come to rest");
}

fn ready_of(cluster: &Cluster, image: &str) -> usize {
    pods(cluster, |pod| {
        is_ready(pod) && !is_terminating(pod) && pod["spec"]["containers"][0]["image"] == image
    })
    .len()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_rollout_stays_within_its_limits_and_ends(
        replicas in 1..8_usize,
        surge in 0..4_usize,
        unavailable in 0..4_usize,
        steps in proptest::collection::vec(step(), 0..120),
    ) {
        let mut cluster = Cluster::of(&format!(
            "deployment web replicas={replicas} surge={surge} unavailable={unavailable} image=v0"
        ));
        run_to_rest(&mut cluster);
        prop_assert_eq!(ready_of(&cluster, "v0"), replicas);
        let unavailable = if surge == 0 { unavailable.max(1) } else { unavailable };
        for step in steps {
            act(&mut cluster, step);
            let all = pods(&cluster, |pod| !is_terminating(pod)).len();
            let available = pods(&cluster, |pod| is_ready(pod) && !is_terminating(pod)).len();
            prop_assert!(all <= replicas + surge, "{all} pods after {step:?}");
            prop_assert!(available + unavailable >= replicas, "{available} available pods after {step:?}");
        }
        act(&mut cluster, Step::NewTemplate(9));
        run_to_rest(&mut cluster);
        prop_assert_eq!(ready_of(&cluster, "v9"), replicas);
        prop_assert_eq!(cluster.all(Pod::ID).len(), replicas);
    }

    #[test]
    fn recreate_never_mixes_templates(steps in proptest::collection::vec(step(), 0..120)) {
        let mut cluster = Cluster::of("deployment web replicas=3 recreate image=v0");
        run_to_rest(&mut cluster);
        for step in steps {
            act(&mut cluster, step);
            let mut images: Vec<String> =
                cluster.all(Pod::ID).iter().map(|(_, pod)| pod["spec"]["containers"][0]["image"].to_string()).collect();
            images.dedup();
            images.sort();
            images.dedup();
            prop_assert!(images.len() <= 1, "{images:?} after {step:?}");
        }
        act(&mut cluster, Step::NewTemplate(9));
        run_to_rest(&mut cluster);
        prop_assert_eq!(ready_of(&cluster, "v9"), 3);
    }
}
