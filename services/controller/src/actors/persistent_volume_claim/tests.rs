//! Decisions of claims, as text.

use actor::World;
use actor::laws::{Laws, check, story};
use api::views::{PersistentVolume, PersistentVolumeClaim};
use expect_test::expect;

use super::PersistentVolumeClaimActor;
use crate::actors::PersistentVolumeActor;

fn both() -> Laws {
    Laws::of::<PersistentVolumeClaimActor>().with::<PersistentVolumeActor>()
}

/// No volume is the volume of two claims.
fn nothing_is_shared(world: &World<'_>) -> Result<(), String> {
    let bound = |volume: &str| {
        let claims = world.list::<PersistentVolumeClaim>(None);
        claims.filter(|claim| claim.spec.volume_name == volume).count()
    };
    let shared = world.list::<PersistentVolume>(None).find(|volume| bound(&volume.key.name) > 1);
    shared.map_or(Ok(()), |volume| Err(format!("{} has two claims", volume.key.name)))
}

#[test]
fn a_claim_and_a_volume_are_bound() {
    both().story(
        "persistentvolume small size=1Gi
         persistentvolume big size=9Gi
         persistentvolume fits size=3Gi
         persistentvolumeclaim data size=2Gi",
        expect![[r#"
            persistentvolumeclaim data:
              patch persistentvolume fits metadata.annotations.pv.kubernetes.io/bound-by-controller=yes spec.claimRef.apiVersion=v1 spec.claimRef.kind=PersistentVolumeClaim spec.claimRef.name=data spec.claimRef.namespace=default spec.claimRef.resourceVersion=4 spec.claimRef.uid=persistentvolumeclaim-data: it is the best for claim default/data
            persistentvolumeclaim data:
              patch persistentvolumeclaim data metadata.annotations.pv.kubernetes.io/bind-completed=yes metadata.annotations.pv.kubernetes.io/bound-by-controller=yes spec.volumeName=fits: the volume is its own
              status
            persistentvolume fits:
              status
        "#]],
    );
}

#[test]
fn claims_never_share_a_volume() {
    both().always(nothing_is_shared).hold(
        "persistentvolume a size=1Gi
         persistentvolume b size=1Gi
         persistentvolumeclaim one size=1Gi
         persistentvolumeclaim two size=1Gi
         persistentvolumeclaim three size=1Gi",
    );
}

#[test]
fn a_claim_may_name_its_volume_and_a_volume_its_claim() {
    both().story(
        "persistentvolume asked size=9Gi
         persistentvolume kept size=9Gi claim=waited-for
         persistentvolumeclaim asks volume=asked
         persistentvolumeclaim waited-for
         persistentvolumeclaim late volume=kept",
        expect![[r#"
            persistentvolumeclaim asks:
              patch persistentvolume asked metadata.annotations.pv.kubernetes.io/bound-by-controller=yes spec.claimRef.apiVersion=v1 spec.claimRef.kind=PersistentVolumeClaim spec.claimRef.name=asks spec.claimRef.namespace=default spec.claimRef.resourceVersion=3 spec.claimRef.uid=persistentvolumeclaim-asks: it is the best for claim default/asks
            persistentvolumeclaim waited-for:
              patch persistentvolume kept spec.claimRef.apiVersion=v1 spec.claimRef.kind=PersistentVolumeClaim spec.claimRef.name=waited-for spec.claimRef.namespace=default spec.claimRef.resourceVersion=4 spec.claimRef.uid=persistentvolumeclaim-waited-for: it is the best for claim default/waited-for
            persistentvolume asked:
              status
            persistentvolumeclaim asks:
              patch persistentvolumeclaim asks metadata.annotations.pv.kubernetes.io/bind-completed=yes spec.volumeName=asked: the volume is its own
              status
            persistentvolumeclaim waited-for:
              patch persistentvolumeclaim waited-for metadata.annotations.pv.kubernetes.io/bind-completed=yes metadata.annotations.pv.kubernetes.io/bound-by-controller=yes spec.volumeName=kept: the volume is its own
              status
            persistentvolume kept:
              status
        "#]],
    );
}

#[test]
fn what_is_missing_is_said() {
    let told = |cluster: &str, expect| check::<PersistentVolumeClaimActor>(cluster, expect);
    told(
        "persistentvolumeclaim data",
        expect![[r#"
        tell persistentvolumeclaim data: no persistent volumes available for this claim and no storage class is set [FailedBinding]
    "#]],
    );
    told(
        "persistentvolumeclaim data class=gone",
        expect![[r#"
        tell persistentvolumeclaim data: storageclass.storage.k8s.io "gone" not found [ProvisioningFailed]
    "#]],
    );
    told(
        "storageclass fast waits\npersistentvolumeclaim data class=fast",
        expect![[r#"
        tell persistentvolumeclaim data: waiting for first consumer to be created before binding [WaitForFirstConsumer]
    "#]],
    );
    told(
        "storageclass manual by=kubernetes.io/no-provisioner\npersistentvolumeclaim data class=manual",
        expect![[r#"
            tell persistentvolumeclaim data: no volume plugin matched name: kubernetes.io/no-provisioner [ProvisioningFailed]
        "#]],
    );
    told(
        "storageclass other by=x.io/y\npersistentvolumeclaim data class=other",
        expect![[r#"
        patch persistentvolumeclaim data metadata.annotations.volume.beta.kubernetes.io/storage-provisioner=x.io/y metadata.annotations.volume.kubernetes.io/storage-provisioner=x.io/y: its class names who makes its volume [ExternalProvisioning]
    "#]],
    );
    told(
        "persistentvolume v size=1Gi\npersistentvolumeclaim data size=2Gi volume=v",
        expect![[r#"
        tell persistentvolumeclaim data: Cannot bind to requested volume "v": requested PV is too small [VolumeMismatch]
    "#]],
    );
}

#[test]
fn a_local_volume_is_made_where_the_pod_is_to_run() {
    both().story(
        "node n1 ready label kubernetes.io/hostname=n1
         node n2 ready label kubernetes.io/hostname=n2
         storageclass local waits
         persistentvolumeclaim data class=local annotation volume.kubernetes.io/selected-node=n2",
        expect![[r#"
            persistentvolumeclaim data:
              patch persistentvolumeclaim data metadata.annotations.volume.beta.kubernetes.io/storage-provisioner=local.odeon.dev metadata.annotations.volume.kubernetes.io/storage-provisioner=local.odeon.dev: its class names who makes its volume [Provisioning]
              create persistentvolume pvc-persistentvolumeclaim-data: claim default/data has no volume, and class local makes one [ProvisioningSucceeded]
            persistentvolumeclaim data:
              patch persistentvolumeclaim data metadata.annotations.pv.kubernetes.io/bind-completed=yes metadata.annotations.pv.kubernetes.io/bound-by-controller=yes spec.volumeName=pvc-persistentvolumeclaim-data: the volume is its own
              status
            persistentvolume pvc-persistentvolumeclaim-data:
              status
        "#]],
    );
    check::<PersistentVolumeClaimActor>(
        "storageclass local waits
         persistentvolumeclaim data class=local annotation volume.kubernetes.io/selected-node=gone",
        expect![[r#"
            patch persistentvolumeclaim data metadata.annotations.volume.kubernetes.io/selected-node=null: the node that was chosen for it is gone [ProvisioningFailed]
        "#]],
    );
}

#[test]
fn provisioning_obeys_the_laws() {
    both().always(nothing_is_shared).hold(
        "node n1 ready label kubernetes.io/hostname=n1
         storageclass local
         persistentvolumeclaim one class=local
         persistentvolumeclaim two class=local",
    );
}

#[test]
fn a_default_class_that_comes_later_serves_claims_without_one() {
    check::<PersistentVolumeClaimActor>(
        "storageclass old default age=2h
         storageclass new default
         persistentvolumeclaim data {\"spec\": {\"storageClassName\": null}}",
        expect![[r#"
            patch persistentvolumeclaim data spec.storageClassName=new: there is a default class now
        "#]],
    );
}

#[test]
fn a_bound_claim_may_lose_its_volume() {
    const BOUND: &str =
        "persistentvolumeclaim data phase=Bound volume=v annotation pv.kubernetes.io/bind-completed=yes";
    check::<PersistentVolumeClaimActor>(
        BOUND,
        expect![[r#"
        tell persistentvolumeclaim data: Bound claim has lost its PersistentVolume. Data on the volume is lost! [ClaimLost]
        status phase=Lost
    "#]],
    );
    check::<PersistentVolumeClaimActor>(
        &format!("persistentvolume v claim=other/uid-of-other\n{BOUND}"),
        expect![[r#"
            tell persistentvolumeclaim data: Two claims are bound to the same volume, this one is bound incorrectly [ClaimMisbound]
            status phase=Lost
        "#]],
    );
    check::<PersistentVolumeClaimActor>(
        &format!("persistentvolume v\n{BOUND}"),
        expect![[r#"
        patch persistentvolume v metadata.annotations.pv.kubernetes.io/bound-by-controller=yes spec.claimRef.apiVersion=v1 spec.claimRef.kind=PersistentVolumeClaim spec.claimRef.name=data spec.claimRef.namespace=default spec.claimRef.resourceVersion=2 spec.claimRef.uid=persistentvolumeclaim-data: it is the best for claim default/data
    "#]],
    );
}

#[test]
fn a_deleted_claim_stays_while_a_pod_uses_it() {
    let check = |pod: &str, expect| {
        check::<PersistentVolumeClaimActor>(
            &format!("persistentvolumeclaim data terminating\n{pod}"),
            expect,
        );
    };
    check(
        "pod web mounts=data node=n1 running",
        expect![[r#"
        nothing
    "#]],
    );
    check(
        "pod web mounts=data node=n1 succeeded",
        expect![[r#"
        patch persistentvolumeclaim data metadata.finalizers=[]: it was deleted and no pod uses it
    "#]],
    );
    check(
        "pod web mounts=data",
        expect![[r#"
        patch persistentvolumeclaim data metadata.finalizers=[]: it was deleted and no pod uses it
    "#]],
    );
    check(
        "pod web mounts=other node=n1 running",
        expect![[r#"
        patch persistentvolumeclaim data metadata.finalizers=[]: it was deleted and no pod uses it
    "#]],
    );
}

#[test]
fn a_local_volume_grows_with_its_claim() {
    story::<PersistentVolumeClaimActor>(
        "persistentvolume v claim=data/persistentvolumeclaim-data phase=Bound {\"spec\": {\"csi\": {\"driver\": \"local.odeon.dev\"}}}
         persistentvolumeclaim data size=2Gi phase=Bound volume=v annotation pv.kubernetes.io/bind-completed=yes {\"status\": {\"capacity\": {\"storage\": \"1Gi\"}, \"accessModes\": [\"ReadWriteOnce\"]}}",
        expect![[r#"
            persistentvolumeclaim data:
              patch persistentvolume v spec.capacity.storage=2Gi: its claim wants more [VolumeResizeSuccessful]
            persistentvolumeclaim data:
              status
        "#]],
    );
}
