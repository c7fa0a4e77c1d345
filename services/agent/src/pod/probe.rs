//! When a probe is due, and what a row of its results means.

use std::sync::Arc;
use std::time::Duration;

use api::Timestamp;
use k8s_openapi::api::core::v1 as k8s;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// A container that has just started is asked sooner than its period says, until it is ready for the first time.
const EAGER_FIRST: Duration = Duration::from_millis(50);

/// One probe of a container.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbePlan {
    /// What it decides about.
    pub kind: ProbeKind,
    /// What is asked.
    pub ask: Arc<Ask>,
    /// How long after the start it begins.
    pub initial_delay: Duration,
    /// How often.
    pub period: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Successes in a row that count.
    pub success_threshold: u32,
    /// Failures in a row that count.
    pub failure_threshold: u32,
    /// The grace period when it kills, if it has its own.
    pub grace: Option<Duration>,
}

/// What a probe decides about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProbeKind {
    /// Has it started? The others wait for it; failing kills.
    Startup,
    /// May it receive connections?
    Readiness,
    /// Does it live? Failing kills.
    Liveness,
}

/// A question to a container.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// A command in it that must exit with 0.
    Exec(Vec<String>),
    /// A request that must be answered with 200 to 399.
    Http {
        /// `None`: the pod's address.
        host: Option<String>,
        /// The port.
        port: u16,
        /// The path.
        path: String,
        /// Additional headers.
        headers: Vec<(String, String)>,
        /// Over TLS, without verifying.
        tls: bool,
    },
    /// A connection that must be accepted.
    Tcp {
        /// `None`: the pod's address.
        host: Option<String>,
        /// The port.
        port: u16,
    },
    /// A health check (`grpc.health.v1.Health`) that must be answered with `SERVING`.
    Grpc {
        /// The port.
        port: u16,
        /// Whose health; empty: the server's.
        service: String,
    },
    /// Nothing but time (hooks only).
    Sleep(Duration),
    /// Something this agent cannot ask; fails with this explanation.
    Unsupported(&'static str),
}

impl ProbeKind {
    /// As events and messages name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Startup => "Startup",
            Self::Readiness => "Readiness",
            Self::Liveness => "Liveness",
        }
    }
}

/// What is known of one probe of one instance of a container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ProbeMemory {
    /// The last counted results: how many in a row, and which.
    row: Option<(bool, u32)>,
    /// What the row has decided so far.
    pub verdict: Option<bool>,
    /// When it was last asked.
    asked: Option<Timestamp>,
    /// When a failure was last counted.
    counted: Option<Timestamp>,
    /// How often it was asked.
    times: u32,
    /// An answer is awaited.
    pub in_flight: bool,
}

impl ProbeMemory {
    /// When it is to be asked next, in a container that started then.
    pub fn due(&self, plan: &ProbePlan, started: Timestamp) -> Timestamp {
        let Some(asked) = self.asked else { return started.plus(plan.initial_delay) };
        let eager = self.verdict.is_none() && plan.kind != ProbeKind::Liveness;
        let pause = match eager {
            true => plan.period.min(EAGER_FIRST.saturating_mul(1 << self.times.min(10))),
            false => plan.period,
        };
        asked.plus(pause)
    }

    /// It is being asked.
    pub fn begin(&mut self, now: Timestamp) {
        self.in_flight = true;
        self.asked = Some(now);
        self.times = self.times.saturating_add(1);
    }

    /// It was answered.
    pub fn answer(&mut self, plan: &ProbePlan, passed: bool, now: Timestamp) {
        self.in_flight = false;
        // Asking sooner than the period must not use up the failures that the user allows.
        let early = self.counted.is_some_and(|counted| now.since(counted) < plan.period.mul_f64(0.9));
        if !passed && self.verdict.is_none() && early {
            return;
        }
        self.counted = Some(now);
        let count = match self.row {
            Some((last, count)) if last == passed => count.saturating_add(1),
            Some(_) | None => 1,
        };
        self.row = Some((passed, count));
        let threshold = if passed { plan.success_threshold } else { plan.failure_threshold };
        if count >= threshold.max(1) {
            self.verdict = Some(passed);
        }
    }
}

