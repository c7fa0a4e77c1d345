//! Reads the heads of HTTP/1.1 messages.

use super::body::{Body, Chunks};

/// More headers than this are not looked into.
const MOST_HEADERS: usize = 100;

/// What some bytes are.
#[derive(Debug, PartialEq, Eq)]
pub enum Parsed<T> {
    /// The beginning of a head.
    Incomplete,
    /// A head.
    Head(T),
    /// Something else, or something whose end cannot be told for sure: to be relayed without looking into it.
    Opaque,
}

/// A request's head.
#[derive(Debug, PartialEq, Eq)]
pub struct Request {
    /// Bytes of the head.
    pub length: usize,
    /// What follows.
    pub body: Body,
    /// The client may send another request on this connection.
    pub keep_alive: bool,
    /// Sending it twice is sending it once, and it has no body.
    pub repeatable: bool,
    /// The response has no body, whatever its head says.
    pub is_head: bool,
}

/// A response's head.
#[derive(Debug, PartialEq, Eq)]
pub struct Response {
    /// Bytes of the head.
    pub length: usize,
    /// What follows.
    pub body: Body,
    /// The server may answer another request on this connection.
    pub keep_alive: bool,
    /// Another head follows: this is a 1xx.
    pub interim: bool,
}

/// Whether a connection that begins with `bytes` may speak HTTP/1.
pub fn speaks_http(bytes: &[u8]) -> bool {
    const METHODS: [&str; 8] = ["GET ", "POST ", "PUT ", "HEAD ", "DELETE ", "PATCH ", "OPTIONS ", "TRACE "];
    METHODS.iter().any(|method| {
        let common = bytes.len().min(method.len());
        common > 0 && bytes.get(..common) == method.as_bytes().get(..common)
    })
}

/// Reads a request's head.
pub fn request(bytes: &[u8]) -> Parsed<Request> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let length = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Parsed::Incomplete,
        Err(_) => return Parsed::Opaque,
    };
    let Some(fields) = Fields::read(head.headers) else { return Parsed::Opaque };
    let method = head.method.unwrap_or_default();
    if fields.upgrade || method == "CONNECT" || (fields.chunked && head.version != Some(1)) {
        return Parsed::Opaque;
    }
    let body = match (fields.chunked, fields.length) {
        (true, _) => Body::Chunks(Chunks::default()),
        (false, length) => Body::Exactly(length.unwrap_or(0)),
    };
    Parsed::Head(Request {
        length,
        body,
        keep_alive: fields.keeps_alive(head.version),
        repeatable: body.done() && matches!(method, "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE"),
        is_head: method == "HEAD",
    })
}

/// Reads a response's head; `to_head`: the request was a HEAD.
pub fn response(bytes: &[u8], to_head: bool) -> Parsed<Response> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut head = httparse::Response::new(&mut headers);
    let length = match head.parse(bytes) {
        Ok(httparse::Status::Complete(length)) => length,
        Ok(httparse::Status::Partial) => return Parsed::Incomplete,
        Err(_) => return Parsed::Opaque,
    };
    let (Some(fields), Some(code)) = (Fields::read(head.headers), head.code) else { return Parsed::Opaque };
    if code == 101 {
        return Parsed::Opaque;
    }
    let interim = (100..200).contains(&code);
    let body = match (fields.chunked, fields.length) {
        _ if interim || to_head || code == 204 || code == 304 => Body::Exactly(0),
        (true, _) => Body::Chunks(Chunks::default()),
        (false, Some(length)) => Body::Exactly(length),
        (false, None) => Body::UntilClose,
    };
    let keep_alive = fields.keeps_alive(head.version) && body != Body::UntilClose;
    Parsed::Head(Response { length, body, keep_alive, interim })
}

/// The headers that tell where a message ends.
#[derive(Default)]
struct Fields {
    length: Option<u64>,
    chunked: bool,
    close: bool,
    keep: bool,
    upgrade: bool,
}

