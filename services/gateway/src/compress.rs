//! Compresses large answers for clients that take gzip, as Kubernetes does: from 128 KiB, and never a watch.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Body as _, Frame};
use hyper::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderValue, VARY};

use crate::respond::{Body, Response, StreamError};

/// Smaller answers are not worth the work.
const THRESHOLD: u64 = 128 * 1024;
/// Compressed pieces are sent when they have this size.
const PIECE: usize = 32 * 1024;

/// Marks a response that may be compressed: one that ends by itself.
#[derive(Clone, Copy, Debug)]
pub struct Compressible;

/// Whether an `Accept-Encoding` header takes gzip.
pub fn accepts(encodings: &str) -> bool {
    encodings.split(',').any(|encoding| {
        let mut words = encoding.split(';').map(str::trim);
        words.next() == Some("gzip") && words.next().is_none_or(|quality| !is_zero(quality))
    })
}

fn is_zero(quality: &str) -> bool {
    quality.strip_prefix("q=").and_then(|quality| quality.parse::<f32>().ok()) == Some(0.0)
}

/// The response, compressed if it may be and is large.
pub fn compressed(response: Response) -> Response {
    let size = response.body().size_hint();
    let is_large = size.exact().is_none_or(|bytes| bytes >= THRESHOLD);
    if !is_large || response.extensions().get::<Compressible>().is_none() {
        return response;
    }
    let (mut head, body) = response.into_parts();
    head.headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    head.headers.append(VARY, HeaderValue::from(ACCEPT_ENCODING));
    Response::from_parts(head, gzip(body))
}

fn gzip(body: Body) -> Body {
    let encoder = GzEncoder::new(Vec::new(), Compression::fast());
    let pieces = stream::try_unfold(Some((body, encoder)), |state| async move {
        let Some((mut body, mut encoder)) = state else { return Ok::<_, StreamError>(None) };
        while let Some(frame) = body.frame().await {
            if let Ok(data) = frame?.into_data() {
                encoder.write_all(&data)?;
            }
            if encoder.get_ref().len() >= PIECE {
                let piece = Bytes::from(std::mem::take(encoder.get_mut()));
                return Ok(Some((Frame::data(piece), Some((body, encoder)))));
            }
        }
        Ok(Some((Frame::data(Bytes::from(encoder.finish()?)), None)))
    });
    StreamBody::new(pieces).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;
    use crate::respond;

    #[test]
    fn encodings_are_read() {
        for yes in ["gzip", "deflate, gzip", "gzip;q=0.5, br"] {
            assert!(accepts(yes), "{yes}");
        }
        for no in ["", "identity", "gzip;q=0", "gzipped"] {
            assert!(!accepts(no), "{no}");
        }
    }

    #[tokio::test]
    async fn only_large_answers_are_compressed_and_come_back_whole() {
        let text: String = (0..40_000).map(|number| format!("{number},")).collect();
        let whole = compressed(respond::json(200, Bytes::from(text.clone())));
        assert_eq!(whole.headers()[CONTENT_ENCODING], "gzip");
        let bytes = whole.into_body().collect().await.unwrap().to_bytes();
        assert!(bytes.len() < text.len());
        let mut read = String::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut read).unwrap();
        assert_eq!(read, text);
        let small = compressed(respond::json(200, Bytes::from_static(b"{}")));
        assert!(small.headers().get(CONTENT_ENCODING).is_none());
        let watch = compressed(respond::stream("application/json", stream::empty()));
        assert!(watch.headers().get(CONTENT_ENCODING).is_none());
    }
}