/// The probes of a container, in the order startup, readiness, liveness.
pub fn plans(container: &k8s::Container) -> Vec<ProbePlan> {
    let one = |kind, probe: &Option<k8s::Probe>| probe.as_ref().map(|probe| plan(kind, probe, container));
    [
        one(ProbeKind::Startup, &container.startup_probe),
        one(ProbeKind::Readiness, &container.readiness_probe),
        one(ProbeKind::Liveness, &container.liveness_probe),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn plan(kind: ProbeKind, probe: &k8s::Probe, container: &k8s::Container) -> ProbePlan {
    let seconds = |value: Option<i32>, default: u64| {
        Duration::from_secs(value.and_then(|value| u64::try_from(value).ok()).unwrap_or(default))
    };
    let count = |value: Option<i32>, default: u32| {
        value.and_then(|value| u32::try_from(value).ok()).unwrap_or(default)
    };
    let ask = match (&probe.exec, &probe.http_get, &probe.tcp_socket, &probe.grpc) {
        (Some(exec), _, _, _) => Ask::Exec(exec.command.clone().unwrap_or_default()),
        (_, Some(get), _, _) => http(get, container),
        (_, _, Some(tcp), _) => Ask::Tcp { host: tcp.host.clone(), port: port(&tcp.port, container) },
        (_, _, _, Some(grpc)) => Ask::Grpc {
            port: u16::try_from(grpc.port).unwrap_or(0),
            service: grpc.service.clone().unwrap_or_default(),
        },
        (None, None, None, None) => Ask::Unsupported("the probe asks nothing"),
    };
    ProbePlan {
        kind,
        ask: Arc::new(ask),
        initial_delay: seconds(probe.initial_delay_seconds, 0),
        period: seconds(probe.period_seconds, 10).max(Duration::from_secs(1)),
        timeout: seconds(probe.timeout_seconds, 1).max(Duration::from_secs(1)),
        success_threshold: count(probe.success_threshold, 1),
        failure_threshold: count(probe.failure_threshold, 3),
        grace: probe
            .termination_grace_period_seconds
            .map(|grace| Duration::from_secs(u64::try_from(grace).unwrap_or(0))),
    }
}

/// What a hook asks.
pub fn hook(handler: &k8s::LifecycleHandler, container: &k8s::Container) -> Ask {
    match (&handler.exec, &handler.http_get, &handler.tcp_socket, &handler.sleep) {
        (Some(exec), _, _, _) => Ask::Exec(exec.command.clone().unwrap_or_default()),
        (_, Some(get), _, _) => http(get, container),
        (_, _, Some(tcp), _) => Ask::Tcp { host: tcp.host.clone(), port: port(&tcp.port, container) },
        (_, _, _, Some(sleep)) => Ask::Sleep(Duration::from_secs(u64::try_from(sleep.seconds).unwrap_or(0))),
        (None, None, None, None) => Ask::Unsupported("the hook does nothing"),
    }
}

fn http(get: &k8s::HTTPGetAction, container: &k8s::Container) -> Ask {
    let path = get.path.clone().unwrap_or_default();
    Ask::Http {
        host: get.host.clone().filter(|host| !host.is_empty()),
        port: port(&get.port, container),
        path: if path.starts_with('/') { path } else { format!("/{path}") },
        headers: get
            .http_headers
            .iter()
            .flatten()
            .map(|header| (header.name.clone(), header.value.clone()))
            .collect(),
        tls: get.scheme.as_deref() == Some("HTTPS"),
    }
}

/// A number, or the name of one of the container's ports; 0 if there is none of that name.
fn port(port: &IntOrString, container: &k8s::Container) -> u16 {
    let number = match port {
        IntOrString::Int(number) => *number,
        IntOrString::String(name) => container
            .ports
            .iter()
            .flatten()
            .find(|port| port.name.as_ref() == Some(name))
            .map(|port| port.container_port)
            .or_else(|| name.parse().ok())
            .unwrap_or(0),
    };
    u16::try_from(number).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readiness(period: u64, failures: u32) -> ProbePlan {
        ProbePlan {
            kind: ProbeKind::Readiness,
            ask: Arc::new(Ask::Tcp { host: None, port: 80 }),
            initial_delay: Duration::ZERO,
            period: Duration::from_secs(period),
            timeout: Duration::from_secs(1),
            success_threshold: 1,
            failure_threshold: failures,
            grace: None,
        }
    }

    #[test]
    fn a_container_that_starts_is_asked_soon_and_often() {
        let (plan, start) = (readiness(10, 3), Timestamp(0));
        let mut memory = ProbeMemory::default();
        let mut asked = Vec::new();
        for _ in 0..9 {
            let now = memory.due(&plan, start);
            asked.push(now.0 / 1000);
            memory.begin(now);
            memory.answer(&plan, false, now);
        }
        assert_eq!(asked, [0, 100, 300, 700, 1500, 3100, 6300, 12700, 22700]);
        assert_eq!(memory.verdict, Some(false));
    }

    #[test]
    fn only_failures_a_period_apart_count_before_the_first_verdict() {
        let plan = readiness(10, 3);
        let mut memory = ProbeMemory::default();
        for millis in [0, 100, 300, 700] {
            memory.answer(&plan, false, Timestamp(millis * 1000));
        }
        assert_eq!(memory.verdict, None);
        memory.answer(&plan, true, Timestamp(800_000));
        assert_eq!(memory.verdict, Some(true));
    }
}
