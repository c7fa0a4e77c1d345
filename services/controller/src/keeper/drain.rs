//! The drain gate: a deleted pod is told to stop when no proxy sends it new connections any more.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::time::Duration;

use api::views::{EndpointSlice, Service};
use api::{Resource, Revision, Uid};
use bus::Reader;

/// The longest that a pod waits for proxies.
pub const PATIENCE: Duration = Duration::from_secs(2);
/// A proxy that was not heard for so long is no voter.
pub const PROXY_ALIVE: Duration = Duration::from_secs(3);
/// The label by which a slice names its Service.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Whether Services still offer a pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Offer {
    /// It is in no Service.
    Nowhere,
    /// New connections still go to it.
    Offered,
    /// Since this revision it is not offered any more.
    Withdrawn(Revision),
}

/// The gate's answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Stop the pod now, because.
    Open(&'static str),
    /// At most for so long.
    Wait(Duration),
}

/// Decides for one pod. `applied` are the tables that live proxies serve.
pub fn gate(offer: Offer, mut applied: impl Iterator<Item = Revision>, waited: Duration, grace: i64) -> Gate {
    if grace <= 0 {
        return Gate::Open("it has no grace period");
    }
    let withdrawn = match offer {
        Offer::Nowhere => return Gate::Open("it is in no service"),
        Offer::Withdrawn(revision) => applied.all(|table| table >= revision),
        Offer::Offered => false,
    };
    match PATIENCE.checked_sub(waited).filter(|left| !left.is_zero()) {
        _ if withdrawn => Gate::Open("every proxy has let go of it"),
        None => Gate::Open("its proxies took too long"),
        Some(left) => Gate::Wait(left),
    }
}

/// How Services of a namespace offer some of its pods, by uid.
pub fn offers(reader: &Reader<'_>, namespace: &str, pods: &HashSet<Uid>) -> HashMap<Uid, Offer> {
    let mut offers: HashMap<Uid, Offer> = pods.iter().map(|uid| (uid.clone(), Offer::Nowhere)).collect();
    let mut written: BTreeMap<String, Revision> = BTreeMap::new();
    for stored in reader.list(EndpointSlice::ID, Some(namespace)) {
        if let Some(service) = stored.metadata.labels.get(SERVICE_NAME) {
            let newest = written.entry(service.to_string()).or_default();
            *newest = (*newest).max(stored.revision);
        }
        for endpoint in &stored.object::<EndpointSlice>().endpoints {
            let Some(target) = &endpoint.target_ref else { continue };
            let Some(offer) = offers.get_mut(&Uid(target.uid.clone())) else { continue };
            let conditions = &endpoint.conditions;
            let offered = conditions.ready != Some(false) && conditions.terminating != Some(true);
            merge(offer, if offered { Offer::Offered } else { Offer::Withdrawn(stored.revision) });
        }
    }
    // A pod that a Service selects may have left its slices altogether: then the slices' last change tells since when.
    for stored in reader.list(Service::ID, Some(namespace)) {
        let service = stored.object::<Service>();
        let Some(revision) = written.get(&*stored.key.name).filter(|_| !service.spec.selector.is_empty())
        else {
            continue;
        };
        for uid in pods {
            let labels = reader.by_uid(uid).map(|pod| &pod.metadata.labels);
            let selected = labels.is_some_and(|labels| {
                service.spec.selector.iter().all(|(key, value)| labels.get(key) == Some(value))
            });
            if let Some(offer) = offers.get_mut(uid).filter(|_| selected) {
                merge(offer, Offer::Withdrawn(*revision));
            }
        }
    }
    offers
}

fn merge(known: &mut Offer, other: Offer) {
    *known = match (*known, other) {
        (Offer::Offered, _) | (_, Offer::Offered) => Offer::Offered,
        (Offer::Nowhere, other) | (other, Offer::Nowhere) => other,
        (Offer::Withdrawn(one), Offer::Withdrawn(other)) => Offer::Withdrawn(one.max(other)),
    };
}
