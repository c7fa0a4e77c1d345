//! Who owns the fields of what a request writes: `metadata.managedFields`.

use std::borrow::Cow;
use std::sync::Arc;

use api::KindInfo;
use api::managed::{self, Elsewhere, TypeRef, Writer};
use bus::Stored;
use serde_json::Value;

use crate::apply;
use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;

/// What a write says of the fields' owners.
#[derive(Clone, Debug)]
pub enum Owners {
    /// Whatever the client put there; who writes becomes the owner of what changes.
    Sent(Option<Value>),
    /// An apply has found them.
    Settled(Option<Value>),
}

impl Owners {
    /// Enters the owners of an object that is created.
    pub fn of_new(&self, call: &Call, object: &mut Value) {
        match self {
            Self::Sent(sent) => by(call, |writer| {
                as_written(&call.kind, object, |object| {
                    managed::created(
                        object,
                        sent.as_ref(),
                        TypeRef::of(&call.kind),
                        unowned(&call.kind),
                        writer,
                    );
                });
            }),
            Self::Settled(entries) => managed::attach(object, entries.clone()),
        }
    }

    /// Enters the owners of an object that is changed; `new` is as it will be stored, but for what the server allocates.
    pub fn of_changed(&self, call: &Call, new: &mut Value, old: &Value) {
        match self {
            Self::Sent(sent) => {
                let old = as_shown(&call.kind, old);
                by(call, |writer| {
                    as_written(&call.kind, new, |new| {
                        managed::updated(new, &old, sent.as_ref(), TypeRef::of(&call.kind), writer);
                    });
                });
            }
            Self::Settled(entries) => {
                managed::detach(new);
                managed::attach(new, entries.clone());
            }
        }
    }
}

/// Fields have the names of the version that is written, which need not be the one that is stored.
fn as_written(kind: &KindInfo, object: &mut Value, enter: impl FnOnce(&mut Value)) {
    if kind.stored_as.is_none() {
        return enter(object);
    }
    let mut shown = kind.shown(object.clone());
    enter(&mut shown);
    managed::detach(object);
    managed::attach(object, managed::detach(&mut shown));
}

/// The object in the version that is asked for.
fn as_shown<'o>(kind: &KindInfo, object: &'o Value) -> Cow<'o, Value> {
    match kind.stored_as {
        None => Cow::Borrowed(object),
        Some(_) => Cow::Owned(kind.shown(object.clone())),
    }
}

/// Does something in the name of who asks.
pub fn by<T>(call: &Call, act: impl FnOnce(Writer<'_>) -> T) -> T {
    act(Writer {
        manager: call.manager(),
        api_version: &call.kind.api_version(),
        subresource: call.path.subresource.as_deref().unwrap_or_default(),
        now: telemetry::clock::now(),
        names_differ: call.kind.webhook().is_some(),
    })
}

/// Settles who owns what a write changes under the names that it has in other versions, if a webhook knows them.
pub async fn settle_elsewhere(
    context: &Context,
    call: &Call,
    new: &mut Value,
    stored: &Arc<Stored>,
    applies: bool,
) -> Result<(), Failure> {
    if call.kind.webhook().is_none() {
        return Ok(());
    }
    for version in managed::other_versions(new, &call.kind.api_version()) {
        let (group, name) = version.split_once('/').unwrap_or_default();
        let Some(kind) = context.catalogue.by_path(group, name, call.kind.id.plural()) else {
            managed::forget_version(new, &version);
            continue;
        };
        let old = context.converter.one(&kind, Arc::clone(stored)).await?.value();
        let shown = context.converter.value(&kind, new.clone()).await?;
        let change = Elsewhere { api_version: &version, kind: TypeRef::of(&kind), old: &old, new: &shown };
        by(call, |writer| managed::settle_elsewhere(new, change, writer, applies))
            .map_err(|conflicts| apply::conflict(&conflicts))?;
    }
    Ok(())
}

/// Parts that a write of the object itself does not write.
pub fn unowned(kind: &KindInfo) -> &'static [&'static str] {
    if kind.has_status { &["status"] } else { &[] }
}
