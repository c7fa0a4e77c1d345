//! Custom resources: the kinds that a CustomResourceDefinition adds to those that are built in.

mod approval;
mod columns;
mod conversion;
mod json_path;
mod names;

pub use approval::{APPROVAL, Approval, is_protected};
pub use conversion::{ConversionWebhook, is_bundle, unanswered};
pub use json_path::{JsonPath, PathError};
pub use names::{Acceptance, Names, accept};

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::json::{child, flag, items, text};
use crate::kinds::{
    Column, Decoded, FieldError, KindInfo, Rules, ScalePaths, SchemaError, decode_metadata, set_api_version,
};
use crate::names::intern;
use crate::structural::Schema;
use crate::validation;
use crate::versions::{SAME, maturity};
use crate::{ResourceId, Timestamp};

/// The resource of CustomResourceDefinitions.
pub const DEFINITIONS: ResourceId = ResourceId::new("customresourcedefinitions.apiextensions.k8s.io");
/// A definition with this finalizer goes after the last of its objects.
pub const CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// The rules of one version of a custom kind.
#[derive(Clone, Debug)]
pub struct CustomResource {
    /// `CronTab in version "v1" cannot be handled as a CronTab`: how complaints begin.
    title: String,
    api_version: String,
    list_kind: &'static str,
    /// What it has in common with the other versions.
    family: Arc<Family>,
    schema: Arc<Schema>,
    /// The schema as it was written, for documentation and for merging.
    written: Value,
    columns: Vec<Column>,
    cells: Vec<columns::Cell>,
    scale: Option<ScalePaths>,
    /// `spec.color`.
    selectable: Vec<String>,
    /// What clients of this version are warned of.
    deprecation: Option<String>,
    /// The definition is being deleted: there are no new objects.
    terminating: bool,
}

/// What the versions of one definition have in common.
#[derive(Debug)]
struct Family {
    /// The `apiVersion` that objects are stored in.
    stored_version: String,
    /// The schema of each version by its `apiVersion`, also of those that are not served any more.
    schemas: BTreeMap<String, Arc<Schema>>,
    /// Who converts between versions that differ in more than their name.
    webhook: Option<ConversionWebhook>,
    /// Of what the definition says and which names it has: the same as long as nothing of them changes.
    fingerprint: u64,
}

/// The kinds that a definition adds: one per version that is served. None before its names are accepted.
pub fn kinds_of(definition: &Value) -> Vec<Arc<KindInfo>> {
    if !is_established(definition) {
        return Vec::new();
    }
    let Some(family) = Family::of(definition).map(Arc::new) else { return Vec::new() };
    let versions = items(definition, "/spec/versions").iter();
    versions
        .filter(|version| flag(version, "/served"))
        .filter_map(|version| kind_of(definition, version, &family).map(Arc::new))
        .collect()
}

/// Whether a definition's kinds are served.
pub(crate) fn is_established(definition: &Value) -> bool {
    let established =
        |condition: &Value| text(condition, "/type") == "Established" && text(condition, "/status") == "True";
    items(definition, "/status/conditions").iter().any(established)
}

