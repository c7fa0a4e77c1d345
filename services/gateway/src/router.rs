//! Takes a request to the module that answers it: who asks, what is asked, is there room.

use std::sync::Arc;
use std::time::Instant;

use api::custom::CustomResource;
use api::journal::Cause;
use bytes::Bytes;
use hyper::body::Incoming;
use hyper::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_TYPE, HeaderName, IF_NONE_MATCH, USER_AGENT};
use hyper::http::request::Parts;
use hyper::{Method, Request};

use crate::access::{ResourceWish, Wish};
use crate::auth::User;
use crate::call::{Call, Warnings};
use crate::context::Context;
use crate::failure::Failure;
use crate::path::{self, ObjectPath, Place, Query};
use crate::respond::{self, Response};
use crate::subresources::proxy;
use crate::unstored::{self, Question};
use crate::upgrade::Upgrade;
use crate::{
    aggregate, api_services, body, compress, delete, discovery, health, identify, openapi, options, overload,
    patch, protobuf, read, subresources, watch, why, write, yaml,
};

/// What a request turned out to be, for its metrics.
#[derive(Clone, Copy, Default)]
struct Seen {
    verb: &'static str,
    resource: &'static str,
}

/// Answers any request; never fails.
pub async fn answer(context: &Arc<Context>, user: Option<User>, request: Request<Incoming>) -> Response {
    let started = Instant::now();
    let gzip = compress::accepts(header(request.headers(), &ACCEPT_ENCODING));
    let mut seen = Seen { verb: verb_of(request.method()), resource: "" };
    let in_protobuf = protobuf::is_wanted(header(request.headers(), &ACCEPT));
    let in_yaml = yaml::is_wanted(header(request.headers(), &ACCEPT));
    let mut response = match route(context, user, request, &mut seen).await {
        Ok(response) => response,
        Err(failure) => respond::failure(&failure),
    };
    // What another server answers is passed on as it is.
    if in_protobuf && seen.verb != "CONNECT" {
        response = protobuf::translate(response, seen.verb == "WATCH").await;
    } else if in_yaml && !matches!(seen.verb, "CONNECT" | "WATCH") {
        response = yaml::translate(response).await;
    }
    context.metrics.request(seen.verb, seen.resource, response.status().as_u16(), started.elapsed());
    if gzip { compress::compressed(response) } else { response }
}

async fn route(
    context: &Arc<Context>,
    user: Option<User>,
    request: Request<Incoming>,
    seen: &mut Seen,
) -> Result<Response, Failure> {
    let place = path::parse(request.uri().path())?;
    match place {
        Place::Version => return Ok(discovery::version()),
        Place::Health => {
            let query = Query::parse(request.uri().query().unwrap_or_default());
            return health::answer(context, request.uri().path(), &query);
        }
        _ => {}
    }
    let user = identify::user(context, user, request.headers())?;
    let query = Query::parse(request.uri().query().unwrap_or_default());
    context.access.permit(&user, &wish(&request, &place, &query))?;
    let accept = header(request.headers(), &ACCEPT).to_owned();
    let known = header(request.headers(), &IF_NONE_MATCH).to_owned();
    if let Some(registered) = aggregate::of(context, &place) {
        // What another server answers is passed on as it is.
        seen.verb = "CONNECT";
        let open = context.desk.stream()?;
        let response = aggregate::answer(context, &user, &registered, request).await?;
        return Ok(respond::holding(response, open));
    }
    let (kinds, remotes) = (|| context.catalogue.kinds(), || aggregate::remotes(context));
    let wanted = discovery::Wanted { accept: &accept, known: &known };
    match place {
        Place::Objects(path) => objects(context, user, request, path, query, seen).await,
        _ if request.method() != Method::GET && request.method() != Method::HEAD => {
            Err(Failure::method_not_allowed())
        }
        Place::CoreVersions => Ok(discovery::core_versions(&kinds(), wanted, context)),
        Place::Groups => Ok(discovery::groups(&kinds(), &remotes(), wanted)),
        Place::Group(group) => discovery::group(&kinds(), &remotes(), &group),
        Place::Resources(api) => discovery::resources(&kinds(), &api),
        Place::OpenApi(rest) => {
            let hash = query.text("hash");
            openapi::answer(
                &kinds(),
                remotes,
                &rest,
                openapi::Wanted { accept: &accept, hash, known: &known },
            )
        }
        Place::Metrics => {
            Ok(respond::bytes(200, "text/plain; version=0.0.4", Bytes::from(telemetry::metrics::render())))
        }
        Place::Why => why::answer(context, &query).await,
        Place::Journal => why::journal(context, &query).await,
        Place::Root => Ok(discovery::paths(&kinds(), &remotes())),
        Place::Version | Place::Health => Err(Failure::no_such_path()),
    }
}

fn wish(request: &Request<Incoming>, place: &Place, query: &Query) -> Wish {
    match place {
        Place::Objects(path) => Wish::Resource(ResourceWish::of(request.method().as_str(), path, query)),
        _ => Wish::Path {
            verb: request.method().as_str().to_ascii_lowercase(),
            path: request.uri().path().to_owned(),
        },
    }
}

