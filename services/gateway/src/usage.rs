//! `metrics.k8s.io`: what pods and nodes use now, asked of the nodes' agents whenever a client asks. Nothing of it is stored.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use api::messages::{ContainerUsage, NodeUsage, PodUsage, USAGE_WINDOW_MS, UsageRequest};
use api::selector::Selector;
use api::views::{Node, Pod};
use api::{NodeName, Resource, Timestamp};
use bus::{RequestError, Stored};
use futures::StreamExt;
use futures::stream;
use hyper::Method;
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::Failure;
use crate::path::{ObjectPath, Query};
use crate::respond::{self, Response};
use crate::unstored::{By, Question, Unstored};

/// How long a node may take to measure.
const PATIENCE: Duration = Duration::from_secs(5);
/// Nodes that are asked at the same time.
const AT_ONCE: usize = 64;
const GROUP: &str = "metrics.k8s.io";
const VERSION: &str = "v1beta1";

/// What is measured.
#[rustfmt::skip]
pub const MEASURED: &[Unstored] = &[
    Unstored { group: GROUP, version: VERSION, plural: "nodes", singular: "node", kind: "NodeMetrics", short_names: &[], namespaced: false, verbs: &["get", "list"], by: By::Usage },
    Unstored { group: GROUP, version: VERSION, plural: "pods", singular: "pod", kind: "PodMetrics", short_names: &[], namespaced: true, verbs: &["get", "list"], by: By::Usage },
];

/// Answers `get` and `list`.
pub async fn answer(context: &Context, question: Question<'_>, method: &Method) -> Result<Response, Failure> {
    let Question { about: measured, path, query, .. } = question;
    if !matches!(method.as_str(), "GET" | "HEAD") || path.subresource.is_some() {
        return Err(Failure::method_not_allowed());
    }
    let wanted = wanted(context, measured, path, query)?;
    let items = measure(context, measured, &wanted).await;
    match &path.name {
        None => Ok(respond::value(
            200,
            &json!({
                "kind": format!("{}List", measured.kind), "apiVersion": format!("{GROUP}/{VERSION}"),
                "metadata": {}, "items": items,
            }),
        )),
        Some(name) => match items.into_iter().next() {
            Some(item) => Ok(respond::value(200, &item)),
            None => {
                let place =
                    path.namespace.as_ref().map(|namespace| format!("{namespace}/")).unwrap_or_default();
                let resource = measured.kind.to_lowercase();
                let message = format!("{resource}.{GROUP} \"{place}{name}\" not found");
                Err(Failure::new(404, "NotFound", message))
            }
        },
    }
}

/// The nodes or pods that are asked about.
fn wanted(
    context: &Context,
    measured: &Unstored,
    path: &ObjectPath,
    query: &Query,
) -> Result<Vec<Arc<Stored>>, Failure> {
    let labels = Selector::parse(query.text("labelSelector"))?;
    let resource = if measured.namespaced { Pod::ID } else { Node::ID };
    let reader = context.view.read();
    let named = |stored: &&Arc<Stored>| path.name.as_deref().is_none_or(|name| *stored.key.name == *name);
    let all = reader.list(resource, path.namespace.as_deref()).filter(named);
    Ok(all.filter(|stored| labels.matches(&stored.metadata.labels)).cloned().collect())
}

/// The figures of those whose nodes answer.
async fn measure(context: &Context, measured: &Unstored, wanted: &[Arc<Stored>]) -> Vec<Value> {
    let node_of = |stored: &Arc<Stored>| match measured.namespaced {
        true => stored.object::<Pod>().spec.node_name.clone(),
        false => Some(NodeName::from(&*stored.key.name)),
    };
    let nodes: BTreeSet<NodeName> = wanted.iter().filter_map(node_of).collect();
    let usages: Vec<(NodeName, NodeUsage)> = stream::iter(nodes)
        .map(|node| async move {
            let asked = ask(context, &node).await;
            asked
                .inspect_err(|error| tracing::debug!(%node, %error, "usage not measured"))
                .ok()
                .map(|usage| (node, usage))
        })
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await;
    if !measured.namespaced {
        let usages: HashMap<NodeName, NodeUsage> = usages.into_iter().collect();
        let figures = |node: &Arc<Stored>| {
            usages.get(&NodeName::from(&*node.key.name)).map(|usage| node_metrics(node, usage))
        };
        return wanted.iter().filter_map(figures).collect();
    }
    let pods: HashMap<_, _> = usages
        .iter()
        .flat_map(|(_, usage)| usage.pods.iter().map(|pod| (&pod.uid, (usage.at, pod))))
        .collect();
    let of = |pod: &Arc<Stored>| pods.get(&pod.metadata.uid).map(|(at, usage)| pod_metrics(pod, *at, usage));
    wanted.iter().filter_map(of).collect()
}

/// What the containers of a node use now.
pub async fn ask(context: &Context, node: &NodeName) -> Result<NodeUsage, RequestError> {
    let subject = format!("odeon.node.{}.usage", bus::token(node.as_str()));
    context.bus.request(&subject, &UsageRequest::default(), PATIENCE).await
}

/// Billionths of a processor and bytes of memory that containers use together.
pub fn total<'a>(containers: impl IntoIterator<Item = &'a ContainerUsage>) -> (u64, u64) {
    containers.into_iter().fold((0, 0), |(cpu, memory), one| (cpu + one.cpu_nano, memory + one.memory))
}

/// A node uses what its containers use.
fn node_metrics(node: &Stored, usage: &NodeUsage) -> Value {
    let (cpu, memory) = total(usage.pods.iter().flat_map(|pod| &pod.containers));
    let mut object = metrics("NodeMetrics", node, usage.at);
    crate::fields::set(&mut object, "usage", amounts(cpu, memory));
    object
}

fn pod_metrics(pod: &Stored, at: Timestamp, usage: &PodUsage) -> Value {
    let containers: Vec<Value> = usage
        .containers
        .iter()
        .map(|container| {
            json!({"name": container.name, "usage": amounts(container.cpu_nano, container.memory)})
        })
        .collect();
    let mut object = metrics("PodMetrics", pod, at);
    crate::fields::set(&mut object, "containers", json!(containers));
    object
}

fn metrics(kind: &str, of: &Stored, at: Timestamp) -> Value {
    let mut metadata = json!({
        "name": of.key.name, "creationTimestamp": of.metadata.creation_timestamp, "labels": of.metadata.labels,
    });
    if let Some(namespace) = &of.key.namespace {
        crate::fields::set(&mut metadata, "namespace", json!(namespace));
    }
    json!({
        "kind": kind, "apiVersion": format!("{GROUP}/{VERSION}"), "metadata": metadata, "timestamp": at,
        "window": format!("{}s", USAGE_WINDOW_MS / 1000),
    })
}

/// Quantities, as the kubelet's figures are written.
fn amounts(cpu_nano: u64, memory: u64) -> Value {
    json!({"cpu": format!("{cpu_nano}n"), "memory": format!("{}Ki", memory / 1024)})
}
