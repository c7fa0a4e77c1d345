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
mod tests;
