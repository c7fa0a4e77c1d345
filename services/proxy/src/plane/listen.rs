//! Opens listening sockets that this process's workers share and that nobody else can slip into.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use socket2::{Domain, Protocol, SockRef, Socket, Type};

use crate::route::Transport;

const BACKLOG: i32 = 4_096;

/// Which ports this process listens on. Sockets of one port may share it (SO_REUSEPORT), a cluster IP's with the
/// node's own; sockets of another process must not, so the first one of a port is opened exclusively as a test.
#[derive(Clone, Default)]
pub struct Ports(Arc<Mutex<HashMap<(Transport, u16), usize>>>);

/// One use of a port; ends when dropped.
pub struct Claim {
    ports: Ports,
    port: (Transport, u16),
}

impl Ports {
    /// Opens `count` TCP listeners that share `address`.
    pub fn tcp(&self, address: SocketAddr, count: usize) -> io::Result<(Vec<std::net::TcpListener>, Claim)> {
        let (sockets, claim) = self.open(Transport::Tcp, address, count)?;
        for socket in &sockets {
            socket.listen(BACKLOG)?;
        }
        Ok((sockets.into_iter().map(Into::into).collect(), claim))
    }

    /// Opens `count` UDP sockets that share `address`.
    pub fn udp(&self, address: SocketAddr, count: usize) -> io::Result<(Vec<std::net::UdpSocket>, Claim)> {
        let (sockets, claim) = self.open(Transport::Udp, address, count)?;
        Ok((sockets.into_iter().map(Into::into).collect(), claim))
    }

    fn open(
        &self,
        transport: Transport,
        address: SocketAddr,
        count: usize,
    ) -> io::Result<(Vec<Socket>, Claim)> {
        let mut used = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let port = (transport, address.port());
        if !used.contains_key(&port) {
            drop(socket(transport, address, false)?);
        }
        let sockets =
            (0..count.max(1)).map(|_| socket(transport, address, true)).collect::<io::Result<Vec<_>>>()?;
        *used.entry(port).or_default() += 1;
        Ok((sockets, Claim { ports: self.clone(), port }))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let mut used = self.ports.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = used.get_mut(&self.port) {
            *count -= 1;
            if *count == 0 {
                used.remove(&self.port);
            }
        }
    }
}

/// What both ends of a relayed connection get: no delay for small writes, and an end when the other side is dead.
pub fn tune(stream: &tokio::net::TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = socket2::TcpKeepalive::new()
        .with_time(std::time::Duration::from_secs(120))
        .with_interval(std::time::Duration::from_secs(30));
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}

/// A bound socket. Without `shared` it fails if anybody else has the port.
fn socket(transport: Transport, address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let (kind, protocol) = match transport {
        Transport::Tcp => (Type::STREAM, Protocol::TCP),
        Transport::Udp => (Type::DGRAM, Protocol::UDP),
    };
    let socket = Socket::new(Domain::for_address(address), kind.nonblocking(), Some(protocol))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if transport == Transport::Tcp {
        socket.set_reuse_address(true)?;
    }
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn free(transport: Transport) -> SocketAddr {
        let socket = socket(transport, "127.0.0.1:0".parse().unwrap(), false).unwrap();
        socket.local_addr().unwrap().as_socket().unwrap()
    }

    #[test]
    fn one_process_shares_and_another_is_kept_out() {
        let address = free(Transport::Tcp);
        let (ours, theirs) = (Ports::default(), Ports::default());
        let (listeners, claim) = ours.tcp(address, 2).unwrap();
        let everywhere = SocketAddr::new("0.0.0.0".parse().unwrap(), address.port());
        assert!(ours.tcp(everywhere, 2).is_ok(), "a node port beside a cluster IP");
        assert_eq!(theirs.tcp(address, 2).err().unwrap().kind(), io::ErrorKind::AddrInUse);
        drop((listeners, claim));
        assert!(theirs.tcp(address, 2).is_ok());
    }

    #[test]
    fn datagram_ports_are_exclusive_too() {
        let address = free(Transport::Udp);
        let (ours, theirs) = (Ports::default(), Ports::default());
        let _held = ours.udp(address, 2).unwrap();
        assert_eq!(theirs.udp(address, 2).err().unwrap().kind(), io::ErrorKind::AddrInUse);
    }
}
