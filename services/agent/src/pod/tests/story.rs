//! A pod, an engine of a few lines, and a clock that only the story moves.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use api::messages::AssignedPod;
use api::{NodeName, ObjectKey, ResourceId, Revision, Timestamp};
use serde_bytes::ByteBuf;
use serde_json::{Value, json};

use crate::pod::decide::{Decision, PodOp, decide};
use crate::pod::outcome::Outcome;
use crate::pod::plan::PodPlan;
use crate::pod::state::{PodState, Stop};
use crate::runtime::{Container, ContainerId, Exit, Limits, Role, RunState};

/// What has been told so far, and the world that it is told of.
#[derive(Default)]
pub struct Story {
    spec: Spec,
    plan: Option<Arc<PodPlan>>,
    state: PodState,
    engine: Vec<Container>,
    ids: u32,
    now: Timestamp,
    /// Containers that ignore the stop signal.
    stubborn: BTreeSet<String>,
    /// `container/Probe` that fail.
    failing: BTreeSet<String>,
    /// What cannot be done: reason by container, or by `sandbox`.
    broken: BTreeMap<String, &'static str>,
    /// The output.
    pub told: String,
}

/// The pod's object as it is written line by line.
#[derive(Default)]
struct Spec {
    spec: serde_json::Map<String, Value>,
    containers: Vec<Value>,
    inits: Vec<Value>,
}

