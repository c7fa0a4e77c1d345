//! Says who reports an event in Kubernetes' words: tools group and filter events by these.

use std::borrow::Cow;

use api::journal::JournalEntry;

/// How the components of processes that host controllers start: `controller-99ffc7dc`.
const CONTROLLER: &str = "controller-";
/// Characters of such a process' identity.
const IDENTITY: usize = 8;

/// `deployment-controller`, `default-scheduler`, `kubelet/node-1`; who is none of ours keeps its name.
pub fn of(entry: &JournalEntry) -> Cow<'_, str> {
    let component = entry.component.as_str();
    if let Some(node) = component.strip_prefix("agent/") {
        return Cow::Owned(format!("kubelet/{node}"));
    }
    let identity = component.strip_prefix(CONTROLLER).unwrap_or_default();
    let ours = identity.len() == IDENTITY && identity.bytes().all(|byte| byte.is_ascii_hexdigit());
    match (component, &entry.object) {
        ("scheduler", _) => Cow::Borrowed("default-scheduler"),
        (_, Some(object)) if ours => {
            controller(object.resource.as_str()).map_or(component.into(), Cow::Borrowed)
        }
        _ => Cow::Borrowed(component),
    }
}

/// The controller of Kubernetes that reports about such objects.
fn controller(resource: &str) -> Option<&'static str> {
    Some(match resource {
        "deployments.apps" => "deployment-controller",
        "replicasets.apps" => "replicaset-controller",
        "replicationcontrollers" => "replication-controller",
        "statefulsets.apps" => "statefulset-controller",
        "daemonsets.apps" => "daemonset-controller",
        "jobs.batch" => "job-controller",
        "cronjobs.batch" => "cronjob-controller",
        "horizontalpodautoscalers.autoscaling" => "horizontal-pod-autoscaler",
        "poddisruptionbudgets.policy" => "controllermanager",
        "services" => "service-controller",
        "endpointslices.discovery.k8s.io" => "endpoint-slice-controller",
        "namespaces" => "namespace-controller",
        "nodes" => "node-controller",
        "pods" => "taint-eviction-controller",
        "persistentvolumes" | "persistentvolumeclaims" => "persistentvolume-controller",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use api::{ObjectKey, ResourceId};

    use super::*;

    #[test]
    fn components_have_kubernetes_names() {
        let said = |component: &str, resource| {
            let object = Some(ObjectKey::namespaced(ResourceId::new(resource), "default", "x"));
            of(&JournalEntry { component: component.into(), object, ..JournalEntry::default() }).into_owned()
        };
        assert_eq!(said("controller-99ffc7dc", "deployments.apps"), "deployment-controller");
        assert_eq!(said("controller-99ffc7dc", "widgets.example.com"), "controller-99ffc7dc");
        assert_eq!(said("scheduler", "pods"), "default-scheduler");
        assert_eq!(said("agent/node-1", "pods"), "kubelet/node-1");
        assert_eq!(said("controller-manager", "pods"), "controller-manager");
    }
}
