//! Decisions of volumes, as text.

use actor::laws::check;
use expect_test::expect;

use super::PersistentVolumeActor;

const LOCAL: &str = "{\"spec\": {\"csi\": {\"driver\": \"local.odeon.dev\"}}}";

#[test]
fn a_volume_follows_its_claim() {
    let check = |cluster: &str, expect| check::<PersistentVolumeActor>(cluster, expect);
    check(
        "persistentvolume v phase=Pending",
        expect![[r#"
        status lastPhaseTransitionTime=2026-01-01T00:00:00Z phase=Available
    "#]],
    );
    check(
        "persistentvolume v phase=Pending claim=data",
        expect![[r#"
        status lastPhaseTransitionTime=2026-01-01T00:00:00Z phase=Available
    "#]],
    );
    check(
        "persistentvolume v claim=data/persistentvolumeclaim-data\npersistentvolumeclaim data volume=v",
        expect![[r#"
            status lastPhaseTransitionTime=2026-01-01T00:00:00Z phase=Bound
        "#]],
    );
    check(
        "persistentvolume v phase=Bound claim=data/persistentvolumeclaim-data annotation pv.kubernetes.io/bound-by-controller=yes
         persistentvolumeclaim data volume=other",
        expect![[r#"
            patch persistentvolume v metadata.annotations.pv.kubernetes.io/bound-by-controller=null spec.claimRef=null: it is Available
            status lastPhaseTransitionTime=2026-01-01T00:00:00Z phase=Available
        "#]],
    );
    check(
        "persistentvolume v phase=Bound claim=data/persistentvolumeclaim-data\npersistentvolumeclaim data volume=other",
        expect![[r#"
            patch persistentvolume v spec.claimRef.resourceVersion=null spec.claimRef.uid=null: it is Available
            status lastPhaseTransitionTime=2026-01-01T00:00:00Z phase=Available
        "#]],
    );
}

#[test]
fn a_volume_without_its_claim_is_released() {
    let check = |cluster: &str, expect| check::<PersistentVolumeActor>(cluster, expect);
    check(
        "persistentvolume v phase=Bound claim=data/before\npersistentvolumeclaim data",
        expect![[r#"
        status lastPhaseTransitionTime=2026-01-01T00:00:00Z phase=Released
    "#]],
    );
    check(
        "persistentvolume v phase=Bound claim=data/before policy=Delete",
        expect![[r#"
        tell persistentvolume v: error getting deleter volume plugin for volume "v": no deletable volume plugin matched [VolumeFailedDelete]
        status lastPhaseTransitionTime=2026-01-01T00:00:00Z message="error getting deleter volume plugin for volume \"v\": no deletable volume plugin matched" phase=Failed
    "#]],
    );
    check(
        "persistentvolume v phase=Bound claim=data/before policy=Recycle",
        expect![[r#"
        tell persistentvolume v: No recycler plugin found for the volume! [VolumeFailedRecycle]
        status lastPhaseTransitionTime=2026-01-01T00:00:00Z message="No recycler plugin found for the volume!" phase=Failed
    "#]],
    );
    check(
        &format!("persistentvolume v phase=Bound claim=data/before policy=Delete {LOCAL}"),
        expect![[r#"
        patch persistentvolume v metadata.finalizers=["kubernetes.io/pv-protection","external-provisioner.volume.kubernetes.io/finalizer"]: it is Released
        status lastPhaseTransitionTime=2026-01-01T00:00:00Z phase=Released
    "#]],
    );
}

#[test]
fn a_deleted_volume_stays_while_it_is_bound() {
    let check = |cluster: &str, expect| check::<PersistentVolumeActor>(cluster, expect);
    check(
        "persistentvolume v terminating",
        expect![[r#"
        patch persistentvolume v metadata.finalizers=[]: it is Available
    "#]],
    );
    check(
        "persistentvolume v phase=Bound terminating claim=data/persistentvolumeclaim-data\npersistentvolumeclaim data volume=v",
        expect![[r#"
            nothing
        "#]],
    );
}