impl Story {
    /// One line: a part of the pod, or something that happens.
    pub fn play(&mut self, line: &str) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["pod", fields @ ..] => {
                for field in fields {
                    let (key, value) = field.split_once('=').unwrap();
                    if key == "os" {
                        self.spec.spec.insert(key.to_owned(), json!({ "name": value }));
                        continue;
                    }
                    let value = value.parse::<i64>().map_or_else(|_| json!(value), |number| json!(number));
                    self.spec.spec.insert(key.to_owned(), value);
                }
            }
            ["container", name, extras @ ..] => self.spec.containers.push(container(name, extras)),
            ["init", name, extras @ ..] => self.spec.inits.push(container(name, extras)),
            ["sidecar", name, extras @ ..] => {
                let mut sidecar = container(name, extras);
                sidecar["restartPolicy"] = json!("Always");
                self.spec.inits.push(sidecar);
            }
            _ => self.happen(&words),
        }
    }

    fn happen(&mut self, words: &[&str]) {
        if self.plan.is_none() {
            self.begin();
        }
        match words {
            ["settle"] => {}
            ["exit", name, code] => self.exit(name, code.parse().unwrap()),
            ["resize", name, memory] => self.resize(name, memory),
            ["sandbox", "dies"] => {
                let now = self.now;
                self.engine
                    .iter_mut()
                    .filter(|found| found.role == Role::Sandbox)
                    .for_each(|found| end(found, 137, now));
            }
            ["wait", seconds] => return self.wait(seconds.trim_end_matches('s').parse().unwrap()),
            ["stop", grace] => {
                let grace = Duration::from_secs(grace.parse().unwrap());
                self.state.stop = Some(Stop { grace, since: self.now, because: "it was deleted" });
            }
            ["fence"] => self.state.fenced = true,
            ["unfence"] => self.state.fenced = false,
            ["agent", "restarts"] => {
                self.state = PodState { started: self.state.started, ..Default::default() };
            }
            [name, "ignores", "SIGTERM"] => {
                self.stubborn.insert((*name).to_owned());
                return;
            }
            [name, kind, "fails"] => {
                self.failing.insert(format!("{name}/{kind}"));
                return;
            }
            [name, kind, "passes"] => {
                self.failing.remove(&format!("{name}/{kind}"));
                return;
            }
            [name, "has", reason] => {
                let known = [
                    "ErrImagePull",
                    "CreateContainerConfigError",
                    "FailedMount",
                    "ErrImageNeverPull",
                    "ResizeError",
                ];
                let reason = known.into_iter().find(|known| known == reason).unwrap();
                self.broken.insert((*name).to_owned(), reason);
                return;
            }
            [name, "is", "mended"] => {
                self.broken.remove(*name);
                return;
            }
            ["status"] => return self.tell_status(),
            other => panic!("no such line: {other:?}"),
        }
        self.settle();
    }

    fn begin(&mut self) {
        self.assign();
        self.state.started = Some(self.now);
        self.state.host_address = Some("10.0.0.1".to_owned());
    }

    /// Somebody has given a container another limit of memory.
    fn resize(&mut self, name: &str, memory: &str) {
        let mut containers = self.spec.containers.iter_mut();
        let container = containers.find(|container| container["name"] == name).expect("it is there");
        container["resources"] = json!({ "limits": { "memory": memory } });
        self.assign();
    }

    fn assign(&mut self) {
        let mut spec = self.spec.spec.clone();
        spec.insert("containers".to_owned(), json!(self.spec.containers));
        spec.insert("initContainers".to_owned(), json!(self.spec.inits));
        let object =
            json!({ "metadata": { "name": "web", "namespace": "default", "uid": "u1" }, "spec": spec });
        let assigned = AssignedPod {
            key: ObjectKey::namespaced(ResourceId::new("pods"), "default", "web"),
            uid: "u1".into(),
            revision: Revision(1),
            object: ByteBuf::from(bus::encode(&object).unwrap()),
            config: Vec::new(),
            stop: None,
            cluster_domain: "cluster.local".to_owned(),
        };
        self.plan = Some(Arc::new(PodPlan::read(&NodeName::from("node-a"), assigned).unwrap()));
    }

    /// Decides and performs until there is nothing to do now. What an actor never does here is to want the same for ever.
    fn settle(&mut self) -> Decision {
        for _ in 0..50 {
            self.state.observe(self.engine.clone());
            let plan = Arc::clone(self.plan.as_ref().unwrap());
            let decision = decide(&plan, &self.state, self.now);
            self.state.ended.clone_from(&decision.ended);
            self.state.conditions = decision.status.conditions.clone().unwrap_or_default();
            if decision.steps.is_empty() {
                return decision;
            }
            for step in &decision.steps {
                self.state.begin(step, self.now);
                let outcome = self.perform(&step.op);
                if !matches!(step.op, PodOp::Probe { .. }) {
                    self.tell(&step.describe());
                }
                self.state.observe(self.engine.clone());
                self.state.conclude(&step.op, &outcome, &plan, self.now);
            }
            for (_, reason, message) in std::mem::take(&mut self.state.events) {
                if !matches!(reason.as_str(), "Started" | "Killing") {
                    self.tell(&format!("({reason}: {message})"));
                }
            }
        }
        panic!("it does not settle:\n{}", self.told);
    }

    fn wait(&mut self, seconds: u64) {
        let until = self.now.plus(Duration::from_secs(seconds));
        for _ in 0..10_000 {
            match self.settle().wake_at {
                Some(at) if at <= self.now => panic!("it wants to be woken in the past:\n{}", self.told),
                Some(at) if at <= until => self.now = at,
                Some(_) | None => break,
            }
        }
        self.now = until;
        self.settle();
    }

    fn perform(&mut self, op: &PodOp) -> Outcome {
        let now = self.now;
        match op {
            PodOp::CreateSandbox { attempt } => {
                if let Some(reason) = self.broken.get("sandbox") {
                    return Outcome::Failed { reason, message: "configmap \"c\" not found".to_owned() };
                }
                self.add(Role::Sandbox, *attempt, None);
                Outcome::Filled(self.plan.as_ref().unwrap().config_hash)
            }
            PodOp::Run { container, attempt, sandbox } => {
                if let Some(reason) = self.broken.get(&**container) {
                    return Outcome::Failed { reason, message: "it is not there".to_owned() };
                }
                self.add(Role::Member(Arc::clone(container)), *attempt, Some(sandbox.clone()));
                Outcome::Started { pulled: None }
            }
            PodOp::Terminate { container, id, .. } => {
                if !self.stubborn.contains(&**container) {
                    self.end(id, 143);
                }
                Outcome::Done
            }
            PodOp::Kill { id, .. } => {
                self.end(id, 137);
                Outcome::Done
            }
            PodOp::RemoveSandbox { id } | PodOp::Remove { id } => {
                self.engine.retain(|container| container.id != *id);
                Outcome::Done
            }
            PodOp::Clear => {
                self.engine.clear();
                Outcome::Done
            }
            PodOp::Probe { container, kind, .. } => {
                let passed = !self.failing.contains(&format!("{container}/{}", kind.name()));
                Outcome::Answered { passed, message: "connection refused".to_owned() }
            }
            PodOp::PostStart { container, .. } => {
                let passed = !self.failing.contains(&format!("{container}/PostStart"));
                Outcome::Answered { passed, message: "it exited with 1".to_owned() }
            }
            PodOp::Start { id, .. } => {
                let found = self.engine.iter_mut().find(|container| container.id == *id);
                found.unwrap().state = RunState::Running { started: now };
                Outcome::Done
            }
            PodOp::Resize { container, id, limits } => {
                if let Some(reason) = self.broken.get(&**container) {
                    return Outcome::Failed { reason, message: "it needs more than that".to_owned() };
                }
                let found = self.engine.iter_mut().find(|container| container.id == *id);
                found.unwrap().limits = *limits;
                Outcome::Done
            }
            PodOp::FillVolumes { .. } | PodOp::PreStop { .. } => Outcome::Done,
        }
    }

    fn add(&mut self, role: Role, attempt: u32, sandbox: Option<ContainerId>) {
        self.ids += 1;
        let plan = self.plan.as_ref().unwrap();
        let (hash, limits) = match &role {
            Role::Member(name) => {
                let container = plan.container(name).unwrap();
                (container.hash.clone(), container.limits)
            }
            Role::Sandbox => (String::new(), Limits::default()),
        };
        self.engine.push(Container {
            id: ContainerId(format!("c{}", self.ids).into()),
            pod: plan.pod.clone(),
            role,
            attempt,
            spec_hash: hash,
            grace: plan.grace,
            limits,
            address: sandbox.is_none().then(|| "10.1.0.7".parse().unwrap()),
            sandbox,
            image: "web:1".to_owned(),
            image_id: "sha256:1".to_owned(),
            state: RunState::Running { started: self.now },
        });
    }

    fn exit(&mut self, name: &str, code: i32) {
        let role = Role::Member(name.into());
        let running =
            |found: &&Container| found.role == role && matches!(found.state, RunState::Running { .. });
        let id = self.engine.iter().find(running).expect("it runs").id.clone();
        self.end(&id, code);
    }

    fn end(&mut self, id: &ContainerId, code: i32) {
        let now = self.now;
        self.engine.iter_mut().filter(|found| found.id == *id).for_each(|found| end(found, code, now));
    }

    fn tell(&mut self, what: &str) {
        let at = Duration::from_micros(u64::try_from(self.now.0).unwrap());
        self.told.push_str(&format!("{:<7} {what}\n", format!("{:.1}s", at.as_secs_f64())));
    }

    fn tell_status(&mut self) {
        let status = self.settle().status;
        let conditions: Vec<String> = status
            .conditions
            .iter()
            .flatten()
            .map(|condition| {
                let sign = if condition.status == "True" { '+' } else { '-' };
                format!("{sign}{}", condition.type_)
            })
            .collect();
        let reason = status.reason.map(|reason| format!(" ({reason})")).unwrap_or_default();
        self.tell(&format!("{}{reason} {}", status.phase.unwrap(), conditions.join(" ")));
        for container in status.init_container_statuses.iter().chain(&status.container_statuses).flatten() {
            let state = container.state.clone().unwrap();
            let text = match (state.running, state.waiting, state.terminated) {
                (Some(_), _, _) => "running".to_owned(),
                (_, Some(waiting), _) => format!("waiting {}", waiting.reason.unwrap()),
                (_, _, Some(over)) => format!("{} with {}", over.reason.unwrap(), over.exit_code),
                (None, None, None) => "nothing".to_owned(),
            };
            let ready = if container.ready { ", ready" } else { "" };
            let last = container.last_state.as_ref().and_then(|last| last.terminated.as_ref());
            let last = last.map(|last| format!(", before: {}", last.exit_code)).unwrap_or_default();
            self.tell(&format!(
                "  {}: {text}{ready}, {} restarts{last}",
                container.name, container.restart_count
            ));
        }
    }
}

