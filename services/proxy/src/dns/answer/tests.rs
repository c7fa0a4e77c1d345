//! What is asked of the cluster's DNS, and what it says.

use expect_test::{Expect, expect};
use proptest::prelude::*;

use super::*;
use crate::text;

const CLUSTER: &str = "
    service default/web ip=10.96.0.10 ip=fd00::10
    port http 80: 10.0.0.1:8080@a
    port dns 53 UDP: 10.0.0.1:53@a
    service default/db headless
    port sql 5432: 10.0.0.1:5432@a,hostname=db-0 10.0.0.2:5432@b,hostname=db-1 10.0.0.3:5432@b,unready
    service default/anon headless publish-not-ready
    port - 80: 10.0.0.7:80@a,unready
    service default/empty headless
    service default/out external=example.org
    service default/in external=web.default.svc.cluster.local
    service default/loop external=loop.default.svc.cluster.local";

fn ask(name: &str, kind: &str) -> Answer {
    let table = text::table(CLUSTER);
    let service_cidr = "10.96.0.0/12".parse().unwrap();
    let zone = Zone { table: &table, domain: "cluster.local", service_cidr };
    let mut query = Message::new(7, MessageType::Query, OpCode::Query);
    query.add_query(Query::query(Name::from_ascii(name).unwrap(), kind.parse().unwrap()));
    answer(&query, &zone, 0)
}

fn show(reply: &Message) -> String {
    let code = reply.metadata.response_code;
    let mut lines = vec![match (code, reply.answers.is_empty()) {
        (ResponseCode::NoError, true) => "NODATA".to_owned(),
        (ResponseCode::NoError, false) => "NOERROR".to_owned(),
        (code, _) => format!("{code:?}"),
    }];
    lines.extend(reply.answers.iter().map(|record| format!("  {record}")));
    lines.extend(reply.authorities.iter().map(|record| format!("  authority {}", record.record_type())));
    lines.extend(reply.additionals.iter().map(|record| format!("  additional {record}")));
    lines.join("\n")
}

fn check(name: &str, kind: &str, expected: Expect) {
    expected.assert_eq(&match ask(name, kind) {
        Answer::Reply(reply) => show(&reply),
        Answer::Alias { reply, target } => format!("{}\n  and ask for {target}", show(&reply)),
        Answer::Forward => "FORWARD".to_owned(),
    });
}

