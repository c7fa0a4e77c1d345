//! PID 1 of a pod's sandbox: routes the service range to the node's proxy, reaps orphans, and waits for its end.

use std::net::Ipv4Addr;

use nix::sys::signal::{SigSet, Signal};
use nix::sys::socket::{
    AddressFamily, MsgFlags, NetlinkAddr, SockFlag, SockProtocol, SockType, bind, recv, send, socket,
};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

/// Names the variable that asks for a route: `10.96.0.0/12 via 172.18.0.5`.
pub const ROUTE_VARIABLE: &str = "ODEON_SERVICE_ROUTE";

/// Names the variable with the paths of volumes that are to be opened to everyone while they are empty, between colons.
pub const OPEN_VARIABLE: &str = "ODEON_OPEN";
/// Names the variable with the group that those volumes are given to.
pub const GROUP_VARIABLE: &str = "ODEON_OPEN_GROUP";

const RTM_NEWROUTE: u16 = 24;
/// NLM_F_REQUEST | NLM_F_ACK | NLM_F_CREATE | NLM_F_REPLACE: adding it twice is adding it once.
const FLAGS: u16 = 0x1 | 0x4 | 0x400 | 0x100;
const RT_TABLE_MAIN: u8 = 254;
const RTPROT_STATIC: u8 = 4;
const RT_SCOPE_UNIVERSE: u8 = 0;
const RTN_UNICAST: u8 = 1;
const RTA_DST: u16 = 1;
const RTA_GATEWAY: u16 = 5;
const NLMSG_ERROR: u16 = 2;

/// A route to be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Route {
    network: Ipv4Addr,
    prefix: u8,
    gateway: Ipv4Addr,
}

/// Why a route could not be added.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// The text is not a route.
    #[error("`{0}` is not a route like `10.96.0.0/12 via 172.18.0.5`")]
    Malformed(String),
    /// The kernel could not be talked to.
    #[error("failed to talk to the kernel about routes")]
    Netlink(#[source] nix::Error),
    /// The kernel refused.
    #[error("the kernel refused the route")]
    Refused(#[source] nix::Error),
}

/// `odeon sandbox`.
pub fn main() -> ! {
    // Blocked before anything else, so that no signal is missed or kills.
    let mut signals = SigSet::empty();
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGCHLD] {
        signals.add(signal);
    }
    if let Err(error) = signals.thread_block() {
        fail("failed to block signals", &error);
    }
    if let Ok(text) = std::env::var(ROUTE_VARIABLE)
        && let Err(error) = Route::parse(&text).and_then(Route::add)
    {
        fail("failed to add the route of the services", &error);
    }
    if let Ok(paths) = std::env::var(OPEN_VARIABLE) {
        let group = std::env::var(GROUP_VARIABLE).ok().and_then(|group| group.parse().ok());
        for path in paths.split(':') {
            if let Err(error) = open(std::path::Path::new(path), group) {
                fail("failed to open a volume to its users", &error);
            }
        }
    }
    loop {
        match signals.wait() {
            Ok(Signal::SIGCHLD) => reap(),
            Ok(_) => std::process::exit(0),
            Err(error) => fail("failed to wait for signals", &error),
        }
    }
}

/// A volume begins as a directory of root's that nobody else may write. What has files already is left to whoever wrote them.
fn open(path: &std::path::Path, group: Option<u32>) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    if std::fs::read_dir(path)?.next().is_some() {
        return Ok(());
    }
    let mode = if group.is_some() { 0o2777 } else { 0o777 };
    if group.is_some() {
        std::os::unix::fs::chown(path, None, group)?;
    }
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

fn fail(what: &str, error: &dyn std::error::Error) -> ! {
    eprintln!("{what}: {}", telemetry::chain(error));
    std::process::exit(1);
}

/// Ends the zombies of containers that share the sandbox's processes.
fn reap() {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::StillAlive) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

