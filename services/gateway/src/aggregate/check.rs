//! Looks whether the servers of other APIs answer, and what they serve; their APIServices tell of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::journal::JournalEntry;
use api::json::{items, text};
use api::views::{EndpointSlice, Service};
use api::{ObjectKey, Resource};
use bus::{ChangeTo, Expect, Mutation};
use bytes::Bytes;
use futures::future::join_all;
use hyper::Request;
use hyper::header::ACCEPT;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::{ID, Registered, Served, all, pass};
use crate::context::Context;
use crate::dial::{Destination, Port};
use crate::fields::set;

/// How often it is looked whether servers answer that did not.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Those that did are asked every so many looks.
const ANSWERING: u64 = 10;
/// How long a server may think about what it serves.
const LIMIT: Duration = Duration::from_secs(5);
/// The label of slices that names their Service.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Why a server is available, or is not.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Standing {
    available: bool,
    reason: &'static str,
    message: String,
}

/// Looks until `shutdown`.
pub async fn follow(context: Arc<Context>, shutdown: CancellationToken) {
    let mut ticks = tokio::time::interval(LOOK_EVERY);
    let mut look = 0_u64;
    while let Some(_tick) = shutdown.run_until_cancelled(ticks.tick()).await {
        let registered = all(&context);
        let mut due: Vec<&Registered> = registered.iter().collect();
        {
            let mut known = context.aggregates.known();
            known.retain(|name, _| registered.iter().any(|one| one.name == *name));
            let every = look.is_multiple_of(ANSWERING);
            due.retain(|one| every || !one.is_available || !known.contains_key(&one.name));
        }
        let looking = join_all(due.into_iter().map(|one| look_at(&context, one)));
        if shutdown.run_until_cancelled(looking).await.is_none() {
            return;
        }
        look = look.wrapping_add(1);
    }
}

async fn look_at(context: &Context, registered: &Registered) {
    let standing = match missing(context, registered) {
        Some(standing) => standing,
        None => match discover(context, registered).await {
            Ok(resources) => {
                let served = Served { resources, document: document(context, registered).await };
                context.aggregates.known().insert(registered.name.clone(), served);
                Standing { available: true, reason: "Passed", message: "all checks passed".to_owned() }
            }
            Err(message) => Standing { available: false, reason: "FailedDiscoveryCheck", message },
        },
    };
    tell(context, registered, &standing).await;
}

/// What the server's Service lacks, in Kubernetes' words.
fn missing(context: &Context, registered: &Registered) -> Option<Standing> {
    let wanted = &registered.service;
    let reader = context.view.read();
    let service = reader.get(&ObjectKey::namespaced(Service::ID, &wanted.namespace, &wanted.name));
    let label = BTreeMap::from([(SERVICE_NAME.into(), wanted.name.as_str().into())]);
    let slices = reader.labelled(EndpointSlice::ID, &wanted.namespace, &label);
    let slices: Vec<Value> = slices.map(|slice| slice.value()).collect();
    let port = match wanted.port {
        Port::Number(number) => number,
        Port::Name(_) => 0,
    };
    lacks((&wanted.namespace, &wanted.name, port), service.map(|service| service.value()).as_ref(), &slices)
}

fn lacks(
    (namespace, name, port): (&str, &str, u16),
    service: Option<&Value>,
    slices: &[Value],
) -> Option<Standing> {
    let no = |reason, message| Some(Standing { available: false, reason, message });
    let Some(service) = service else {
        return no("ServiceNotFound", format!("service/{name} in {namespace:?} is not present"));
    };
    if text(service, "/spec/type") != "ClusterIP" {
        return None;
    }
    let listens = |one: &&Value| one["port"] == port;
    let Some(found) = items(service, "/spec/ports").iter().find(listens) else {
        let message = format!("service/{name} in {namespace:?} is not listening on port {port}");
        return no("ServicePortError", message);
    };
    if slices.is_empty() {
        let message = format!("cannot find endpointslices for service/{name} in {namespace:?}");
        return no("EndpointsNotFound", message);
    }
    let named = text(found, "/name");
    let serves = |slice: &Value| {
        let ready = |endpoint: &Value| endpoint.pointer("/conditions/ready") != Some(&Value::Bool(false));
        items(slice, "/endpoints").iter().any(ready)
            && items(slice, "/ports").iter().any(|port| text(port, "/name") == named)
    };
    match slices.iter().any(serves) {
        true => None,
        false => no(
            "MissingEndpoints",
            format!(
                "endpointslices for service/{name} in {namespace:?} have no addresses with port name {named:?}"
            ),
        ),
    }
}

/// What the server says it serves; else why it says nothing.
async fn discover(context: &Context, registered: &Registered) -> Result<Arc<[Value]>, String> {
    let (group, version) = (&registered.api.group, &registered.api.version);
    let list = ask(context, registered, &format!("/apis/{group}/{version}")).await?;
    Ok(items(&list, "/resources").into())
}

/// Where the server's document of OpenAPI v3 is, as its index says. Servers need not have one.
async fn document(context: &Context, registered: &Registered) -> Option<Arc<str>> {
    let index = ask(context, registered, "/openapi/v3").await.ok()?;
    let path = format!("apis/{}/{}", registered.api.group, registered.api.version);
    let place = index.get("paths")?.get(&path)?.get("serverRelativeURL")?.as_str()?;
    place.starts_with(&format!("/openapi/v3/{path}")).then(|| place.into())
}