#[test]
fn services_have_addresses() {
    check(
        "web.default.svc.cluster.local.",
        "A",
        expect![[r#"
        NOERROR
          web.default.svc.cluster.local. 5 IN A 10.96.0.10"#]],
    );
    check(
        "WEB.Default.svc.cluster.local.",
        "AAAA",
        expect![[r#"
        NOERROR
          WEB.Default.svc.cluster.local. 5 IN AAAA fd00::10"#]],
    );
    check(
        "web.default.svc.cluster.local.",
        "MX",
        expect![[r#"
        NODATA
          authority SOA"#]],
    );
    check(
        "nobody.default.svc.cluster.local.",
        "A",
        expect![[r#"
        NXDomain
          authority SOA"#]],
    );
}

#[test]
fn headless_services_have_those_of_ready_pods() {
    check(
        "db.default.svc.cluster.local.",
        "A",
        expect![[r#"
        NOERROR
          db.default.svc.cluster.local. 5 IN A 10.0.0.1
          db.default.svc.cluster.local. 5 IN A 10.0.0.2"#]],
    );
    check(
        "db-1.db.default.svc.cluster.local.",
        "A",
        expect![[r#"
        NOERROR
          db-1.db.default.svc.cluster.local. 5 IN A 10.0.0.2"#]],
    );
    check(
        "db-2.db.default.svc.cluster.local.",
        "A",
        expect![[r#"
        NXDomain
          authority SOA"#]],
    );
    check(
        "anon.default.svc.cluster.local.",
        "A",
        expect![[r#"
        NOERROR
          anon.default.svc.cluster.local. 5 IN A 10.0.0.7"#]],
    );
    check(
        "10-0-0-7.anon.default.svc.cluster.local.",
        "A",
        expect![[r#"
        NOERROR
          10-0-0-7.anon.default.svc.cluster.local. 5 IN A 10.0.0.7"#]],
    );
    check(
        "empty.default.svc.cluster.local.",
        "A",
        expect![[r#"
        NODATA
          authority SOA"#]],
    );
}

#[test]
fn ports_have_srv_records() {
    check(
        "_http._tcp.web.default.svc.cluster.local.",
        "SRV",
        expect![[r#"
        NOERROR
          _http._tcp.web.default.svc.cluster.local. 5 IN SRV 0 100 80 web.default.svc.cluster.local.
          additional web.default.svc.cluster.local. 5 IN A 10.96.0.10
          additional web.default.svc.cluster.local. 5 IN AAAA fd00::10"#]],
    );
    check(
        "_sql._tcp.db.default.svc.cluster.local.",
        "SRV",
        expect![[r#"
        NOERROR
          _sql._tcp.db.default.svc.cluster.local. 5 IN SRV 0 100 5432 db-0.db.default.svc.cluster.local.
          _sql._tcp.db.default.svc.cluster.local. 5 IN SRV 0 100 5432 db-1.db.default.svc.cluster.local.
          additional db-0.db.default.svc.cluster.local. 5 IN A 10.0.0.1
          additional db-1.db.default.svc.cluster.local. 5 IN A 10.0.0.2"#]],
    );
    check(
        "_dns._tcp.web.default.svc.cluster.local.",
        "SRV",
        expect![[r#"
        NXDomain
          authority SOA"#]],
    );
    check(
        "_http._tcp.web.default.svc.cluster.local.",
        "A",
        expect![[r#"
        NODATA
          authority SOA"#]],
    );
}

#[test]
fn addresses_have_names() {
    check(
        "10.0.96.10.in-addr.arpa.",
        "PTR",
        expect![[r#"
        NOERROR
          10.0.96.10.in-addr.arpa. 5 IN PTR web.default.svc.cluster.local."#]],
    );
    check(
        "1.0.0.10.in-addr.arpa.",
        "PTR",
        expect![[r#"
        NOERROR
          1.0.0.10.in-addr.arpa. 5 IN PTR db-0.db.default.svc.cluster.local."#]],
    );
    check("99.0.96.10.in-addr.arpa.", "PTR", expect!["NXDomain"]);
    check("8.8.8.8.in-addr.arpa.", "PTR", expect!["FORWARD"]);
}

#[test]
fn external_names_are_aliases() {
    check(
        "out.default.svc.cluster.local.",
        "A",
        expect![[r#"
        NOERROR
          out.default.svc.cluster.local. 5 IN CNAME example.org.
          and ask for example.org."#]],
    );
    check(
        "in.default.svc.cluster.local.",
        "A",
        expect![[r#"
        NOERROR
          in.default.svc.cluster.local. 5 IN CNAME web.default.svc.cluster.local.
          web.default.svc.cluster.local. 5 IN A 10.96.0.10"#]],
    );
    check(
        "out.default.svc.cluster.local.",
        "CNAME",
        expect![[r#"
        NOERROR
          out.default.svc.cluster.local. 5 IN CNAME example.org."#]],
    );
    let Answer::Reply(reply) = ask("loop.default.svc.cluster.local.", "A") else { panic!() };
    assert_eq!(reply.answers.len(), MOST_ALIASES);
}

#[test]
fn names_above_names_exist() {
    check(
        "cluster.local.",
        "SOA",
        expect![[r#"
        NOERROR
          cluster.local. 5 IN SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 5"#]],
    );
    check(
        "svc.cluster.local.",
        "A",
        expect![[r#"
        NODATA
          authority SOA"#]],
    );
    check(
        "default.svc.cluster.local.",
        "A",
        expect![[r#"
        NODATA
          authority SOA"#]],
    );
    check(
        "other.svc.cluster.local.",
        "A",
        expect![[r#"
        NXDomain
          authority SOA"#]],
    );
    check(
        "_tcp.web.default.svc.cluster.local.",
        "A",
        expect![[r#"
        NODATA
          authority SOA"#]],
    );
    check(
        "10-0-0-9.default.pod.cluster.local.",
        "A",
        expect![[r#"
        NOERROR
          10-0-0-9.default.pod.cluster.local. 5 IN A 10.0.0.9"#]],
    );
    check(
        "dns-version.cluster.local.",
        "TXT",
        expect![[r#"
        NOERROR
          dns-version.cluster.local. 5 IN TXT 1.1.0"#]],
    );
    check("web.default.svc.cluster.local.example.org.", "A", expect!["FORWARD"]);
}

#[test]
fn what_does_not_fit_is_left_out_and_said() {
    let mut query = Message::new(7, MessageType::Query, OpCode::Query);
    let name = Name::from_ascii("many.default.svc.cluster.local.").unwrap();
    query.add_query(Query::query(name.clone(), RecordType::A));
    let mut reply = reply_to(&query);
    let address = |i: u32| RData::A(hickory_proto::rr::rdata::A(i.into()));
    reply.answers = (0..500).map(|i| Record::from_rdata(name.clone(), TTL, address(i))).collect();
    let bytes = encode(reply, udp_limit(&query)).unwrap();
    let read = Message::from_vec(&bytes).unwrap();
    assert!(bytes.len() <= 512 && read.metadata.truncation && read.answers.len() > 10, "{}", bytes.len());
}

proptest! {
    #[test]
    fn no_packet_panics(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let table = text::table(CLUSTER);
        let zone = Zone { table: &table, domain: "cluster.local", service_cidr: "10.96.0.0/12".parse().unwrap() };
        if let Ok(query) = Message::from_vec(&bytes)
            && let Answer::Reply(reply) = answer(&query, &zone, 3)
        {
            encode(reply, udp_limit(&query));
        }
    }

    #[test]
    fn no_name_panics(labels in proptest::collection::vec("[a-z0-9_.-]{1,8}", 0..6), kind in 0u16..300, turn: usize) {
        let table = text::table(CLUSTER);
        let zone = Zone { table: &table, domain: "cluster.local", service_cidr: "10.96.0.0/12".parse().unwrap() };
        let mut query = Message::new(7, MessageType::Query, OpCode::Query);
        if let Ok(name) = Name::from_ascii(format!("{}.svc.cluster.local.", labels.join("."))) {
            query.add_query(Query::query(name, kind.into()));
        }
        if let Answer::Reply(reply) = answer(&query, &zone, turn) {
            encode(reply, udp_limit(&query));
        }
    }
}
