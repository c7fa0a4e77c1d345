//! The files of a pod's volumes, as one tar archive to unpack in its sandbox.

use std::collections::BTreeMap;

use bytes::Bytes;
use k8s_openapi::api::core::v1 as k8s;

use super::fields::{self, Place};
use super::plan::{FullPod, Wanted};

/// Where a sandbox has its pod's volumes mounted.
pub const VOLUMES: &str = "volumes";
const DEFAULT_MODE: i32 = 0o644;

/// What fills a pod's volumes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Content {
    /// By volume: what its directory is, and its files, if it is made of files.
    pub volumes: BTreeMap<String, Directory>,
}

/// A volume's directory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Directory {
    /// Its mode.
    pub mode: u32,
    /// Files by path; `None`: the pod's containers write them.
    pub files: Option<BTreeMap<String, File>>,
}

/// One file of a volume.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct File {
    /// What is in it.
    pub bytes: Vec<u8>,
    /// Its mode.
    pub mode: u32,
}

impl Content {
    /// A pod's content, or what is missing for it.
    pub fn of(full: &FullPod, place: &Place) -> Result<Self, String> {
        let mut content = Self::default();
        for volume in full.pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten()) {
            if let Some(directory) = directory(full, place, volume)? {
                content.volumes.insert(volume.name.clone(), directory);
            }
        }
        Ok(content)
    }

    /// An archive to be unpacked in the sandbox's root. `version` names this state of the files: as in Kubernetes the
    /// files of a volume are links through `..data`, so that all of them change with that one link.
    pub fn into_tar(self, group: Option<i64>, version: &str) -> std::io::Result<Bytes> {
        let mut archive = tar::Builder::new(Vec::new());
        let group = group.and_then(|group| u64::try_from(group).ok()).unwrap_or(0);
        for (name, directory) in self.volumes {
            let root = format!("{VOLUMES}/{name}");
            append_directory(&mut archive, &format!("{root}/"), directory.mode, group)?;
            let Some(files) = directory.files else { continue };
            append_directory(&mut archive, &format!("{root}/..{version}/"), 0o755, group)?;
            for (path, file) in &files {
                for (at, _) in path.match_indices('/') {
                    let parent = path.get(..at).unwrap_or_default();
                    append_directory(&mut archive, &format!("{root}/..{version}/{parent}/"), 0o755, group)?;
                }
                let mut header = header(tar::EntryType::Regular, file.mode, group);
                header.set_size(file.bytes.len() as u64);
                archive.append_data(
                    &mut header,
                    format!("{root}/..{version}/{path}"),
                    file.bytes.as_slice(),
                )?;
            }
            let mut link = header(tar::EntryType::Symlink, 0o777, group);
            archive.append_link(&mut link, format!("{root}/..data"), format!("..{version}"))?;
            let tops: std::collections::BTreeSet<&str> =
                files.keys().map(|path| path.split('/').next().unwrap_or(path)).collect();
            for top in tops {
                let mut link = header(tar::EntryType::Symlink, 0o777, group);
                archive.append_link(&mut link, format!("{root}/{top}"), format!("..data/{top}"))?;
            }
        }
        archive.into_inner().map(Bytes::from)
    }
}

fn header(kind: tar::EntryType, mode: u32, group: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(group);
    header.set_size(0);
    header
}

fn append_directory(
    archive: &mut tar::Builder<Vec<u8>>,
    path: &str,
    mode: u32,
    group: u64,
) -> std::io::Result<()> {
    let mut header = header(tar::EntryType::Directory, mode, group);
    archive.append_data(&mut header, path, std::io::empty())
}

/// `None`: not a volume that the agent fills.
fn directory(full: &FullPod, place: &Place, volume: &k8s::Volume) -> Result<Option<Directory>, String> {
    let missing = |what| format!("MountVolume.SetUp failed for volume \"{}\" : {what}", volume.name);
    let mut files = BTreeMap::new();
    if volume.empty_dir.is_some() {
        return Ok(Some(Directory { mode: 0o777, files: None }));
    } else if let Some(source) = &volume.config_map {
        let selection = Selection::new(source.items.as_deref(), source.default_mode, source.optional);
        config_map(full, &source.name, &selection, &mut files).map_err(missing)?;
    } else if let Some(source) = &volume.secret {
        let selection = Selection::new(source.items.as_deref(), source.default_mode, source.optional);
        secret(full, source.secret_name.as_deref().unwrap_or_default(), &selection, &mut files)
            .map_err(missing)?;
    } else if let Some(source) = &volume.downward_api {
        downward(full, place, source.items.as_deref(), source.default_mode, &mut files).map_err(missing)?;
    } else if let Some(source) = &volume.projected {
        projected(full, place, source, &mut files).map_err(missing)?;
    } else {
        return Ok(None);
    }
    Ok(Some(Directory { mode: 0o755, files: Some(files) }))
}

