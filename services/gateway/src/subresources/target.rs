//! The pod and the agent that a conversation is with.

use std::sync::Arc;

use api::Uid;
use api::json::{items, text};
use bus::RequestError;
use serde_json::Value;

use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::read;
use crate::upgrade::Upgrade;

/// A pod on a node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub pod: String,
    /// Its uid.
    pub uid: Uid,
    /// The node that runs it.
    pub node: Arc<str>,
}

impl Target {
    /// The pod that the path names, with where it runs; a failure if it runs nowhere.
    pub fn of(context: &Context, call: &Call) -> Result<(Self, Value), Failure> {
        let pod = read::find(context, call)?.value();
        Ok((Self::of_pod(&pod)?, pod))
    }

    /// Where a pod runs; a failure if it runs nowhere.
    pub fn of_pod(pod: &Value) -> Result<Self, Failure> {
        let (node, name) = (text(pod, "/spec/nodeName"), text(pod, "/metadata/name"));
        if node.is_empty() {
            return Err(Failure::bad_request(format!("pod {name} does not have a host assigned")));
        }
        Ok(Self {
            namespace: text(pod, "/metadata/namespace").to_owned(),
            pod: name.to_owned(),
            uid: Uid::from(text(pod, "/metadata/uid")),
            node: node.into(),
        })
    }

    /// Where its agent listens for `verb`.
    pub fn subject(&self, verb: &str) -> String {
        format!("odeon.node.{}.{verb}", bus::token(&self.node))
    }

    /// Why its agent did not do what it was asked.
    pub fn unreachable(&self, error: &RequestError) -> Failure {
        unreachable_node(&self.node, error)
    }
}

/// The request's way out of HTTP; a failure in Kubernetes' words if it wants none.
pub fn upgrade(call: &mut Call) -> Result<Upgrade, Failure> {
    call.upgrade.take().ok_or_else(|| Failure::bad_request("Upgrade request required"))
}

/// Why an agent did not do what it was asked.
pub fn unreachable_node(node: &str, error: &RequestError) -> Failure {
    match error {
        RequestError::Refused(why) => Failure::bad_request(why.clone()),
        RequestError::NoResponders { .. } => Failure::new(
            502,
            "InternalError",
            format!("the agent of node \"{node}\" does not answer: is it running?"),
        ),
        RequestError::TimedOut { .. } => {
            Failure::timeout(format!("the agent of node \"{node}\" did not answer in time"))
        }
        RequestError::Bus(_) => {
            Failure::unavailable(format!("the agent of node \"{node}\" cannot be asked: {error}"))
        }
    }
}

/// The container that is meant, in Kubernetes' words if none is.
pub fn container(pod: &Value, asked: &str) -> Result<String, Failure> {
    let names = |pointer| -> Vec<&str> {
        items(pod, pointer).iter().map(|container| text(container, "/name")).collect()
    };
    let (main, init, debug) =
        (names("/spec/containers"), names("/spec/initContainers"), names("/spec/ephemeralContainers"));
    let pod_name = text(pod, "/metadata/name");
    match (asked, main.as_slice()) {
        ("", [only]) => Ok((*only).to_owned()),
        ("", _) => {
            let all: Vec<&str> = init.iter().chain(&main).chain(&debug).copied().collect();
            Err(Failure::bad_request(format!(
                "a container name must be specified for pod {pod_name}, choose one of: [{}]",
                all.join(" ")
            )))
        }
        (asked, _) if main.iter().chain(&init).chain(&debug).any(|name| *name == asked) => {
            Ok(asked.to_owned())
        }
        (asked, _) => Err(Failure::bad_request(format!("container {asked} is not valid for pod {pod_name}"))),
    }
}
