//! Looks at every process of a cluster several times a second, and sums up what each has used.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use tokio_util::task::AbortOnDropHandle;

use super::proc::Reading;

/// How often every process is looked at.
const EVERY: Duration = Duration::from_millis(200);

/// What a process' CPU time and memory count as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// NATS, gateway, controllers, scheduler.
    Control,
    /// Agents, which are not the control plane.
    Nodes,
    /// Ourselves.
    Client,
}

/// What one process has used and holds.
#[derive(Clone, Debug, Serialize)]
pub struct Used {
    /// As it is called in tables.
    pub name: String,
    /// What it counts as.
    pub role: Role,
    /// The figures.
    #[serde(flatten)]
    pub reading: Reading,
}

/// One look at a process: seconds, CPU seconds so far, MiB.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// Seconds since the sampler started.
    pub at: f64,
    /// CPU seconds of all its incarnations.
    pub cpu_seconds: f64,
    /// Memory.
    pub resident_mib: f64,
}

/// Looks until it is dropped.
pub struct Sampler {
    processes: Arc<Mutex<Vec<Sampled>>>,
    begun: Instant,
    _task: AbortOnDropHandle<()>,
}

struct Sampled {
    name: String,
    role: Role,
    pid: u32,
    /// What earlier incarnations of it have used.
    before: Reading,
    /// The last reading of this one.
    last: Reading,
    samples: Vec<Sample>,
}

impl Sampler {
    /// Begins with ourselves alone.
    pub fn start() -> Self {
        let processes: Arc<Mutex<Vec<Sampled>>> = Arc::default();
        let begun = Instant::now();
        let looking = Arc::clone(&processes);
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(EVERY);
            ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
            loop {
                ticks.tick().await;
                look(&looking, begun, true);
            }
        });
        let sampler = Self { processes, begun, _task: AbortOnDropHandle::new(task) };
        sampler.follow("bench (client)", Role::Client, std::process::id());
        sampler
    }

    /// A process has started. One of the same name has ended, and goes on in this one.
    pub fn follow(&self, name: &str, role: Role, pid: u32) {
        let mut processes = lock(&self.processes);
        match processes.iter_mut().find(|known| known.name == name) {
            Some(known) if known.pid == pid => {}
            Some(known) => {
                // The dead hold no memory; what they used stays used.
                let Reading { cpu_seconds, written_mib, .. } = known.before.plus(known.last);
                let peak_mib = known.before.peak_mib.max(known.last.peak_mib);
                known.before = Reading { cpu_seconds, written_mib, peak_mib, ..Reading::default() };
                known.last = Reading::default();
                known.pid = pid;
            }
            None => {
                let fresh = Reading::default();
                let name = name.to_owned();
                processes.push(Sampled { name, role, pid, before: fresh, last: fresh, samples: Vec::new() });
                // The control plane comes first wherever processes are listed, ourselves last.
                processes.sort_by_key(|known| known.role);
            }
        }
    }

    /// Looks now.
    pub fn used(&self) -> Vec<Used> {
        look(&self.processes, self.begun, false);
        let mut processes = lock(&self.processes);
        processes.iter_mut().for_each(|process| process.last = process.last.with_pss(process.pid));
        processes
            .iter()
            .map(|process| Used { name: process.name.clone(), role: process.role, reading: process.total() })
            .collect()
    }

    /// Every process' course.
    pub fn samples(&self) -> Vec<(String, Vec<Sample>)> {
        lock(&self.processes).iter().map(|process| (process.name.clone(), process.samples.clone())).collect()
    }
}

impl Sampled {
    fn total(&self) -> Reading {
        let peak_mib = self.before.peak_mib.max(self.last.peak_mib);
        Reading { peak_mib, ..self.before.plus(self.last) }
    }
}

fn look(processes: &Mutex<Vec<Sampled>>, begun: Instant, keep: bool) {
    for process in lock(processes).iter_mut() {
        process.last = match Reading::of(process.pid) {
            Some(reading) => reading,
            None => Reading { resident_mib: 0.0, pss_mib: 0.0, ..process.last },
        };
        if keep {
            let Reading { cpu_seconds, resident_mib, .. } = process.total();
            process.samples.push(Sample { at: begun.elapsed().as_secs_f64(), cpu_seconds, resident_mib });
        }
    }
}

fn lock(processes: &Mutex<Vec<Sampled>>) -> MutexGuard<'_, Vec<Sampled>> {
    processes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was used between two looks.
pub fn between(earlier: &[Used], later: &[Used]) -> Vec<Used> {
    let before = |name: &str| {
        earlier.iter().find(|used| used.name == name).map(|used| used.reading).unwrap_or_default()
    };
    later
        .iter()
        .map(|used| Used { reading: used.reading.since(before(&used.name)), ..used.clone() })
        .collect()
}

/// The sum over all processes of a role.
pub fn sum(used: &[Used], role: Role) -> Reading {
    let of_role = used.iter().filter(|used| used.role == role);
    of_role.fold(Reading::default(), |sum, used| sum.plus(used.reading))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_dead_process_has_used_stays_used() {
        let sampler = Sampler::start();
        sampler.follow("gateway", Role::Control, std::process::id());
        let before = sampler.used();
        sampler.follow("gateway", Role::Control, u32::MAX);
        let after = sampler.used();
        let gateway = |used: &[Used]| sum(used, Role::Control);
        assert!(gateway(&after).cpu_seconds >= gateway(&before).cpu_seconds);
        assert_eq!(gateway(&after).resident_mib, 0.0);
        assert_eq!(between(&before, &after).len(), 2);
    }
}
