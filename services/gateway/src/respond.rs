//! Makes HTTP responses: JSON, bytes, streams, and failures as `Status` objects.

use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::StatusCode;
use hyper::body::Frame;
use hyper::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, RETRY_AFTER, VARY, WARNING};
use serde_json::Value;

use crate::compress::Compressible;
use crate::failure::Failure;

/// Why a streamed body ended early.
pub type StreamError = Box<dyn std::error::Error + Send + Sync>;

/// The body of any response.
pub type Body = UnsyncBoxBody<Bytes, StreamError>;

/// Any response.
pub type Response = hyper::Response<Body>;

/// JSON from a value.
pub fn value(code: u16, value: &Value) -> Response {
    json(code, Bytes::from(value.to_string()))
}

/// JSON that is encoded already.
pub fn json(code: u16, encoded: Bytes) -> Response {
    compressible(bytes(code, "application/json", encoded))
}

/// A response that ends by itself, so that compressing it holds nothing back.
pub fn compressible(mut response: Response) -> Response {
    response.extensions_mut().insert(Compressible);
    response
}

/// Anything that is complete.
pub fn bytes(code: u16, content_type: &'static str, content: Bytes) -> Response {
    build(code, content_type, Full::new(content).map_err(|never| match never {}).boxed_unsync())
}

/// What a client may keep and ask about again: nothing but 304 if `known`, its `If-None-Match`, has this state's `hash`. What it gets
/// depends on what it accepts.
pub fn revalidated(
    content_type: &'static str,
    hash: &str,
    known: &str,
    content: impl FnOnce() -> Bytes,
) -> Response {
    let tag = format!("\"{hash}\"");
    let mut response = match known.split(',').any(|known| known.trim().trim_start_matches("W/") == tag) {
        true => bytes(304, content_type, Bytes::new()),
        false => bytes(200, content_type, content()),
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response.headers_mut().insert(VARY, HeaderValue::from_static("Accept"));
    response
}

/// Anything that comes in pieces.
pub fn stream<S>(content_type: &'static str, pieces: S) -> Response
where
    S: Stream<Item = Result<Bytes, StreamError>> + Send + 'static,
{
    build(200, content_type, StreamBody::new(pieces.map_ok(Frame::data)).boxed_unsync())
}

/// The same response, which keeps something until its last byte is sent or nobody wants it any more.
pub fn holding<G: Send + 'static>(response: Response, guard: G) -> Response {
    response.map(|body| {
        body.map_frame(move |frame| {
            let _held = &guard;
            frame
        })
        .boxed_unsync()
    })
}

/// A failure.
pub fn failure(failure: &Failure) -> Response {
    if failure.is_no_path() {
        return bytes(404, "text/plain; charset=utf-8", Bytes::from_static(b"404 page not found\n"));
    }
    let mut response = value(failure.code(), &failure.to_value());
    if let Some(seconds) = failure.retry_after {
        response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Adds `Warning` headers, which kubectl prints.
pub fn warn(response: &mut Response, warnings: &[String]) {
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(header) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(WARNING, header);
        }
    }
}

fn build(code: u16, content_type: &'static str, body: Body) -> Response {
    let mut response = hyper::Response::new(body);
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
        .headers_mut()
        .insert(HeaderName::from_static("cache-control"), HeaderValue::from_static("no-cache, private"));
    response
}
