//! As whom Kubernetes' controllers write, by the actors that do their work here.

use crate::ResourceId;

/// The service account, in `kube-system`, of the controller that does in Kubernetes what an actor does to a resource.
/// `None`: nobody is asked about what it does. Pods leave a lost node whatever users configure.
pub fn account(actor: &str, resource: ResourceId) -> Option<&'static str> {
    let account = match (actor, resource.as_str()) {
        ("deployments.apps", _) => "deployment-controller",
        ("replicasets.apps", _) => "replicaset-controller",
        ("replicationcontrollers", _) => "replication-controller",
        ("statefulsets.apps", _) => "statefulset-controller",
        ("daemonsets.apps", _) => "daemon-set-controller",
        ("jobs.batch", _) => "job-controller",
        ("cronjobs.batch", _) => "cronjob-controller",
        ("services", "endpoints") => "endpoint-controller",
        ("services", _) => "endpointslice-controller",
        ("namespaces", "serviceaccounts") => "service-account-controller",
        ("namespaces", "configmaps") => "root-ca-cert-publisher",
        ("namespaces", _) => "namespace-controller",
        ("persistentvolumes" | "persistentvolumeclaims", _) => "persistent-volume-binder",
        ("pod-claims", _) => "ephemeral-volume-controller",
        ("collector", _) => "generic-garbage-collector",
        ("certificatesigningrequests.certificates.k8s.io", _) => "certificate-controller",
        _ => return None,
    };
    Some(account)
}
