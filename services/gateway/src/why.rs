//! Why an object is as it is: the decisions that led to it, from a user's request on, out of the journal.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use api::journal::JournalEntry;
use api::{Kinds, ObjectKey, Timestamp};
use bus::{JournalFilter, Stored};
use serde_json::{Value, json};

use crate::context::Context;
use crate::failure::Failure;
use crate::fields::set;
use crate::path::Query;
use crate::respond::{self, Response};

/// How many entries are read for one object or trace.
const ENTRIES: usize = 2_000;
/// How long reading may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How many objects a chain may have.
const CHAIN: usize = 12;
/// In how many traces the maker of an object that is gone is looked for.
const TRACES: usize = 8;

/// One decision of a chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// The decision.
    pub entry: JournalEntry,
    /// How many decisions of this chain led to it, one after the other.
    pub depth: usize,
    /// Its cause is part of the chain.
    pub has_parent: bool,
}

/// Orders what led to `object`: decisions about it, and those decisions about its makers that concern it, by time.
/// `owners` are known makers; others are found as those whose decisions name the object as a target.
pub fn explain(object: &ObjectKey, owners: &[ObjectKey], entries: &[JournalEntry]) -> Vec<Line> {
    let mut chain: BTreeSet<&ObjectKey> = owners.iter().chain([object]).collect();
    loop {
        let concerns = |entry: &&JournalEntry| entry.targets.iter().any(|target| chain.contains(target));
        let makers: Vec<&ObjectKey> =
            entries.iter().filter(concerns).filter_map(|entry| entry.object.as_ref()).collect();
        let before = chain.len();
        chain.extend(makers);
        if chain.len() == before || chain.len() > CHAIN {
            break;
        }
    }
    let told = |entry: &&JournalEntry| {
        let Some(about) = &entry.object else { return false };
        let alone = entry.targets.iter().all(|target| target == about);
        about == object
            || chain.contains(about) && (alone || entry.targets.iter().any(|target| chain.contains(target)))
    };
    let mut ordered: Vec<&JournalEntry> = entries.iter().filter(told).collect();
    ordered.sort_by_key(|entry| (entry.at_micros, entry.cause.span_id));
    ordered.dedup();
    let mut depths: BTreeMap<u64, usize> = BTreeMap::new();
    let lines = ordered.into_iter().map(|entry| {
        let parent = depths.get(&entry.parent_span).copied();
        let depth = parent.map_or(0, |depth| depth + 1);
        depths.insert(entry.cause.span_id, depth);
        Line { entry: entry.clone(), depth, has_parent: parent.is_some() }
    });
    lines.collect()
}

/// `GET /odeon/v1/why?resource=&namespace=&name=`.
pub async fn answer(context: &Context, query: &Query) -> Result<Response, Failure> {
    let kinds = context.catalogue.kinds();
    let object = object_of(&kinds, query)?;
    let mut owners: Vec<ObjectKey> = Vec::new();
    let mut entries: Vec<JournalEntry> = Vec::new();
    let mut to_read = VecDeque::from([object.clone()]);
    while let Some(key) = to_read.pop_front() {
        let about = read(context, &JournalFilter::object(&key)).await?;
        let makers = match context.view.get(&key) {
            Some(stored) => owners_of(&kinds, &stored),
            None => makers_of(context, &key, &about).await?,
        };
        entries.extend(about);
        for maker in makers {
            if maker != object && !owners.contains(&maker) && owners.len() < CHAIN {
                owners.push(maker.clone());
                to_read.push_back(maker);
            }
        }
    }
    let exists = context.view.get(&object).is_some();
    let lines: Vec<Value> = explain(&object, &owners, &entries).iter().map(line_value).collect();
    if lines.is_empty() && !exists {
        return Err(api::status::not_found(object.resource, &object.name).into());
    }
    Ok(respond::value(200, &json!({"object": object, "exists": exists, "lines": lines})))
}

