//! Says what the objects that are not Ready are waiting for, in the cluster's own words.

use std::collections::BTreeMap;

use anyhow::Result;
use bytes::Bytes;
use http::Method;
use serde_json::Value;

use crate::bench::wire::Endpoint;
use crate::verbs::encode;

/// Objects of one page of a list.
const PAGE: usize = 500;
/// Groups that are told; the rest is counted.
const TOLD: usize = 5;
/// Characters of a reason that tell groups apart.
const LONGEST: usize = 200;

/// Lists a collection (a path with the beginning of a query) and groups what is not Ready by its reason.
pub async fn missing(endpoint: &Endpoint, path: &str) -> Result<String> {
    let mut wire = endpoint.connect().await?;
    let mut groups = Groups::default();
    let mut next = String::new();
    loop {
        let from = if next.is_empty() { String::new() } else { format!("&continue={}", encode(&next)) };
        let body = wire.send(Method::GET, &format!("{path}limit={PAGE}{from}"), Bytes::new()).await?;
        let page: Value = serde_json::from_slice(&body)?;
        page.get("items").and_then(Value::as_array).into_iter().flatten().for_each(|item| groups.add(item));
        next = page.pointer("/metadata/continue").and_then(Value::as_str).unwrap_or_default().to_owned();
        if next.is_empty() {
            return Ok(groups.tell());
        }
    }
}

/// Objects by what they wait for, each group with one of their names.
#[derive(Default)]
struct Groups {
    groups: BTreeMap<String, (u32, String)>,
    all: u32,
}

impl Groups {
    fn add(&mut self, object: &Value) {
        self.all += 1;
        if let Some(reason) = reason(object) {
            let name = object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            self.groups.entry(reason).or_insert_with(|| (0, name.to_owned())).0 += 1;
        }
    }

    fn tell(&self) -> String {
        if self.groups.is_empty() {
            return format!("all of the {} that are listed now are Ready", self.all);
        }
        let mut groups: Vec<_> = self.groups.iter().collect();
        groups.sort_by_key(|(_, (count, _))| std::cmp::Reverse(*count));
        let told = groups
            .iter()
            .take(TOLD)
            .map(|(reason, (count, name))| format!("{count} × {reason} (such as {name})"));
        let mut told: Vec<String> = told.collect();
        if groups.len() > TOLD {
            told.push(format!("and {} other reasons", groups.len() - TOLD));
        }
        format!("of {} listed: {}", self.all, told.join("; "))
    }
}

/// Why an object is not Ready; none if it is.
fn reason(object: &Value) -> Option<String> {
    let text =
        |value: &Value, field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let conditions: Vec<&Value> =
        object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten().collect();
    let is = |kind: &str, status: &str| {
        conditions
            .iter()
            .find(|known| text(known, "type") == kind && text(known, "status") == status)
            .copied()
    };
    if object.pointer("/metadata/deletionTimestamp").is_some() {
        return Some("being deleted".to_owned());
    }
    if is("Ready", "True").is_some() {
        return None;
    }
    let phase = object.pointer("/status/phase").and_then(Value::as_str).unwrap_or("not Ready");
    let waiting = object
        .pointer("/status/containerStatuses")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .find_map(|container| container.pointer("/state/waiting"));
    let why = match (is("PodScheduled", "False"), waiting, is("Ready", "False")) {
        (Some(condition), _, _) => format!("{}: {}", text(condition, "reason"), text(condition, "message")),
        (None, Some(waiting), _) => format!("{} {}", text(waiting, "reason"), text(waiting, "message")),
        (None, None, Some(condition)) => text(condition, "message"),
        (None, None, None) if object.pointer("/spec/nodeName").is_some() => {
            "it has a node, whose agent has not reported anything about it".to_owned()
        }
        (None, None, None) => "no node has been chosen for it, and nothing says why".to_owned(),
    };
    Some(format!("{phase}: {}", why.trim().chars().take(LONGEST).collect::<String>()))
}

#[cfg(test)]
mod tests {
    use expect_test::expect;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_reasons_come_with_their_counts() {
        let pod = |name: &str, conditions: Value| json!({"metadata": {"name": name}, "status": {"phase": "Pending", "conditions": conditions}});
        let full = json!([{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available: 3 Too many pods."}]);
        let mut groups = Groups::default();
        groups.add(&pod("a", json!([{"type": "Ready", "status": "True"}])));
        groups.add(&pod("b", full.clone()));
        groups.add(&pod("c", full));
        groups.add(
            &json!({"metadata": {"name": "e"}, "spec": {"nodeName": "n"}, "status": {"phase": "Pending"}}),
        );
        groups.add(&json!({"metadata": {"name": "d", "deletionTimestamp": "now"}}));
        expect!["of 5 listed: 2 × Pending: Unschedulable: 0/3 nodes are available: 3 Too many pods. (such as b); 1 × Pending: it has a node, whose agent has not reported anything about it (such as e); 1 × being deleted (such as d)"]
            .assert_eq(&groups.tell());
    }
}
