//! The list of kinds, a line per version that is served; the version that is stored comes first.

use std::borrow::Cow;

use k8s_openapi::Resource;
use k8s_openapi::api::admissionregistration::{v1 as admission, v1beta1 as admission_beta};
use k8s_openapi::api::apps::v1 as apps;
use k8s_openapi::api::autoscaling::{v1 as autoscaling_v1, v2 as autoscaling};
use k8s_openapi::api::batch::v1 as batch;
use k8s_openapi::api::certificates::v1 as certificates;
use k8s_openapi::api::coordination::v1 as coordination;
use k8s_openapi::api::core::v1 as core;
use k8s_openapi::api::discovery::v1 as discovery;
use k8s_openapi::api::events::v1 as events;
use k8s_openapi::api::networking::v1 as networking;
use k8s_openapi::api::node::v1 as node;
use k8s_openapi::api::policy::v1 as policy;
use k8s_openapi::api::rbac::v1 as rbac;
use k8s_openapi::api::scheduling::v1 as scheduling;
use k8s_openapi::api::storage::v1 as storage;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as extensions;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1 as registration;

use super::{BuiltIn, KindInfo, Rules};
use crate::{ResourceId, columns, defaults, validation, versions};

/// Builds one line of the list: type, resource, names, traits; then default, rules, columns and cells. A version that is only served
/// has those of the one that is stored, and says how it becomes that one.
macro_rules! kind {
    ($type:ty, $id:literal, $singular:literal, $short:expr, $categories:expr, [$($trait:ident)*],
     $default:ident, $validate:ident, $columns:ident, $cells:ident $(, stored as $stored:ty, by $conversion:ident)?) => {
        KindInfo {
            id: ResourceId::new($id),
            group: <$type as Resource>::GROUP,
            version: <$type as Resource>::VERSION,
            kind: <$type as Resource>::KIND,
            singular: $singular,
            short_names: Cow::Borrowed(&$short),
            categories: Cow::Borrowed(&$categories),
            namespaced: Traits::NONE$(.$trait())*.namespaced,
            has_status: Traits::NONE$(.$trait())*.status,
            has_scale: Traits::NONE$(.$trait())*.scale,
            has_generation: Traits::NONE$(.$trait())*.generation,
            stored_as: first([$((<$stored as Resource>::API_VERSION, versions::$conversion))?]),
            rules: Rules::BuiltIn(BuiltIn {
                default: defaults::$default,
                validate: validation::$validate,
                columns: columns::$columns,
                cells: columns::$cells,
            }),
        }
    };
}

