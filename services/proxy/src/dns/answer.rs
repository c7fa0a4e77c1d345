//! Decides how a DNS query is answered from the route table. Pure: forwarding is left to the server.

use std::net::IpAddr;

use api::Revision;
use hickory_proto::op::{Edns, Message, MessageType, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::rdata::SOA;
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::records::{find, pointers};
use crate::local_route::Cidr;
use crate::table::Table;

/// How long clients may remember an answer: pods come and go.
const TTL: u32 = 5;
/// The largest answer over UDP that does not risk fragments.
const UDP_PAYLOAD: u16 = 1_232;
/// How many aliases are followed.
const MOST_ALIASES: usize = 8;

/// The names that this server knows.
pub struct Zone<'a> {
    /// Services and their endpoints.
    pub table: &'a Table,
    /// `cluster.local`.
    pub domain: &'a str,
    /// Addresses in here have no other name than ours.
    pub service_cidr: Cidr,
}

/// What to do with a query.
#[derive(Debug)]
pub enum Answer {
    /// Send this.
    Reply(Message),
    /// Add what others know about `target`, then send it.
    Alias {
        /// The answer so far: it ends with a CNAME.
        reply: Message,
        /// The name outside the cluster that the CNAME points to.
        target: Name,
    },
    /// Ask others: the name is none of ours.
    Forward,
}

/// The answer to `query`. `turn` rotates addresses so that clients that take the first one spread.
pub fn answer(query: &Message, zone: &Zone<'_>, turn: usize) -> Answer {
    let [question] = query.queries.as_slice() else {
        return Answer::Reply(failure(query, ResponseCode::FormErr));
    };
    if query.metadata.op_code != OpCode::Query {
        return Answer::Reply(failure(query, ResponseCode::NotImp));
    }
    if query.edns.as_ref().is_some_and(|edns| edns.version() > 0) {
        return Answer::Reply(failure(query, ResponseCode::BADVERS));
    }
    if question.query_class != DNSClass::IN {
        return Answer::Reply(failure(query, ResponseCode::Refused));
    }
    match relative(&question.name, zone.domain) {
        // Before the first table nothing can be said of any name, least of all that it does not exist.
        Some(_) if zone.table.revision == Revision(0) => {
            Answer::Reply(failure(query, ResponseCode::ServFail))
        }
        Some(labels) => in_zone(query, question, zone, labels, turn),
        None => reverse(query, question, zone),
    }
}

/// An answer that carries nothing but a code.
pub fn failure(query: &Message, code: ResponseCode) -> Message {
    let mut reply = reply_to(query);
    reply.metadata.response_code = code;
    reply
}

/// The bytes of `reply` in at most `limit` of them: answers that do not fit are left out, which the TC bit tells.
pub fn encode(mut reply: Message, limit: usize) -> Option<Vec<u8>> {
    loop {
        let bytes = reply.to_vec().ok()?;
        if bytes.len() <= limit {
            return Some(bytes);
        }
        match (reply.additionals.is_empty(), reply.answers.len(), reply.authorities.is_empty()) {
            (false, ..) => reply.additionals.clear(),
            (true, 0, false) => reply.authorities.clear(),
            (true, 0, true) => return None,
            (true, count, _) => {
                reply.metadata.truncation = true;
                reply.answers.truncate(count - (count / 4).max(1));
            }
        }
    }
}

/// How large an answer over UDP the sender of `query` takes.
pub fn udp_limit(query: &Message) -> usize {
    query.edns.as_ref().map_or(512, |edns| edns.max_payload().clamp(512, UDP_PAYLOAD)).into()
}