impl Fields {
    /// `None` if they contradict each other: two servers might disagree about the end.
    fn read(headers: &[httparse::Header<'_>]) -> Option<Self> {
        let mut fields = Self::default();
        for header in headers {
            let is = |name: &str| header.name.eq_ignore_ascii_case(name);
            let text = || std::str::from_utf8(header.value).ok().map(str::trim);
            if is("content-length") {
                let digits = text().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
                if fields.length.replace(digits.parse().ok()?).is_some() {
                    return None;
                }
            } else if is("transfer-encoding") {
                if fields.chunked || !text()?.eq_ignore_ascii_case("chunked") {
                    return None;
                }
                fields.chunked = true;
            } else if is("connection") {
                for token in text()?.split(',').map(str::trim) {
                    fields.close |= token.eq_ignore_ascii_case("close");
                    fields.keep |= token.eq_ignore_ascii_case("keep-alive");
                    fields.upgrade |= token.eq_ignore_ascii_case("upgrade");
                }
            }
        }
        (!fields.chunked || fields.length.is_none()).then_some(fields)
    }

    fn keeps_alive(&self, version: Option<u8>) -> bool {
        !self.close && (version == Some(1) || self.keep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(text: &str) -> Option<Request> {
        match request(text.as_bytes()) {
            Parsed::Head(head) => Some(head),
            Parsed::Incomplete | Parsed::Opaque => None,
        }
    }

    #[test]
    fn requests_are_framed() {
        let get = ask("GET / HTTP/1.1\r\nHost: web\r\n\r\nGET").unwrap();
        assert_eq!(
            (get.length, get.body, get.keep_alive, get.repeatable),
            (29, Body::Exactly(0), true, true)
        );
        let post = ask("POST / HTTP/1.1\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello").unwrap();
        assert_eq!((post.body, post.keep_alive, post.repeatable), (Body::Exactly(5), false, false));
        let chunked = ask("PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n").unwrap();
        assert_eq!((chunked.body, chunked.repeatable), (Body::Chunks(Chunks::Start), false));
        assert!(!ask("GET / HTTP/1.0\r\n\r\n").unwrap().keep_alive);
        assert!(ask("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").unwrap().keep_alive);
        assert_eq!(request(b"GET / HTTP/1.1\r\nHost"), Parsed::Incomplete);
    }

    #[test]
    fn what_two_servers_might_read_differently_is_opaque() {
        for text in [
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
            "POST / HTTP/1.1\r\nContent-Length: +5\r\n\r\n",
            "POST / HTTP/1.1\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
            "CONNECT example.org:443 HTTP/1.1\r\n\r\n",
            "PRI * HTTP/2.0\r\n\r\n",
        ] {
            assert_eq!(request(text.as_bytes()), Parsed::Opaque, "{text}");
        }
    }

    #[test]
    fn responses_are_framed() {
        let framed = |text: &str, to_head| match response(text.as_bytes(), to_head) {
            Parsed::Head(head) => (head.body, head.keep_alive, head.interim),
            other => panic!("{other:?}"),
        };
        let ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n";
        assert_eq!(framed(ok, false), (Body::Exactly(5), true, false));
        assert_eq!(framed(ok, true), (Body::Exactly(0), true, false));
        assert_eq!(framed("HTTP/1.1 200 OK\r\n\r\n", false), (Body::UntilClose, false, false));
        assert_eq!(
            framed("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", false),
            (Body::Exactly(0), true, false)
        );
        assert_eq!(framed("HTTP/1.1 100 Continue\r\n\r\n", false), (Body::Exactly(0), true, true));
        assert_eq!(response(b"HTTP/1.1 101 Switching Protocols\r\n\r\n", false), Parsed::Opaque);
    }

    #[test]
    fn http_is_told_from_its_first_bytes() {
        for text in ["G", "GET /", "POST / HTTP/1.1", "OPTIONS *"] {
            assert!(speaks_http(text.as_bytes()), "{text}");
        }
        for text in ["", "PRI * HTTP/2.0", "\x16\x03\x01", "SSH-2.0", "GETX", "EHLO web"] {
            assert!(!speaks_http(text.as_bytes()), "{text}");
        }
    }
}
