//! What is behind the volumes of a pod that are claims, and why they cannot be mounted yet, in Kubernetes' words.

use api::volumes::{LOCAL_DRIVER, ephemeral_claim};
use k8s_openapi::api::core::v1 as k8s;

use super::plan::{FullPod, PodPlan};
use crate::runtime::{Medium, VolumeOwner, VolumeSpec};

/// What is behind a claim.
#[derive(Clone, Debug, PartialEq)]
pub enum Backing {
    /// A volume of the engine.
    Volume(VolumeSpec),
    /// A path of the machine, made if it is missing.
    Host(String),
    /// A directory of the machine that must be there.
    Directory(String),
}

impl Backing {
    /// Whether it is a volume of the built-in driver, which begins empty and closed.
    pub fn is_ours(&self) -> bool {
        matches!(self, Self::Volume(VolumeSpec { owner: VolumeOwner::Persistent(_), .. }))
    }
}

/// The pod's claims that can be mounted, by the names of its volumes, and what NFS servers offer it directly.
pub fn mountable<'a>(plan: &'a PodPlan, full: &'a FullPod) -> impl Iterator<Item = (String, Backing)> + 'a {
    let volumes = full.pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten());
    volumes.filter_map(|volume| {
        let backing = match (claim_name(full, volume), &volume.nfs) {
            (Some(claim), _) => backing(plan, volume, find(full, &claim).ok()?).ok()?,
            (None, Some(nfs)) => network(plan, volume, nfs, &[]),
            (None, None) => return None,
        };
        Some((volume.name.clone(), backing))
    })
}

/// Why a claim of the pod cannot be mounted.
pub fn check(full: &FullPod) -> Result<(), String> {
    for volume in full.pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten()) {
        let Some(claim) = claim_name(full, volume) else {
            if is_unknown(volume) {
                let name = &volume.name;
                return Err(format!(
                    "MountVolume.SetUp failed for volume \"{name}\" : no volume plugin matched"
                ));
            }
            continue;
        };
        let namespace = full.pod.metadata.namespace.as_deref().unwrap_or_default();
        let name = &volume.name;
        let found = find(full, &claim).map_err(|why| {
            format!(
                "Unable to attach or mount volumes: unmounted volumes=[{name}], unattached volumes=[], failed to process volumes=[{name}]: error processing PVC {namespace}/{claim}: {why}"
            )
        })?;
        source(found).map_err(|why| {
            let volume = found.metadata.name.as_deref().unwrap_or_default();
            format!("MountVolume.SetUp failed for volume \"{volume}\" : {why}")
        })?;
    }
    Ok(())
}

/// Whether what the engine says is about a directory that cannot be mounted.
pub fn is_about_mount(text: &str) -> bool {
    text.contains("bind source path does not exist") || text.contains("failed to mount local volume")
}

/// Whether nothing of the volume may be written: files of the cluster, or because the volume says so.
pub fn is_read_only(full: &FullPod, volume: &k8s::Volume) -> bool {
    let claimed = volume.persistent_volume_claim.as_ref().is_some_and(|claim| claim.read_only == Some(true));
    let network = volume.nfs.as_ref().is_some_and(|nfs| nfs.read_only == Some(true));
    let source = claim_name(full, volume).and_then(|claim| find(full, &claim).ok()?.spec.as_ref());
    let of_volume = source.is_some_and(|spec| {
        spec.nfs.as_ref().is_some_and(|nfs| nfs.read_only == Some(true))
            || spec.csi.as_ref().is_some_and(|csi| csi.read_only == Some(true))
    });
    claimed || network || of_volume || is_files(volume)
}

/// Whether the cluster's objects fill the volume.
pub fn is_files(volume: &k8s::Volume) -> bool {
    volume.config_map.is_some()
        || volume.secret.is_some()
        || volume.downward_api.is_some()
        || volume.projected.is_some()
}

/// The claim behind a volume, if one is.
fn claim_name(full: &FullPod, volume: &k8s::Volume) -> Option<String> {
    let pod = full.pod.metadata.name.as_deref().unwrap_or_default();
    match (&volume.persistent_volume_claim, &volume.ephemeral) {
        (Some(claim), _) => Some(claim.claim_name.clone()),
        (None, Some(_)) => Some(ephemeral_claim(pod, &volume.name)),
        (None, None) => None,
    }
}

