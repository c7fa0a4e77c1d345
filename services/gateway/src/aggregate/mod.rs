//! APIs that other servers serve: APIServices with a Service, whose requests are passed on to it.

mod check;
mod discovered;
mod pass;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use api::json::{flag, int, items, text};
use api::{ObjectKey, ResourceId};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::context::Context;
use crate::dial::{Port, Roots, ServicePort, Trust};
use crate::path::{GroupVersion, Place};

pub use self::check::follow;
pub use self::discovered::{Remote, aggregated_resources};
pub use self::pass::answer;

/// The kind.
const ID: ResourceId = ResourceId::new("apiservices.apiregistration.k8s.io");

/// What the servers of other APIs said last of what they serve, by the names of their APIServices.
#[derive(Default)]
pub struct Aggregates(Mutex<BTreeMap<String, Served>>);

/// What one of them serves.
#[derive(Clone, Debug, Default)]
struct Served {
    /// Its `APIResource`s.
    resources: Arc<[Value]>,
    /// Where its document of OpenAPI v3 is, if it has one: the path and a hash.
    document: Option<Arc<str>>,
}

/// One group and version that another server serves.
#[derive(Clone, Debug)]
pub struct Registered {
    /// `v1.shop.example.com`.
    pub name: String,
    /// What it serves.
    pub api: GroupVersion,
    /// How early clients look into its group.
    priority: i64,
    /// Where the server is.
    pub service: ServicePort,
    /// Its authorities, in PEM; empty: whom the machine trusts.
    authorities: String,
    /// It is believed whoever answers.
    unchecked: bool,
    /// The server has answered lately.
    pub is_available: bool,
}

impl Aggregates {
    fn known(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Served>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registered {
    /// Reads an APIService; `None` if it names no Service.
    fn of(object: &Value) -> Option<Self> {
        object.pointer("/spec/service").filter(|service| !service.is_null())?;
        let part = |key: &str| text(object, &format!("/spec/{key}")).to_owned();
        let bundle = STANDARD.decode(part("caBundle")).unwrap_or_default();
        let port = int(object, "/spec/service/port").and_then(|port| u16::try_from(port).ok());
        let conditions = items(object, "/status/conditions").iter();
        let available = conditions.filter(|condition| text(condition, "/type") == "Available");
        Some(Self {
            name: text(object, "/metadata/name").to_owned(),
            api: GroupVersion { group: part("group"), version: part("version") },
            priority: int(object, "/spec/groupPriorityMinimum").unwrap_or_default(),
            service: ServicePort {
                namespace: part("service/namespace"),
                name: part("service/name"),
                port: Port::Number(port.unwrap_or(443)),
            },
            authorities: String::from_utf8_lossy(&bundle).into_owned(),
            unchecked: flag(object, "/spec/insecureSkipTLSVerify"),
            is_available: available
                .map(|condition| text(condition, "/status"))
                .any(|status| status == "True"),
        })
    }

    /// How the server proves who it is, and we to it.
    fn trust(&self, context: &Context) -> Trust {
        let roots = match (self.unchecked, self.authorities.is_empty()) {
            (true, _) => Roots::Unchecked,
            (false, true) => Roots::System,
            (false, false) => Roots::Bundle(self.authorities.clone()),
        };
        let identity = Some(Arc::clone(&context.front_proxy));
        Trust { roots, server_name: self.service.server_name(), identity }
    }
}

/// The server that answers for a place, if it is another one.
pub fn of(context: &Context, place: &Place) -> Option<Registered> {
    let (group, version) = match place {
        Place::Objects(path) => (path.api.group.as_str(), path.api.version.as_str()),
        Place::Resources(api) => (api.group.as_str(), api.version.as_str()),
        Place::OpenApi(rest) => rest.strip_prefix("v3/apis/")?.split_once('/')?,
        _ => return None,
    };
    if group.is_empty() {
        return None;
    }
    let key = ObjectKey::cluster(ID, &format!("{version}.{group}"));
    Registered::of(&context.view.get(&key)?.value())
}

/// All of them, by their names.
fn all(context: &Context) -> Vec<Registered> {
    let stored: Vec<_> = context.view.read().list(ID, None).cloned().collect();
    stored.iter().filter_map(|stored| Registered::of(&stored.value())).collect()
}

/// What discovery tells of them.
pub fn remotes(context: &Context) -> Vec<Remote> {
    let all = all(context);
    let known = context.aggregates.known();
    let remote = |registered: Registered| {
        let served = known.get(&registered.name).cloned();
        let is_current = registered.is_available && served.is_some();
        let Served { resources, document } = served.unwrap_or_default();
        Remote { api: registered.api, priority: registered.priority, resources, document, is_current }
    };
    all.into_iter().map(remote).collect()
}
