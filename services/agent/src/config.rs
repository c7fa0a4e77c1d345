//! What an agent is told at its start.

use std::path::PathBuf;
use std::time::Duration;

use crate::runtime::hollow::HollowConfig;

/// Flags of `odeon agent`.
#[derive(clap::Args, Clone, Debug)]
pub struct Config {
    /// The node's name; the host's name by default.
    #[arg(long, env = "ODEON_NODE_NAME")]
    pub node_name: Option<String>,
    /// What runs containers.
    #[arg(long, value_enum, default_value_t = RuntimeKind::Docker, env = "ODEON_RUNTIME")]
    pub runtime: RuntimeKind,
    /// With the hollow runtime: how many nodes this process performs, named `<node-name>-<i>`.
    #[arg(long, default_value_t = 1)]
    pub nodes: u32,
    /// Keeps the containers of several clusters on one engine apart.
    #[arg(long, default_value = "odeon", env = "ODEON_CLUSTER")]
    pub cluster: String,
    /// The engine's network that pods join; by default the agent's own if it runs in a container, else `odeon-<cluster>`.
    #[arg(long, env = "ODEON_POD_NETWORK")]
    pub pod_network: Option<String>,
    /// The range of Services' addresses.
    #[arg(long, default_value = "10.96.0.0/12", env = "ODEON_SERVICE_CIDR")]
    pub service_cidr: String,
    /// The node's address; by default its address on the pod network.
    #[arg(long, env = "ODEON_NODE_IP")]
    pub node_ip: Option<std::net::IpAddr>,
    /// The name server for pods; by default the node's address, where its proxy answers.
    #[arg(long, env = "ODEON_DNS_IP")]
    pub dns_ip: Option<std::net::IpAddr>,
    /// The cluster's domain.
    #[arg(long, default_value = "cluster.local")]
    pub cluster_domain: String,
    /// Labels of the Node object: `key=value`, more than one with commas.
    #[arg(long, value_delimiter = ',', env = "ODEON_NODE_LABELS")]
    pub labels: Vec<String>,
    /// Taints of the Node object: `key=value:Effect`, more than one with commas.
    #[arg(long, value_delimiter = ',')]
    pub taints: Vec<String>,
    /// How many pods the node takes.
    #[arg(long, default_value_t = 110)]
    pub max_pods: u32,
    /// End all pods before exiting. Without it they keep running, and the next agent of this node adopts them.
    #[arg(long, env = "ODEON_STOP_PODS_ON_EXIT")]
    pub stop_pods_on_exit: bool,
    /// How long ending all pods may take, in seconds.
    #[arg(long, default_value_t = 10)]
    pub stop_patience: u64,
    /// The static executable that is PID 1 of every pod's sandbox; this one by default.
    #[arg(long, env = "ODEON_SANDBOX_BINARY")]
    pub sandbox_binary: Option<PathBuf>,
    /// How the hollow runtime behaves.
    #[command(flatten)]
    pub hollow: HollowConfig,
}

/// What runs containers.
#[derive(clap::ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeKind {
    /// The Docker engine.
    Docker,
    /// Nothing: containers are simulated.
    Hollow,
}

impl Config {
    /// The node's name, or the host's in lower case.
    pub fn name(&self) -> String {
        let host = || nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
        self.node_name.clone().or_else(host).unwrap_or_else(|| "node".to_owned()).to_lowercase()
    }

    /// The names of all nodes that this process performs.
    pub fn node_names(&self) -> Vec<String> {
        let name = self.name();
        match (self.runtime, self.nodes) {
            (RuntimeKind::Docker, _) | (RuntimeKind::Hollow, 0 | 1) => vec![name],
            (RuntimeKind::Hollow, many) => (0..many).map(|index| format!("{name}-{index}")).collect(),
        }
    }

    /// How long ending all pods may take.
    pub fn patience(&self) -> Duration {
        Duration::from_secs(self.stop_patience)
    }
}