/// The volume of a claim, or why there is none.
fn find<'a>(full: &'a FullPod, claim: &str) -> Result<&'a k8s::PersistentVolume, String> {
    let Some(found) = full.claims.get(claim) else {
        return Err(format!(
            "failed to fetch PVC from API server: persistentvolumeclaims \"{claim}\" not found"
        ));
    };
    let bound = found.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound");
    let name = found.spec.as_ref().and_then(|spec| spec.volume_name.as_deref()).unwrap_or_default();
    match full.volumes.get(name).filter(|_| bound) {
        Some(volume) => Ok(volume),
        None => Err("PVC is not bound".to_owned()),
    }
}

/// Where a volume keeps its data.
enum Source<'a> {
    Local(&'a str),
    Host(&'a str),
    Directory(&'a str),
    Nfs(&'a k8s::NFSVolumeSource),
}

fn source(volume: &k8s::PersistentVolume) -> Result<Source<'_>, String> {
    let Some(spec) = &volume.spec else { return Err("it has no spec".to_owned()) };
    if spec.volume_mode.as_deref() == Some("Block") {
        return Err("block devices are not supported on this node".to_owned());
    }
    match (&spec.csi, &spec.host_path, &spec.local, &spec.nfs) {
        (Some(csi), ..) if csi.driver == LOCAL_DRIVER => match is_plain(&csi.volume_handle) {
            true => Ok(Source::Local(&csi.volume_handle)),
            false => Err(format!("volume handle \"{}\" is not a plain name", csi.volume_handle)),
        },
        (Some(csi), ..) => {
            Err(format!("driver name {} not found in the list of registered CSI drivers", csi.driver))
        }
        (_, Some(host), ..) => Ok(Source::Host(&host.path)),
        (_, _, Some(local), _) => Ok(Source::Directory(&local.path)),
        (_, _, _, Some(nfs)) => Ok(Source::Nfs(nfs)),
        (None, None, None, None) => Err("no volume plugin matched".to_owned()),
    }
}

fn backing(plan: &PodPlan, volume: &k8s::Volume, found: &k8s::PersistentVolume) -> Result<Backing, String> {
    Ok(match source(found)? {
        Source::Local(handle) => Backing::Volume(VolumeSpec {
            name: engine_name(handle),
            owner: VolumeOwner::Persistent(plan.pod.node.clone()),
            medium: Medium::Disk,
        }),
        Source::Host(path) => Backing::Host(path.to_owned()),
        Source::Directory(path) => Backing::Directory(path.to_owned()),
        Source::Nfs(nfs) => {
            let options = found.spec.as_ref().and_then(|spec| spec.mount_options.as_deref());
            network(plan, volume, nfs, options.unwrap_or_default())
        }
    })
}

/// A mount of an NFS server that goes with the pod; what it shows stays where it is. A comma would begin an option of the mount.
fn network(plan: &PodPlan, volume: &k8s::Volume, nfs: &k8s::NFSVolumeSource, options: &[String]) -> Backing {
    Backing::Volume(VolumeSpec {
        name: format!("odeon-{}-{}", plan.pod.uid, volume.name),
        owner: VolumeOwner::Pod(plan.pod.clone()),
        medium: Medium::Nfs {
            server: nfs.server.replace(',', ""),
            path: nfs.path.clone(),
            options: options.to_vec(),
        },
    })
}

/// The engine's name for a volume of the built-in driver. Pods' own volumes are called otherwise.
pub fn engine_name(handle: &str) -> String {
    format!("odeon_{handle}")
}

/// A name that cannot lead anywhere else.
pub fn is_plain(handle: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    !handle.is_empty() && handle.len() <= 128 && handle.bytes().all(plain)
}

/// A volume of a kind that nobody mounts here.
fn is_unknown(volume: &k8s::Volume) -> bool {
    let known = volume.empty_dir.is_some() || volume.host_path.is_some() || volume.nfs.is_some();
    !known && !is_files(volume)
}
