//! Chooses a backend for each connection: the less busy of two drawn by lot, or the one the client had before.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, LazyLock, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;

use crate::metrics::PortMetrics;
use crate::route::Target;

/// How long a backend is left alone after its first failure; doubles with each further one.
const EJECTION: Duration = Duration::from_secs(1);
/// How often that doubles.
const MAX_DOUBLINGS: u32 = 4;
/// Affinities are swept when there are this many, and again at each doubling.
const SWEEP_FROM: usize = 4_096;

/// The backends of one frontend, shared by all workers.
pub struct Balancer {
    /// Replaced as a whole; read under the lock only for as long as a choice takes.
    pool: RwLock<Pool>,
    sticky: Mutex<Sticky>,
    /// The Service port's counters.
    pub metrics: PortMetrics,
}

/// The candidates of a moment.
#[derive(Default)]
struct Pool {
    endpoints: Vec<Arc<Endpoint>>,
    affinity: Option<Duration>,
    may_speak_http: bool,
}

/// One backend and what is known about it. Outlives its place in the pool while connections use it.
pub struct Endpoint {
    /// Where it listens.
    pub address: SocketAddr,
    /// Connections that use it, those being made included.
    active: AtomicU32,
    /// Connections that are being made.
    connecting: AtomicU32,
    /// Failures since the last success.
    failures: AtomicU32,
    /// Left alone until then, in milliseconds of `clock`.
    ejected_until: AtomicU64,
    /// Cancelled when it leaves the pool.
    retired: CancellationToken,
}

/// A place at a backend, given back when dropped.
pub struct Lease {
    endpoint: Arc<Endpoint>,
    connecting: bool,
}

#[derive(Default)]
struct Sticky {
    clients: HashMap<IpAddr, (SocketAddr, Instant)>,
    sweep_at: usize,
}

impl Balancer {
    /// A balancer for `target`.
    pub fn new(target: &Target) -> Self {
        let balancer = Self {
            pool: RwLock::default(),
            sticky: Mutex::default(),
            metrics: PortMetrics::of(&target.owner),
        };
        balancer.set(target);
        balancer
    }

    /// Replaces the candidates; those that stay keep their counts. Returns those that left.
    pub fn set(&self, target: &Target) -> Vec<Arc<Endpoint>> {
        let mut pool = self.pool.write().unwrap_or_else(PoisonError::into_inner);
        let mut known: HashMap<SocketAddr, Arc<Endpoint>> =
            pool.endpoints.drain(..).map(|endpoint| (endpoint.address, endpoint)).collect();
        let kept = target
            .backends
            .iter()
            .map(|address| known.remove(address).unwrap_or_else(|| Endpoint::new(*address)));
        let endpoints = kept.collect();
        *pool = Pool { endpoints, affinity: target.affinity, may_speak_http: target.may_speak_http };
        drop(pool);
        let left: Vec<_> = known.into_values().collect();
        left.iter().for_each(|endpoint| endpoint.retired.cancel());
        left
    }

    /// Whether connections may turn out to speak HTTP/1.
    pub fn may_speak_http(&self) -> bool {
        self.pool.read().unwrap_or_else(PoisonError::into_inner).may_speak_http
    }

    /// A backend for `client` that is not among `tried`; `dice` decides between equals. `None`: there is nobody.
    pub fn choose(&self, client: IpAddr, tried: &[SocketAddr], now: Instant, dice: u64) -> Option<Lease> {
        let pool = self.pool.read().unwrap_or_else(PoisonError::into_inner);
        let Some(affinity) = pool.affinity else {
            return pool.choose(tried, now, dice).map(Lease::new);
        };
        let mut sticky = self.sticky.lock().unwrap_or_else(PoisonError::into_inner);
        let last = sticky.of(client, now, affinity).filter(|address| !tried.contains(address));
        let last =
            last.and_then(|address| pool.endpoints.iter().find(|endpoint| endpoint.address == address));
        let endpoint = last.or_else(|| pool.choose(tried, now, dice))?;
        sticky.remember(client, endpoint.address, now, affinity);
        Some(Lease::new(endpoint))
    }
}

