//! The schema reads as the types that are generated from Kubernetes' own documentation read.

use k8s_openapi::Resource;
use k8s_openapi::api::{
    admissionregistration::v1 as admission, apps::v1 as apps, autoscaling::v1 as autoscaling_v1,
    autoscaling::v2 as autoscaling, batch::v1 as batch, certificates::v1 as certificates,
    coordination::v1 as coordination, core::v1 as core, discovery::v1 as discovery, events::v1 as events,
    networking::v1 as networking, node::v1 as node, policy::v1 as policy, rbac::v1 as rbac,
    scheduling::v1 as scheduling, storage::v1 as storage,
};
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1 as extensions;
use k8s_openapi::kube_aggregator::pkg::apis::apiregistration::v1 as registration;
use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::decode;
use crate::schema::{self, Field, Message, Shape, Type};

/// An object through its type, and what the type does not know.
type Typed = fn(Value) -> Option<(Value, Vec<String>)>;

fn typed<T: DeserializeOwned + Serialize>(object: Value) -> Option<(Value, Vec<String>)> {
    let mut unknown = Vec::new();
    let typed: T = serde_ignored::deserialize(object, |path| unknown.push(path.to_string())).ok()?;
    Some((serde_json::to_value(typed).unwrap(), unknown))
}

macro_rules! types {
    ($($type:ty),* $(,)?) => {
        [$((<$type as Resource>::API_VERSION, <$type as Resource>::KIND, typed::<$type> as Typed)),*]
    };
}

fn types() -> Vec<(&'static str, &'static str, Typed)> {
    types![
        core::Namespace,
        core::Node,
        core::Pod,
        core::ReplicationController,
        core::Service,
        core::Endpoints,
        core::ConfigMap,
        core::Secret,
        core::ServiceAccount,
        core::Event,
        core::PodTemplate,
        core::ResourceQuota,
        core::LimitRange,
        core::PersistentVolume,
        core::PersistentVolumeClaim,
        apps::ReplicaSet,
        apps::Deployment,
        apps::StatefulSet,
        apps::DaemonSet,
        apps::ControllerRevision,
        batch::Job,
        batch::CronJob,
        autoscaling::HorizontalPodAutoscaler,
        autoscaling_v1::HorizontalPodAutoscaler,
        discovery::EndpointSlice,
        events::Event,
        coordination::Lease,
        policy::PodDisruptionBudget,
        rbac::Role,
        rbac::ClusterRole,
        rbac::RoleBinding,
        rbac::ClusterRoleBinding,
        certificates::CertificateSigningRequest,
        storage::StorageClass,
        storage::VolumeAttachment,
        storage::CSIDriver,
        storage::CSINode,
        networking::Ingress,
        networking::IngressClass,
        networking::NetworkPolicy,
        scheduling::PriorityClass,
        node::RuntimeClass,
        admission::ValidatingWebhookConfiguration,
        admission::MutatingWebhookConfiguration,
        admission::ValidatingAdmissionPolicy,
        admission::ValidatingAdmissionPolicyBinding,
        extensions::CustomResourceDefinition,
        registration::APIService,
    ]
    .to_vec()
}

/// Numbers from a seed, one after the other.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn object(&mut self, message: &'static Message, depth: u32) -> Value {
        let mut entries = Map::new();
        self.entries(message, depth, &mut entries);
        if !message.fields.is_empty() && self.roll(20) == 0 {
            entries.insert("unheardOf".into(), json!({"a": [1]}));
        }
        Value::Object(entries)
    }

    fn entries(&mut self, message: &'static Message, depth: u32, entries: &mut Map<String, Value>) {
        for field in &message.fields {
            if field.json.is_empty() {
                field.message().into_iter().for_each(|embedded| self.entries(embedded, depth, entries));
            } else if self.roll(3) == 0 || is_time(field) {
                let value = self.field(field, depth);
                entries.insert(field.json.into(), value);
            }
        }
    }

    fn field(&mut self, field: &'static Field, depth: u32) -> Value {
        if self.roll(30) == 0 && !is_time(field) {
            return Value::Null;
        }
        match field.shape {
            Shape::One => self.value(field, depth),
            Shape::List => (0..self.roll(3)).map(|_| self.value(field, depth)).collect(),
            Shape::Map => {
                (0..self.roll(3)).map(|index| (format!("k{index}"), self.value(field, depth))).collect()
            }
        }
    }

    fn value(&mut self, field: &'static Field, depth: u32) -> Value {
        // The types take any text for a quantity, and no number; and anything for a message without fields.
        let is_any = field.message().is_some_and(|message| message.fields.is_empty());
        if field.kind != Type::Quantity && !is_any && self.roll(400) == 0 {
            return [json!("text"), json!(7), json!(true), json!([])][self.roll(4) as usize].clone();
        }
        match field.kind {
            Type::String => json!(["", "a", "Always"][self.roll(3) as usize]),
            Type::Int32 | Type::Int64 => json!([0, -1, 80][self.roll(3) as usize]),
            Type::Float => [json!(1), json!(1.5)][self.roll(2) as usize].clone(),
            Type::Bool => json!(self.roll(2) == 0),
            Type::Bytes => json!(["", "YQ==", "YWJj"][self.roll(3) as usize]),
            Type::Time => json!("2026-01-01T10:00:00Z"),
            Type::MicroTime => json!("2026-01-01T10:00:00.123456Z"),
            Type::IntOrString => [json!(80), json!("25%")][self.roll(2) as usize].clone(),
            Type::Quantity => json!(["1", "100m", "1Gi"][self.roll(3) as usize]),
            Type::Raw | Type::Json => json!({"any": ["thing", 1]}),
            Type::Strings => json!(["a", "b"]),
            Type::Message(name) => match schema::message(name).unwrap() {
                message if depth == 0 => {
                    let times = message.fields.iter().filter(|field| is_time(field));
                    times.map(|field| (field.json.to_owned(), self.field(field, 0))).collect()
                }
                message => self.object(message, depth - 1),
            },
        }
    }
}