/// `GET /odeon/v1/journal?resource=&namespace=&name=&trace=&limit=`: entries as they are.
pub async fn journal(context: &Context, query: &Query) -> Result<Response, Failure> {
    let given = |key: &str| Some(query.text(key).to_owned()).filter(|text| !text.is_empty());
    let trace = match query.text("trace") {
        "" => None,
        text => Some(
            u128::from_str_radix(text, 16)
                .map_err(|_| Failure::bad_request("trace: not a hexadecimal number"))?,
        ),
    };
    let filter = JournalFilter {
        resource: given("resource")
            .map(|name| resource_of(&context.catalogue.kinds(), &name))
            .transpose()?
            .map(|(id, _)| id),
        namespace: given("namespace"),
        name: given("name"),
        trace,
        ..JournalFilter::all()
    };
    let limit = query.number::<usize>("limit")?.unwrap_or(ENTRIES).min(10 * ENTRIES);
    let entries = read_at_most(context, &filter, limit).await?;
    let values = entries.iter().map(|(sequence, entry)| {
        let mut value = entry_value(entry);
        set(&mut value, "sequence", json!(sequence));
        value
    });
    Ok(respond::value(200, &json!({"entries": values.collect::<Vec<_>>()})))
}

fn object_of(kinds: &Kinds, query: &Query) -> Result<ObjectKey, Failure> {
    let (resource, name) = (query.text("resource"), query.text("name"));
    if resource.is_empty() || name.is_empty() {
        return Err(Failure::bad_request("resource and name are required"));
    }
    let (id, namespaced) = resource_of(kinds, resource)?;
    let namespace =
        Some(query.text("namespace")).filter(|namespace| !namespace.is_empty()).unwrap_or("default");
    Ok(match namespaced {
        true => ObjectKey::namespaced(id, namespace, name),
        false => ObjectKey::cluster(id, name),
    })
}

/// `pods`, `pod`, `po`, `deployments.apps`, `deployment`, …
fn resource_of(kinds: &Kinds, name: &str) -> Result<(api::ResourceId, bool), Failure> {
    kinds
        .by_word(name)
        .map(|kind| (kind.id, kind.namespaced))
        .ok_or_else(|| Failure::bad_request(format!("the server doesn't have a resource type \"{name}\"")))
}

async fn read(context: &Context, filter: &JournalFilter) -> Result<Vec<JournalEntry>, Failure> {
    let entries = read_at_most(context, filter, ENTRIES).await?;
    Ok(entries.into_iter().map(|(_, entry)| entry).collect())
}

async fn read_at_most(
    context: &Context,
    filter: &JournalFilter,
    limit: usize,
) -> Result<Vec<(u64, JournalEntry)>, Failure> {
    match tokio::time::timeout(PATIENCE, context.journal.read(filter, limit)).await {
        Ok(read) => {
            read.map_err(|error| Failure::unavailable(format!("the journal cannot be read: {error}")))
        }
        Err(_) => Err(Failure::timeout("the journal could not be read in time")),
    }
}

fn owners_of(kinds: &Kinds, object: &Stored) -> Vec<ObjectKey> {
    let owner = |owner: &api::OwnerReference| {
        let kind = kinds.by_gvk(&owner.api_version, &owner.kind)?;
        Some(match kind.namespaced {
            true => ObjectKey::namespaced(kind.id, object.key.namespace(), &owner.name),
            false => ObjectKey::cluster(kind.id, &owner.name),
        })
    };
    object.metadata.owner_references.iter().filter_map(owner).collect()
}

/// Whoever wrote to an object that is gone, out of the traces that it was part of.
async fn makers_of(
    context: &Context,
    key: &ObjectKey,
    about: &[JournalEntry],
) -> Result<Vec<ObjectKey>, Failure> {
    let traces: BTreeSet<u128> =
        about.iter().map(|entry| entry.cause.trace_id).filter(|trace| *trace != 0).collect();
    let mut makers = Vec::new();
    for trace in traces.into_iter().take(TRACES) {
        let filter = JournalFilter { trace: Some(trace), ..JournalFilter::all() };
        let entries = read(context, &filter).await?;
        let writes = entries.into_iter().filter(|entry| entry.targets.contains(key));
        makers.extend(writes.filter_map(|entry| entry.object));
    }
    Ok(makers)
}

