//! Makes the Service range local to this host, so that its addresses can be listened on: `ip route add local <range> dev lo`.

use std::io;
use std::net::IpAddr;
use std::os::fd::AsRawFd;
use std::str::FromStr;

use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, recv, sendto, socket,
};
use tracing::{info, warn};

/// A range of addresses: `10.96.0.0/12`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cidr {
    /// The first address.
    pub base: IpAddr,
    /// How many leading bits all addresses share.
    pub prefix: u8,
}

/// The text is not a range of addresses.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a range of addresses such as 10.96.0.0/12")]
pub struct NotACidr(String);

/// Whether cluster IPs can be listened on, and the route that makes it so.
pub struct LocalRoute {
    /// Cluster IPs can be listened on.
    pub usable: bool,
    /// Removed when dropped: this process added it.
    added: Option<Cidr>,
}

impl LocalRoute {
    /// Adds the route unless the range is local already. Without the permission it says so and goes on.
    pub fn ensure(range: Cidr) -> Self {
        if range.bindable() {
            return Self { usable: true, added: None };
        }
        match change(Change::Add, range) {
            Ok(()) => {
                info!(%range, "service range routed to this host");
                Self { usable: true, added: Some(range) }
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Self { usable: true, added: None },
            Err(error) => {
                warn!(
                    %range, %error,
                    "cluster IPs do not work on this node: the service range cannot be routed to it, which needs \
                     the capability NET_ADMIN or `ip route add local <range> dev lo` beforehand; node ports and DNS work"
                );
                Self { usable: false, added: None }
            }
        }
    }

    /// Cluster IPs are not wanted.
    pub fn unwanted() -> Self {
        Self { usable: false, added: None }
    }
}

impl Drop for LocalRoute {
    fn drop(&mut self) {
        if let Some(range) = self.added.take()
            && let Err(error) = change(Change::Remove, range)
        {
            warn!(%range, %error, "route of the service range not removed");
        }
    }
}

impl Cidr {
    /// Whether `address` lies in the range.
    pub fn contains(self, address: IpAddr) -> bool {
        self.base == Self { base: address, ..self }.masked() && self.base.is_ipv4() == address.is_ipv4()
    }

    /// The first address of the range that `base` lies in.
    fn masked(self) -> IpAddr {
        let prefix = u32::from(self.prefix);
        match self.base {
            IpAddr::V4(v4) => IpAddr::V4(
                (v4.to_bits() & u32::MAX.checked_shl(32u32.saturating_sub(prefix)).unwrap_or(0)).into(),
            ),
            IpAddr::V6(v6) => IpAddr::V6(
                (v6.to_bits() & u128::MAX.checked_shl(128u32.saturating_sub(prefix)).unwrap_or(0)).into(),
            ),
        }
    }

    /// Whether this host takes the range's addresses for its own.
    fn bindable(self) -> bool {
        std::net::UdpSocket::bind((self.second(), 0)).is_ok()
    }

    /// An address in the middle of nowhere: the base itself may be a host's.
    fn second(self) -> IpAddr {
        match self.base {
            IpAddr::V4(base) => IpAddr::V4((base.to_bits().wrapping_add(1)).into()),
            IpAddr::V6(base) => IpAddr::V6((base.to_bits().wrapping_add(1)).into()),
        }
    }
}

impl FromStr for Cidr {
    type Err = NotACidr;

    fn from_str(text: &str) -> Result<Self, NotACidr> {
        let wrong = || NotACidr(text.to_owned());
        let (base, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let base: IpAddr = base.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        let most = if base.is_ipv4() { 32 } else { 128 };
        if prefix > most {
            return Err(wrong());
        }
        Ok(Self { base: Self { base, prefix }.masked(), prefix })
    }
}

impl std::fmt::Display for Cidr {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}/{}", self.base, self.prefix)
    }
}

#[derive(Clone, Copy)]
enum Change {
    Add,
    Remove,
}

