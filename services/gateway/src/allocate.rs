//! Gives Services their cluster IPs and node ports. Every one given out is an object of its own in the bucket, written together with
//! the Service if and only if nobody else holds it, so two gateways never give out the same.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::net::Ipv4Addr;

use api::admission::Charge;
use api::journal::Cause;
use api::kinds::FieldError;
use api::{ObjectKey, ResourceId, json, validation};
use bus::{ChangeTo, Expect, Mutation, Reader, View};
use serde_json::{Value, json as value};

use crate::Config;

const SERVICES: &str = "Service";
const IPS: ResourceId = ResourceId::new("ipallocations.odeon.dev");
const PORTS: ResourceId = ResourceId::new("portallocations.odeon.dev");

/// Where nodes tell balancers whether they have pods of a Service.
const HEALTH_PORT: &str = "/spec/healthCheckNodePort";
const HEALTH_PROTOCOL: &str = "TCP";

/// What is written together with an object: an address or a port that is taken or given back, a quota that is charged.
#[derive(Clone, Debug)]
pub struct Reservation {
    key: ObjectKey,
    expect: Expect,
    change: ChangeTo,
}

impl Reservation {
    /// A quota that is charged for an object.
    pub fn of(charge: Charge) -> Self {
        Self { key: charge.key, expect: Expect::At(charge.seen), change: ChangeTo::Put(charge.quota) }
    }

    /// As a write that accompanies the object's.
    pub fn into_mutation(self, cause: Cause) -> Mutation {
        Mutation { key: self.key, expect: self.expect, change: self.change, cause }
    }
}

/// Completes a Service and says what must be reserved for it; anything else needs nothing.
pub fn for_object(
    view: &View,
    config: &Config,
    object: &mut Value,
    old: Option<&Value>,
) -> Result<Vec<Reservation>, Vec<FieldError>> {
    if json::text(object, "/kind") != SERVICES {
        return Ok(Vec::new());
    }
    validation::cluster_ips(object)?;
    let reader = view.read();
    let held = old.map(wanted_by).unwrap_or_default();
    let mut desk =
        Desk { reader, config, owner: Owner::of(object), taken: BTreeMap::new(), errors: Vec::new() };
    desk.complete_address(object, &held);
    desk.complete_ports(object, &held);
    desk.complete_health_port(object, &held);
    let Desk { reader, mut taken, errors, .. } = desk;
    if !errors.is_empty() {
        return Err(errors);
    }
    let wanted = wanted_by(object);
    for key in held.into_iter().filter(|key| !wanted.contains(key)) {
        taken.extend(release(&reader, &key).map(|reservation| (key, reservation)));
    }
    Ok(taken.into_values().collect())
}

/// What a Service that goes gives back.
pub fn releases(view: &View, object: &Value) -> Vec<Reservation> {
    if json::text(object, "/kind") != SERVICES {
        return Vec::new();
    }
    let reader = view.read();
    wanted_by(object).iter().filter_map(|key| release(&reader, key)).collect()
}

/// A replacement that leaves out what was allocated keeps it, as in Kubernetes.
pub fn inherit(new: &mut Value, old: &Value) {
    if json::text(new, "/kind") != SERVICES || !has_address(new) || !has_address(old) {
        return;
    }
    let old_ports = json::items(old, "/spec/ports").to_vec();
    let with_node_ports = has_node_ports(new);
    let health_checked = is_health_checked(new) && is_health_checked(old);
    let (health_port, asked_health_port) = (json::int(old, HEALTH_PORT), json::int(new, HEALTH_PORT));
    let (address, addresses) =
        (old.pointer("/spec/clusterIP").cloned(), old.pointer("/spec/clusterIPs").cloned());
    let Some(spec) = json::child(new, "spec") else { return };
    if is_empty(spec.get("clusterIP")) && is_empty(spec.get("clusterIPs")) {
        spec.extend(address.map(|address| ("clusterIP".to_owned(), address)));
        spec.extend(addresses.map(|addresses| ("clusterIPs".to_owned(), addresses)));
    }
    if let (true, Some(number), None | Some(0)) = (health_checked, health_port, asked_health_port) {
        spec.insert("healthCheckNodePort".into(), number.into());
    }
    for port in spec.get_mut("ports").and_then(Value::as_array_mut).into_iter().flatten() {
        let twin = old_ports
            .iter()
            .find(|old| protocol(old) == protocol(port) && old.get("port") == port.get("port"));
        let node_port = twin.and_then(|twin| twin.get("nodePort")).cloned();
        if let (true, None | Some(0), Some(node_port), Some(port)) =
            (with_node_ports, json::int(port, "/nodePort"), node_port, port.as_object_mut())
        {
            port.insert("nodePort".into(), node_port);
        }
    }
}