/// Which keys of an object become which files.
struct Selection<'a> {
    items: Option<&'a [k8s::KeyToPath]>,
    default_mode: Option<i32>,
    optional: bool,
}

impl<'a> Selection<'a> {
    fn new(items: Option<&'a [k8s::KeyToPath]>, default_mode: Option<i32>, optional: Option<bool>) -> Self {
        Self { items, default_mode, optional: optional.unwrap_or(false) }
    }

    fn take(
        &self,
        what: &str,
        data: &BTreeMap<String, Vec<u8>>,
        files: &mut BTreeMap<String, File>,
    ) -> Result<(), String> {
        let Some(items) = self.items.filter(|items| !items.is_empty()) else {
            files.extend(data.iter().map(|(key, bytes)| {
                (key.clone(), File { bytes: bytes.clone(), mode: mode(None, self.default_mode) })
            }));
            return Ok(());
        };
        for item in items {
            match data.get(&item.key) {
                Some(bytes) => {
                    let file = File { bytes: bytes.clone(), mode: mode(item.mode, self.default_mode) };
                    files.insert(safe(&item.path)?, file);
                }
                None if self.optional => {}
                None => return Err(format!("{what} references non-existent key: {}", item.key)),
            }
        }
        Ok(())
    }
}

fn mode(own: Option<i32>, default: Option<i32>) -> u32 {
    u32::try_from(own.or(default).unwrap_or(DEFAULT_MODE)).unwrap_or(0o644)
}

/// A path must stay in its volume.
fn safe(path: &str) -> Result<String, String> {
    match path.starts_with('/') || path.split('/').any(|part| part == ".." || part.is_empty()) {
        true => Err(format!("invalid path \"{path}\"")),
        false => Ok(path.to_owned()),
    }
}

fn config_map(
    full: &FullPod,
    name: &str,
    selection: &Selection<'_>,
    files: &mut BTreeMap<String, File>,
) -> Result<(), String> {
    let Some(map) = full.config_maps.get(name) else {
        return if selection.optional { Ok(()) } else { Err(format!("configmap \"{name}\" not found")) };
    };
    let text = map.data.iter().flatten().map(|(key, value)| (key.clone(), value.clone().into_bytes()));
    let binary = map.binary_data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone()));
    selection.take("configmap", &text.chain(binary).collect(), files)
}

fn secret(
    full: &FullPod,
    name: &str,
    selection: &Selection<'_>,
    files: &mut BTreeMap<String, File>,
) -> Result<(), String> {
    let Some(secret) = full.secrets.get(name) else {
        return if selection.optional { Ok(()) } else { Err(format!("secret \"{name}\" not found")) };
    };
    let data = secret.data.iter().flatten().map(|(key, value)| (key.clone(), value.0.clone()));
    selection.take("secret", &data.collect(), files)
}

fn downward(
    full: &FullPod,
    place: &Place,
    items: Option<&[k8s::DownwardAPIVolumeFile]>,
    default_mode: Option<i32>,
    files: &mut BTreeMap<String, File>,
) -> Result<(), String> {
    for item in items.unwrap_or_default() {
        let value = match (&item.field_ref, &item.resource_field_ref) {
            (Some(field), _) => fields::field(&full.pod, place, &field.field_path),
            (None, Some(resource)) => fields::resource(&full.pod, place, "", resource),
            (None, None) => None,
        };
        let value = value.ok_or_else(|| format!("unsupported field for file \"{}\"", item.path))?;
        files.insert(
            safe(&item.path)?,
            File { bytes: value.into_bytes(), mode: mode(item.mode, default_mode) },
        );
    }
    Ok(())
}

fn projected(
    full: &FullPod,
    place: &Place,
    source: &k8s::ProjectedVolumeSource,
    files: &mut BTreeMap<String, File>,
) -> Result<(), String> {
    for part in source.sources.iter().flatten() {
        if let Some(map) = &part.config_map {
            let selection = Selection::new(map.items.as_deref(), source.default_mode, map.optional);
            config_map(full, &map.name, &selection, files)?;
        }
        if let Some(own) = &part.secret {
            let selection = Selection::new(own.items.as_deref(), source.default_mode, own.optional);
            secret(full, &own.name, &selection, files)?;
        }
        if let Some(own) = &part.service_account_token {
            let token = full.tokens.get(&Wanted::of(own).name());
            let token = token.ok_or("the token of the service account has not arrived yet")?;
            let file = File { bytes: token.clone(), mode: mode(None, source.default_mode) };
            files.insert(safe(&own.path)?, file);
        }
        if let Some(own) = &part.downward_api {
            downward(full, place, own.items.as_deref(), source.default_mode, files)?;
        }
    }
    Ok(())
}