fn in_zone(
    query: &Message,
    question: &Query,
    zone: &Zone<'_>,
    mut labels: Vec<String>,
    turn: usize,
) -> Answer {
    let mut reply = reply_to(query);
    reply.metadata.authoritative = true;
    let mut owner = question.name.clone();
    for _ in 0..MOST_ALIASES {
        let borrowed: Vec<&str> = labels.iter().map(String::as_str).collect();
        let Some(found) = find(zone.table, zone.domain, &borrowed) else {
            reply.metadata.response_code = ResponseCode::NXDomain;
            break;
        };
        let alias = found.records.iter().find_map(|record| match record {
            RData::CNAME(target) if question.query_type != RecordType::CNAME => Some(target.0.clone()),
            _ => None,
        });
        let mut records = found.records;
        if labels.is_empty() {
            records.extend(soa(zone).map(|(_, data)| data));
        }
        records.retain(|data| alias.is_some() || wanted(question, data));
        let shift = turn.checked_rem(records.len()).unwrap_or_default();
        records.rotate_left(shift);
        let srv = records.iter().any(|data| data.record_type() == RecordType::SRV);
        reply.answers.extend(records.into_iter().map(|data| Record::from_rdata(owner.clone(), TTL, data)));
        if srv {
            let additional = found.additional.into_iter();
            reply.additionals.extend(additional.map(|(name, data)| Record::from_rdata(name, TTL, data)));
        }
        let Some(target) = alias else { break };
        match relative(&target, zone.domain) {
            Some(next) => (labels, owner) = (next, target),
            None => return Answer::Alias { reply, target },
        }
    }
    deny_with_soa(&mut reply, zone);
    Answer::Reply(reply)
}

/// An answer without records says for how long that holds.
fn deny_with_soa(reply: &mut Message, zone: &Zone<'_>) {
    let denies = reply.answers.is_empty() || reply.metadata.response_code == ResponseCode::NXDomain;
    if let Some((name, data)) = soa(zone).filter(|_| denies) {
        reply.authorities.push(Record::from_rdata(name, TTL, data));
    }
}

fn reverse(query: &Message, question: &Query, zone: &Zone<'_>) -> Answer {
    let Some(address) = arpa_address(&question.name) else { return Answer::Forward };
    let names = pointers(zone.table, zone.domain, address);
    if names.is_empty() && !zone.service_cidr.contains(address) {
        return Answer::Forward;
    }
    let mut reply = reply_to(query);
    reply.metadata.authoritative = true;
    if names.is_empty() {
        reply.metadata.response_code = ResponseCode::NXDomain;
    }
    let asked = names.into_iter().filter(|data| wanted(question, data));
    reply.answers.extend(asked.map(|data| Record::from_rdata(question.name.clone(), TTL, data)));
    Answer::Reply(reply)
}

fn reply_to(query: &Message) -> Message {
    let mut reply = Message::new(query.metadata.id, MessageType::Response, query.metadata.op_code);
    reply.metadata = Metadata::response_from_request(&query.metadata);
    reply.metadata.recursion_available = true;
    reply.queries = query.queries.clone();
    if query.edns.is_some() {
        let mut edns = Edns::new();
        edns.set_max_payload(UDP_PAYLOAD);
        reply.edns = Some(edns);
    }
    reply
}

fn wanted(question: &Query, data: &RData) -> bool {
    question.query_type == RecordType::ANY || question.query_type == data.record_type()
}

fn soa(zone: &Zone<'_>) -> Option<(Name, RData)> {
    let name = Name::from_ascii(format!("{}.", zone.domain)).ok()?;
    let server = Name::from_ascii(format!("ns.dns.{}.", zone.domain)).ok()?;
    let mailbox = Name::from_ascii(format!("hostmaster.{}.", zone.domain)).ok()?;
    let serial = zone.table.revision.0 as u32;
    Some((name, RData::SOA(SOA::new(server, mailbox, serial, 7_200, 1_800, 86_400, TTL))))
}

/// The labels of `name` before the cluster's domain, in lower case; `None` for other names.
fn relative(name: &Name, domain: &str) -> Option<Vec<String>> {
    let mut labels: Vec<String> =
        name.iter().map(|label| String::from_utf8_lossy(label).to_ascii_lowercase()).collect();
    for expected in domain.trim_end_matches('.').rsplit('.') {
        if !labels.pop()?.eq_ignore_ascii_case(expected) {
            return None;
        }
    }
    Some(labels)
}

/// The address that an `in-addr.arpa` or `ip6.arpa` name spells out completely.
fn arpa_address(name: &Name) -> Option<IpAddr> {
    let net = name.parse_arpa_name().ok()?;
    (net.prefix_len() == net.max_prefix_len()).then(|| net.addr())
}

#[cfg(test)]
mod tests {
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
}