/// Reads the request whole, then answers it.
async fn objects(
    context: &Arc<Context>,
    user: User,
    request: Request<Incoming>,
    path: ObjectPath,
    query: Query,
    seen: &mut Seen,
) -> Result<Response, Failure> {
    if path.deeper && path.subresource.as_deref() != Some("proxy") {
        return Err(Failure::no_such_path());
    }
    if let Some(about) = unstored::by_path(&path) {
        let question = Question { about, user: &user, path: &path, query: &query };
        return unstored::answer(context, question, request).await;
    }
    let kind = context.catalogue.by_path(&path.api.group, &path.api.version, &path.plural);
    let kind = kind.ok_or_else(Failure::no_such_path)?;
    let (mut parts, body) = request.into_parts();
    seen.resource = kind.id.as_str();
    seen.verb = precise_verb(&parts.method, &path, &query);
    if kind.namespaced && path.namespace.is_none() && (path.name.is_some() || parts.method == Method::POST)
        || !kind.namespaced && path.namespace.is_some()
    {
        return Err(Failure::no_such_path());
    }
    if proxy::is_asked(&kind, &path) {
        let open = context.desk.stream()?;
        let response = proxy::answer(context, &kind, &path, Request::from_parts(parts, body)).await?;
        return Ok(respond::holding(response, open));
    }
    let upgrade = Upgrade::of(&mut parts);
    let call = Call { upgrade, ..call_of(kind, user, path, query, &parts) };
    match seen.verb {
        "WATCH" | "LOG" => {
            let open = context.desk.stream()?;
            let response = dispatch(context, call, &parts.method).await?;
            Ok(respond::holding(response, open))
        }
        _ => {
            overload::within(overload::limit_of(&call.query)?, seated(context, call, &parts.method, body))
                .await
        }
    }
}

/// Reads the body and answers, when it is the request's turn.
async fn seated(
    context: &Arc<Context>,
    call: Call,
    method: &Method,
    body: Incoming,
) -> Result<Response, Failure> {
    let mutates = !matches!(*method, Method::GET | Method::HEAD);
    let _seat = context.desk.seat(&call.user, mutates).await?;
    let body = body::receive(body).await?;
    dispatch(context, Call { body, ..call }, method).await
}

async fn dispatch(context: &Arc<Context>, call: Call, method: &Method) -> Result<Response, Failure> {
    let warnings = call.warnings.clone();
    let kind = &call.kind;
    call.warn(api::warnings::deprecation(kind.group, kind.version, kind.kind).map(str::to_owned));
    call.warn(kind.custom().and_then(CustomResource::deprecation).map(str::to_owned));
    // Who is refused is warned, too.
    let mut response =
        answered(context, call, method).await.unwrap_or_else(|failure| respond::failure(&failure));
    respond::warn(&mut response, &warnings.take());
    Ok(response)
}

async fn answered(context: &Arc<Context>, call: Call, method: &Method) -> Result<Response, Failure> {
    options::check(&call, method)?;
    api_services::check_write(context, &call, method)?;
    if call.path.subresource.is_some() {
        return subresources::answer(context, call, method).await;
    }
    match (method.as_str(), call.path.name.is_some()) {
        // One object is read, whatever the query says.
        ("GET", false) if call.query.flag("watch") => watch::start(context, &call),
        ("GET" | "HEAD", true) => read::get(context, &call).await,
        ("GET" | "HEAD", false) => read::list(context, &call).await,
        ("POST", false) => write::create(context, &call).await,
        ("PUT", true) => write::update(context, &call).await,
        ("PATCH", true) => patch::answer(context, &call).await,
        ("DELETE", true) => delete::one(context, &call).await,
        ("DELETE", false) => delete::collection(context, &call).await,
        _ => Err(Failure::method_not_allowed()),
    }
}

fn call_of(kind: Arc<api::KindInfo>, user: User, path: ObjectPath, query: Query, parts: &Parts) -> Call {
    let parent = Cause::parse(header(&parts.headers, &HeaderName::from_static("traceparent")));
    Call {
        kind,
        path,
        query,
        accept: header(&parts.headers, &ACCEPT).to_owned(),
        content_type: header(&parts.headers, &CONTENT_TYPE).to_owned(),
        agent: header(&parts.headers, &USER_AGENT).to_owned(),
        user,
        cause: parent.map_or_else(telemetry::clock::fresh_cause, telemetry::clock::child_of),
        body: Bytes::new(),
        upgrade: None,
        warnings: Warnings::default(),
    }
}

fn header<'a>(headers: &'a hyper::HeaderMap, name: &HeaderName) -> &'a str {
    headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
}

fn verb_of(method: &Method) -> &'static str {
    match method.as_str() {
        "GET" | "HEAD" => "GET",
        "POST" => "POST",
        "PUT" => "PUT",
        "PATCH" => "PATCH",
        "DELETE" => "DELETE",
        _ => "OTHER",
    }
}

fn precise_verb(method: &Method, path: &ObjectPath, query: &Query) -> &'static str {
    match (verb_of(method), path.name.is_some(), path.subresource.as_deref()) {
        ("GET", true, Some("log")) => "LOG",
        ("GET" | "POST", true, Some("exec" | "attach" | "portforward")) | (_, true, Some("proxy")) => {
            "CONNECT"
        }
        ("GET", false, None) if query.flag("watch") => "WATCH",
        ("GET", false, None) => "LIST",
        ("DELETE", false, None) => "DELETECOLLECTION",
        (verb, _, _) => verb,
    }
}
