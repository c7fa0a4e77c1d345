//! A UDP socket that answers from the address it was asked at, though it listens on all of them.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsRawFd;

use nix::cmsg_space;
use nix::sys::socket::sockopt::{Ipv4PacketInfo, Ipv6RecvPacketInfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
};
use tokio::io::Interest;
use tokio::net::UdpSocket;

/// A bound UDP socket.
pub struct Datagrams {
    socket: UdpSocket,
    /// Listens on every address, so the kernel must say which one was used, and be told which one to use.
    everywhere: bool,
}

/// Who asked, and which of our addresses (known if the socket listens on all of them).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// The client.
    pub client: SocketAddr,
    /// The address it used.
    pub local: Option<IpAddr>,
}

impl Datagrams {
    /// Takes over a bound, non-blocking socket. Must be called within a tokio runtime.
    pub fn new(socket: std::net::UdpSocket) -> io::Result<Self> {
        let address = socket.local_addr()?;
        let everywhere = address.ip().is_unspecified();
        match address {
            SocketAddr::V4(_) if everywhere => setsockopt(&socket, Ipv4PacketInfo, &true)?,
            SocketAddr::V6(_) if everywhere => setsockopt(&socket, Ipv6RecvPacketInfo, &true)?,
            SocketAddr::V4(_) | SocketAddr::V6(_) => {}
        }
        Ok(Self { socket: UdpSocket::from_std(socket)?, everywhere })
    }

    /// The next datagram: its length and who sent it.
    pub async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, Peer)> {
        match self.everywhere {
            false => {
                let (length, client) = self.socket.recv_from(buffer).await?;
                Ok((length, Peer { client, local: None }))
            }
            true => self.socket.async_io(Interest::READABLE, || self.receive_everywhere(buffer)).await,
        }
    }

    /// Sends to a peer from the address it used.
    pub async fn send(&self, bytes: &[u8], peer: Peer) -> io::Result<usize> {
        match peer.local {
            None => self.socket.send_to(bytes, peer.client).await,
            Some(local) => {
                self.socket.async_io(Interest::WRITABLE, || self.send_from(local, bytes, peer.client)).await
            }
        }
    }

    fn receive_everywhere(&self, buffer: &mut [u8]) -> io::Result<(usize, Peer)> {
        let mut slices = [IoSliceMut::new(buffer)];
        let mut control = cmsg_space!(libc::in_pktinfo, libc::in6_pktinfo);
        let fd = self.socket.as_raw_fd();
        let message = recvmsg::<SockaddrStorage>(fd, &mut slices, Some(&mut control), MsgFlags::empty())?;
        let local = message.cmsgs()?.find_map(|control| match control {
            ControlMessageOwned::Ipv4PacketInfo(info) => {
                Some(IpAddr::V4(Ipv4Addr::from_bits(u32::from_be(info.ipi_spec_dst.s_addr))))
            }
            ControlMessageOwned::Ipv6PacketInfo(info) => {
                Some(IpAddr::V6(Ipv6Addr::from(info.ipi6_addr.s6_addr)))
            }
            _ => None,
        });
        let client = message.address.and_then(|address| {
            let v4 = address.as_sockaddr_in().map(|v4| SocketAddr::new(v4.ip().into(), v4.port()));
            v4.or_else(|| address.as_sockaddr_in6().map(|v6| SocketAddr::new(v6.ip().into(), v6.port())))
        });
        let client = client.ok_or(io::ErrorKind::InvalidData)?;
        Ok((message.bytes, Peer { client, local }))
    }

    fn send_from(&self, local: IpAddr, bytes: &[u8], client: SocketAddr) -> io::Result<usize> {
        let (fd, slices) = (self.socket.as_raw_fd(), [IoSlice::new(bytes)]);
        let client = SockaddrStorage::from(client);
        let sent = match local {
            IpAddr::V4(local) => {
                let source = libc::in_addr { s_addr: local.to_bits().to_be() };
                let info = libc::in_pktinfo { ipi_ifindex: 0, ipi_spec_dst: source, ipi_addr: source };
                sendmsg(
                    fd,
                    &slices,
                    &[ControlMessage::Ipv4PacketInfo(&info)],
                    MsgFlags::empty(),
                    Some(&client),
                )
            }
            IpAddr::V6(local) => {
                let source = libc::in6_addr { s6_addr: local.octets() };
                let info = libc::in6_pktinfo { ipi6_addr: source, ipi6_ifindex: 0 };
                sendmsg(
                    fd,
                    &slices,
                    &[ControlMessage::Ipv6PacketInfo(&info)],
                    MsgFlags::empty(),
                    Some(&client),
                )
            }
        };
        Ok(sent?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn answers_come_from_the_address_that_was_asked() {
        let socket = std::net::UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_nonblocking(true).unwrap();
        let port = socket.local_addr().unwrap().port();
        let server = Datagrams::new(socket).unwrap();
        let client = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        client.connect(("127.4.5.6", port)).await.unwrap();
        client.send(b"ping").await.unwrap();
        let mut buffer = [0; 16];
        let (length, peer) = server.receive(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..length], peer.local), (&b"ping"[..], Some("127.4.5.6".parse().unwrap())));
        server.send(b"pong", peer).await.unwrap();
        assert_eq!(client.recv(&mut buffer).await.unwrap(), 4, "a connected socket hears only who it asked");
    }
}
