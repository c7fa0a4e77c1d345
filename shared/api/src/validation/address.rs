//! Formats of IP addresses and of ranges of them. Each check returns Kubernetes' sentences for what is wrong.

use std::net::{IpAddr, Ipv4Addr};

/// An IP address.
pub(super) fn ip(text: &str) -> Vec<String> {
    match parse(text) {
        Some(_) => Vec::new(),
        None => vec!["must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)".into()],
    }
}

/// A range of IP addresses.
pub(super) fn cidr(text: &str) -> Vec<String> {
    match Cidr::parse(text) {
        Some(_) => Vec::new(),
        None => vec!["must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)".into()],
    }
}

/// An IP address that somebody else may reach. What is no address at all is [`ip`]'s business.
pub(super) fn reachable(text: &str) -> Vec<String> {
    let Some(address) = parse(text) else { return Vec::new() };
    let (unicast, multicast) = match address {
        IpAddr::V4(address) => (address.is_link_local(), address.octets().starts_with(&[224, 0, 0])),
        IpAddr::V6(address) => {
            let first = address.segments().first().copied().unwrap_or_default();
            (first & 0xffc0 == 0xfe80, first & 0xff0f == 0xff02)
        }
    };
    let mut wrong = Vec::new();
    if address.is_unspecified() {
        wrong.push(format!("may not be unspecified ({text})"));
    }
    if address.is_loopback() {
        wrong.push("may not be in the loopback range (127.0.0.0/8, ::1/128)".into());
    }
    if unicast {
        wrong.push("may not be in the link-local range (169.254.0.0/16, fe80::/10)".into());
    }
    if multicast {
        wrong.push("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)".into());
    }
    wrong
}

/// Reads an address as old versions of Go did, who let octets begin with zeros; one of IPv4 within IPv6 is one of IPv4.
pub(super) fn parse(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    let octets: Vec<u8> = text
        .split('.')
        .map(|octet| {
            let digits = !octet.is_empty() && octet.bytes().all(|byte| byte.is_ascii_digit());
            octet.parse().ok().filter(|_| digits)
        })
        .collect::<Option<_>>()?;
    <[u8; 4]>::try_from(octets).ok().map(|octets| IpAddr::V4(Ipv4Addr::from(octets)))
}

/// A range of addresses: as bits, so that both families are the same.
pub(super) struct Cidr {
    bits: u128,
    width: u32,
    prefix: u32,
}

impl Cidr {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let prefix = prefix.parse().ok()?;
        let (bits, width) = match parse(address)? {
            IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
            IpAddr::V6(address) => (address.to_bits(), 128),
        };
        (prefix <= width).then_some(Self { bits, width, prefix })
    }

    /// Of IPv6 rather than of IPv4.
    pub(super) fn is_long(&self) -> bool {
        self.width == 128
    }

    pub(super) fn strictly_contains(&self, inner: &Self) -> bool {
        let network = |range: &Self| range.bits.checked_shr(self.width - self.prefix).unwrap_or(0);
        self.width == inner.width && self.prefix < inner.prefix && network(self) == network(inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_leniently() {
        for (text, right) in [
            ("10.9.8.7", true),
            ("010.9.8.7", true),
            ("::ffff:10.0.0.1", true),
            ("2001:db8::1", true),
            ("10.9.8", false),
            ("10.9.8.256", false),
            ("+1.2.3.4", false),
            ("", false),
        ] {
            assert_eq!(ip(text).is_empty(), right, "{text}");
        }
        for (text, right) in
            [("10.0.0.0/8", true), ("::/0", true), ("10.0.0.0/33", false), ("10.0.0.0", false)]
        {
            assert_eq!(cidr(text).is_empty(), right, "{text}");
        }
    }

    #[test]
    fn some_addresses_are_nobody_else_s() {
        for (text, word) in [
            ("0.0.0.0", "unspecified"),
            ("127.0.0.1", "loopback"),
            ("::1", "loopback"),
            ("169.254.1.1", "link-local range"),
            ("fe80::1", "link-local range"),
            ("224.0.0.1", "multicast"),
            ("ff02::1", "multicast"),
        ] {
            assert!(reachable(text).concat().contains(word), "{text}");
        }
        assert_eq!(reachable("10.0.0.1"), Vec::<String>::new());
    }
}
