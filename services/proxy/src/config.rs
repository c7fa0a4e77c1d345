//! The proxy's flags.

use std::net::{IpAddr, SocketAddr};

use crate::local_route::Cidr;

/// The proxy's flags.
#[derive(clap::Args, Clone, Debug)]
pub struct Config {
    /// The name of the node whose proxy this is.
    #[arg(long = "node-name", env = "ODEON_NODE_NAME", default_value = "", hide_default_value = true)]
    pub node_name: String,
    /// The range of cluster IPs. It becomes local to this host while the proxy runs.
    #[arg(long, env = "ODEON_SERVICE_CIDR", default_value = "10.96.0.0/12")]
    pub service_cidr: Cidr,
    /// Where DNS is answered, over UDP and TCP; repeatable. `none` for nowhere.
    #[arg(
        long = "dns-listen",
        env = "ODEON_DNS_LISTEN",
        value_delimiter = ',',
        default_value = "0.0.0.0:53"
    )]
    pub dns_listen: Vec<DnsListen>,
    /// The domain of the cluster's names.
    #[arg(long, env = "ODEON_CLUSTER_DOMAIN", default_value = "cluster.local")]
    pub cluster_domain: String,
    /// DNS servers for names outside the cluster; without it those of /etc/resolv.conf. Repeatable.
    #[arg(long = "dns-upstream", env = "ODEON_DNS_UPSTREAM", value_delimiter = ',')]
    pub dns_upstream: Vec<SocketAddr>,
    /// Addresses of the node on which node ports are opened; repeatable.
    #[arg(
        long = "node-port-addresses",
        env = "ODEON_NODE_PORT_ADDRESSES",
        value_delimiter = ',',
        default_value = "0.0.0.0"
    )]
    pub node_port_addresses: Vec<IpAddr>,
    /// Serve no cluster IPs, only node ports and DNS.
    #[arg(long)]
    pub no_vip: bool,
    /// Threads that move bytes; 0 is one per core.
    #[arg(long = "proxy-workers", default_value_t = 0)]
    pub workers: usize,
}

/// One value of `--dns-listen`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DnsListen {
    /// Answer there.
    At(SocketAddr),
    /// Answer nowhere.
    Nowhere,
}

impl DnsListen {
    /// The address, if there is one.
    pub fn address(&self) -> Option<SocketAddr> {
        match self {
            Self::At(address) => Some(*address),
            Self::Nowhere => None,
        }
    }
}

impl std::str::FromStr for DnsListen {
    type Err = std::net::AddrParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "none" => Ok(Self::Nowhere),
            _ => text.parse().map(Self::At),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            node_name: String::new(),
            service_cidr: Cidr { base: IpAddr::from([10, 96, 0, 0]), prefix: 12 },
            dns_listen: vec![DnsListen::At(SocketAddr::from(([0, 0, 0, 0], 53)))],
            cluster_domain: "cluster.local".to_owned(),
            dns_upstream: Vec::new(),
            node_port_addresses: vec![IpAddr::from([0, 0, 0, 0])],
            no_vip: false,
            workers: 0,
        }
    }
}
