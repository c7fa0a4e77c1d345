//! Makes what clients want ready to be stored: completed, with what they leave alone as it was, and checked.

use api::json;
use api::kinds::FieldError;
use api::lifecycle::{self, Refusal};
use api::names_for::suffix_from;
use serde_json::Value;

use crate::allocate::{self, Reservation};
use crate::call::Call;
use crate::context::Context;
use crate::failure::Failure;
use crate::owners::Owners;
use crate::write::Part;
use crate::{access, admission, certificates, subresources};

/// Completes a new object and checks it; what has to be reserved for it.
pub fn creation(
    context: &Context,
    call: &Call,
    mut object: Value,
    owners: &Owners,
) -> Result<(Value, Vec<Reservation>), Failure> {
    call.kind.default(&mut object);
    let (uid, now) = (telemetry::clock::fresh_uid(), telemetry::clock::now());
    lifecycle::begin(&mut object, &call.kind, &suffix_from(rand::random()), &uid, now);
    owners.of_new(call, &mut object);
    lifecycle::complete(&mut object, &call.kind, &uid);
    admission::service_account(context, call, &mut object, &uid)?;
    let name = json::text(&object, "/metadata/name").to_owned();
    let reservations = allocate::for_object(&context.view, &context.config, &mut object, None)
        .map_err(|errors| Failure::invalid(&call.kind, &name, &errors))?;
    admission::completion(context, call, &mut object)?;
    let errors = call.kind.validate(&object, None);
    if !errors.is_empty() {
        return Err(Failure::invalid(&call.kind, &name, &errors));
    }
    call.warn(api::warnings::of(&call.kind, &object, None));
    access::escalation::check(context, call, &object)?;
    Ok((object, reservations))
}

/// Makes an object ready to replace `old`; what has to be reserved for it.
pub fn modification(
    context: &Context,
    call: &Call,
    part: Part,
    new: &mut Value,
    owners: &Owners,
    old: &Value,
) -> Result<Vec<Reservation>, Failure> {
    if part == Part::Resources {
        admission::limits(context, call, new)?;
    }
    let mut errors = settled(call, part, new, old)?;
    match part {
        Part::Object => return object(context, call, new, owners, old),
        Part::Status => {
            certificates::status(context, call, new, old)?;
            errors = call.kind.validate_status(new, old);
        }
        Part::Approval => certificates::decided(context, call, new, old)?,
        Part::EphemeralContainers | Part::Resources => {}
    }
    owners.of_changed(call, new, old);
    match errors.is_empty() {
        true => Ok(Vec::new()),
        false => Err(Failure::invalid(&call.kind, call.name(), &errors)),
    }
}

/// Everything but the part that a request may write becomes what it was in `old`, and defaults are filled in. Returns rules that the
/// change of a part breaks.
pub fn settled(call: &Call, part: Part, new: &mut Value, old: &Value) -> Result<Vec<FieldError>, Failure> {
    let refused = |refusal: Refusal| Failure::conflict(&call.kind, call.name(), &refusal.to_string());
    match part {
        Part::Object => {
            allocate::inherit(new, old);
            certificates::kept(call, new, old);
            call.kind.default(new);
            lifecycle::prepare_update(new, old, &call.kind).map(|()| Vec::new())
        }
        Part::Status | Part::Approval => {
            let prepared = lifecycle::prepare_status_update(new, old, &call.kind);
            call.kind.default(new);
            prepared.map(|()| Vec::new())
        }
        Part::EphemeralContainers => subresources::ephemeral::prepare(new, old, &call.kind),
        Part::Resources => subresources::resize::prepare(new, old, &call.kind),
    }
    .map_err(refused)
}

fn object(
    context: &Context,
    call: &Call,
    new: &mut Value,
    owners: &Owners,
    old: &Value,
) -> Result<Vec<Reservation>, Failure> {
    owners.of_changed(call, new, old);
    let reservations = allocate::for_object(&context.view, &context.config, new, Some(old))
        .map_err(|errors| Failure::invalid(&call.kind, call.name(), &errors))?;
    let errors = call.kind.validate(new, Some(old));
    if !errors.is_empty() {
        return Err(Failure::invalid(&call.kind, call.name(), &errors));
    }
    call.warn(api::warnings::of(&call.kind, new, Some(old)));
    access::escalation::check(context, call, new)?;
    admission::growth(context, call, new, old)?;
    Ok(reservations)
}
