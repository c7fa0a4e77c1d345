//! The data directory of `odeon up`: one process at a time.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// A directory that this process alone uses, until it is dropped.
pub struct DataDir {
    root: PathBuf,
    /// Held as long as the directory is in use.
    _lock: Flock<File>,
}

impl DataDir {
    /// Makes the directory if need be and locks it.
    ///
    /// # Errors
    /// It cannot be made or written, or another process uses it (which one is named).
    pub fn lock(root: &Path) -> Result<Self> {
        std::fs::create_dir_all(root)
            .with_context(|| format!("cannot make the data directory {}", root.display()))?;
        let root =
            std::path::absolute(root).with_context(|| format!("no such directory {}", root.display()))?;
        let path = root.join("lock");
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("cannot write to the data directory {}", root.display()))?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut lock) => {
                let _ = lock
                    .set_len(0)
                    .and_then(|()| lock.rewind())
                    .and_then(|()| write!(lock, "{}", std::process::id()));
                let data = Self { root, _lock: lock };
                // For people and scripts that clean up: `odeon agent cleanup --cluster $(cat DIR/cluster)`.
                std::fs::write(data.path("cluster"), data.cluster_name())
                    .context("cannot write to the data directory")?;
                Ok(data)
            }
            Err((mut file, Errno::EWOULDBLOCK)) => {
                let mut holder = String::new();
                let _ = file.read_to_string(&mut holder);
                bail!(
                    "{} is in use by another `odeon up` (process {holder}); stop that one, or choose another --data-dir",
                    root.display()
                )
            }
            Err((_, error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
        }
    }

    /// A file or directory in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// A name for this cluster's containers that other data directories do not share: `up-1a2b3c4d`.
    pub fn cluster_name(&self) -> String {
        let hash =
            self.root.as_os_str().as_encoded_bytes().iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
                (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
            });
        format!("up-{:08x}", hash >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_holder_is_told_who_the_first_is() {
        let directory = std::env::temp_dir().join(format!("odeon-lock-{}", std::process::id()));
        let first = DataDir::lock(&directory).unwrap();
        let Err(refused) = DataDir::lock(&directory) else { panic!("locked twice") };
        assert!(refused.to_string().contains(&format!("process {}", std::process::id())), "{refused}");
        drop(first);
        assert!(DataDir::lock(&directory).is_ok());
        std::fs::remove_dir_all(directory).unwrap();
    }
}
