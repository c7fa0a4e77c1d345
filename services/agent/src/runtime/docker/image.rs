//! Makes the sandbox image from the agent's own executable, without a registry.

use std::path::{Path, PathBuf};

use bollard::query_parameters as query;
use futures::StreamExt;
use sha2::{Digest, Sha256};

use super::{failed, ignore_missing, kind_of};
use crate::runtime::{FailureKind, RuntimeError};

const ENTRYPOINT: &str = "/odeon";
/// ELF's program header type that names a dynamic loader.
const PT_INTERP: u32 = 3;

/// A static executable that can be all there is in an image.
#[derive(Clone, Debug)]
pub struct StaticBinary {
    path: PathBuf,
    content: Vec<u8>,
}

impl StaticBinary {
    /// The given executable, or this process's own.
    pub fn find(path: Option<&Path>) -> Result<Self, RuntimeError> {
        let path = path.unwrap_or(Path::new("/proc/self/exe")).to_path_buf();
        let shown = path.display().to_string();
        let content = std::fs::read(&path).map_err(|error| RuntimeError {
            operation: "read the sandbox's executable",
            subject: shown.clone(),
            kind: FailureKind::NotFound,
            source: Box::new(error),
        })?;
        match is_dynamic(&content) {
            Some(false) => Ok(Self { path, content }),
            Some(true) => Err(refuse(
                &shown,
                "it is linked dynamically and cannot run alone in an image; \
                 build odeon with `make build`, which links it statically, or name a static one with --sandbox-binary",
            )),
            None => Err(refuse(&shown, "it is not a 64-bit ELF executable")),
        }
    }

    fn tag(&self, cluster: &str) -> String {
        let digest = Sha256::digest(&self.content);
        let short: String = digest.iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        format!("{}:{short}", repository(cluster))
    }

    fn to_tar(&self) -> std::io::Result<Vec<u8>> {
        let mut archive = tar::Builder::new(Vec::with_capacity(self.content.len() + 4096));
        let mut header = tar::Header::new_gnu();
        header.set_size(self.content.len() as u64);
        header.set_mode(0o755);
        archive.append_data(&mut header, ENTRYPOINT.trim_start_matches('/'), self.content.as_slice())?;
        archive.into_inner()
    }
}

fn refuse(subject: &str, why: &str) -> RuntimeError {
    RuntimeError::new("use as the sandbox's executable", subject, FailureKind::Refused, why)
}

fn repository(cluster: &str) -> String {
    format!("odeon-sandbox-{}", cluster.to_lowercase())
}

/// Imports the image unless the engine has it, and returns its tag.
pub(super) async fn import_once(
    client: &bollard::Docker,
    binary: &StaticBinary,
    cluster: &str,
) -> Result<String, RuntimeError> {
    let tag = binary.tag(cluster);
    match client.inspect_image(&tag).await {
        Ok(_) => return Ok(tag),
        Err(error) if kind_of(&error) == FailureKind::NotFound => {}
        Err(error) => return Err(failed("inspect image", &tag, error)),
    }
    let tar = binary.to_tar().map_err(|error| RuntimeError {
        operation: "pack the sandbox's executable",
        subject: binary.path.display().to_string(),
        kind: FailureKind::Refused,
        source: Box::new(error),
    })?;
    let (repository, version) = tag.split_once(':').unwrap_or((&tag, "latest"));
    let options = query::CreateImageOptions {
        from_src: Some("-".to_owned()),
        repo: Some(repository.to_owned()),
        tag: Some(version.to_owned()),
        changes: vec![format!("ENTRYPOINT [\"{ENTRYPOINT}\", \"sandbox\"]")],
        ..Default::default()
    };
    let mut progress =
        std::pin::pin!(client.create_image(Some(options), Some(bollard::body_full(tar.into())), None));
    while let Some(step) = progress.next().await {
        step.map_err(|error| failed("import image", &tag, error))?;
    }
    Ok(tag)
}

/// Removes the cluster's sandbox images.
pub(super) async fn remove_all(client: &bollard::Docker, cluster: &str) -> Result<usize, RuntimeError> {
    let filters = [("reference".to_owned(), vec![repository(cluster)])].into();
    let options = query::ListImagesOptions { filters: Some(filters), ..Default::default() };
    let images = client
        .list_images(Some(options))
        .await
        .map_err(|error| failed("list images of cluster", cluster, error))?;
    let mut removed = 0;
    for image in images {
        let options = query::RemoveImageOptions { force: true, ..Default::default() };
        let gone = client.remove_image(&image.id, Some(options), None).await.map(drop);
        ignore_missing(gone, "remove image", &image.id)?;
        removed += 1;
    }
    Ok(removed)
}

/// Does an ELF file need a dynamic loader? `None` if it is not a little-endian 64-bit ELF file.
fn is_dynamic(content: &[u8]) -> Option<bool> {
    if content.get(..6)? != [0x7f, b'E', b'L', b'F', 2, 1] {
        return None;
    }
    let offset = usize::try_from(u64::from_le_bytes(content.get(32..40)?.try_into().ok()?)).ok()?;
    let size = usize::from(u16::from_le_bytes(content.get(54..56)?.try_into().ok()?));
    let count = usize::from(u16::from_le_bytes(content.get(56..58)?.try_into().ok()?));
    for index in 0..count {
        let start = offset.checked_add(index.checked_mul(size)?)?;
        let kind = u32::from_le_bytes(content.get(start..start.checked_add(4)?)?.try_into().ok()?);
        if kind == PT_INTERP {
            return Some(true);
        }
    }
    Some(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dynamic_executable_is_refused_with_the_way_out() {
        let error = StaticBinary::find(Some(Path::new("/bin/ls"))).unwrap_err();
        assert!(error.text().contains("make build"), "{}", error.text());
    }

    #[test]
    fn a_script_is_no_executable() {
        assert_eq!(is_dynamic(b"#!/bin/sh\n"), None);
    }
}