fn kind_of(definition: &Value, version: &Value, family: &Arc<Family>) -> Option<KindInfo> {
    let names = definition.pointer("/status/acceptedNames")?;
    let group = intern(text(definition, "/spec/group"));
    let rules = CustomResource::of(definition, version, family)?;
    // What a webhook converts is in the version that is asked for, up to where it is stored.
    let is_renamed = family.webhook.is_none() && rules.api_version != family.stored_version;
    let several = |pointer| {
        let words = items(names, pointer).iter().filter_map(|word| word.as_str().map(intern));
        Cow::Owned(words.collect::<Vec<&'static str>>())
    };
    Some(KindInfo {
        id: ResourceId::intern(&format!("{}.{group}", text(names, "/plural"))),
        group,
        version: intern(text(version, "/name")),
        kind: intern(text(names, "/kind")),
        singular: intern(text(names, "/singular")),
        short_names: several("/shortNames"),
        categories: several("/categories"),
        namespaced: text(definition, "/spec/scope") == "Namespaced",
        has_status: version.pointer("/subresources/status").is_some(),
        has_scale: rules.scale.is_some(),
        has_generation: true,
        stored_as: is_renamed.then(|| (intern(&family.stored_version), SAME)),
        rules: Rules::Custom(Arc::new(rules)),
    })
}

impl Family {
    fn of(definition: &Value) -> Option<Self> {
        let group = text(definition, "/spec/group");
        let api_version = |version: &Value| format!("{group}/{}", text(version, "/name"));
        let versions = items(definition, "/spec/versions");
        let schemas = versions.iter().filter_map(|version| {
            let schema = Schema::compile_stored(version.pointer("/schema/openAPIV3Schema")?);
            Some((api_version(version), Arc::new(schema)))
        });
        Some(Self {
            stored_version: api_version(versions.iter().find(|version| flag(version, "/storage"))?),
            schemas: schemas.collect(),
            webhook: ConversionWebhook::of(definition),
            fingerprint: fingerprint(definition),
        })
    }

    /// The schema of the version that an object is in.
    fn schema_of(&self, object: &Value) -> Option<&Schema> {
        self.schemas.get(text(object, "/apiVersion")).map(Arc::as_ref)
    }
}

impl CustomResource {
    fn of(definition: &Value, version: &Value, family: &Arc<Family>) -> Option<Self> {
        let names = definition.pointer("/status/acceptedNames")?;
        let group = text(definition, "/spec/group");
        let name = text(version, "/name");
        let api_version = format!("{group}/{name}");
        let written = version.pointer("/schema/openAPIV3Schema")?.clone();
        let (columns, cells) = columns::of(version);
        let kind = text(names, "/kind");
        let warning = || match text(version, "/deprecationWarning") {
            "" => deprecated(definition, (group, name, kind)),
            words => words.to_owned(),
        };
        Some(Self {
            title: format!("{kind} in version {name:?} cannot be handled as a {kind}"),
            list_kind: intern(text(names, "/listKind")),
            schema: Arc::clone(family.schemas.get(&api_version)?),
            family: Arc::clone(family),
            written,
            columns,
            cells,
            scale: version.pointer("/subresources/scale").map(scale_paths),
            selectable: items(version, "/selectableFields")
                .iter()
                .map(|field| text(field, "/jsonPath").trim_start_matches('.').to_owned())
                .collect(),
            deprecation: flag(version, "/deprecated").then(warning),
            terminating: definition.pointer("/metadata/deletionTimestamp").is_some(),
            api_version,
        })
    }

    /// Reads an object: its metadata by type, the rest by the schema.
    pub(crate) fn decode(&self, mut object: Value) -> Result<Decoded, SchemaError> {
        let metadata = object.get("metadata").cloned().unwrap_or_default();
        let (metadata, mut unknown) = decode_metadata(metadata).map_err(|reason| SchemaError {
            message: format!("{}: {reason}", self.title),
            converting: reason,
        })?;
        let pruned = self.schema.prune(&mut object);
        if let Some(wrong) = pruned.wrong {
            return Err(SchemaError { message: format!("{}: {wrong}", self.title), converting: wrong });
        }
        unknown.extend(pruned.unknown);
        if let Some(fields) = object.as_object_mut() {
            fields.insert("metadata".into(), metadata);
        }
        Ok(Decoded { object, unknown })
    }

    pub(crate) fn default(&self, object: &mut Value) {
        self.schema.fill_in(object);
    }

    pub(crate) fn validate(&self, object: &Value, old: Option<&Value>) -> Vec<FieldError> {
        let metadata = validation::custom_resource(object, old);
        let scale = self.scale.as_ref().map(|paths| validation::scale_of_custom_resource(object, paths));
        self.schema.validate(object, old, (metadata, scale.unwrap_or_default()))
    }

    /// Schemas change under the objects that are stored, and so does the version that they are stored in.
    pub fn bring_up_to_date(&self, object: &mut Value) {
        self.reshape(object);
        if self.family.webhook.is_none() {
            set_api_version(object, &self.family.stored_version);
        }
    }

    /// An object as it is stored, under the name of this version.
    pub(crate) fn show(&self, object: &mut Value) {
        self.reshape(object);
        if self.family.webhook.is_none() {
            set_api_version(object, &self.api_version);
        }
    }

    fn reshape(&self, object: &mut Value) {
        if let Some(schema) = self.family.schema_of(object) {
            schema.prune(object);
            schema.fill_in(object);
        }
        if self.family.webhook.is_none() && text(object, "/apiVersion") != self.api_version {
            self.schema.prune(object);
        }
    }

    /// Leaves of a converted object what the schema of its version knows.
    pub fn prune_converted(&self, object: &mut Value) {
        if let Some(schema) = self.family.schema_of(object) {
            schema.prune(object);
        }
    }

    /// Whether the definition has this version (`stable.example.com/v1`), served or not.
    pub fn knows(&self, api_version: &str) -> bool {
        self.family.schemas.contains_key(api_version)
    }

    /// Both come of the same definition, and nothing has changed in it but its metadata and its conditions. Kubernetes ends what
    /// began with another one (`crdHandler`'s `updateCustomResourceDefinition`).
    pub fn is_same_as(&self, other: &Self) -> bool {
        self.family.fingerprint == other.family.fingerprint
    }

    /// Who converts its objects between versions; `None`: they differ in nothing but their name.
    pub fn webhook(&self) -> Option<&ConversionWebhook> {
        self.family.webhook.as_ref()
    }

    /// The `apiVersion` that its objects are stored in.
    pub fn stored_version(&self) -> &str {
        &self.family.stored_version
    }

    pub(crate) fn columns(&self) -> &[Column] {
        &self.columns
    }

    pub(crate) fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let name = json!(text(object, "/metadata/name"));
        std::iter::once(name).chain(self.cells.iter().map(|cell| cell.of(object, now))).collect()
    }

    pub(crate) fn list_kind(&self) -> &'static str {
        self.list_kind
    }

    pub(crate) fn scale(&self) -> Option<&ScalePaths> {
        self.scale.as_ref()
    }

    /// `openAPIV3Schema`.
    pub fn schema(&self) -> &Value {
        &self.written
    }

    /// What objects can be selected by besides `metadata`.
    pub(crate) fn selectable(&self) -> &[String] {
        &self.selectable
    }

    /// What a client of this version should know.
    pub fn deprecation(&self) -> Option<&str> {
        self.deprecation.as_deref()
    }

    /// Its definition is being deleted: there are no new objects.
    pub fn is_terminating(&self) -> bool {
        self.terminating
    }
}