fn end(container: &mut Container, code: i32, now: Timestamp) {
    if let RunState::Running { started } = container.state {
        let reason = if code == 0 { "Completed" } else { "Error" };
        container.state =
            RunState::Exited(Exit { code, reason, message: String::new(), started, finished: now });
    }
}

fn container(name: &str, extras: &[&str]) -> Value {
    let mut container = json!({ "name": name, "image": "web:1" });
    for extra in extras {
        let probe = json!({ "httpGet": { "port": 80 }, "periodSeconds": 10, "failureThreshold": 3 });
        match *extra {
            "readiness" => container["readinessProbe"] = probe,
            "liveness" => container["livenessProbe"] = probe,
            "startup" => container["startupProbe"] = probe,
            "poststart" => container["lifecycle"]["postStart"] = json!({ "exec": { "command": ["a"] } }),
            "prestop" => container["lifecycle"]["preStop"] = json!({ "exec": { "command": ["a"] } }),
            "restarts-after-42" => {
                let rule = json!({"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}});
                container["restartPolicy"] = json!("Never");
                container["restartPolicyRules"] = json!([rule]);
            }
            "restarts-for-memory" => {
                container["resizePolicy"] =
                    json!([{ "resourceName": "memory", "restartPolicy": "RestartContainer" }]);
            }
            other => panic!("no such extra: {other}"),
        }
    }
    container
}
