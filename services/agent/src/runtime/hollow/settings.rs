//! How the hollow runtime behaves: how long its containers take, and which part of them fails.

use std::fmt::{Display, Formatter};
use std::net::Ipv4Addr;
use std::str::FromStr;
use std::time::Duration;

/// The golden ratio's fraction: its multiples spread over a range more evenly than chance would.
const SPREAD: f64 = 0.618_033_988_749_894_9;

/// How the hollow runtime behaves.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct HollowConfig {
    /// How long starting a container takes, in milliseconds: 100, or 50-200 spread evenly.
    #[arg(long, default_value_t, value_name = "MS")]
    pub hollow_start_ms: Span,
    /// How long a container takes to end after its stop signal, in milliseconds.
    #[arg(long, default_value_t, value_name = "MS")]
    pub hollow_stop_ms: Span,
    /// How long fetching an image takes, in milliseconds; every container fetches its own.
    #[arg(long, default_value_t, value_name = "MS")]
    pub hollow_pull_ms: Span,
    /// Which part of container starts fails, from 0 to 1.
    #[arg(long, default_value_t, value_name = "PART")]
    pub hollow_failures: Part,
    /// Which part of image fetches fails, from 0 to 1.
    #[arg(long, default_value_t, value_name = "PART")]
    pub hollow_pull_failures: Part,
    /// Which part of probes fails, from 0 to 1; the others pass, whatever they ask.
    #[arg(long, default_value_t, value_name = "PART")]
    pub hollow_probe_failures: Part,
    /// Which of a cluster's hollow agents this is, from 0 on: nodes and pods of different agents have different addresses.
    #[arg(long, default_value_t = 0, value_name = "NUMBER", value_parser = clap::value_parser!(u8).range(..i64::from(MOST_AGENTS)))]
    pub hollow_agent: u8,
    /// How many processors a hollow node says it has.
    #[arg(long, default_value_t = 32)]
    pub hollow_cpus: u64,
    /// How much memory a hollow node says it has, in MiB.
    #[arg(long, default_value_t = 262_144)]
    pub hollow_memory_mib: u64,
}

/// Hollow agents of a cluster that can have addresses of their own.
pub const MOST_AGENTS: u8 = 14;
/// The first node's address, and how many an agent's nodes have.
const NODES: (Ipv4Addr, u32) = (Ipv4Addr::new(10, 192, 0, 1), 1 << 15);
/// The first pod's address, and how many an agent's pods have before they are given out again.
const PODS: (Ipv4Addr, u32) = (Ipv4Addr::new(10, 200, 0, 1), 1 << 18);

impl HollowConfig {
    /// The address of this agent's n-th node.
    pub fn node_address(&self, count: u32) -> Ipv4Addr {
        self.address(NODES, count)
    }

    /// The address of this agent's n-th pod.
    pub fn pod_address(&self, count: u32) -> Ipv4Addr {
        self.address(PODS, count)
    }

    fn address(&self, (first, room): (Ipv4Addr, u32), count: u32) -> Ipv4Addr {
        let own = u32::from(self.hollow_agent).wrapping_mul(room);
        Ipv4Addr::from(u32::from(first).wrapping_add(own).wrapping_add(count % room))
    }

    /// The flags that say the same, to hand on to an agent.
    pub fn arguments(&self) -> Vec<String> {
        vec![
            format!("--hollow-start-ms={}", self.hollow_start_ms),
            format!("--hollow-stop-ms={}", self.hollow_stop_ms),
            format!("--hollow-pull-ms={}", self.hollow_pull_ms),
            format!("--hollow-failures={}", self.hollow_failures),
            format!("--hollow-pull-failures={}", self.hollow_pull_failures),
            format!("--hollow-probe-failures={}", self.hollow_probe_failures),
            format!("--hollow-cpus={}", self.hollow_cpus),
            format!("--hollow-memory-mib={}", self.hollow_memory_mib),
        ]
    }
}

/// A range of milliseconds that durations come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    least: u64,
    /// Never less than `least`.
    most: u64,
}

impl Span {
    /// Nothing takes any time.
    pub fn is_zero(self) -> bool {
        self.most == 0
    }

    /// How long the n-th one takes.
    #[expect(
        clippy::cast_precision_loss,
        reason = "the fraction of a large count's multiple is as good as any other"
    )]
    pub fn at(self, count: u64) -> Duration {
        let fraction = (count as f64 * SPREAD).fract();
        let most = Duration::from_millis(self.most - self.least);
        Duration::from_millis(self.least) + most.mul_f64(fraction)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number =
            |text: &str| text.parse::<u64>().map_err(|_| format!("`{text}` is not a number of milliseconds"));
        let (least, most) = text.split_once('-').unwrap_or((text, text));
        let span = Self { least: number(least)?, most: number(most)? };
        if span.least > span.most {
            return Err(format!("{} is more than {}", span.least, span.most));
        }
        Ok(span)
    }
}

impl Display for Span {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        match self.least == self.most {
            true => write!(f, "{}", self.least),
            false => write!(f, "{}-{}", self.least, self.most),
        }
    }
}

/// A part of a whole, between 0 and 1.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Part(f64);

impl Part {
    /// Whether the n-th one belongs to the part: as evenly spread as can be.
    #[expect(clippy::cast_precision_loss, reason = "a count of starts is far below 2^52")]
    pub fn includes(self, count: u64) -> bool {
        let (before, after) = ((count as f64 * self.0).floor(), ((count as f64 + 1.0) * self.0).floor());
        after > before
    }
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.parse::<f64>() {
            Ok(part) if (0.0..=1.0).contains(&part) => Ok(Self(part)),
            Ok(_) | Err(_) => Err("a part is between 0 and 1".to_owned()),
        }
    }
}

impl Display for Part {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_stay_in_their_span_and_use_all_of_it() {
        let span: Span = "50-250".parse().unwrap();
        let millis: Vec<u128> = (0..100).map(|count| span.at(count).as_millis()).collect();
        assert!(millis.iter().all(|each| (50..=250).contains(each)), "{millis:?}");
        assert!(millis.iter().any(|each| *each < 60) && millis.iter().any(|each| *each > 240), "{millis:?}");
        assert_eq!("7".parse::<Span>().unwrap().at(3), Duration::from_millis(7));
        assert_eq!(span.to_string(), "50-250");
        assert_eq!("9-3".parse::<Span>(), Err("9 is more than 3".to_owned()));
        assert_eq!("fast".parse::<Span>(), Err("`fast` is not a number of milliseconds".to_owned()));
    }

    #[test]
    fn agents_have_different_addresses() {
        let agent = |hollow_agent: u8| HollowConfig { hollow_agent, ..HollowConfig::default() };
        assert_eq!(agent(0).node_address(4999), Ipv4Addr::new(10, 192, 19, 136));
        assert_eq!(agent(1).node_address(0), Ipv4Addr::new(10, 192, 128, 1));
        assert_eq!(agent(0).pod_address((1 << 18) + 5), agent(0).pod_address(5));
        assert_eq!(agent(13).pod_address(0), Ipv4Addr::new(10, 252, 0, 1));
    }

    #[test]
    fn a_part_is_as_large_as_it_says() {
        let part: Part = "0.25".parse().unwrap();
        assert_eq!((0..1000).filter(|count| part.includes(*count)).count(), 250);
        assert!((0..10).all(|count| Part(1.0).includes(count) && !Part(0.0).includes(count)));
        assert!("1.5".parse::<Part>().is_err() && "NaN".parse::<Part>().is_err());
    }
}
