//! What one run of a scenario leaves: figures, what each process used, charts, and why it failed if it did.

use std::time::Duration;

use serde::Serialize;

use super::chart::Chart;
use super::cluster::nats::Counted;
use super::figures::Figure;
use super::sampler::{Role, Used, sum};

/// One run of one scenario.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Record {
    /// Its name.
    pub scenario: String,
    /// What it ran on, in a few words.
    pub cluster: String,
    /// Writes were acknowledged before they were on disk: no figure of this run is one of the durable system.
    pub relaxed: bool,
    /// What was measured.
    pub figures: Vec<Figure>,
    /// What the processes used meanwhile.
    pub phases: Vec<Spent>,
    /// What there is to show.
    pub charts: Vec<Chart>,
    /// Why it did not reach its end.
    pub failure: Option<String>,
}

/// What was used during a part of a run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Spent {
    /// Which part.
    pub what: String,
    /// How long it took.
    pub seconds: f64,
    /// What each process used and holds.
    pub processes: Vec<Used>,
    /// What NATS counted, where it can be asked.
    pub nats: Option<Counted>,
}

impl Record {
    /// The scenario's name, with a warning if its writes were not durable.
    pub fn title(&self) -> String {
        match self.relaxed {
            true => format!("{} (relaxed sync)", self.scenario),
            false => self.scenario.clone(),
        }
    }

    /// Whether everything was reached.
    pub fn is_whole(&self) -> bool {
        self.failure.is_none()
    }
}

impl Spent {
    /// How long it took.
    pub fn took(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    /// CPU of all processes of a role, in milliseconds for each of so many.
    pub fn cpu_per(&self, role: Role, many: u32) -> f64 {
        sum(&self.processes, role).cpu_seconds * 1000.0 / f64::from(many.max(1))
    }

    /// Whether agents are processes of their own.
    pub fn knows_agents(&self) -> bool {
        self.processes.iter().any(|used| used.role == Role::Nodes)
    }

    /// Whether anything is known about processes but ourselves.
    pub fn knows_processes(&self) -> bool {
        self.processes.iter().any(|used| used.role != Role::Client)
    }
}
