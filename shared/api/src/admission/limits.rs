//! Limit ranges: what containers get that ask for nothing, and what pods and claims may ask for.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{PODS, quota};
use crate::ResourceId;
use crate::json::{child, entries, items, text};
use crate::quantity::Quantity;

/// Says on a pod which of its requests and limits are not its own.
const ANNOTATION: &str = "kubernetes.io/limit-ranger";

/// Gives containers what they do not ask for.
pub(super) fn apply(object: &mut Value, resource: ResourceId, range: &Value) {
    if resource != PODS {
        return;
    }
    let mut told = Vec::new();
    for (list, kind) in [("containers", "container"), ("initContainers", "init container")] {
        let containers = object.pointer_mut(&format!("/spec/{list}")).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let name = text(container, "/name").to_owned();
            for (amounts, source, word) in
                [("requests", "defaultRequest", "request"), ("limits", "default", "limit")]
            {
                let set = fill(container, amounts, range, source);
                if !set.is_empty() {
                    told.push(format!("{} {word} for {kind} {name}", set.join(", ")));
                }
            }
        }
    }
    if !told.is_empty()
        && let Some(annotations) =
            object.get_mut("metadata").and_then(|metadata| child(metadata, "annotations"))
    {
        annotations.insert(ANNOTATION.into(), json!(format!("LimitRanger plugin set: {}", told.join("; "))));
    }
}

/// The names of what was added.
fn fill(container: &mut Value, amounts: &str, range: &Value, source: &str) -> Vec<String> {
    let defaults: BTreeMap<&str, &Value> =
        of_type(range, "Container").flat_map(|item| entries(item, &format!("/{source}"))).collect();
    if defaults.is_empty() {
        return Vec::new();
    }
    let Some(resources) = child(container, "resources") else { return Vec::new() };
    let slot = resources.entry(amounts).or_insert_with(|| Value::Object(Map::new()));
    let Some(slot) = slot.as_object_mut() else { return Vec::new() };
    let absent: Vec<_> = defaults.into_iter().filter(|(name, _)| !slot.contains_key(*name)).collect();
    absent
        .into_iter()
        .map(|(name, amount)| {
            slot.insert(name.to_owned(), amount.clone());
            name.to_owned()
        })
        .collect()
}

fn of_type<'a>(range: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    items(range, "/spec/limits").iter().filter(move |item| text(item, "/type") == kind)
}

/// Checks what an object asks for. All that is wrong is told, as Kubernetes lists it.
pub(super) fn check(object: &Value, resource: ResourceId, range: &Value) -> Result<(), String> {
    let mut wrong = Vec::new();
    if resource == PODS {
        for item in of_type(range, "Container") {
            for container in ["/spec/containers", "/spec/initContainers"].map(|list| items(object, list)) {
                for container in container {
                    let amounts = ["requests", "limits"].map(|list| {
                        entries(container, &format!("/resources/{list}"))
                            .filter_map(|(name, amount)| {
                                Some((name.to_owned(), Quantity::parse(amount.as_str()?)?))
                            })
                            .collect()
                    });
                    bounds(&mut wrong, item, "Container", &amounts);
                }
            }
        }
        for item in of_type(range, "Pod") {
            let amounts = ["requests", "limits"].map(|list| quota::pod_amounts(object, list));
            bounds(&mut wrong, item, "Pod", &amounts);
        }
    } else {
        for item in of_type(range, "PersistentVolumeClaim") {
            claim(&mut wrong, item, text(object, "/spec/resources/requests/storage"));
        }
    }
    match wrong.as_slice() {
        [] => Ok(()),
        [one] => Err(one.clone()),
        many => Err(format!("[{}]", many.join(", "))),
    }
}

type Amounts = BTreeMap<String, Quantity>;

fn bounds(wrong: &mut Vec<String>, item: &Value, kind: &str, [requests, limits]: &[Amounts; 2]) {
    let bound = |key: &'static str| {
        entries(item, key).filter_map(|(name, bound)| {
            let text = bound.as_str()?;
            Some((name, text, Quantity::parse(text)?))
        })
    };
    for (name, least, amount) in bound("/min") {
        let words = format!("minimum {name} usage per {kind} is {least}");
        match (requests.get(name), limits.get(name)) {
            (None, _) => wrong.push(format!("{words}.  No request is specified")),
            (Some(request), _) if *request < amount => {
                wrong.push(format!("{words}, but request is {request}"));
            }
            (_, Some(limit)) if *limit < amount => wrong.push(format!("{words}, but limit is {limit}")),
            (Some(_), _) => {}
        }
    }
    for (name, most, amount) in bound("/max") {
        let words = format!("maximum {name} usage per {kind} is {most}");
        match (requests.get(name), limits.get(name)) {
            (_, None) => wrong.push(format!("{words}.  No limit is specified")),
            (_, Some(limit)) if *limit > amount => wrong.push(format!("{words}, but limit is {limit}")),
            (Some(request), _) if *request > amount => {
                wrong.push(format!("{words}, but request is {request}"));
            }
            (_, Some(_)) => {}
        }
    }
    for (name, most, amount) in bound("/maxLimitRequestRatio") {
        let words = format!("{name} max limit to request ratio per {kind} is {most}");
        let known =
            |amounts: &Amounts| amounts.get(name).map(|amount| amount.milli).filter(|milli| *milli > 0);
        match (known(requests), known(limits)) {
            (None, _) => wrong.push(format!("{words}, but no request is specified or request is 0")),
            (_, None) => wrong.push(format!("{words}, but no limit is specified or limit is 0")),
            (Some(request), Some(limit))
                if limit.saturating_mul(1000) > amount.milli.saturating_mul(request) =>
            {
                let hundredths = limit.saturating_mul(1_000_000) / request;
                let (whole, rest) = (hundredths / 1_000_000, hundredths % 1_000_000);
                wrong.push(format!("{words}, but provided ratio is {whole}.{rest:06}"));
            }
            (Some(_), Some(_)) => {}
        }
    }
}

fn claim(wrong: &mut Vec<String>, item: &Value, request: &str) {
    let Some(amount) = Quantity::parse(request) else { return };
    for (key, word) in [("min", "minimum"), ("max", "maximum")] {
        let bound = text(item, &format!("/{key}/storage"));
        let broken = Quantity::parse(bound)
            .is_some_and(|bound| if key == "min" { amount < bound } else { amount > bound });
        if broken {
            wrong.push(format!(
                "{word} storage usage per PersistentVolumeClaim is {bound}, but request is {request}"
            ));
        }
    }
}
