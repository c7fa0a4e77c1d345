//! `format`: what texts of well-known formats look like.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// A format that is checked. Others say something to people only.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Format {
    pub name: &'static str,
    pub matches: fn(&str) -> bool,
}

const FORMATS: [Format; 16] = [
    Format { name: "byte", matches: |text| STANDARD.decode(text).is_ok() },
    Format { name: "cidr", matches: is_cidr },
    Format { name: "date", matches: |text| text.len() == 10 && text.parse::<jiff::civil::Date>().is_ok() },
    Format { name: "date-time", matches: |text| text.parse::<jiff::Timestamp>().is_ok() },
    Format { name: "datetime", matches: |text| text.parse::<jiff::Timestamp>().is_ok() },
    Format { name: "duration", matches: is_duration },
    Format { name: "email", matches: is_email },
    Format { name: "hostname", matches: is_hostname },
    Format { name: "ipv4", matches: |text| text.parse::<Ipv4Addr>().is_ok() },
    Format { name: "ipv6", matches: |text| text.parse::<Ipv6Addr>().is_ok() },
    Format { name: "mac", matches: is_mac },
    Format { name: "uri", matches: is_uri },
    Format { name: "uuid", matches: |text| is_uuid(text, None) },
    Format { name: "uuid3", matches: |text| is_uuid(text, Some('3')) },
    Format { name: "uuid4", matches: |text| is_uuid(text, Some('4')) },
    Format { name: "uuid5", matches: |text| is_uuid(text, Some('5')) },
];

impl Format {
    /// The format of this name, if it is one that is checked.
    pub fn of(name: &str) -> Option<Self> {
        FORMATS.into_iter().find(|format| format.name == name)
    }
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    match (address.parse::<IpAddr>(), bits.parse::<u8>()) {
        (Ok(IpAddr::V4(_)), Ok(bits)) => bits <= 32,
        (Ok(IpAddr::V6(_)), Ok(bits)) => bits <= 128,
        (Err(_), _) | (_, Err(_)) => false,
    }
}

/// `1h30m`, `1.5s`, `0`: a number and a unit, any number of times; or a text that has a whole number and a unit anywhere in it.
fn is_duration(text: &str) -> bool {
    let rest = text.strip_prefix(['-', '+']).unwrap_or(text);
    rest == "0" || is_go_duration(rest) || has_amount_of_time(text)
}

/// As Go reads them.
fn is_go_duration(text: &str) -> bool {
    let mut rest = text;
    let mut parts = 0;
    while !rest.is_empty() {
        let number = rest.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let unit = number.trim_start_matches(|c: char| c.is_alphabetic());
        let word = number.get(..number.len() - unit.len()).unwrap_or_default();
        if number.len() == rest.len() || !["ns", "us", "µs", "ms", "s", "m", "h"].contains(&word) {
            return false;
        }
        rest = unit;
        parts += 1;
    }
    parts > 0
}

/// As Scala's are read by Kubernetes: what is no amount of time is passed over.
fn has_amount_of_time(text: &str) -> bool {
    const UNITS: [&str; 11] = ["ns", "us", "µs", "ms", "s", "m", "h", "hr", "d", "w", "wk"];
    const STEMS: [&str; 8] = ["nano", "micro", "milli", "sec", "min", "hour", "day", "week"];
    let letters = |rest: &str| {
        let word: String =
            rest.trim_start().chars().take_while(|c| c.is_ascii_alphabetic() || *c == 'µ').collect();
        word.to_lowercase()
    };
    let starts = text.char_indices().filter(|(at, c)| {
        !c.is_ascii_digit()
            && text.get(..*at).is_some_and(|before| before.ends_with(|c: char| c.is_ascii_digit()))
    });
    starts
        .filter_map(|(at, _)| text.get(at..))
        .map(letters)
        .any(|word| UNITS.contains(&&*word) || STEMS.iter().any(|stem| word.starts_with(stem)))
}

fn is_email(text: &str) -> bool {
    let Some((local, host)) = text.rsplit_once('@') else { return false };
    !local.is_empty() && !local.contains(char::is_whitespace) && is_hostname(host)
}

fn is_hostname(text: &str) -> bool {
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    };
    text.len() <= 255 && text.strip_suffix('.').unwrap_or(text).split('.').all(label)
}

fn is_mac(text: &str) -> bool {
    let octet = |octet: &str| octet.len() == 2 && octet.chars().all(|c| c.is_ascii_hexdigit());
    [':', '-'].iter().any(|separator| {
        let octets: Vec<&str> = text.split(*separator).collect();
        matches!(octets.len(), 6 | 8 | 20) && octets.into_iter().all(octet)
    })
}

/// Absolute, or a path.
fn is_uri(text: &str) -> bool {
    let scheme = text.split_once(':').is_some_and(|(scheme, _)| {
        scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'))
    });
    (scheme || text.starts_with('/')) && !text.contains(|c: char| c.is_whitespace() || c.is_control())
}

fn is_uuid(text: &str, version: Option<char>) -> bool {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    digits.len() == 32
        && digits.chars().all(|c| c.is_ascii_hexdigit())
        && version.is_none_or(|version| digits.chars().nth(12) == Some(version))
}