impl Pool {
    /// Power of two choices on the number of active connections. Ejected ones come last.
    fn choose(&self, tried: &[SocketAddr], now: Instant, dice: u64) -> Option<&Arc<Endpoint>> {
        let now = clock(now);
        let healthy = |endpoint: &Endpoint| !tried.contains(&endpoint.address) && !endpoint.ejected(now);
        let untried = |endpoint: &Endpoint| !tried.contains(&endpoint.address);
        let (low, high) = (dice as u32 as usize, (dice >> 32) as usize);
        let first = self.from(low, healthy).or_else(|| self.from(low, untried))?;
        let other = |endpoint: &Endpoint| healthy(endpoint) && endpoint.address != first.address;
        match self.from(high, other) {
            Some(second) if second.active.load(Relaxed) < first.active.load(Relaxed) => Some(second),
            Some(_) | None => Some(first),
        }
    }

    /// The first acceptable endpoint at or after a place drawn by lot.
    fn from(&self, lot: usize, acceptable: impl Fn(&Endpoint) -> bool) -> Option<&Arc<Endpoint>> {
        let start = lot.checked_rem(self.endpoints.len())?;
        let (before, after) = self.endpoints.split_at_checked(start)?;
        after.iter().chain(before).find(|endpoint| acceptable(endpoint))
    }
}

impl Endpoint {
    fn new(address: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            address,
            active: AtomicU32::new(0),
            connecting: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            ejected_until: AtomicU64::new(0),
            retired: CancellationToken::new(),
        })
    }

    /// Whether a connection to it is being made right now.
    pub fn connecting(&self) -> bool {
        self.connecting.load(Relaxed) > 0
    }

    fn ejected(&self, now: u64) -> bool {
        self.ejected_until.load(Relaxed) > now
    }
}

impl Lease {
    fn new(endpoint: &Arc<Endpoint>) -> Self {
        endpoint.active.fetch_add(1, Relaxed);
        endpoint.connecting.fetch_add(1, Relaxed);
        Self { endpoint: Arc::clone(endpoint), connecting: true }
    }

    /// Where to connect.
    pub fn address(&self) -> SocketAddr {
        self.endpoint.address
    }

    /// Whether the backend left the pool since.
    pub fn retired(&self) -> bool {
        self.endpoint.retired.is_cancelled()
    }

    /// Waits until the backend leaves the pool.
    pub async fn retirement(&self) {
        self.endpoint.retired.cancelled().await;
    }

    /// The backend accepted.
    pub fn connected(&mut self) {
        self.endpoint.failures.store(0, Relaxed);
        self.settle();
    }

    /// The backend did not accept: leave it alone for a while.
    pub fn failed(&self, now: Instant) {
        let failures = self.endpoint.failures.fetch_add(1, Relaxed).min(MAX_DOUBLINGS);
        self.endpoint.ejected_until.store(clock(now + EJECTION * (1 << failures)), Relaxed);
    }

    fn settle(&mut self) {
        if std::mem::take(&mut self.connecting) {
            self.endpoint.connecting.fetch_sub(1, Relaxed);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.settle();
        self.endpoint.active.fetch_sub(1, Relaxed);
    }
}

impl Sticky {
    fn of(&self, client: IpAddr, now: Instant, affinity: Duration) -> Option<SocketAddr> {
        let (address, seen) = self.clients.get(&client)?;
        (now.duration_since(*seen) < affinity).then_some(*address)
    }

