//! URLs: `url("https://example.com:80/a?b=c").getHost()`, read as Go reads the URIs of requests.

use std::collections::HashMap;
use std::net::Ipv6Addr;

use cel::common::types::{CelBool, CelList, CelMap, CelMapKey, CelString};
use cel::common::value::Val;
use cel::{DeclarationError, Env, ExecutionError, add_member_overload, add_overload};

use super::failed;
use crate::cel::native::{Native, named};

/// The parts of a URL.
#[derive(Clone, Debug, Default, PartialEq)]
struct Url {
    scheme: String,
    /// With brackets around addresses.
    hostname: String,
    port: String,
    path: String,
    query: String,
}

named! { Url => "kubernetes.URL" }

type It = Native<Url>;

pub(super) fn extension(environment: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(environment, fn url: (CelString) -> Result<It>)?;
    add_overload!(environment, fn is_url: (CelString) -> CelBool, name = "isURL")?;
    add_member_overload!(environment, fn get_scheme: (It) -> CelString)?;
    add_member_overload!(environment, fn get_host: (It) -> CelString)?;
    add_member_overload!(environment, fn get_hostname: (It) -> CelString)?;
    add_member_overload!(environment, fn get_port: (It) -> CelString)?;
    add_member_overload!(environment, fn get_escaped_path: (It) -> CelString)?;
    add_member_overload!(environment, fn get_query: (It) -> CelMap)?;
    Ok(())
}

impl Url {
    fn parse(text: &str) -> Result<Self, &'static str> {
        if text.is_empty() {
            return Err("empty url");
        }
        if text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
            return Err("net/url: invalid control character in URL");
        }
        let (scheme, rest) = scheme(text)?;
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        if !rest.starts_with('/') {
            return Err("invalid URI for request");
        }
        let (authority, path) = match rest.strip_prefix("//").filter(|_| !scheme.is_empty()) {
            None => ("", rest),
            Some(rest) => rest.split_at(rest.find('/').unwrap_or(rest.len())),
        };
        let (hostname, port) = host(authority)?;
        if !is_escaped(path) {
            return Err("invalid URL escape");
        }
        Ok(Self {
            scheme: scheme.to_ascii_lowercase(),
            hostname: hostname.to_owned(),
            port: port.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
        })
    }
}

fn scheme(text: &str) -> Result<(&str, &str), &'static str> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && !"+-.".contains(c));
    match end.and_then(|end| text.split_at_checked(end)) {
        Some(("", rest)) if rest.starts_with(':') => Err("missing protocol scheme"),
        Some((scheme, rest))
            if rest.starts_with(':') && scheme.starts_with(|c: char| c.is_ascii_alphabetic()) =>
        {
            Ok((scheme, rest.get(1..).unwrap_or_default()))
        }
        _ => Ok(("", text)),
    }
}

fn host(authority: &str) -> Result<(&str, &str), &'static str> {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (hostname, port) = match host.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or("missing ']' in host")?;
            if address.split('%').next().unwrap_or_default().parse::<Ipv6Addr>().is_err() {
                return Err("invalid host");
            }
            (host.get(..address.len() + 2).unwrap_or_default(), port)
        }
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port = match port.strip_prefix(':') {
        None if port.is_empty() => "",
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits,
        _ => return Err("invalid port after host"),
    };
    match hostname.contains([' ', '<', '>', '"', '\\', '^', '`', '{', '|', '}']) {
        true => Err("invalid character in host name"),
        false => Ok((hostname, port)),
    }
}

/// Every `%` is followed by two hexadecimal digits.
fn is_escaped(path: &str) -> bool {
    path.split('%').skip(1).all(|rest| rest.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2)
}

fn url(text: &CelString<'_>) -> Result<It, ExecutionError> {
    Url::parse(text.inner()).map(Native).map_err(|why| {
        failed(format!("URL parse error during conversion from string: parse {:?}: {why}", text.inner()))
    })
}

fn is_url(text: &CelString<'_>) -> CelBool {
    CelBool::from(Url::parse(text.inner()).is_ok())
}

fn get_scheme(it: &It) -> CelString<'static> {
    CelString::from(it.0.scheme.clone())
}

fn get_host(it: &It) -> CelString<'static> {
    let Url { hostname, port, .. } = &it.0;
    CelString::from(if port.is_empty() { hostname.clone() } else { format!("{hostname}:{port}") })
}

fn get_hostname(it: &It) -> CelString<'static> {
    CelString::from(it.0.hostname.trim_start_matches('[').trim_end_matches(']').to_owned())
}

fn get_port(it: &It) -> CelString<'static> {
    CelString::from(it.0.port.clone())
}

/// Characters that must not stand in paths are escaped.
fn get_escaped_path(it: &It) -> CelString<'static> {
    let escape = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' => char::from(byte).to_string(),
        _ if b"-_.~$&+,/:;=@!'()*%[]".contains(&byte) => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    CelString::from(it.0.path.bytes().map(escape).collect::<String>())
}

fn get_query(it: &It) -> CelMap<'static> {
    let mut values: HashMap<String, Vec<Box<dyn Val>>> = HashMap::new();
    for pair in it.0.query.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        values.entry(unescaped(key)).or_default().push(Box::new(CelString::from(unescaped(value))));
    }
    let lists = values.into_iter().map(|(key, list)| {
        let list: Box<dyn Val> = Box::new(CelList::from(list));
        (CelMapKey::String(CelString::from(key)), list)
    });
    CelMap::from(lists.collect::<HashMap<_, _>>())
}

fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let hex = |rest: &std::str::Bytes<'_>| {
            let digits: Vec<u8> = rest.clone().take(2).collect();
            u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()
        };
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => match hex(&rest) {
                Some(one) => {
                    bytes.push(one);
                    rest.nth(1);
                }
                None => bytes.push(byte),
            },
            other => bytes.push(other),
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
