//! Free ports of this machine, below those that the kernel gives to connections.

use std::net::{Ipv4Addr, TcpListener};

use anyhow::{Result, bail};

/// Where services may listen: nothing else takes a port from here between our looking and their listening, most likely.
const RANGE: std::ops::Range<u16> = 20_000..32_000;
/// How many are tried.
const TRIES: usize = 1000;

/// As many free ports as asked for, all different.
///
/// # Errors
/// There are none.
pub fn free<const N: usize>() -> Result<[u16; N]> {
    let mut found = [0; N];
    // Held until all are found, so that they differ.
    let mut held = Vec::new();
    let mut wanted = found.iter_mut();
    let mut next = wanted.next();
    for _ in 0..TRIES {
        let Some(slot) = next.as_mut() else { return Ok(found) };
        let port = rand::random_range(RANGE);
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
            **slot = port;
            held.push(listener);
            next = wanted.next();
        }
    }
    bail!("no free ports between {} and {}", RANGE.start, RANGE.end)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn ports_differ() {
        let ports = super::free::<5>().unwrap();
        assert_eq!(BTreeSet::from(ports).len(), 5);
    }
}