    fn remember(&mut self, client: IpAddr, address: SocketAddr, now: Instant, affinity: Duration) {
        if self.clients.len() >= self.sweep_at.max(SWEEP_FROM) {
            self.clients.retain(|_, (_, seen)| now.duration_since(*seen) < affinity);
            self.sweep_at = self.clients.len() * 2;
        }
        self.clients.insert(client, (address, now));
    }
}

/// Milliseconds since this process first asked.
fn clock(now: Instant) -> u64 {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    now.saturating_duration_since(*START).as_millis() as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::Owner;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));

    fn target(ports: &[u16], affinity: Option<u64>) -> Target {
        Target {
            owner: Owner { namespace: "default".into(), service: "web".into(), port: "http".into() },
            may_speak_http: true,
            affinity: affinity.map(Duration::from_secs),
            backends: ports.iter().map(|port| SocketAddr::new(CLIENT, *port)).collect(),
        }
    }

    fn dice() -> impl Iterator<Item = u64> {
        std::iter::successors(Some(88_172_645_463_325_252u64), |x| {
            let x = x ^ (x << 13);
            let x = x ^ (x >> 7);
            Some(x ^ (x << 17))
        })
    }

    #[test]
    fn open_connections_spread_evenly() {
        let balancer = Balancer::new(&target(&[1, 2, 3, 4], None));
        let leases: Vec<_> = dice()
            .take(400)
            .map(|dice| balancer.choose(CLIENT, &[], Instant::now(), dice).unwrap())
            .collect();
        for port in 1..=4 {
            let count = leases.iter().filter(|lease| lease.address().port() == port).count();
            assert!((95..=105).contains(&count), "port {port}: {count}");
        }
    }

    #[test]
    fn failing_backends_are_left_alone_and_tried_if_there_is_no_other() {
        let balancer = Balancer::new(&target(&[1, 2], None));
        let now = Instant::now();
        let lease = balancer.choose(CLIENT, &[], now, 0).unwrap();
        let bad = lease.address();
        lease.failed(now);
        drop(lease);
        for dice in dice().take(20) {
            assert_ne!(balancer.choose(CLIENT, &[], now, dice).unwrap().address(), bad);
        }
        let good: Vec<_> = balancer.choose(CLIENT, &[bad], now, 7).iter().map(Lease::address).collect();
        assert_eq!(balancer.choose(CLIENT, &good, now, 3).unwrap().address(), bad);
        assert!(balancer.choose(CLIENT, &[bad, good[0]], now, 3).is_none());
        let later = now + EJECTION + Duration::from_millis(1);
        assert!(
            dice().take(20).any(|dice| balancer.choose(CLIENT, &[], later, dice).unwrap().address() == bad)
        );
    }

    #[test]
    fn clients_stay_until_their_affinity_ends_or_the_backend_leaves() {
        let balancer = Balancer::new(&target(&[1, 2, 3], Some(60)));
        let now = Instant::now();
        let first = balancer.choose(CLIENT, &[], now, 1).unwrap().address();
        for dice in dice().take(20) {
            assert_eq!(
                balancer.choose(CLIENT, &[], now + Duration::from_secs(59), dice).unwrap().address(),
                first
            );
        }
        let much_later = now + Duration::from_secs(200);
        assert!(
            dice()
                .take(20)
                .any(|dice| balancer.choose(CLIENT, &[], much_later, dice).unwrap().address() != first)
        );
        let others: Vec<u16> = [1, 2, 3].into_iter().filter(|port| *port != first.port()).collect();
        let left = balancer.set(&target(&others, Some(60)));
        assert_eq!(left.iter().map(|endpoint| endpoint.address).collect::<Vec<_>>(), [first]);
        assert_ne!(balancer.choose(CLIENT, &[], now, 1).unwrap().address(), first);
    }

    #[test]
    fn those_that_stay_keep_their_counts() {
        let balancer = Balancer::new(&target(&[1], None));
        let lease = balancer.choose(CLIENT, &[], Instant::now(), 0).unwrap();
        balancer.set(&target(&[1, 2], None));
        for dice in dice().take(20) {
            assert_eq!(balancer.choose(CLIENT, &[], Instant::now(), dice).unwrap().address().port(), 2);
        }
        drop(lease);
    }
}
