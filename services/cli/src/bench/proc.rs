//! Reads what `/proc` says about a process: CPU time, memory, bytes written to disk.

use serde::Serialize;

/// Clock ticks per second of `/proc/<pid>/stat`: 100 on every Linux (`USER_HZ` is part of its ABI).
const TICKS_PER_SECOND: f64 = 100.0;
const KIB_PER_MIB: f64 = 1024.0;
const BYTES_PER_MIB: f64 = 1024.0 * 1024.0;

/// What a process has used since it started, and holds now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Reading {
    /// User and system time.
    pub cpu_seconds: f64,
    /// Memory now.
    pub resident_mib: f64,
    /// The same with what it shares with other processes divided among them; known where it was asked for.
    pub pss_mib: f64,
    /// The most memory it ever held.
    pub peak_mib: f64,
    /// What it made the kernel write to disks.
    pub written_mib: f64,
}

impl Reading {
    /// Of a process that runs; nothing if it has ended.
    pub fn of(pid: u32) -> Option<Self> {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).ok();
        // Without permission for `io` the rest is still worth having.
        parse(&read("stat")?, &read("status")?, &read("io").unwrap_or_default())
    }

    /// With its share of what processes have in common, such as the program itself. The kernel walks all its pages for that.
    pub fn with_pss(self, pid: u32) -> Self {
        let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
        Self { pss_mib: field(&text, "Pss:").map_or(self.pss_mib, |kib| kib / KIB_PER_MIB), ..self }
    }

    /// The sum: used and held by both.
    pub fn plus(self, other: Self) -> Self {
        Self {
            cpu_seconds: self.cpu_seconds + other.cpu_seconds,
            resident_mib: self.resident_mib + other.resident_mib,
            pss_mib: self.pss_mib + other.pss_mib,
            peak_mib: self.peak_mib + other.peak_mib,
            written_mib: self.written_mib + other.written_mib,
        }
    }

    /// What was used since an earlier reading; memory is that of now.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            cpu_seconds: (self.cpu_seconds - earlier.cpu_seconds).max(0.0),
            written_mib: (self.written_mib - earlier.written_mib).max(0.0),
            ..self
        }
    }
}

/// The processes that a process has started, by any of its threads.
pub fn children(pid: u32) -> Vec<u32> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    tasks
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|text| text.split_whitespace().filter_map(|pid| pid.parse().ok()).collect::<Vec<u32>>())
        .collect()
}

/// Field numbers are those of proc(5), counted from 1; the command (2) may contain spaces, so we count behind its `)`.
/// A process that has ended and was not waited for has no memory, and reads as nothing.
fn parse(stat: &str, status: &str, io: &str) -> Option<Reading> {
    let (_, behind_command) = stat.rsplit_once(')')?;
    let ticks = |number: usize| behind_command.split_whitespace().nth(number - 3)?.parse::<f64>().ok();
    Some(Reading {
        cpu_seconds: (ticks(14)? + ticks(15)?) / TICKS_PER_SECOND,
        resident_mib: field(status, "VmRSS:")? / KIB_PER_MIB,
        pss_mib: 0.0,
        peak_mib: field(status, "VmHWM:")? / KIB_PER_MIB,
        written_mib: field(io, "write_bytes:").unwrap_or_default() / BYTES_PER_MIB,
    })
}

/// The number behind a name at the beginning of a line.
fn field(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "42 (odeon (up) x) S 1 1 1 0 -1 4194560 100 0 0 0 150 50 0 0 20 0 7 0 12300 1 2560";

    #[test]
    fn reads_what_the_kernel_writes() {
        let status = "Name:\todeon\nVmPeak:\t  999 kB\nVmHWM:\t    4096 kB\nVmRSS:\t    2048 kB\n";
        let io = "rchar: 1\nwchar: 2\nread_bytes: 3\nwrite_bytes: 3145728\ncancelled_write_bytes: 0\n";
        let expected =
            Reading { cpu_seconds: 2.0, resident_mib: 2.0, peak_mib: 4.0, written_mib: 3.0, pss_mib: 0.0 };
        assert_eq!(parse(STAT, status, io), Some(expected));
        assert_eq!(parse(STAT, "Name:\todeon\n", io), None);
    }

    #[test]
    fn use_is_counted_from_the_earlier_reading_and_memory_is_not() {
        let reading = |cpu_seconds, resident_mib| Reading { cpu_seconds, resident_mib, ..Reading::default() };
        assert_eq!(reading(5.0, 70.0).since(reading(2.0, 90.0)), reading(3.0, 70.0));
    }

    #[test]
    fn reads_itself() {
        let reading = Reading::of(std::process::id()).unwrap();
        assert!(reading.resident_mib > 0.5 && reading.peak_mib >= reading.resident_mib, "{reading:?}");
        let pss = reading.with_pss(std::process::id()).pss_mib;
        assert!(pss > 0.1 && pss < reading.peak_mib * 1.5, "{pss} {reading:?}");
    }
}
