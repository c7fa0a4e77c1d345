//! What a gateway needs to be told: where to listen, where its keys are, which addresses Services may have.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// A gateway's flags.
#[derive(clap::Args, Clone, Debug)]
pub struct Config {
    /// Where to listen for HTTPS; port 0 picks a free one.
    #[arg(long, default_value = "0.0.0.0:6443", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// Where the certificate authority, the admin certificate and the admin token are kept; made if absent, shared by all gateways.
    #[arg(long, default_value = "/var/lib/odeon/pki", value_name = "DIRECTORY", env = "ODEON_PKI_DIR")]
    pub pki_dir: PathBuf,
    /// Further host names and addresses by which clients reach this gateway (for its certificate).
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub advertise: Vec<String>,
    /// Where cluster IPs of Services come from.
    #[arg(long, default_value = "10.96.0.0/12", value_name = "CIDR")]
    pub service_cidr: ServiceRange,
    /// Where node ports of Services come from.
    #[arg(long, default_value = "30000-32767", value_name = "FIRST-LAST")]
    pub node_port_range: PortRange,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 6443)),
            pki_dir: PathBuf::from("/var/lib/odeon/pki"),
            advertise: Vec::new(),
            service_cidr: ServiceRange { base: Ipv4Addr::new(10, 96, 0, 0), prefix: 12 },
            node_port_range: PortRange { first: 30_000, last: 32_767 },
        }
    }
}

/// An IPv4 network from which cluster IPs are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServiceRange {
    /// The network's address; its host bits are zero.
    pub base: Ipv4Addr,
    /// Between 8 and 30, so that there is something to draw from.
    pub prefix: u8,
}

impl ServiceRange {
    /// How many addresses may be given out: all but the network's and the broadcast address.
    pub fn usable(self) -> u32 {
        (1_u32 << (32 - u32::from(self.prefix))).saturating_sub(2)
    }

    /// The `index`-th address that may be given out; 0 is the `kubernetes` Service's.
    pub fn address(self, index: u32) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.base).saturating_add(1 + index % self.usable().max(1)))
    }

    /// Whether `address` may be given out.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        let offset = u32::from(address).wrapping_sub(u32::from(self.base));
        offset >= 1 && offset <= self.usable()
    }
}

/// A CIDR or a port range cannot be read.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RangeError {
    /// Not an IPv4 network.
    #[error("`{0}` is not an IPv4 network with a prefix between /8 and /30, such as 10.96.0.0/12")]
    Network(String),
    /// Not a range of ports.
    #[error("`{0}` is not a range of ports, such as 30000-32767")]
    Ports(String),
}

impl FromStr for ServiceRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let wrong = || RangeError::Network(text.to_owned());
        let (base, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let base: Ipv4Addr = base.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        if !(8..=30).contains(&prefix) {
            return Err(wrong());
        }
        let mask = u32::MAX << (32 - u32::from(prefix));
        Ok(Self { base: Ipv4Addr::from(u32::from(base) & mask), prefix })
    }
}

/// A range of ports, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    /// The first port.
    pub first: u16,
    /// The last port; never less than the first.
    pub last: u16,
}

impl PortRange {
    /// Whether the range holds `port`.
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }

    /// How many ports there are.
    pub fn count(self) -> u32 {
        u32::from(self.last) - u32::from(self.first) + 1
    }

    /// The `index`-th port, wrapping around.
    pub fn port(self, index: u32) -> u16 {
        self.first.saturating_add(u16::try_from(index % self.count()).unwrap_or_default())
    }
}

impl FromStr for PortRange {
    type Err = RangeError;

    fn from_str(text: &str) -> Result<Self, RangeError> {
        let parsed =
            text.split_once('-').and_then(|(first, last)| Some((first.parse().ok()?, last.parse().ok()?)));
        match parsed {
            Some((first, last)) if first > 0 && first <= last => Ok(Self { first, last }),
            Some(_) | None => Err(RangeError::Ports(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_range_gives_out_its_hosts() {
        let range: ServiceRange = "10.96.3.7/30".parse().unwrap();
        assert_eq!(range.usable(), 2);
        assert_eq!(
            [range.address(0), range.address(1), range.address(2)],
            [Ipv4Addr::new(10, 96, 3, 5), Ipv4Addr::new(10, 96, 3, 6), Ipv4Addr::new(10, 96, 3, 5),]
        );
        assert!(!range.contains(Ipv4Addr::new(10, 96, 3, 4)));
        assert!(!range.contains(Ipv4Addr::new(10, 96, 3, 7)));
        assert!("10.96.0.0/31".parse::<ServiceRange>().is_err());
        assert!("10.96.0.0".parse::<ServiceRange>().is_err());
    }

    #[test]
    fn a_port_range_wraps_around() {
        let range: PortRange = "30000-30001".parse().unwrap();
        assert_eq!([range.port(0), range.port(1), range.port(2)], [30_000, 30_001, 30_000]);
        assert!("2-1".parse::<PortRange>().is_err());
        assert!("x".parse::<PortRange>().is_err());
    }
}