fn is_empty(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    }
}

fn has_address(service: &Value) -> bool {
    json::text(service, "/spec/type") != "ExternalName" && json::text(service, "/spec/clusterIP") != "None"
}

fn has_node_ports(service: &Value) -> bool {
    matches!(json::text(service, "/spec/type"), "NodePort" | "LoadBalancer")
}

/// Whether a balancer asks nodes for pods of it.
fn is_health_checked(service: &Value) -> bool {
    json::text(service, "/spec/type") == "LoadBalancer"
        && json::text(service, "/spec/externalTrafficPolicy") == "Local"
}

fn protocol(port: &Value) -> &str {
    Some(json::text(port, "/protocol")).filter(|protocol| !protocol.is_empty()).unwrap_or("TCP")
}

fn port_key(port: u64, protocol: &str) -> ObjectKey {
    ObjectKey::cluster(PORTS, &format!("{port}-{}", protocol.to_ascii_lowercase()))
}

/// The reservations that belong to a Service as it is.
fn wanted_by(service: &Value) -> Vec<ObjectKey> {
    let mut keys = Vec::new();
    if has_address(service)
        && let Ok(address) = json::text(service, "/spec/clusterIP").parse::<Ipv4Addr>()
    {
        keys.push(ObjectKey::cluster(IPS, &address.to_string()));
    }
    if has_node_ports(service) {
        let ports = json::items(service, "/spec/ports").iter();
        let numbered = ports
            .filter_map(|port| Some((port.get("nodePort")?.as_u64().filter(|n| *n > 0)?, protocol(port))));
        keys.extend(numbered.map(|(number, protocol)| port_key(number, protocol)));
    }
    let health = json::int(service, HEALTH_PORT).and_then(|number| u64::try_from(number).ok());
    if let Some(number) = health.filter(|number| *number > 0 && is_health_checked(service)) {
        keys.push(port_key(number, HEALTH_PROTOCOL));
    }
    keys
}

fn release(reader: &Reader<'_>, key: &ObjectKey) -> Option<Reservation> {
    let stored = reader.get(key)?;
    Some(Reservation {
        key: key.clone(),
        expect: Expect::At(stored.revision),
        change: ChangeTo::Delete(stored.value()),
    })
}

/// Who holds a reservation.
struct Owner {
    service: ObjectKey,
    uid: String,
}

impl Owner {
    fn of(service: &Value) -> Self {
        let (namespace, name) =
            (json::text(service, "/metadata/namespace"), json::text(service, "/metadata/name"));
        Self {
            service: ObjectKey::namespaced(ResourceId::new("services"), namespace, name),
            uid: json::text(service, "/metadata/uid").to_owned(),
        }
    }

    fn seed(&self) -> u32 {
        let mut hasher = DefaultHasher::new();
        self.uid.hash(&mut hasher);
        u32::try_from(hasher.finish() & u64::from(u32::MAX)).unwrap_or_default()
    }
}

