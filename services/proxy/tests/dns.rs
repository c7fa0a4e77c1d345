//! The DNS server with real sockets, and a resolver behind it.
#![cfg(test)]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use api::Revision;
use api::messages::ServiceRoutes;
use hickory_proto::op::{Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::A;
use hickory_proto::rr::{Name, RData, Record, RecordType};
use proxy::dns::{Dns, serve};
use proxy::plane::listen::Ports;
use proxy::table::Table;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::watch;
use tokio::time::timeout;

const DEADLINE: Duration = Duration::from_secs(10);

fn table() -> Table {
    let routes =
        |name: &str| ServiceRoutes { namespace: "default".into(), name: name.into(), ..Default::default() };
    let web = ServiceRoutes { cluster_ips: vec!["10.96.0.10".parse().unwrap()], ..routes("web") };
    let out = ServiceRoutes { external_name: Some("few.example.org".into()), ..routes("out") };
    let named = [web, out].map(|routes| (format!("default/{}", routes.name), Arc::new(routes)));
    Table { revision: Revision(1), services: named.into() }
}

async fn start(address: &str, table: Table, upstream: SocketAddr) -> SocketAddr {
    let address = address.parse().unwrap();
    let (_, receiver) = watch::channel(Arc::new(table));
    let range = "10.96.0.0/12".parse().unwrap();
    let dns = Dns::new(receiver, "cluster.local", range, vec![upstream], vec![address]);
    tokio::spawn(serve(Arc::new(dns), address, Ports::default()));
    timeout(DEADLINE, async { while TcpStream::connect(address).await.is_err() {} }).await.unwrap();
    address
}

/// A resolver for which `few` has one address and any other name a hundred, which it tells over TCP only.
async fn resolver(address: &str) -> SocketAddr {
    let udp = UdpSocket::bind(address).await.unwrap();
    let address = udp.local_addr().unwrap();
    let tcp = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        let mut buffer = [0; 512];
        while let Ok((length, client)) = udp.recv_from(&mut buffer).await {
            let mut reply = resolved(&buffer[..length]);
            if reply.answers.len() > 1 {
                reply.answers.clear();
                reply.metadata.truncation = true;
            }
            udp.send_to(&reply.to_vec().unwrap(), client).await.unwrap();
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let mut packet = vec![0; stream.read_u16().await.unwrap().into()];
            stream.read_exact(&mut packet).await.unwrap();
            let reply = resolved(&packet).to_vec().unwrap();
            stream.write_u16(reply.len() as u16).await.unwrap();
            stream.write_all(&reply).await.unwrap();
        }
    });
    address
}

fn resolved(packet: &[u8]) -> Message {
    let query = Message::from_vec(packet).unwrap();
    let name = query.queries[0].name().clone();
    let count = if name.to_ascii().starts_with("few") { 1 } else { 100 };
    let mut reply = Message::new(query.metadata.id, MessageType::Response, OpCode::Query);
    reply.queries = query.queries;
    reply.answers =
        (0..count).map(|i| Record::from_rdata(name.clone(), 60, RData::A(A::new(192, 0, 2, i)))).collect();
    reply
}

fn question(name: &str) -> Vec<u8> {
    let mut query = Message::new(77, MessageType::Query, OpCode::Query);
    query.add_query(Query::query(Name::from_ascii(name).unwrap(), RecordType::A));
    query.to_vec().unwrap()
}

async fn over_udp(server: SocketAddr, packet: &[u8]) -> Message {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    socket.connect(server).await.unwrap();
    socket.send(packet).await.unwrap();
    let mut buffer = [0; 4_096];
    let length = timeout(DEADLINE, socket.recv(&mut buffer)).await.unwrap().unwrap();
    Message::from_vec(&buffer[..length]).unwrap()
}

async fn over_tcp(server: SocketAddr, packets: &[Vec<u8>]) -> Vec<Message> {
    let mut stream = TcpStream::connect(server).await.unwrap();
    let mut replies = Vec::new();
    for packet in packets {
        stream.write_u16(packet.len() as u16).await.unwrap();
        stream.write_all(packet).await.unwrap();
        let mut reply = vec![0; timeout(DEADLINE, stream.read_u16()).await.unwrap().unwrap().into()];
        stream.read_exact(&mut reply).await.unwrap();
        replies.push(Message::from_vec(&reply).unwrap());
    }
    replies
}

fn addresses(reply: &Message) -> Vec<String> {
    assert_eq!(reply.metadata.id, 77);
    reply.answers.iter().map(|record| record.data.to_string()).collect()
}

#[tokio::test]
async fn cluster_names_are_answered_over_udp_and_tcp() {
    let server = start("127.98.1.1:53", table(), resolver("127.98.1.2:53").await).await;
    let web = question("web.default.svc.cluster.local.");
    assert_eq!(addresses(&over_udp(server, &web).await), ["10.96.0.10"]);
    let replies = over_tcp(server, &[web.clone(), web]).await;
    assert_eq!(replies.iter().map(addresses).collect::<Vec<_>>(), [["10.96.0.10"], ["10.96.0.10"]]);
}

#[tokio::test]
async fn other_names_are_asked_of_others() {
    let server = start("127.98.2.1:53", table(), resolver("127.98.2.2:53").await).await;
    assert_eq!(addresses(&over_udp(server, &question("few.example.org.")).await), ["192.0.2.0"]);
    let out = over_udp(server, &question("out.default.svc.cluster.local.")).await;
    assert_eq!(addresses(&out), ["few.example.org.", "192.0.2.0"]);
    let many = over_udp(server, &question("many.example.org.")).await;
    assert!(
        many.metadata.truncation && many.answers.len() > 10,
        "what fits in 512 bytes, and that it is not all"
    );
    let many = over_tcp(server, &[question("many.example.org.")]).await;
    assert_eq!(addresses(&many[0]).len(), 100);
}

#[tokio::test]
async fn what_cannot_be_answered_is_said() {
    let nobody = UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let server = start("127.98.3.1:53", table(), nobody).await;
    let reply = over_udp(server, &question("few.example.org.")).await;
    assert_eq!(reply.metadata.response_code, ResponseCode::ServFail);
    let mut garbage = question("web.default.svc.cluster.local.");
    garbage.truncate(20);
    assert_eq!(over_udp(server, &garbage).await.metadata.response_code, ResponseCode::FormErr);
    let server = start("127.98.3.2:53", Table::default(), nobody).await;
    let reply = over_udp(server, &question("web.default.svc.cluster.local.")).await;
    assert_eq!(reply.metadata.response_code, ResponseCode::ServFail, "no table yet");
}