/// The types refuse to go without some of them; Kubernetes writes null.
fn is_time(field: &Field) -> bool {
    matches!(field.kind, Type::Time | Type::MicroTime)
}

/// What Go leaves out, the generated types write.
fn leave_out(message: &'static Message, value: &mut Value) {
    let Some(entries) = value.as_object_mut() else { return };
    entries.retain(|key, value| {
        let Some(field) = message.field(key) else { return true };
        if let Some(inner) = field.message() {
            match (field.shape, &mut *value) {
                (Shape::One, value) => leave_out(inner, value),
                (Shape::List, Value::Array(values)) => {
                    values.iter_mut().for_each(|value| leave_out(inner, value));
                }
                (Shape::Map, Value::Object(values)) => {
                    values.values_mut().for_each(|value| leave_out(inner, value));
                }
                _ => {}
            }
        }
        !field.leaves_out(value)
    });
}

#[test]
fn what_go_leaves_out_is_left_out() {
    let pod = json!({"metadata": {"name": "p", "labels": {}, "annotations": {"a": ""}}, "spec": {
        "hostNetwork": false, "hostUsers": false, "nodeName": "", "priority": 0, "tolerations": [], "securityContext": {},
        "runtimeClassName": "", "containers": [{
            "name": "", "image": "", "args": [], "stdin": false, "env": [{"name": "E", "value": ""}],
            "ports": [{"containerPort": 0, "hostPort": 0}], "resources": {}, "readinessProbe": {"periodSeconds": 0},
        }],
    }});
    expect_test::expect![[r#"{"apiVersion":"v1","kind":"Pod","metadata":{"annotations":{"a":""},"name":"p"},"spec":{"containers":[{"env":[{"name":"E"}],"name":"","ports":[{"containerPort":0}],"readinessProbe":{},"resources":{}}],"hostUsers":false,"priority":0,"runtimeClassName":"","securityContext":{}}}"#]].assert_eq(&decode("v1", "Pod", pod).unwrap().object.to_string());
    let role = json!({"metadata": {}, "rules": []});
    let read = decode("rbac.authorization.k8s.io/v1", "Role", role).unwrap().object;
    assert_eq!(read["rules"], json!([]));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn every_kind_reads_as_its_type(seed: u64) {
        for (api_version, kind, typed) in types() {
            let message = schema::root(api_version, kind).unwrap();
            let mut object = Dice(seed).object(message, 9);
            object["apiVersion"] = api_version.into();
            object["kind"] = kind.into();
            let read = decode(api_version, kind, object.clone()).map(|read| (read.object, read.unknown));
            match (typed(object.clone()), read) {
                (Some((mut value, mut unknown)), Ok((read, mut known))) => {
                    leave_out(message, &mut value);
                    unknown.sort();
                    known.sort();
                    prop_assert_eq!(&read, &value, "{}: {}", kind, &object);
                    prop_assert_eq!(known.len(), unknown.len(), "{}: {:?} {:?}", kind, known, unknown);
                }
                (None, Err(_)) => {}
                (typed, read) => prop_assert!(false, "{}: {:?} but {:?} of {}", kind, typed, read, object),
            }
        }
    }
}