/// What the server has at a path.
async fn ask(context: &Context, registered: &Registered, path: &str) -> Result<Value, String> {
    let url = format!("https://{}{path}", registered.service.server_name());
    let request = Request::get(path)
        .header(ACCEPT, "application/json")
        .header(pass::USER, "system:kube-aggregator")
        .header(pass::GROUP, crate::auth::MASTERS)
        .body(Bytes::new())
        .map_err(|error| error.to_string())?;
    let to = Destination::Service(registered.service.clone());
    let answer = context.dialer.send(&to, Some(&registered.trust(context)), request, LIMIT).await;
    let failed = |why: String| format!("failing or missing response from {url}: {why}");
    let answer = answer.map_err(|error| failed(format!("Get {url:?}: {}", error.chain())))?;
    if !answer.status().is_success() {
        return Err(failed(format!("bad status from {url}: {}", answer.status().as_u16())));
    }
    serde_json::from_slice(answer.body()).map_err(|error| failed(error.to_string()))
}

/// Writes the condition `Available`, if it is another than before. Another gateway that was faster is right too.
async fn tell(context: &Context, registered: &Registered, standing: &Standing) {
    let key = ObjectKey::cluster(ID, &registered.name);
    let Some(stored) = context.view.get(&key) else { return };
    let mut object = stored.value();
    let Some(conditions) = told(&object, standing) else { return };
    set(&mut object, "status", json!({"conditions": conditions}));
    let cause = telemetry::clock::fresh_cause();
    let (expect, change) = (Expect::At(stored.revision), ChangeTo::Put(object));
    match context.store.write(Mutation { key: key.clone(), expect, change, cause }).await {
        Ok(_) => context.journal.append(JournalEntry {
            at_micros: telemetry::clock::now().0,
            component: "gateway".to_owned(),
            uid: stored.metadata.uid.clone(),
            cause,
            trigger: "a gateway looked".to_owned(),
            because: standing.message.clone(),
            commands: vec![format!("status {key}")],
            targets: vec![key.clone()],
            outcome: "done".to_owned(),
            object: Some(key),
            ..JournalEntry::default()
        }),
        Err(error) => debug!(%key, %error, "failed to tell whether an API is available"),
    }
}

/// The conditions with this one; `None` if nothing changes.
fn told(object: &Value, standing: &Standing) -> Option<Vec<Value>> {
    let status = if standing.available { "True" } else { "False" };
    let mut conditions = items(object, "/status/conditions").to_vec();
    let place = conditions.iter().position(|condition| text(condition, "/type") == "Available");
    let before = place.map(|place| conditions.remove(place)).unwrap_or_default();
    // Messages name the endpoint that was tried, and endpoints take turns.
    let same = text(&before, "/status") == status && text(&before, "/reason") == standing.reason;
    if same {
        return None;
    }
    let since = before.get("lastTransitionTime").filter(|_| text(&before, "/status") == status);
    let since = since.cloned().unwrap_or_else(|| json!(telemetry::clock::now()));
    conditions.push(json!({
        "type": "Available", "status": status, "reason": standing.reason, "message": standing.message,
        "lastTransitionTime": since,
    }));
    Some(conditions)
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::*;

    #[test]
    fn what_a_service_lacks_is_told_as_kubernetes_tells_it() {
        let service = json!({"spec": {"type": "ClusterIP", "ports": [{"name": "https", "port": 443}]}});
        let slice = |ready: bool, port: &str| json!({"endpoints": [{"conditions": {"ready": ready}}], "ports": [{"name": port, "port": 8443}]});
        let outside = json!({"spec": {"type": "ExternalName"}});
        let cases = [
            (443, None, vec![]),
            (444, Some(&service), vec![]),
            (443, Some(&service), vec![]),
            (443, Some(&service), vec![slice(false, "https"), slice(true, "http")]),
            (443, Some(&service), vec![slice(true, "https")]),
            (443, Some(&outside), vec![]),
        ];
        let line = |(port, service, slices): (u16, Option<&Value>, Vec<Value>)| match lacks(
            ("shop", "api", port),
            service,
            &slices,
        ) {
            Some(Standing { reason, message, .. }) => format!("{reason}: {message}\n"),
            None => "nothing\n".to_owned(),
        };
        expect![[r#"
            ServiceNotFound: service/api in "shop" is not present
            ServicePortError: service/api in "shop" is not listening on port 444
            EndpointsNotFound: cannot find endpointslices for service/api in "shop"
            MissingEndpoints: endpointslices for service/api in "shop" have no addresses with port name "https"
            nothing
            nothing
        "#]]
        .assert_eq(&cases.into_iter().map(line).collect::<String>());
    }

    #[test]
    fn a_condition_changes_when_there_is_something_new_to_tell() {
        let passed = Standing { available: true, reason: "Passed", message: "all checks passed".to_owned() };
        let fresh = told(&json!({}), &passed).unwrap();
        let object = json!({"status": {"conditions": fresh}});
        assert_eq!(told(&object, &passed), None);
        let failed = Standing { available: false, reason: "ServiceNotFound", message: String::new() };
        assert_eq!(told(&object, &failed).unwrap()[0]["status"], "False");
    }
}