/// Asks the kernel for a change of the local routing table and waits for its acknowledgement.
fn change(change: Change, range: Cidr) -> io::Result<()> {
    let loopback = if_nametoindex("lo")?;
    let flags = SockFlag::SOCK_CLOEXEC;
    let netlink = socket(AddressFamily::Netlink, SockType::Raw, flags, SockProtocol::NetlinkRoute)?;
    let request = encode(change, range, loopback);
    sendto(netlink.as_raw_fd(), &request, &NetlinkAddr::new(0, 0), MsgFlags::empty())?;
    let mut reply = [0u8; 1_024];
    let length = recv(netlink.as_raw_fd(), &mut reply, MsgFlags::empty())?;
    acknowledged(reply.get(..length).unwrap_or_default())
}

/// An RTM_NEWROUTE or RTM_DELROUTE message: nlmsghdr, rtmsg, RTA_DST, RTA_OIF (rtnetlink(7)).
fn encode(change: Change, range: Cidr, loopback: u32) -> Vec<u8> {
    let (kind, flags) = match change {
        Change::Add => (libc::RTM_NEWROUTE, libc::NLM_F_CREATE | libc::NLM_F_EXCL),
        Change::Remove => (libc::RTM_DELROUTE, 0),
    };
    let (family, octets) = match range.base {
        IpAddr::V4(v4) => (libc::AF_INET as u8, v4.octets().to_vec()),
        IpAddr::V6(v6) => (libc::AF_INET6 as u8, v6.octets().to_vec()),
    };
    let mut body = vec![family, range.prefix, 0, 0, libc::RT_TABLE_LOCAL, libc::RTPROT_BOOT];
    body.extend([libc::RT_SCOPE_HOST, libc::RTN_LOCAL]);
    body.extend(0u32.to_ne_bytes());
    for (attribute, value) in [(libc::RTA_DST, octets), (libc::RTA_OIF, loopback.to_ne_bytes().to_vec())] {
        body.extend((4 + value.len() as u16).to_ne_bytes());
        body.extend(attribute.to_ne_bytes());
        body.extend(value);
    }
    let flags = (libc::NLM_F_REQUEST | libc::NLM_F_ACK | flags) as u16;
    let mut message = Vec::with_capacity(16 + body.len());
    message.extend((16 + body.len() as u32).to_ne_bytes());
    message.extend(kind.to_ne_bytes());
    message.extend(flags.to_ne_bytes());
    message.extend([0; 8]);
    message.append(&mut body);
    message
}

/// Reads an NLMSG_ERROR message: its error number, negative, or 0 for success.
fn acknowledged(reply: &[u8]) -> io::Result<()> {
    let number = reply.get(16..20).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()).map(i32::from_ne_bytes);
    match number {
        Some(0) => Ok(()),
        Some(number) => Err(Errno::from_raw(-number).into()),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_normalised() {
        assert_eq!("10.97.1.2/12".parse::<Cidr>().unwrap().to_string(), "10.96.0.0/12");
        assert_eq!("fd00::5/64".parse::<Cidr>().unwrap().to_string(), "fd00::/64");
        assert_eq!("0.0.0.0/0".parse::<Cidr>().unwrap().to_string(), "0.0.0.0/0");
        let range: Cidr = "10.96.0.0/12".parse().unwrap();
        assert!(
            range.contains("10.111.255.255".parse().unwrap())
                && !range.contains("10.112.0.0".parse().unwrap())
        );
        for wrong in ["10.96.0.0", "10.96.0.0/33", "web/12", ""] {
            assert_eq!(wrong.parse::<Cidr>(), Err(NotACidr(wrong.to_owned())));
        }
    }

    #[test]
    fn the_loopback_range_needs_no_route() {
        let route = LocalRoute::ensure("127.96.0.0/16".parse().unwrap());
        assert!(route.usable && route.added.is_none());
    }

    #[test]
    fn a_route_is_added_and_removed() {
        let range: Cidr = "198.18.77.0/24".parse().unwrap();
        match change(Change::Add, range) {
            // Not privileged: the case that `ensure` warns about.
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::PermissionDenied),
            Ok(()) => {
                assert_eq!(change(Change::Add, range).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
                assert!(range.bindable());
                change(Change::Remove, range).unwrap();
                assert!(!range.bindable());
            }
        }
    }
}
