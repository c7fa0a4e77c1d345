//! The line on standard error that says how far a run is.

use std::io::{IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use tokio_util::task::AbortOnDropHandle;

use super::figures::number;
use super::observe::Census;

/// How often a terminal's line is written anew.
const ON_TERMINAL: Duration = Duration::from_millis(200);
/// How often a line is written where none can be overwritten.
const ELSEWHERE: Duration = Duration::from_secs(5);
/// Goes to the line's beginning and empties it.
const ANEW: &str = "\r\x1b[2K";

/// Writes until it is dropped.
pub struct Progress {
    step: Arc<Mutex<Step>>,
    terminal: bool,
    _task: AbortOnDropHandle<()>,
}

/// What is being done.
struct Step {
    scenario: String,
    what: String,
    begun: Instant,
    /// How many objects are to be Ready, and how they are counted.
    counted: Option<(u32, watch::Receiver<Census>)>,
    /// The count at the last writing, for the rate.
    last: (Instant, u32),
}

impl Progress {
    /// Starts with nothing to say.
    pub fn start() -> Self {
        let terminal = std::io::stderr().is_terminal();
        let now = Instant::now();
        let step =
            Step { scenario: String::new(), what: String::new(), begun: now, counted: None, last: (now, 0) };
        let step = Arc::new(Mutex::new(step));
        let shown = Arc::clone(&step);
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(if terminal { ON_TERMINAL } else { ELSEWHERE });
            ticks.tick().await;
            loop {
                ticks.tick().await;
                write(terminal, &lock(&shown).line(Instant::now()));
            }
        });
        Self { step, terminal, _task: AbortOnDropHandle::new(task) }
    }

    /// A scenario begins.
    pub fn scenario(&self, name: &str) {
        name.clone_into(&mut lock(&self.step).scenario);
        self.step("starting");
    }

    /// A step begins that counts nothing.
    pub fn step(&self, what: &str) {
        self.enter(what, None);
    }

    /// A step begins that lasts until so many are Ready.
    pub fn counting(&self, what: &str, wanted: u32, counts: watch::Receiver<Census>) {
        self.enter(what, Some((wanted, counts)));
    }

    fn enter(&self, what: &str, counted: Option<(u32, watch::Receiver<Census>)>) {
        let mut step = lock(&self.step);
        let now = Instant::now();
        what.clone_into(&mut step.what);
        step.begun = now;
        step.last = (now, counted.as_ref().map_or(0, |(_, counts)| counts.borrow().ready));
        step.counted = counted;
        let line = step.line(now);
        drop(step);
        write(self.terminal, &line);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.terminal {
            write(true, "");
        }
    }
}

impl Step {
    fn line(&mut self, now: Instant) -> String {
        let mut parts = vec![self.scenario.clone(), self.what.clone()];
        if let Some((wanted, counts)) = &self.counted {
            let ready = counts.borrow().ready;
            let (before, then) = (self.last.1, self.last.0);
            let seconds = now.saturating_duration_since(then).as_secs_f64();
            parts.push(format!("{}/{} Ready", number(f64::from(ready)), number(f64::from(*wanted))));
            if seconds > 0.0 {
                parts.push(format!("{}/s", number(f64::from(ready.saturating_sub(before)) / seconds)));
            }
            self.last = (now, ready);
        }
        parts.push(format!("{:.1} s", now.saturating_duration_since(self.begun).as_secs_f64()));
        parts.join(" · ")
    }
}

fn write(terminal: bool, line: &str) {
    // Whoever has closed our standard error does not want to know.
    let _ = match terminal {
        true => write!(std::io::stderr(), "{ANEW}{line}"),
        false => writeln!(std::io::stderr(), "{line}"),
    };
}

fn lock(step: &Mutex<Step>) -> MutexGuard<'_, Step> {
    step.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_has_the_count_its_rate_and_the_time() {
        let begun = Instant::now();
        let (_sender, counts) = watch::channel(Census { ready: 1500, ..Census::default() });
        let mut step = Step {
            scenario: "deploy".to_owned(),
            what: "creating pods".to_owned(),
            begun,
            counted: Some((3000, counts)),
            last: (begun, 500),
        };
        let line = step.line(begun + Duration::from_secs(2));
        assert_eq!(line, "deploy · creating pods · 1,500/3,000 Ready · 500/s · 2.0 s");
    }
}
