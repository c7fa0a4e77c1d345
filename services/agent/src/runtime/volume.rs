//! Volumes and mounts, as the agent asks an engine for them.

use api::NodeName;

use super::PodRef;

/// One mount of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// What is mounted.
    pub source: MountSource,
    /// Where.
    pub path: String,
    /// Cannot be written.
    pub read_only: bool,
}

/// What is mounted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MountSource {
    /// A volume of the engine, whole or a part of it.
    Volume {
        /// The volume's name.
        name: String,
        /// A path in it.
        sub_path: Option<String>,
    },
    /// A path of the machine, made if it is missing.
    Host(String),
    /// A directory of the machine that must be there.
    Directory(String),
}

/// A volume to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VolumeSpec {
    /// The engine's name for it.
    pub name: String,
    /// What it goes with.
    pub owner: VolumeOwner,
    /// What it is made of.
    pub medium: Medium,
}

/// What a volume goes with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum VolumeOwner {
    /// A pod: it is removed with it.
    Pod(PodRef),
    /// A persistent volume that was made for this node: it is removed when it is asked for.
    Persistent(NodeName),
}

/// What a volume is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Medium {
    /// The engine's own disk.
    Disk,
    /// Memory, with this limit if any.
    Memory(Option<u64>),
    /// A directory of an NFS server, with options of its mount.
    Nfs {
        /// The server.
        server: String,
        /// The directory.
        path: String,
        /// `ro`, `nfsvers=4.1`, …
        options: Vec<String>,
    },
}
