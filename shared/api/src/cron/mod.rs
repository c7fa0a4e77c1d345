//! Schedules in cron's notation: five fields, names, `@hourly` and its kin, `@every 90m`, in any time zone.

mod parse;

use std::time::Duration;

use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{ToSpan, Zoned};

use crate::Timestamp;

pub use parse::ScheduleError;

/// Schedules that never come true (30 February) are given up after so many steps: more than any day within nine years needs.
const MOST_STEPS: usize = 4_000;
/// How far back the latest time is looked for, one window after the other: frequent schedules need the first one only.
const WINDOWS: [Duration; 5] = [
    Duration::from_secs(3_600),
    Duration::from_secs(86_400),
    Duration::from_secs(32 * 86_400),
    Duration::from_secs(366 * 86_400),
    Duration::from_secs(9 * 366 * 86_400),
];

/// When something happens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    times: Times,
    zone: TimeZone,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Times {
    /// Minutes that fit five fields.
    Fields(Fields),
    /// Once in so long.
    Every(Duration),
}

/// Five sets of numbers, as bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Fields {
    minute: u64,
    hour: u64,
    day: u64,
    month: u64,
    weekday: u64,
    /// The day of the month or of the week is `*`: then both must fit, else one is enough.
    any_day: bool,
}

impl Schedule {
    /// Reads a schedule, as Kubernetes does; its clock shows UTC.
    pub fn parse(text: &str) -> Result<Self, ScheduleError> {
        parse::schedule(text).map(|times| Self { times, zone: TimeZone::UTC })
    }

    /// The same schedule by the clocks of a zone such as `Europe/Berlin`, if there is such a zone.
    pub fn in_zone(self, name: &str) -> Option<Self> {
        let zone = match name {
            "UTC" | "Etc/UTC" => TimeZone::UTC,
            name => TimeZoneDatabase::bundled().get(name).ok()?,
        };
        Some(Self { zone, ..self })
    }

    /// The first time after `after`, if there is one within some years.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match &self.times {
            Times::Every(period) => Some(after.plus(*period)),
            Times::Fields(fields) => {
                let found = fields.next(&self.local(after)?)?;
                Some(Timestamp(found.timestamp().as_microsecond()))
            }
        }
    }

    /// The latest time after `after` and not after `until`.
    pub fn latest(&self, after: Timestamp, until: Timestamp) -> Option<Timestamp> {
        if let Times::Every(period) = &self.times {
            let periods = until.since(after).as_micros().checked_div(period.as_micros())?;
            let elapsed = periods.checked_mul(period.as_micros()).filter(|elapsed| *elapsed > 0)?;
            return Some(after.plus(Duration::from_micros(u64::try_from(elapsed).ok()?)));
        }
        WINDOWS.iter().find_map(|window| {
            let window = i64::try_from(window.as_micros()).unwrap_or(i64::MAX);
            let begin = after.max(Timestamp(until.0.saturating_sub(window)));
            let times = std::iter::successors(self.next(begin), |time| self.next(*time));
            times.take_while(|time| *time <= until).last()
        })
    }

    /// RFC 3339, by the schedule's clock: `2026-01-31T10:00:00+01:00`.
    pub fn local_text(&self, time: Timestamp) -> String {
        let offset = if self.zone == TimeZone::UTC { "Z" } else { "%:z" };
        let text = |local: Zoned| local.strftime(&format!("%Y-%m-%dT%H:%M:%S{offset}")).to_string();
        self.local(time).map(text).unwrap_or_default()
    }

    fn local(&self, time: Timestamp) -> Option<Zoned> {
        Some(jiff::Timestamp::from_microsecond(time.0).ok()?.to_zoned(self.zone.clone()))
    }
}

impl Fields {
    /// Steps over whole months, days and hours that do not fit. Hours and minutes are real time, so what a change of clocks
    /// leaves out is left out, and what it repeats is repeated.
    fn next(&self, after: &Zoned) -> Option<Zoned> {
        let minute = after.checked_sub(i64::from(after.second()).seconds()).ok()?;
        let minute = minute.checked_sub(i64::from(minute.subsec_nanosecond()).nanoseconds()).ok()?;
        let mut time = minute.checked_add(1.minute()).ok()?;
        for _ in 0..MOST_STEPS {
            time = if !has(self.month, time.month()) {
                time.first_of_month()
                    .and_then(|first| first.checked_add(1.month()))
                    .ok()?
                    .start_of_day()
                    .ok()?
            } else if !self.fits_day(&time) {
                time.tomorrow().ok()?.start_of_day().ok()?
            } else if !has(self.hour, time.hour()) {
                time.checked_add((60 - i64::from(time.minute())).minutes()).ok()?
            } else if !has(self.minute, time.minute()) {
                time.checked_add(1.minute()).ok()?
            } else {
                return Some(time);
            };
        }
        None
    }

    fn fits_day(&self, time: &Zoned) -> bool {
        let day = has(self.day, time.day());
        let weekday = has(self.weekday, time.weekday().to_sunday_zero_offset());
        if self.any_day { day && weekday } else { day || weekday }
    }
}

fn has(bits: u64, number: i8) -> bool {
    u32::try_from(number).is_ok_and(|number| bits.checked_shr(number).is_some_and(|bits| bits & 1 == 1))
}

#[cfg(test)]
mod tests;
