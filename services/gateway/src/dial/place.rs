//! Which endpoints of a Service can serve a port: decided from the Service and its slices alone.

use std::sync::Arc;

use api::views::{Endpoint, EndpointPort, EndpointSlice, ServiceSpec};

use super::DialError;

/// The label of slices that names their Service.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// A port of a Service.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServicePort {
    /// The Service's namespace.
    pub namespace: String,
    /// The Service's name.
    pub name: String,
    /// Which of its ports.
    pub port: Port,
}

impl ServicePort {
    /// The name that certificates of the Service's servers have: `<service>.<namespace>.svc`.
    pub fn server_name(&self) -> String {
        format!("{}.{}.svc", self.name, self.namespace)
    }
}

/// A port by its number, or by its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Port {
    /// The Service's own number for it.
    Number(u16),
    /// Its name; empty: the one without a name.
    Name(String),
}

impl Port {
    /// `8080` is a number, anything else a name.
    pub fn parse(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Name(text.to_owned()), Self::Number)
    }
}

/// Where an endpoint is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A pod.
    Pod {
        /// Its namespace.
        namespace: Arc<str>,
        /// Its name.
        name: Arc<str>,
        /// Its uid; empty: whichever pod has the name.
        uid: Arc<str>,
        /// The port, in the pod.
        port: u16,
    },
    /// Something that is no pod, at an address.
    Address {
        /// The address, or the name of a Service that is a name only.
        host: String,
        /// The port.
        port: u16,
    },
}

/// Every place that serves the port now, in the order of the slices; never empty.
///
/// # Errors
/// [`DialError::NoPort`] and [`DialError::NoEndpoints`], in Kubernetes' words.
pub fn of<'a>(
    service: &ServiceSpec,
    slices: impl Iterator<Item = &'a EndpointSlice>,
    wanted: &ServicePort,
) -> Result<Vec<Place>, DialError> {
    let name = match &wanted.port {
        Port::Name(name) => name.as_str(),
        Port::Number(number) => {
            let port = service.ports.iter().find(|port| port.port == *number);
            let port =
                port.ok_or_else(|| DialError::NoPort { service: wanted.name.clone(), port: *number })?;
            if service.kind == "ExternalName" {
                return Ok(vec![Place::Address { host: service.external_name.clone(), port: *number }]);
            }
            port.name.as_str()
        }
    };
    let mut places = Vec::new();
    for slice in slices {
        let same = |port: &&EndpointPort| port.name.as_deref().unwrap_or_default() == name;
        let Some(number) = slice.ports.iter().find(same).and_then(|port| port.port) else { continue };
        let ready = slice.endpoints.iter().filter(|endpoint| endpoint.conditions.ready != Some(false));
        places.extend(ready.filter_map(|endpoint| place(endpoint, number)));
    }
    if places.is_empty() { Err(DialError::NoEndpoints(wanted.name.clone())) } else { Ok(places) }
}

fn place(endpoint: &Endpoint, port: u16) -> Option<Place> {
    match &endpoint.target_ref {
        Some(target) if &*target.kind == "Pod" => Some(Place::Pod {
            namespace: Arc::clone(&target.namespace),
            name: Arc::clone(&target.name),
            uid: Arc::clone(&target.uid),
            port,
        }),
        _ => endpoint.addresses.first().map(|host| Place::Address { host: host.clone(), port }),
    }
}

#[cfg(test)]
mod tests {
    use expect_test::{Expect, expect};
    use serde_json::{Value, json};

    use super::*;

    fn check(service: &Value, slices: &[Value], ports: &[&str], expected: Expect) {
        let service: ServiceSpec = serde_json::from_value(service.clone()).unwrap();
        let slices: Vec<EndpointSlice> =
            slices.iter().map(|slice| serde_json::from_value(slice.clone()).unwrap()).collect();
        let line = |port: &&str| {
            let wanted =
                ServicePort { namespace: "shop".into(), name: "web".into(), port: Port::parse(port) };
            let found = match of(&service, slices.iter(), &wanted) {
                Ok(places) => places.iter().map(shown).collect::<Vec<_>>().join(", "),
                Err(error) => error.to_string(),
            };
            format!("{port:?}: {found}\n")
        };
        expected.assert_eq(&ports.iter().map(line).collect::<String>());
    }

    fn shown(place: &Place) -> String {
        match place {
            Place::Pod { namespace, name, port, .. } => format!("pod {namespace}/{name}:{port}"),
            Place::Address { host, port } => format!("{host}:{port}"),
        }
    }

    fn pod(name: &str, ready: Option<bool>) -> Value {
        json!({"addresses": ["10.1.0.1"], "conditions": {"ready": ready},
            "targetRef": {"kind": "Pod", "namespace": "shop", "name": name, "uid": "u"}})
    }

    #[test]
    fn ready_endpoints_of_the_port_serve() {
        check(
            &json!({"ports": [{"name": "http", "port": 80}, {"name": "admin", "port": 81}]}),
            &[
                json!({"ports": [{"name": "http", "port": 8080}], "endpoints": [
                    pod("a", Some(true)), pod("b", Some(false)), pod("c", None),
                ]}),
                json!({"ports": [{"name": "http", "port": 9090}], "endpoints": [{"addresses": ["192.0.2.1"]}]}),
            ],
            &["80", "http", "81", "82", "ftp", ""],
            expect![[r#"
                "80": pod shop/a:8080, pod shop/c:8080, 192.0.2.1:9090
                "http": pod shop/a:8080, pod shop/c:8080, 192.0.2.1:9090
                "81": no endpoints available for service "web"
                "82": no service port 82 found for service "web"
                "ftp": no endpoints available for service "web"
                "": no endpoints available for service "web"
            "#]],
        );
    }

    #[test]
    fn a_port_without_a_name_is_called_nothing_and_a_name_needs_no_endpoints() {
        let slice = json!({"ports": [{"port": 8080}], "endpoints": [pod("a", None)]});
        check(
            &json!({"ports": [{"port": 80}]}),
            &[slice],
            &[""],
            expect![[r#"
                "": pod shop/a:8080
            "#]],
        );
        check(
            &json!({"type": "ExternalName", "externalName": "db.example.com", "ports": [{"port": 443}]}),
            &[],
            &["443"],
            expect![[r#"
                "443": db.example.com:443
            "#]],
        );
    }
}