fn fingerprint(definition: &Value) -> u64 {
    let mut hasher = DefaultHasher::new();
    for part in ["/spec", "/status/acceptedNames"] {
        definition.pointer(part).hash(&mut hasher);
    }
    hasher.finish()
}

/// What is said of a deprecated version whose definition says nothing itself: also which newer one to use.
fn deprecated(definition: &Value, (group, name, kind): (&str, &str, &str)) -> String {
    let served = items(definition, "/spec/versions").iter();
    let good = served.filter(|version| flag(version, "/served") && !flag(version, "/deprecated"));
    let newest = good.map(|version| text(version, "/name")).max_by_key(|other| maturity(other));
    match newest.filter(|other| maturity(other) > maturity(name)) {
        Some(newer) => format!("{group}/{name} {kind} is deprecated; use {group}/{newer} {kind}"),
        None => format!("{group}/{name} {kind} is deprecated"),
    }
}

fn scale_paths(scale: &Value) -> ScalePaths {
    let pointer = |key: &str| text(scale, &format!("/{key}")).replace('.', "/");
    ScalePaths {
        replicas: pointer("specReplicasPath").into(),
        current: pointer("statusReplicasPath").into(),
        selector: pointer("labelSelectorPath").into(),
    }
}

/// The status of a definition that was just created.
pub(crate) fn first_status(definition: &Value) -> Value {
    let status = json!({"acceptedNames": {"kind": "", "plural": ""}, "conditions": [], "storedVersions": []});
    let mut first = json!({"spec": definition.get("spec"), "status": status});
    remember_stored_version(&mut first);
    first.get("status").cloned().unwrap_or_default()
}

/// Remembers every version that objects may be stored in.
pub(crate) fn remember_stored_version(definition: &mut Value) {
    let stored = items(definition, "/spec/versions").iter().find(|version| flag(version, "/storage"));
    let Some(stored) = stored.and_then(|version| version.get("name")).cloned() else { return };
    let Some(status) = child(definition, "status") else { return };
    let known = status.entry("storedVersions").or_insert_with(|| json!([]));
    if let Some(known) = known.as_array_mut().filter(|known| !known.contains(&stored)) {
        known.push(stored);
    }
}

/// Holds a definition that is to be deleted until its objects are gone.
pub(crate) fn hold(definition: &mut Value) {
    let Some(metadata) = child(definition, "metadata") else { return };
    let finalizers = metadata.entry("finalizers").or_insert_with(|| json!([]));
    if let Some(finalizers) = finalizers.as_array_mut().filter(|all| !all.contains(&json!(CLEANUP))) {
        finalizers.push(json!(CLEANUP));
    }
}

#[cfg(test)]
mod change_tests;
#[cfg(test)]
mod tests;
