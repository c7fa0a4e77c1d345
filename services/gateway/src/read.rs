//! GET of objects and lists: encoded bytes from the view, in pages that show one moment.

use std::sync::Arc;

use api::{Revision, Timestamp};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bus::{Stored, View};
use bytes::{Bytes, BytesMut};
use futures::stream;
use serde_json::{Map, Value, json};

use crate::api_services;
use crate::call::Call;
use crate::context::Context;
use crate::events;
use crate::failure::Failure;
use crate::node_leases;
use crate::respond::{self, Response};
use crate::selection::{Selection, Snapshot};
use crate::table::Shape;

/// Lists are sent in pieces of about this size, so that a large one is never in memory whole.
const PIECE: usize = 64 * 1024;

const TOO_OLD: &str = "The provided continue parameter is too old to display a consistent list result. You can start a \
    new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the \
    results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or \
    deleted between the time the first chunk was returned and now may show up in the list.";

/// The view that holds the objects of a call's kind.
pub fn view_of<'a>(context: &'a Context, call: &Call) -> &'a Arc<View> {
    match call.kind.id == events::ID {
        true => context.events.view(),
        false => &context.view,
    }
}

/// What nobody stores; `None`: the call's kind is stored.
async fn worked_out(context: &Context, call: &Call) -> Option<Arc<View>> {
    match node_leases::shown(context, call) {
        Some(leases) => Some(leases.await),
        None => api_services::shown(context, call),
    }
}

/// One object as it is now, in the version that it is stored in.
pub fn find(context: &Context, call: &Call) -> Result<Arc<Stored>, Failure> {
    let found = view_of(context, call).get(&call.key(call.name()));
    found.ok_or_else(|| Failure::not_found(&call.kind, call.name()))
}

/// `GET` of an object.
pub async fn get(context: &Context, call: &Call) -> Result<Response, Failure> {
    let shape = Shape::of(&call.kind, call.form()?, &call.query)?;
    not_older_than(context, call, None).await?;
    let object = match worked_out(context, call).await {
        Some(view) => {
            let found = view.get(&call.key(call.name()));
            found.ok_or_else(|| Failure::not_found(&call.kind, call.name()))?
        }
        None => context.converter.one(&call.kind, find(context, call)?).await?,
    };
    Ok(respond::json(200, shape.one(&object, telemetry::clock::now())))
}

/// `GET` of a collection.
pub async fn list(context: &Context, call: &Call) -> Result<Response, Failure> {
    let shape = Shape::of(&call.kind, call.form()?, &call.query)?;
    let wanted = Selection::of(call)?;
    let selection = wanted.of_stored(&call.kind);
    let limit = call.query.number::<i64>("limit")?.and_then(|limit| usize::try_from(limit).ok());
    let limit = limit.filter(|limit| *limit > 0);
    call.query.number::<i64>("timeoutSeconds")?;
    let worked_out = worked_out(context, call).await;
    let view = worked_out.as_ref().unwrap_or_else(|| view_of(context, call));
    let (snapshot, start) = match call.query.text("continue") {
        "" => {
            let exact = not_older_than(context, call, limit).await?;
            (snapshot_at(view, &selection, exact, "")?, String::new())
        }
        _ if !matches!(call.query.text("resourceVersion"), "" | "0") => {
            let why = "specifying resource version is not allowed when using continue";
            return Err(Failure::bad_request(why));
        }
        token => {
            let token = Token::parse(token)?;
            (snapshot_at(view, &selection, token.revision, &token.start)?, token.start)
        }
    };
    let snapshot = wanted.shown(&context.converter, &call.kind, snapshot).await?;
    let mut page = Page::cut(snapshot, &start, limit, wanted.is_everything());
    page.objects = context.converter.all(&call.kind, page.objects).await?;
    Ok(answer(page, shape, telemetry::clock::now()))
}

/// Waits for the revision that the client has seen. Returns it if exactly that one is wanted: who asks for a page of a version and
/// does not say how it is meant gets that version, as in Kubernetes.
async fn not_older_than(
    context: &Context,
    call: &Call,
    limit: Option<usize>,
) -> Result<Option<Revision>, Failure> {
    let Some(revision) = call.query.version()? else { return Ok(None) };
    if call.kind.id != events::ID {
        context.caught_up(revision).await?;
    }
    let exact = match call.query.text("resourceVersionMatch") {
        "Exact" => true,
        "" => limit.is_some(),
        _ => false,
    };
    Ok(exact.then_some(revision))
}