/// Where one Service is served.
struct Desk<'a> {
    reader: Reader<'a>,
    config: &'a Config,
    owner: Owner,
    taken: BTreeMap<ObjectKey, Reservation>,
    errors: Vec<FieldError>,
}

impl Desk<'_> {
    fn complete_address(&mut self, service: &mut Value, held: &[ObjectKey]) {
        let given = json::text(service, "/spec/clusterIP").to_owned();
        let mine = given.parse::<Ipv4Addr>().map(|own| ObjectKey::cluster(IPS, &own.to_string()));
        let moves =
            held.iter().any(|key| key.resource == IPS) && mine.is_ok_and(|mine| !held.contains(&mine));
        if moves || !has_address(service) {
            if given == "None" {
                set_address(service, "None");
            }
            return;
        }
        let address = match given.as_str() {
            "" => self.free_address(),
            text => self.given_address(text, held),
        };
        if let Some(address) = address {
            set_address(service, &address);
        }
    }

    fn free_address(&mut self) -> Option<String> {
        let range = self.config.service_cidr;
        let seed = self.owner.seed();
        for step in 0..range.usable() {
            // The first ten addresses are left to those who ask for one by name (the DNS server's, by tradition).
            let index = (seed % range.usable()).wrapping_add(step) % range.usable();
            if index < 10 && range.usable() > 64 {
                continue;
            }
            let address = range.address(index).to_string();
            if self.take(ObjectKey::cluster(IPS, &address)) {
                return Some(address);
            }
        }
        self.refuse(
            "spec.clusterIPs",
            "Internal error: failed to allocate a serviceIP: range is full".to_owned(),
        );
        None
    }

    fn given_address(&mut self, text: &str, held: &[ObjectKey]) -> Option<String> {
        let range = self.config.service_cidr;
        let refusal =
            |why: String| format!("Invalid value: [\"{text}\"]: failed to allocate IP {text}: {why}");
        let Some(address) = text.parse::<Ipv4Addr>().ok().filter(|address| range.contains(*address)) else {
            let why = format!(
                "the provided IP ({text}) is not in the valid range. The range of valid IPs is {}/{}",
                range.base, range.prefix
            );
            self.refuse("spec.clusterIPs", refusal(why));
            return None;
        };
        let key = ObjectKey::cluster(IPS, &address.to_string());
        if !held.contains(&key) && !self.take(key) {
            self.refuse("spec.clusterIPs", refusal("provided IP is already allocated".to_owned()));
            return None;
        }
        Some(address.to_string())
    }

    fn complete_ports(&mut self, service: &mut Value, held: &[ObjectKey]) {
        let needs = has_node_ports(service);
        let ports = service.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
        for (index, port) in ports.into_iter().flatten().enumerate() {
            let given = json::int(port, "/nodePort").unwrap_or_default();
            if !needs {
                if let Some(port) = port.as_object_mut().filter(|_| !held.is_empty() || given == 0) {
                    port.remove("nodePort");
                }
                continue;
            }
            let protocol = protocol(port).to_owned();
            let number = match given {
                0 => self.free_port(&format!("spec.ports[{index}].nodePort"), index, &protocol),
                given => self.given_port(index, given, &protocol, held),
            };
            if let (Some(number), Some(port)) = (number, port.as_object_mut()) {
                port.insert("nodePort".into(), number.into());
            }
        }
    }

    /// The port that nodes answer a balancer's health checks at.
    fn complete_health_port(&mut self, service: &mut Value, held: &[ObjectKey]) {
        const FIELD: &str = "spec.healthCheckNodePort";
        let given = json::int(service, HEALTH_PORT).unwrap_or_default();
        if !is_health_checked(service) {
            return;
        }
        let range = self.config.node_port_range;
        let number = match u16::try_from(given) {
            Ok(0) => self.free_port(FIELD, json::items(service, "/spec/ports").len(), HEALTH_PROTOCOL),
            Ok(port) if range.contains(port) => {
                let key = port_key(u64::from(port), HEALTH_PROTOCOL);
                if !held.contains(&key) && !self.take(key) {
                    self.refuse(FIELD, health_refusal(given, "provided port is already allocated"));
                }
                return;
            }
            _ => {
                let valid = format!("The range of valid ports is {}-{}", range.first, range.last);
                let why = format!("provided port is not in the valid range. {valid}");
                return self.refuse(FIELD, health_refusal(given, &why));
            }
        };
        if let (Some(number), Some(spec)) = (number, json::child(service, "spec")) {
            spec.insert("healthCheckNodePort".into(), number.into());
        }
    }

    fn free_port(&mut self, field: &str, index: usize, protocol: &str) -> Option<u16> {
        let range = self.config.node_port_range;
        let seed = self.owner.seed().wrapping_add(u32::try_from(index).unwrap_or_default());
        let found = (0..range.count())
            .map(|step| range.port((seed % range.count()).wrapping_add(step)))
            .find(|port| self.take(port_key(u64::from(*port), protocol)));
        if found.is_none() {
            let message = "Internal error: failed to allocate a nodePort: range is full".to_owned();
            self.refuse(field, message);
        }
        found
    }

    fn given_port(&mut self, index: usize, given: i64, protocol: &str, held: &[ObjectKey]) -> Option<u16> {
        let range = self.config.node_port_range;
        let field = format!("spec.ports[{index}].nodePort");
        let Some(port) = u16::try_from(given).ok().filter(|port| range.contains(*port)) else {
            let valid = format!("The range of valid ports is {}-{}", range.first, range.last);
            self.refuse(
                &field,
                format!("Invalid value: {given}: provided port is not in the valid range. {valid}"),
            );
            return None;
        };
        let key = port_key(u64::from(port), protocol);
        if !held.contains(&key) && !self.take(key) {
            self.refuse(&field, format!("Invalid value: {given}: provided port is already allocated"));
            return None;
        }
        Some(port)
    }

    /// Reserves a key unless someone holds it. A reservation whose Service is gone is nobody's.
    fn take(&mut self, key: ObjectKey) -> bool {
        if self.taken.contains_key(&key) {
            return false;
        }
        let expect = match self.reader.get(&key) {
            None => Expect::Absent,
            Some(stored) if self.is_abandoned(&stored.value()) => Expect::At(stored.revision),
            Some(_) => return false,
        };
        let kind = if key.resource == IPS { "IPAllocation" } else { "PortAllocation" };
        let object = value!({
            "apiVersion": "odeon.dev/v1", "kind": kind, "metadata": {"name": &*key.name},
            "spec": {
                "namespace": self.owner.service.namespace(), "service": &*self.owner.service.name, "uid": self.owner.uid,
            },
        });
        self.taken.insert(key.clone(), Reservation { key, expect, change: ChangeTo::Put(object) });
        true
    }

    fn is_abandoned(&self, allocation: &Value) -> bool {
        let (namespace, name) =
            (json::text(allocation, "/spec/namespace"), json::text(allocation, "/spec/service"));
        let holder = self.reader.get(&ObjectKey::namespaced(ResourceId::new("services"), namespace, name));
        holder.is_none_or(|holder| holder.metadata.uid.as_str() != json::text(allocation, "/spec/uid"))
    }

    fn refuse(&mut self, field: &str, message: String) {
        let reason = if message.starts_with("Internal") { "InternalError" } else { "FieldValueInvalid" };
        self.errors.push(FieldError { field: field.to_owned(), reason, message });
    }
}

fn health_refusal(port: i64, why: &str) -> String {
    format!("Internal error: failed to allocate requested HealthCheck NodePort {port}: {why}")
}

fn set_address(service: &mut Value, address: &str) {
    if let Some(spec) = json::child(service, "spec") {
        spec.insert("clusterIP".into(), address.into());
        spec.insert("clusterIPs".into(), value!([address]));
    }
}

#[cfg(test)]
mod tests;