impl Route {
    /// Reads `10.96.0.0/12 via 172.18.0.5`.
    pub fn parse(text: &str) -> Result<Self, RouteError> {
        let parse = || {
            let (range, gateway) = text.split_once(" via ")?;
            let (network, prefix) = range.trim().split_once('/')?;
            let prefix: u8 = prefix.parse().ok().filter(|prefix| *prefix <= 32)?;
            Some(Self { network: network.parse().ok()?, prefix, gateway: gateway.trim().parse().ok()? })
        };
        parse().ok_or_else(|| RouteError::Malformed(text.to_owned()))
    }

    /// Adds it to this network namespace.
    pub fn add(self) -> Result<(), RouteError> {
        let netlink = RouteError::Netlink;
        let kernel =
            socket(AddressFamily::Netlink, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::NetlinkRoute)
                .map_err(netlink)?;
        use std::os::fd::AsRawFd;
        bind(kernel.as_raw_fd(), &NetlinkAddr::new(0, 0)).map_err(netlink)?;
        send(kernel.as_raw_fd(), &self.message(), MsgFlags::empty()).map_err(netlink)?;
        let mut answer = [0_u8; 4096];
        let length = recv(kernel.as_raw_fd(), &mut answer, MsgFlags::empty()).map_err(netlink)?;
        match refusal(answer.get(..length).unwrap_or_default()) {
            0 => Ok(()),
            code => Err(RouteError::Refused(nix::Error::from_raw(code))),
        }
    }

    /// A netlink message: its header, `rtmsg`, and the attributes destination and gateway.
    fn message(self) -> Vec<u8> {
        let mut body =
            vec![2, self.prefix, 0, 0, RT_TABLE_MAIN, RTPROT_STATIC, RT_SCOPE_UNIVERSE, RTN_UNICAST];
        body.extend_from_slice(&0_u32.to_ne_bytes());
        for (kind, address) in [(RTA_DST, self.network), (RTA_GATEWAY, self.gateway)] {
            body.extend_from_slice(&8_u16.to_ne_bytes());
            body.extend_from_slice(&kind.to_ne_bytes());
            body.extend_from_slice(&address.octets());
        }
        let length = u32::try_from(body.len()).unwrap_or(0).saturating_add(16);
        let mut message = Vec::new();
        message.extend_from_slice(&length.to_ne_bytes());
        message.extend_from_slice(&RTM_NEWROUTE.to_ne_bytes());
        message.extend_from_slice(&FLAGS.to_ne_bytes());
        message.extend_from_slice(&1_u32.to_ne_bytes());
        message.extend_from_slice(&0_u32.to_ne_bytes());
        message.extend_from_slice(&body);
        message
    }
}

/// The error number of an acknowledgement; 0 is success.
fn refusal(answer: &[u8]) -> i32 {
    let kind = answer.get(4..6).and_then(|bytes| bytes.try_into().ok()).map(u16::from_ne_bytes);
    let code = answer.get(16..20).and_then(|bytes| bytes.try_into().ok()).map(i32::from_ne_bytes);
    match (kind, code) {
        (Some(NLMSG_ERROR), Some(code)) => code.saturating_neg(),
        (_, _) => nix::Error::EPROTO as i32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_route_becomes_a_netlink_message() {
        let route = Route::parse("10.96.0.0/12 via 172.18.0.5").unwrap();
        let message = route.message();
        assert_eq!(message.len(), 44);
        assert_eq!(message[17], 12);
        assert_eq!(message[32..36], [10, 96, 0, 0]);
        assert_eq!(message[40..44], [172, 18, 0, 5]);
    }

    #[test]
    fn only_empty_volumes_are_opened() {
        use std::os::unix::fs::PermissionsExt;
        let path = std::env::temp_dir().join(format!("odeon-open-{}", std::process::id()));
        std::fs::create_dir(&path).unwrap();
        let mode = || std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777;
        open(&path, None).unwrap();
        assert_eq!(mode(), 0o777);
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::write(path.join("PG_VERSION"), "17").unwrap();
        open(&path, None).unwrap();
        assert_eq!(mode(), 0o700);
        std::fs::remove_dir_all(&path).unwrap();
    }

    #[test]
    fn what_is_no_route_is_refused() {
        for text in ["", "10.96.0.0/12", "10.96.0.0/99 via 1.2.3.4", "x/8 via 1.2.3.4"] {
            assert!(Route::parse(text).is_err(), "{text}");
        }
    }
}
