//! Finds where HTTP/1.1 messages begin and end, without changing a byte of them. Pure.

mod body;
mod head;

pub use body::{Body, Malformed};
pub use head::{Parsed, Request, Response, request, response, speaks_http};
