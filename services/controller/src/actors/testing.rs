//! Small clusters for tests, written as lines of text, and decisions about them, shown as lines of text.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use actor::{AnyActor, Facts, Propagation, ResourceActor, World, Write};
use api::{ObjectKey, Resource, ResourceId, Timestamp};
use bus::{ChangeKind, Stored, View};
use serde_json::{Map, Value, json};

/// The moment at which a test begins.
pub(super) const NOW: Timestamp = Timestamp(1_767_225_600_000_000);

/// A cluster whose objects are JSON and whose clock stands still unless moved.
#[derive(Clone)]
pub(super) struct Cluster {
    pub objects: BTreeMap<ObjectKey, (Value, u64)>,
    pub now: Timestamp,
    pub facts: Arc<Facts>,
    revision: u64,
    uids: u64,
}

/// What an actor concluded.
pub(super) struct Outcome {
    pub writes: Vec<Write>,
    pub status: Option<Value>,
    pub wake_after: Option<Duration>,
}

impl Cluster {
    /// One object a line: `pod web-1 owner=replicaset/web ready node=a {"spec": {…}}`.
    pub fn of(text: &str) -> Self {
        let mut cluster =
            Self { objects: BTreeMap::new(), now: NOW, facts: Facts::new(), revision: 0, uids: 0 };
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let object = super::testing_language::object(line);
            cluster.put(key_of(&object), object);
        }
        cluster
    }

    pub fn key(&self, kind: &str, name: &str) -> ObjectKey {
        let of_kind = |(_, (value, _)): &(&ObjectKey, &(Value, u64))| {
            value["kind"].as_str().is_some_and(|found| found.eq_ignore_ascii_case(kind))
        };
        let mut found = self.objects.iter().filter(of_kind).map(|(key, _)| key);
        found.find(|key| *key.name == *name).unwrap_or_else(|| panic!("no {kind} {name}")).clone()
    }

    pub fn put(&mut self, key: ObjectKey, value: Value) {
        self.revision += 1;
        self.objects.insert(key, (value, self.revision));
    }

    pub fn change(&mut self, key: &ObjectKey, change: impl FnOnce(&mut Value)) {
        let (mut value, _) = self.objects[key].clone();
        let spec = value["spec"].clone();
        change(&mut value);
        if value["spec"] != spec {
            let generation = value["metadata"]["generation"].as_i64().unwrap_or(1);
            value["metadata"]["generation"] = json!(generation + 1);
        }
        self.put(key.clone(), value);
    }

    pub fn all(&self, resource: ResourceId) -> Vec<(ObjectKey, Value)> {
        let all = self.objects.iter().filter(|(key, _)| key.resource == resource);
        all.map(|(key, (value, _))| (key.clone(), value.clone())).collect()
    }

    fn view(&self) -> Arc<View> {
        let view = View::offline();
        let mut objects: Vec<_> = self.objects.iter().collect();
        objects.sort_by_key(|(_, (_, revision))| *revision);
        for (key, (value, revision)) in objects {
            view.apply(ChangeKind::Put, Stored::test_at(key.clone(), value.clone(), *revision));
        }
        view
    }

    /// Lets the actor of an object decide.
    pub fn decide<A: ResourceActor<Command = Write>>(&self, name: &str) -> Outcome {
        let view = self.view();
        let reader = view.read();
        let found = reader.list(A::Kind::ID, None).find(|stored| *stored.key.name == *name);
        let me = found.unwrap_or_else(|| panic!("no {name}")).object::<A::Kind>();
        let decision = A::decide(&me, &World::new(reader, &self.facts), self.now);
        let status = decision.status.map(|status| serde_json::to_value(status).unwrap());
        Outcome { writes: decision.commands, status, wake_after: decision.wake_after }
    }

    /// Lets an actor over many kinds decide about an object.
    pub fn decide_any<A: AnyActor>(&self, kind: &str, name: &str) -> Outcome {
        let view = self.view();
        let reader = view.read();
        let me = Arc::clone(reader.get(&self.key(kind, name)).unwrap());
        let thought = A::decide(&me, &World::new(reader, &self.facts), self.now);
        Outcome { writes: thought.commands, status: thought.status, wake_after: thought.wake_after }
    }

    /// Performs everything that an actor decides about an object, status included.
    pub fn turn<A: ResourceActor<Command = Write>>(&mut self, name: &str) -> Outcome {
        let outcome = self.decide::<A>(name);
        outcome.writes.iter().for_each(|write| self.perform(write));
        self.write_status(A::Kind::ID, name, &outcome);
        outcome
    }

    /// Turns until nothing is left to do; panics if there is no end to it.
    pub fn settle<A: ResourceActor<Command = Write>>(&mut self, name: &str) {
        for _ in 0..50 {
            let outcome = self.turn::<A>(name);
            if outcome.writes.is_empty() && outcome.status.is_none() {
                return;
            }
        }
        panic!("{name} does not settle:\n{}", self.decide::<A>(name));
    }

    pub fn write_status(&mut self, resource: ResourceId, name: &str, outcome: &Outcome) {
        let found = self.objects.keys().find(|key| key.resource == resource && *key.name == *name).cloned();
        if let (Some(key), Some(status)) = (found, &outcome.status) {
            self.change(&key, |value| value["status"] = status.clone());
        }
    }

    /// The rules of an object's life, as far as actors meet them.
    pub fn perform(&mut self, write: &Write) {
        match write {
            Write::Create { key, object, .. } => {
                assert!(!self.objects.contains_key(key), "{key} exists already");
                self.uids += 1;
                let mut object = object.clone();
                object["metadata"]["uid"] = json!(format!("uid-{}", self.uids));
                object["metadata"]["generation"] = json!(1);
                object["metadata"]["creationTimestamp"] = json!(self.now);
                self.put(key.clone(), object);
            }
            Write::Patch { key, merge, .. } => {
                self.change(key, |value| merge_patch(value, merge));
                self.remove_if_free(key);
            }
            Write::Delete { key, grace, propagation, .. } => {
                let runs = self.objects[key].0.pointer("/spec/nodeName").is_some() && *grace != Some(0);
                let now = self.now;
                self.change(key, |value| {
                    match propagation {
                        Propagation::Background => {}
                        Propagation::Foreground => {
                            value["metadata"]["finalizers"] = json!(["foregroundDeletion"])
                        }
                        Propagation::Orphan => value["metadata"]["finalizers"] = json!(["orphan"]),
                    }
                    value["metadata"]["deletionTimestamp"] = json!(now);
                    value["metadata"]["deletionGracePeriodSeconds"] = json!(if runs { 30 } else { 0 });
                });
                self.remove_if_free(key);
            }
            Write::Finish { key, .. } => {
                self.objects.remove(key);
            }
            Write::Tell { .. } => {}
        }
    }

    fn remove_if_free(&mut self, key: &ObjectKey) {
        let metadata = &self.objects[key].0["metadata"];
        let held = metadata["finalizers"].as_array().is_some_and(|finalizers| !finalizers.is_empty())
            || metadata["deletionGracePeriodSeconds"].as_i64().unwrap_or(0) > 0;
        if !metadata["deletionTimestamp"].is_null() && !held {
            self.objects.remove(key);
        }
    }

    /// The three laws: it settles, deciding again adds nothing, and any prefix of its commands leads to rest as well.
    pub fn obeys_the_laws<A: ResourceActor<Command = Write>>(&self, name: &str) {
        let (once, again) = (self.decide::<A>(name), self.decide::<A>(name));
        assert_eq!(once.to_string(), again.to_string(), "it decides differently about the same");
        for prefix in 0..=once.writes.len() {
            let mut cluster = self.clone();
            once.writes.iter().take(prefix).for_each(|write| cluster.perform(write));
            if cluster.objects.keys().any(|key| key.resource == A::Kind::ID && *key.name == *name) {
                cluster.settle_if_there::<A>(name);
            }
        }
    }

    fn settle_if_there<A: ResourceActor<Command = Write>>(&mut self, name: &str) {
        for _ in 0..50 {
            if !self.objects.keys().any(|key| key.resource == A::Kind::ID && *key.name == *name) {
                return;
            }
            let outcome = self.turn::<A>(name);
            if outcome.writes.is_empty() && outcome.status.is_none() {
                return;
            }
        }
        panic!("{name} does not settle");
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut text = String::new();
        for write in &self.writes {
            let (verb, name, plural) = (write.verb(), &write.key().name, write.key().resource.plural());
            let detail = match write {
                Write::Patch { merge, .. } => format!(" {merge}"),
                Write::Delete { grace: Some(grace), .. } => format!(" within {grace}s"),
                Write::Create { object, .. } if object["spec"]["replicas"].is_number() => {
                    format!(" replicas={}", object["spec"]["replicas"])
                }
                _ => String::new(),
            };
            writeln!(text, "{verb} {plural}/{name}{detail}: {}", write.because())?;
            if let Some(event) = write.event() {
                writeln!(text, "  event {}: {}", event.reason, event.message)?;
            }
        }
        if let Some(status) = &self.status {
            writeln!(text, "status {}", brief(status))?;
        }
        if let Some(after) = self.wake_after {
            writeln!(text, "wake after {after:?}")?;
        }
        f.write_str(&text)
    }
}

/// A status on one line: counts that are not zero, and conditions as `Type=Status(Reason)`.
fn brief(status: &Value) -> String {
    let part = |(key, value): (&String, &Value)| match (key.as_str(), value) {
        ("conditions", Value::Array(conditions)) => {
            let one = |condition: &Value| {
                format!(
                    "{}={}({})",
                    text(condition, "type"),
                    text(condition, "status"),
                    text(condition, "reason")
                )
            };
            Some(conditions.iter().map(one).collect::<Vec<_>>().join(" "))
        }
        (_, Value::Number(number)) if number.as_i64() == Some(0) => None,
        (key, value) => {
            Some(format!("{key}={}", value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        }
    };
    let empty = Map::new();
    status.as_object().unwrap_or(&empty).iter().filter_map(part).collect::<Vec<_>>().join(" ")
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

pub(super) fn merge_patch(target: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    let fields = target.as_object_mut().unwrap();
    for (key, change) in changes {
        match change {
            Value::Null => {
                fields.remove(key);
            }
            change => merge_patch(fields.entry(key.clone()).or_insert(Value::Null), change),
        }
    }
}

fn key_of(value: &Value) -> ObjectKey {
    Stored::test(value.clone(), 1).key.clone()
}
