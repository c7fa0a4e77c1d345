//! Holds every actor to the laws (settles, idempotent, crash-safe), also on stale views and with turns that die half-way.

use actor::World;
use actor::laws::{Laws, Pods, hold_for};
use api::views::Pod;

use super::{DeploymentActor, NamespaceActor, ReplicaSetActor, ServiceActor};

/// Deployments need someone who makes pods.
fn deployments() -> Laws {
    Laws::of::<DeploymentActor>().with::<ReplicaSetActor>()
}

/// No more pods than `most`, and no fewer available ones than `least`.
fn within(least: usize, most: usize) -> impl Fn(&World<'_>) -> Result<(), String> {
    move |world| {
        let running = || world.list::<Pod>(None).filter(|pod| !pod.metadata.is_terminating());
        let (all, available) = (running().count(), running().filter(|pod| pod.is_ready()).count());
        match all <= most && available >= least {
            true => Ok(()),
            false => Err(format!("{all} pods of at most {most}, {available} available of at least {least}")),
        }
    }
}

#[test]
fn deployments_obey() {
    deployments().hold("deployment web replicas=3");
    deployments().hold("deployment web replicas=2 paused");
    deployments().hold(
        "deployment web replicas=3 image=b
         replicaset web-orphan replicas=2 image=a label app=web
         pod web-orphan-1 owner=replicaset/web-orphan ready node=n",
    );
}

const ROLLOUT: &str = "
    deployment web replicas=4 image=b surge=1 unavailable=1
    replicaset web-old owner=deployment/web replicas=4 image=a observed=1 {\"status\": {\"replicas\": 4, \"readyReplicas\": 4, \"availableReplicas\": 4}}
    pod web-old-1 owner=replicaset/web-old ready node=n1
    pod web-old-2 owner=replicaset/web-old ready node=n1
    pod web-old-3 owner=replicaset/web-old ready node=n2
    pod web-old-4 owner=replicaset/web-old ready node=n2";

#[test]
fn rollouts_obey_and_stay_within_their_limits() {
    deployments().always(within(3, 5)).hold(ROLLOUT);
}

#[test]
fn recreating_obeys() {
    deployments().hold(&ROLLOUT.replace("surge=1 unavailable=1", "strategy=Recreate"));
}

#[test]
fn replica_sets_obey() {
    hold_for::<ReplicaSetActor>("replicaset web replicas=3");
    hold_for::<ReplicaSetActor>(
        "replicaset web replicas=2 minready=10
         pod a owner=replicaset/web ready node=n1
         pod b owner=replicaset/web running node=n1
         pod c owner=replicaset/web ready node=n2 age=1m
         pod d owner=replicaset/web failed node=n2
         pod e ready node=n2 label app=web
         pod f owner=replicaset/web ready node=n2 label app=other",
    );
    Laws::of::<ReplicaSetActor>().pods(Pods::Stay).hold(
        "replicaset web replicas=3
         pod a owner=replicaset/web failed node=n1 age=1s
         pod b owner=replicaset/web succeeded node=n1",
    );
}

#[test]
fn services_obey() {
    hold_for::<ServiceActor>("service web selector app=web port=80:8080");
    hold_for::<ServiceActor>(
        "service web selector app=web port=http:80:8080
         service db headless selector app=db
         service gone selector app=gone terminating finalizer x
         pod web-1 ready ip=10.1.0.1 label app=web
         pod web-2 running ip=10.1.0.2 label app=web
         pod db-1 ready ip=fd00::1 label app=db",
    );
}

#[test]
fn namespaces_obey() {
    hold_for::<NamespaceActor>("namespace shop");
    hold_for::<NamespaceActor>(
        "namespace shop terminating
         deployment shop/web replicas=1
         replicaset shop/web-1 owner=deployment/web replicas=1
         pod shop/web-1-a owner=replicaset/web-1 ready node=n
         configmap shop/settings",
    );
}