#[rustfmt::skip]
pub(super) const KINDS: &[KindInfo] = &[
    kind!(core::Namespace, "namespaces", "namespace", ["ns"], [], [status], namespace, namespace, NAMESPACE, namespace),
    kind!(core::Node, "nodes", "node", ["no"], [], [status], node, node, NODE, node),
    kind!(core::Pod, "pods", "pod", ["po"], ["all"], [namespaced status generation], pod, pod, POD, pod),
    kind!(apps::ReplicaSet, "replicasets.apps", "replicaset", ["rs"], ["all"], [namespaced status scale generation], replica_set, replica_set, REPLICA_SET, replica_set),
    kind!(apps::Deployment, "deployments.apps", "deployment", ["deploy"], ["all"], [namespaced status scale generation], deployment, deployment, DEPLOYMENT, deployment),
    kind!(core::ReplicationController, "replicationcontrollers", "replicationcontroller", ["rc"], ["all"], [namespaced status scale generation], replication_controller, replication_controller, REPLICA_SET, replica_set),
    kind!(apps::StatefulSet, "statefulsets.apps", "statefulset", ["sts"], ["all"], [namespaced status scale generation], stateful_set, stateful_set, STATEFUL_SET, stateful_set),
    kind!(apps::DaemonSet, "daemonsets.apps", "daemonset", ["ds"], ["all"], [namespaced status generation], daemon_set, daemon_set, DAEMON_SET, daemon_set),
    kind!(apps::ControllerRevision, "controllerrevisions.apps", "controllerrevision", [], [], [namespaced], none, controller_revision, CONTROLLER_REVISION, controller_revision),
    kind!(batch::Job, "jobs.batch", "job", [], ["all"], [namespaced status generation], job, job, JOB, job),
    kind!(batch::CronJob, "cronjobs.batch", "cronjob", ["cj"], ["all"], [namespaced status generation], cron_job, cron_job, CRON_JOB, cron_job),
    kind!(autoscaling::HorizontalPodAutoscaler, "horizontalpodautoscalers.autoscaling", "horizontalpodautoscaler", ["hpa"], ["all"], [namespaced status], autoscaler, autoscaler, AUTOSCALER, autoscaler),
    kind!(autoscaling_v1::HorizontalPodAutoscaler, "horizontalpodautoscalers.autoscaling", "horizontalpodautoscaler", ["hpa"], ["all"], [namespaced status], autoscaler, autoscaler, AUTOSCALER, autoscaler, stored as autoscaling::HorizontalPodAutoscaler, by AUTOSCALER),
    kind!(core::Service, "services", "service", ["svc"], ["all"], [namespaced status], service, service, SERVICE, service),
    kind!(core::Endpoints, "endpoints", "endpoints", ["ep"], [], [namespaced], endpoints, endpoints, ENDPOINTS, endpoints),
    kind!(discovery::EndpointSlice, "endpointslices.discovery.k8s.io", "endpointslice", [], [], [namespaced generation], endpoint_slice, endpoint_slice, ENDPOINT_SLICE, endpoint_slice),
    kind!(core::ConfigMap, "configmaps", "configmap", ["cm"], [], [namespaced], none, config_map, CONFIG_MAP, config_map),
    kind!(core::Secret, "secrets", "secret", [], [], [namespaced], secret, secret, SECRET, secret),
    kind!(core::ServiceAccount, "serviceaccounts", "serviceaccount", ["sa"], [], [namespaced], none, service_account, SERVICE_ACCOUNT, service_account),
    kind!(core::Event, "events", "event", ["ev"], [], [namespaced], event, event, EVENT, event),
    kind!(events::Event, "events", "event", ["ev"], [], [namespaced], event, new_event, EVENT, event, stored as core::Event, by EVENT),
    kind!(coordination::Lease, "leases.coordination.k8s.io", "lease", [], [], [namespaced], none, lease, LEASE, lease),
    kind!(policy::PodDisruptionBudget, "poddisruptionbudgets.policy", "poddisruptionbudget", ["pdb"], [], [namespaced status generation], none, disruption_budget, DISRUPTION_BUDGET, disruption_budget),
    kind!(rbac::Role, "roles.rbac.authorization.k8s.io", "role", [], [], [namespaced], none, role, ROLE, role),
    kind!(rbac::ClusterRole, "clusterroles.rbac.authorization.k8s.io", "clusterrole", [], [], [], none, cluster_role, ROLE, role),
    kind!(rbac::RoleBinding, "rolebindings.rbac.authorization.k8s.io", "rolebinding", [], [], [namespaced], binding, role_binding, BINDING, binding),
    kind!(rbac::ClusterRoleBinding, "clusterrolebindings.rbac.authorization.k8s.io", "clusterrolebinding", [], [], [], binding, cluster_role_binding, BINDING, binding),
    kind!(certificates::CertificateSigningRequest, "certificatesigningrequests.certificates.k8s.io", "certificatesigningrequest", ["csr"], [], [status], none, signing_request, SIGNING_REQUEST, signing_request),
    kind!(core::PodTemplate, "podtemplates", "podtemplate", [], [], [namespaced generation], template, pod_template, POD_TEMPLATE, pod_template),
    kind!(core::ResourceQuota, "resourcequotas", "resourcequota", ["quota"], [], [namespaced status], none, resource_quota, RESOURCE_QUOTA, resource_quota),
    kind!(core::LimitRange, "limitranges", "limitrange", ["limits"], [], [namespaced], limit_range, limit_range, NAME_AND_TIME, name_and_time),
    kind!(core::PersistentVolume, "persistentvolumes", "persistentvolume", ["pv"], [], [status], persistent_volume, persistent_volume, PERSISTENT_VOLUME, persistent_volume),
    kind!(core::PersistentVolumeClaim, "persistentvolumeclaims", "persistentvolumeclaim", ["pvc"], [], [namespaced status], persistent_volume_claim, persistent_volume_claim, PERSISTENT_VOLUME_CLAIM, persistent_volume_claim),
    kind!(storage::StorageClass, "storageclasses.storage.k8s.io", "storageclass", ["sc"], [], [], storage_class, storage_class, STORAGE_CLASS, storage_class),
    kind!(storage::VolumeAttachment, "volumeattachments.storage.k8s.io", "volumeattachment", [], [], [status], none, volume_attachment, VOLUME_ATTACHMENT, volume_attachment),
    kind!(storage::CSIDriver, "csidrivers.storage.k8s.io", "csidriver", [], [], [], csi_driver, csi_driver, CSI_DRIVER, csi_driver),
    kind!(storage::CSINode, "csinodes.storage.k8s.io", "csinode", [], [], [], none, csi_node, CSI_NODE, csi_node),
    kind!(networking::Ingress, "ingresses.networking.k8s.io", "ingress", ["ing"], [], [namespaced status generation], none, ingress, INGRESS, ingress),
    kind!(networking::IngressClass, "ingressclasses.networking.k8s.io", "ingressclass", [], [], [generation], ingress_class, ingress_class, INGRESS_CLASS, ingress_class),
    kind!(networking::NetworkPolicy, "networkpolicies.networking.k8s.io", "networkpolicy", ["netpol"], [], [namespaced generation], network_policy, network_policy, NETWORK_POLICY, network_policy),
    kind!(scheduling::PriorityClass, "priorityclasses.scheduling.k8s.io", "priorityclass", ["pc"], [], [generation], priority_class, priority_class, PRIORITY_CLASS, priority_class),
    kind!(node::RuntimeClass, "runtimeclasses.node.k8s.io", "runtimeclass", [], [], [], none, runtime_class, RUNTIME_CLASS, runtime_class),
    kind!(admission::ValidatingWebhookConfiguration, "validatingwebhookconfigurations.admissionregistration.k8s.io", "validatingwebhookconfiguration", [], ["api-extensions"], [generation], webhook_configuration, webhook_configuration, WEBHOOK_CONFIGURATION, webhook_configuration),
    kind!(admission::MutatingWebhookConfiguration, "mutatingwebhookconfigurations.admissionregistration.k8s.io", "mutatingwebhookconfiguration", [], ["api-extensions"], [generation], mutating_webhook_configuration, mutating_webhook_configuration, WEBHOOK_CONFIGURATION, webhook_configuration),
    kind!(admission::ValidatingAdmissionPolicy, "validatingadmissionpolicies.admissionregistration.k8s.io", "validatingadmissionpolicy", [], ["api-extensions"], [status generation], admission_policy, admission_policy, ADMISSION_POLICY, admission_policy),
    kind!(admission::ValidatingAdmissionPolicyBinding, "validatingadmissionpolicybindings.admissionregistration.k8s.io", "validatingadmissionpolicybinding", [], ["api-extensions"], [generation], admission_policy_binding, admission_policy_binding, ADMISSION_POLICY_BINDING, admission_policy_binding),
    kind!(admission_beta::MutatingAdmissionPolicy, "mutatingadmissionpolicies.admissionregistration.k8s.io", "mutatingadmissionpolicy", [], ["api-extensions"], [generation], mutating_policy, mutating_policy, MUTATING_POLICY, mutating_policy),
    kind!(admission_beta::MutatingAdmissionPolicyBinding, "mutatingadmissionpolicybindings.admissionregistration.k8s.io", "mutatingadmissionpolicybinding", [], ["api-extensions"], [generation], admission_policy_binding, mutating_policy_binding, ADMISSION_POLICY_BINDING, admission_policy_binding),
    kind!(extensions::CustomResourceDefinition, "customresourcedefinitions.apiextensions.k8s.io", "customresourcedefinition", ["crd", "crds"], ["api-extensions"], [status generation], custom_resource_definition, custom_resource_definition, CUSTOM_RESOURCE_DEFINITION, custom_resource_definition),
    kind!(registration::APIService, "apiservices.apiregistration.k8s.io", "apiservice", [], ["api-extensions"], [status], api_service, api_service, API_SERVICE, api_service),
];

/// The only element of a list of none or one.
const fn first<T: Copy, const N: usize>(list: [T; N]) -> Option<T> {
    match list.as_slice() {
        [] => None,
        [first, ..] => Some(*first),
    }
}

/// What a kind has, collected at compile time.
#[derive(Clone, Copy)]
struct Traits {
    namespaced: bool,
    status: bool,
    scale: bool,
    generation: bool,
}

impl Traits {
    const NONE: Self = Self { namespaced: false, status: false, scale: false, generation: false };

    const fn namespaced(self) -> Self {
        Self { namespaced: true, ..self }
    }

    const fn status(self) -> Self {
        Self { status: true, ..self }
    }

    const fn scale(self) -> Self {
        Self { scale: true, ..self }
    }

    const fn generation(self) -> Self {
        Self { generation: true, ..self }
    }
}