fn line_value(line: &Line) -> Value {
    let mut value = entry_value(&line.entry);
    set(&mut value, "depth", json!(line.depth));
    set(&mut value, "hasParent", json!(line.has_parent));
    value
}

fn entry_value(entry: &JournalEntry) -> Value {
    json!({
        "at": Timestamp(entry.at_micros).to_micro_text(), "component": entry.component, "object": entry.object,
        "uid": entry.uid, "traceId": format!("{:032x}", entry.cause.trace_id),
        "spanId": format!("{:016x}", entry.cause.span_id), "parentSpanId": format!("{:016x}", entry.parent_span),
        "trigger": entry.trigger, "because": entry.because, "commands": entry.commands, "targets": entry.targets,
        "outcome": entry.outcome, "event": entry.event,
    })
}

#[cfg(test)]
mod tests {
    use api::ResourceId;
    use api::journal::Cause;
    use expect_test::{Expect, expect};

    use super::*;

    fn key(text: &str) -> ObjectKey {
        let (resource, name) = text.split_once('/').unwrap();
        ObjectKey::namespaced(ResourceId::intern(resource), "default", name)
    }

    /// A line is `at component object span<parent -> targets: because`.
    fn entry(line: &str) -> JournalEntry {
        let (head, because) = line.trim().split_once(": ").unwrap();
        let (left, targets) = head.split_once(" -> ").unwrap_or((head, ""));
        let words: Vec<&str> = left.split_whitespace().collect();
        let (span, parent) = words[3].split_once('<').unwrap();
        JournalEntry {
            at_micros: words[0].parse().unwrap(),
            component: words[1].to_owned(),
            object: Some(key(words[2])),
            cause: Cause { trace_id: 1, span_id: span.parse().unwrap() },
            parent_span: parent.parse().unwrap(),
            because: because.to_owned(),
            targets: targets.split_whitespace().map(key).collect(),
            ..JournalEntry::default()
        }
    }

    fn check(object: &str, owners: &[&str], journal: &str, expected: Expect) {
        let entries: Vec<JournalEntry> = journal.trim().lines().map(entry).collect();
        let owners: Vec<ObjectKey> = owners.iter().map(|owner| key(owner)).collect();
        let lines = explain(&key(object), &owners, &entries);
        let text = lines.iter().map(|line| {
            let entry = &line.entry;
            let about = entry.object.as_ref().unwrap();
            format!(
                "{}{} {}/{}: {}\n",
                "  ".repeat(line.depth),
                entry.component,
                about.resource,
                about.name,
                entry.because
            )
        });
        expected.assert_eq(&text.collect::<String>());
    }

    const ROLLOUT: &str = "
        1 gateway deployments/web 1<0 -> deployments/web: admin asked for it
        2 controller deployments/web 2<1 -> replicasets/web-1: a revision is missing
        3 controller replicasets/web-1 3<2 -> pods/a: a replica is missing
        4 controller replicasets/web-1 4<2 -> pods/b: a replica is missing
        5 scheduler pods/a 5<3 -> pods/a: node-1 has the most room
        6 scheduler pods/b 6<4 -> pods/b: node-2 has the most room
        7 agent pods/a 7<5: the container exited with code 1";

    #[test]
    fn a_pod_is_explained_from_the_request_on() {
        check(
            "pods/a",
            &["replicasets/web-1", "deployments/web"],
            ROLLOUT,
            expect![[r#"
                gateway deployments/web: admin asked for it
                  controller deployments/web: a revision is missing
                    controller replicasets/web-1: a replica is missing
                      scheduler pods/a: node-1 has the most room
                        agent pods/a: the container exited with code 1
            "#]],
        );
    }

    #[test]
    fn makers_of_what_is_gone_are_found_by_their_targets() {
        check(
            "pods/b",
            &[],
            ROLLOUT,
            expect![[r#"
                gateway deployments/web: admin asked for it
                  controller deployments/web: a revision is missing
                    controller replicasets/web-1: a replica is missing
                      scheduler pods/b: node-2 has the most room
            "#]],
        );
    }

    #[test]
    fn nothing_known_is_nothing_said() {
        check("pods/c", &[], ROLLOUT, expect![[""]]);
    }
}
