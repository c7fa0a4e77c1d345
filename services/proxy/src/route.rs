//! The vocabulary between deciding and performing: where clients knock, and where they are led.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

/// What the data plane may be asked to do. Closed and idempotent.
#[derive(Clone, Debug, PartialEq)]
pub enum Route {
    /// Opens a frontend, or hands an open one over to another Service.
    Listen {
        /// Where clients knock.
        frontend: Frontend,
        /// Where they are led.
        target: Target,
    },
    /// Accepts no new connections there; those that exist live on. Does nothing if another Service has it by now.
    Close {
        /// Where clients knocked.
        frontend: Frontend,
        /// Whose it was.
        owner: Owner,
    },
    /// New connections go to other backends; those that exist live on.
    SetBackends {
        /// Where clients knock.
        frontend: Frontend,
        /// Where they are led from now on.
        target: Target,
    },
}

/// Where clients knock: a protocol and a door.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Frontend {
    /// TCP or UDP.
    pub transport: Transport,
    /// The address.
    pub door: Door,
}

/// The transport protocols that are balanced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// Connections.
    Tcp,
    /// Datagrams, in sessions by client address.
    Udp,
}

/// An address to listen on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Door {
    /// A cluster IP and a port of it.
    ClusterIp(SocketAddr),
    /// A port on every address of the node.
    NodePort(u16),
}

/// One port of one Service.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Owner {
    /// The Service's namespace.
    pub namespace: String,
    /// The Service's name.
    pub service: String,
    /// The port's name, or its number if it has none.
    pub port: String,
}

/// Where the clients of a frontend are led.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Which Service's port this is.
    pub owner: Owner,
    /// Connections may turn out to speak HTTP/1, whose clients can change backends between requests.
    pub may_speak_http: bool,
    /// How long a client address stays with its backend after its last connection.
    pub affinity: Option<Duration>,
    /// Candidates, all equally good; sorted and free of doubles.
    pub backends: Vec<SocketAddr>,
}

impl Frontend {
    /// The port that clients use.
    pub fn port(&self) -> u16 {
        match self.door {
            Door::ClusterIp(address) => address.port(),
            Door::NodePort(port) => port,
        }
    }
}

impl Transport {
    /// Reads Kubernetes' spelling; `None` for what is not balanced (SCTP).
    pub fn parse(protocol: &str) -> Option<Self> {
        match protocol {
            "TCP" | "" => Some(Self::Tcp),
            "UDP" => Some(Self::Udp),
            _ => None,
        }
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        })
    }
}

impl fmt::Display for Frontend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.door {
            Door::ClusterIp(address) => write!(f, "{} {address}", self.transport),
            Door::NodePort(port) => write!(f, "{} node port {port}", self.transport),
        }
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}:{}", self.namespace, self.service, self.port)
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ->", self.owner)?;
        match self.backends.is_empty() {
            true => f.write_str(" nobody")?,
            false => self.backends.iter().try_for_each(|backend| write!(f, " {backend}"))?,
        }
        if !self.may_speak_http {
            f.write_str(" opaque")?;
        }
        self.affinity.map_or(Ok(()), |affinity| write!(f, " sticky {}s", affinity.as_secs()))
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Listen { frontend, target } => write!(f, "listen {frontend}: {target}"),
            Self::Close { frontend, owner } => write!(f, "close {frontend}: {owner}"),
            Self::SetBackends { frontend, target } => write!(f, "set {frontend}: {target}"),
        }
    }
}
