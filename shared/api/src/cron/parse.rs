//! Reads cron's notation; what is wrong is said as Kubernetes says it.

use std::time::Duration;

use super::{Fields, Times};

/// A text is not a schedule, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ScheduleError(String);

/// What one field may hold.
struct Range {
    least: u32,
    most: u32,
    names: &'static [&'static str],
}

const MINUTE: Range = Range { least: 0, most: 59, names: &[] };
const HOUR: Range = Range { least: 0, most: 23, names: &[] };
const DAY: Range = Range { least: 1, most: 31, names: &[] };
const MONTH: Range = Range {
    least: 1,
    most: 12,
    names: &["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"],
};
const WEEKDAY: Range = Range { least: 0, most: 6, names: &["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };

pub(super) fn schedule(text: &str) -> Result<Times, ScheduleError> {
    if text.is_empty() {
        return Err(ScheduleError("empty spec string".into()));
    }
    if text.starts_with('@') {
        return descriptor(text);
    }
    fields(text).map(Times::Fields)
}

fn descriptor(text: &str) -> Result<Times, ScheduleError> {
    let same = match text {
        "@yearly" | "@annually" => "0 0 1 1 *",
        "@monthly" => "0 0 1 * *",
        "@weekly" => "0 0 * * 0",
        "@daily" | "@midnight" => "0 0 * * *",
        "@hourly" => "0 * * * *",
        _ => {
            let Some(period) = text.strip_prefix("@every ") else {
                return Err(ScheduleError(format!("unrecognized descriptor: {text}")));
            };
            let wrong = || ScheduleError(format!("failed to parse duration {text}"));
            // Less than a second is a second, and parts of seconds do not count.
            return duration(period)
                .map(|period| Times::Every(Duration::from_secs(period.as_secs().max(1))))
                .ok_or_else(wrong);
        }
    };
    fields(same).map(Times::Fields)
}

/// Go's notation: `1h30m`, `1.5h`, `90s`.
fn duration(mut text: &str) -> Option<Duration> {
    let mut seconds = 0.0;
    loop {
        let unit_at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, rest) = text.split_at_checked(unit_at)?;
        let unit_ends = rest.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(rest.len());
        let (unit, rest) = rest.split_at_checked(unit_ends)?;
        let scale = match unit {
            "h" => 3_600.0,
            "m" => 60.0,
            "s" => 1.0,
            "ms" => 1e-3,
            _ => return None,
        };
        seconds += number.parse::<f64>().ok()? * scale;
        if rest.is_empty() {
            return Duration::try_from_secs_f64(seconds).ok();
        }
        text = rest;
    }
}

fn fields(text: &str) -> Result<Fields, ScheduleError> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = words.as_slice() else {
        return Err(ScheduleError(format!(
            "expected exactly 5 fields, found {}: [{}]",
            words.len(),
            words.join(" ")
        )));
    };
    Ok(Fields {
        minute: field(minute, &MINUTE)?,
        hour: field(hour, &HOUR)?,
        day: field(day, &DAY)?,
        month: field(month, &MONTH)?,
        weekday: field(weekday, &WEEKDAY)?,
        any_day: is_any(day) || is_any(weekday),
    })
}

/// One of its parts is `*`: `*/2` is not, for it leaves something out.
fn is_any(field: &str) -> bool {
    field.split(',').any(|part| matches!(part, "*" | "?" | "*/1" | "?/1"))
}

fn field(text: &str, range: &Range) -> Result<u64, ScheduleError> {
    text.split(',').try_fold(0, |bits, part| Ok(bits | part_of_field(part, range)?))
}

/// `5`, `*`, `2-8`, `2-8/3`, `5/10`, `*/10`.
fn part_of_field(text: &str, range: &Range) -> Result<u64, ScheduleError> {
    let fail = |message: String| Err(ScheduleError(format!("{message}: {text}")));
    let (span, step) = match text.split('/').collect::<Vec<_>>().as_slice() {
        [span] => (*span, None),
        [span, step] => (*span, Some(number(step)?)),
        _ => return fail("too many slashes".into()),
    };
    let (first, last) = match (span, span.split('-').collect::<Vec<_>>().as_slice()) {
        ("*" | "?", _) => (range.least, range.most),
        (_, [first]) => {
            let first = value(first, range)?;
            // `5/10` is every tenth from five on.
            (first, if step.is_some() { range.most } else { first })
        }
        (_, [first, last]) => (value(first, range)?, value(last, range)?),
        _ => return fail("too many hyphens".into()),
    };
    if first < range.least {
        return fail(format!("beginning of range ({first}) below minimum ({})", range.least));
    }
    if last > range.most {
        return fail(format!("end of range ({last}) above maximum ({})", range.most));
    }
    if first > last {
        return fail(format!("beginning of range ({first}) beyond end of range ({last})"));
    }
    let step = match step {
        Some(0) => return fail("step of range should be a positive number".into()),
        Some(step) => step,
        None => 1,
    };
    let step = usize::try_from(step).unwrap_or(usize::MAX);
    Ok((first..=last).step_by(step).fold(0, |bits, number| bits | 1 << number))
}

fn value(text: &str, range: &Range) -> Result<u32, ScheduleError> {
    let lower = text.to_lowercase();
    match range.names.iter().position(|name| *name == lower) {
        Some(place) => Ok(range.least + u32::try_from(place).unwrap_or_default()),
        None => number(text),
    }
}

fn number(text: &str) -> Result<u32, ScheduleError> {
    text.parse().map_err(|_| ScheduleError(format!("failed to parse number: {text}")))
}