fn snapshot_at(
    view: &Arc<View>,
    selection: &Selection,
    revision: Option<Revision>,
    start: &str,
) -> Result<Snapshot, Failure> {
    match revision {
        None => Ok(selection.now(view)),
        Some(revision) => selection.at(view, revision).map_err(|_| {
            let mut failure = Failure::expired(TOO_OLD);
            failure.continue_token = (!start.is_empty()).then(|| Token::text(None, start));
            failure
        }),
    }
}

/// Where the next page begins, and which moment it shows.
#[derive(Debug, PartialEq, Eq)]
struct Token {
    /// `None`: the present.
    revision: Option<Revision>,
    /// `namespace/name` of the last object of the page before.
    start: String,
}

impl Token {
    fn parse(text: &str) -> Result<Self, Failure> {
        let wrong = || {
            Failure::bad_request(
                "invalid continue token: continue key is not valid: not a token of this server",
            )
        };
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
        let value: Value = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
        let revision = value.get("rv").and_then(Value::as_i64).ok_or_else(wrong)?;
        let start =
            value.get("start").and_then(Value::as_str).filter(|start| !start.is_empty()).ok_or_else(wrong)?;
        Ok(Self { revision: u64::try_from(revision).ok().map(Revision), start: start.to_owned() })
    }

    fn text(revision: Option<Revision>, start: &str) -> String {
        let revision = revision.map_or(json!(-1), |revision| json!(revision.0));
        URL_SAFE_NO_PAD.encode(json!({"v": "meta.k8s.io/v1", "rv": revision, "start": start}).to_string())
    }
}

/// A part of a snapshot, and how to ask for the rest.
struct Page {
    objects: Vec<Arc<Stored>>,
    metadata: Map<String, Value>,
}

impl Page {
    fn cut(snapshot: Snapshot, start: &str, limit: Option<usize>, count_rest: bool) -> Self {
        let Snapshot { revision, mut objects } = snapshot;
        if !start.is_empty() {
            objects.retain(|object| position(object).as_str() > start);
        }
        let mut metadata = Map::new();
        metadata.insert("resourceVersion".into(), revision.to_string().into());
        if let Some(limit) = limit.filter(|limit| *limit < objects.len()) {
            let rest = objects.len() - limit;
            objects.truncate(limit);
            let last = objects.last().map(|object| position(object)).unwrap_or_default();
            metadata.insert("continue".into(), Token::text(Some(revision), &last).into());
            if count_rest {
                metadata.insert("remainingItemCount".into(), rest.into());
            }
        }
        Self { objects, metadata }
    }
}

/// Orders as the view does: by namespace, then by name. `\0` sorts before any letter of a name.
fn position(object: &Stored) -> String {
    format!("{}\0{}", object.key.namespace(), object.key.name)
}

fn answer(page: Page, shape: Shape, now: Timestamp) -> Response {
    let mut head = Some(shape.list_head(&page.metadata));
    let mut objects = page.objects.into_iter();
    let mut first = true;
    let mut next_piece = move || {
        let mut piece = BytesMut::with_capacity(PIECE + PIECE / 8);
        piece.extend_from_slice(head.take()?.as_bytes());
        for object in objects.by_ref() {
            if !std::mem::take(&mut first) {
                piece.extend_from_slice(b",");
            }
            piece.extend_from_slice(&shape.item(&object, now));
            if piece.len() >= PIECE {
                head = Some(String::new());
                return Some(piece.freeze());
            }
        }
        piece.extend_from_slice(b"]}\n");
        Some(piece.freeze())
    };
    let Some(first_piece) = next_piece() else { return respond::json(200, Bytes::new()) };
    if first_piece.len() < PIECE {
        return respond::json(200, first_piece);
    }
    let rest = std::iter::once(first_piece).chain(std::iter::from_fn(next_piece));
    respond::compressible(respond::stream("application/json", stream::iter(rest.map(Ok))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_survive_the_journey() {
        let token = Token { revision: Some(Revision(7)), start: "default\0web".to_owned() };
        assert_eq!(Token::parse(&Token::text(token.revision, &token.start)), Ok(token));
        let inconsistent = Token { revision: None, start: "a\0b".to_owned() };
        assert_eq!(Token::parse(&Token::text(None, "a\0b")), Ok(inconsistent));
        assert!(Token::parse("nonsense").is_err());
        assert!(Token::parse("e30").is_err());
    }
}
