//! The directory of a cluster under measurement: on a disk, and gone afterwards.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::sys::statfs::{FsType, TMPFS_MAGIC, statfs};

/// A directory that is removed with everything in it when this is dropped, unless it is to be kept.
pub struct Scratch {
    path: PathBuf,
    /// It stays where it is, for a look at its logs.
    kept: bool,
}

impl Scratch {
    /// Makes a directory in `parent`.
    ///
    /// # Errors
    /// It cannot be made, or is kept in memory: there nothing that is acknowledged is ever on a disk.
    pub fn make(parent: &Path, kept: bool) -> Result<Self> {
        let name = format!("odeon-bench-{}-{:08x}", std::process::id(), rand::random::<u32>());
        let path = std::path::absolute(parent)?.join(name);
        std::fs::create_dir_all(&path).with_context(|| format!("cannot make {}", path.display()))?;
        let made = Self { path, kept };
        let kind = statfs(&made.path).map(|about| about.filesystem_type());
        if is_memory(kind.unwrap_or(FsType(0))) {
            bail!(
                "{} is kept in memory, where durable writes cost nothing; choose a directory on a disk with --data-dir",
                parent.display()
            );
        }
        Ok(made)
    }

    /// A file in it.
    pub fn join(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Itself.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

fn is_memory(kind: FsType) -> bool {
    kind == TMPFS_MAGIC
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if self.kept {
            eprintln!("\nkept: {}", self.path.display());
            return;
        }
        if let Err(error) = std::fs::remove_dir_all(&self.path) {
            eprintln!("cannot remove {}: {error}", self.path.display());
        }
    }
}
