//! Decisions of StatefulSets, as text.

use actor::World;
use actor::laws::{Cluster, Laws, NOW, check, decide, story};
use api::views::Pod;
use expect_test::expect;

use super::StatefulSetActor;

#[test]
fn pods_come_one_after_the_other() {
    story::<StatefulSetActor>(
        "statefulset db replicas=3",
        expect![[r#"
        statefulset db:
          create controllerrevision db-6658fcbc4f: the template has no revision yet; this is number 1
          create pod db-0 image=image: ordinal 0 has no pod [SuccessfulCreate]
          status
        statefulset db:
          create pod db-1 image=image: ordinal 1 has no pod [SuccessfulCreate]
          status
        statefulset db:
          create pod db-2 image=image: ordinal 2 has no pod [SuccessfulCreate]
          status
        statefulset db:
          status
    "#]],
    );
}

#[test]
fn parallel_pods_come_at_once() {
    check::<StatefulSetActor>(
        "statefulset db replicas=3 spec.podManagementPolicy=Parallel",
        expect![[r#"
        create controllerrevision db-6658fcbc4f: the template has no revision yet; this is number 1
        create pod db-0 image=image: ordinal 0 has no pod [SuccessfulCreate]
        create pod db-1 image=image: ordinal 1 has no pod [SuccessfulCreate]
        create pod db-2 image=image: ordinal 2 has no pod [SuccessfulCreate]
        status collisionCount=0 currentRevision=db-6658fcbc4f observedGeneration=1 updateRevision=db-6658fcbc4f
    "#]],
    );
}

#[test]
fn a_pod_has_its_identity() {
    let cluster = Cluster::of(
        "statefulset db replicas=1 {\"spec\": {\"volumeClaimTemplates\": [{\"metadata\": {\"name\": \"data\"}, \"spec\": {\"accessModes\": [\"ReadWriteOnce\"]}}]}}",
    );
    let (_, decision) = decide::<StatefulSetActor>(&cluster, NOW);
    let shown: Vec<String> = decision
        .commands
        .iter()
        .map(|write| match write {
            actor::Write::Create { object, .. } => object.to_string(),
            other => actor::laws::show_write(other),
        })
        .collect();
    expect![[r#"
        {"apiVersion":"apps/v1","data":{"spec":{"template":{"$patch":"replace","metadata":{"labels":{"app":"db"}},"spec":{"containers":[{"image":"image","name":"app"}],"restartPolicy":"Always"}}}},"kind":"ControllerRevision","metadata":{"annotations":{},"labels":{"app":"db","controller-revision-hash":"6658fcbc4f","controller.kubernetes.io/hash":"6658fcbc4f"},"name":"db-6658fcbc4f","namespace":"default","ownerReferences":[{"apiVersion":"apps/v1","blockOwnerDeletion":true,"controller":true,"kind":"StatefulSet","name":"db","uid":"statefulset-db"}]},"revision":1}
        {"apiVersion":"v1","kind":"PersistentVolumeClaim","metadata":{"labels":{"app":"db"},"name":"data-db-0","namespace":"default"},"spec":{"accessModes":["ReadWriteOnce"]}}
        {"apiVersion":"v1","kind":"Pod","metadata":{"generateName":"db-","labels":{"app":"db","apps.kubernetes.io/pod-index":"0","controller-revision-hash":"db-6658fcbc4f","statefulset.kubernetes.io/pod-name":"db-0"},"name":"db-0","namespace":"default","ownerReferences":[{"apiVersion":"apps/v1","blockOwnerDeletion":true,"controller":true,"kind":"StatefulSet","name":"db","uid":"statefulset-db"}]},"spec":{"containers":[{"image":"image","name":"app"}],"hostname":"db-0","restartPolicy":"Always","subdomain":"db","volumes":[{"name":"data","persistentVolumeClaim":{"claimName":"data-db-0"}}]}}"#]].assert_eq(&shown.join("\n"));
}

/// A set that is complete at revision `a`, and then gets image `b`.
fn rolled(words: &str) -> String {
    let revision = |name: &str, number: u32, image: &str| {
        format!(
            "controllerrevision db-{name} owner=statefulset/db {{\"revision\": {number}, \"data\": {{\"spec\": {{\"template\": {{\"$patch\": \"replace\", \"metadata\": {{\"labels\": {{\"app\": \"db\"}}}}, \"spec\": {{\"containers\": [{{\"name\": \"app\", \"image\": \"{image}\"}}], \"restartPolicy\": \"Always\"}}}}}}}}}}\n"
        )
    };
    let pod = |ordinal: u32| {
        format!(
            "pod db-{ordinal} owner=statefulset/db ready node=n label app=db label controller-revision-hash=db-a\n"
        )
    };
    format!(
        "statefulset db replicas=3 image=b status.currentRevision=db-a {words}\n{}{}{}{}{}",
        revision("a", 1, "a"),
        revision("b", 2, "b"),
        pod(0),
        pod(1),
        pod(2)
    )
}

#[test]
fn a_new_template_reaches_the_last_pod_first() {
    check::<StatefulSetActor>(
        &rolled(""),
        expect![[r#"
        delete pod db-2: it is of db-a, db-b is wanted [SuccessfulDelete]
        status availableReplicas=3 collisionCount=0 currentReplicas=3 observedGeneration=1 readyReplicas=3 replicas=3 updateRevision=db-b
    "#]],
    );
    check::<StatefulSetActor>(
        &rolled("spec.updateStrategy.rollingUpdate.partition=3"),
        expect![[r#"
        status availableReplicas=3 collisionCount=0 currentReplicas=3 observedGeneration=1 readyReplicas=3 replicas=3 updateRevision=db-b
    "#]],
    );
    check::<StatefulSetActor>(
        &rolled("spec.updateStrategy.type=OnDelete"),
        expect![[r#"
        status availableReplicas=3 collisionCount=0 currentReplicas=3 observedGeneration=1 readyReplicas=3 replicas=3 updateRevision=db-b
    "#]],
    );
    check::<StatefulSetActor>(
        &rolled("spec.updateStrategy.rollingUpdate.maxUnavailable=2"),
        expect![[r#"
        delete pod db-2: it is of db-a, db-b is wanted [SuccessfulDelete]
        delete pod db-1: it is of db-a, db-b is wanted [SuccessfulDelete]
        status availableReplicas=3 collisionCount=0 currentReplicas=3 observedGeneration=1 readyReplicas=3 replicas=3 updateRevision=db-b
    "#]],
    );
    story::<StatefulSetActor>(
        &rolled("spec.updateStrategy.rollingUpdate.partition=1"),
        expect![[r#"
        statefulset db:
          delete pod db-2: it is of db-a, db-b is wanted [SuccessfulDelete]
          status
        statefulset db:
          create pod db-2 image=b: ordinal 2 has no pod [SuccessfulCreate]
          status
        statefulset db:
          delete pod db-1: it is of db-a, db-b is wanted [SuccessfulDelete]
          status
        statefulset db:
          create pod db-1 image=b: ordinal 1 has no pod [SuccessfulCreate]
          status
        statefulset db:
          status
    "#]],
    );
}

#[test]
fn a_pod_before_the_partition_comes_back_as_it_was() {
    let cluster = rolled("spec.updateStrategy.rollingUpdate.partition=3").replace("pod db-1", "pod other");
    check::<StatefulSetActor>(
        &cluster,
        expect![[r#"
        create pod db-1 image=a: ordinal 1 has no pod [SuccessfulCreate]
        status availableReplicas=2 collisionCount=0 currentReplicas=2 observedGeneration=1 readyReplicas=2 replicas=2 updateRevision=db-b
    "#]],
    );
}

#[test]
fn an_ended_pod_makes_room_for_the_next_of_its_name() {
    check::<StatefulSetActor>(
        &rolled("").replace("pod db-0 owner=statefulset/db ready", "pod db-0 owner=statefulset/db failed"),
        expect![[r#"
            delete pod db-0: it has ended, and another one takes its name [SuccessfulDelete]
            status availableReplicas=2 collisionCount=0 currentReplicas=2 observedGeneration=1 readyReplicas=2 replicas=2 updateRevision=db-b
        "#]],
    );
}

#[test]
fn surplus_goes_from_the_top_one_by_one() {
    story::<StatefulSetActor>(
        &rolled("").replace("replicas=3 image=b", "replicas=1 image=a"),
        expect![[r#"
        statefulset db:
          patch controllerrevision db-a revision=3: its template is back, as number 3
          delete pod db-2: 1 pods are wanted [SuccessfulDelete]
          status
        statefulset db:
          delete pod db-1: 1 pods are wanted [SuccessfulDelete]
          status
        statefulset db:
          status
    "#]],
    );
}

/// No two pods of one name, and no pod while one before it is missing.
fn in_order(world: &World<'_>) -> Result<(), String> {
    let names: Vec<String> = world.list::<Pod>(None).map(|pod| pod.key.name.to_string()).collect();
    match names.iter().enumerate().all(|(place, name)| *name == format!("db-{place}")) {
        true => Ok(()),
        false => Err(format!("out of order: {names:?}")),
    }
}

#[test]
fn stateful_sets_obey() {
    Laws::of::<StatefulSetActor>().always(in_order).hold("statefulset db replicas=3");
    Laws::of::<StatefulSetActor>().hold("statefulset db replicas=3 spec.podManagementPolicy=Parallel");
    Laws::of::<StatefulSetActor>().hold(&rolled(""));
    Laws::of::<StatefulSetActor>().hold(&rolled(
        "spec.podManagementPolicy=Parallel spec.updateStrategy.rollingUpdate.maxUnavailable=2",
    ));
    Laws::of::<StatefulSetActor>().hold(&rolled("").replace("replicas=3 image=b", "replicas=1 image=a"));
}
