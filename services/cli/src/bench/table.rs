//! The one table at the end: figures with their targets, then what every process used.

use super::figures::{Figure, number};
use super::record::{Record, Spent};
use super::sampler::{Role, Used, sum};
use crate::verbs::align;

/// Everything that was measured, for a person to read.
pub fn render(records: &[Record]) -> String {
    let measured = records.iter().any(|record| !record.figures.is_empty());
    let mut text = if measured { align(&figure_rows(records)) } else { String::new() };
    for record in records {
        for phase in record.phases.iter().filter(|phase| phase.knows_processes()) {
            text.push('\n');
            text.push_str(&align(&process_rows(record, phase)));
        }
    }
    for record in records {
        if let Some(failure) = &record.failure {
            text.push_str(&format!("\n{} FAILED: {failure}\n", record.title()));
        }
    }
    text
}

fn figure_rows(records: &[Record]) -> Vec<Vec<String>> {
    let mut rows = vec![words(&["SCENARIO", "FIGURE", "VALUE", "P99", "TARGET", "VERDICT"])];
    for record in records {
        if !record.figures.is_empty() {
            rows.push(vec![record.title(), format!("({})", record.cluster)]);
        }
        rows.extend(record.figures.iter().map(figure_row));
    }
    rows
}

fn figure_row(figure: &Figure) -> Vec<String> {
    let with_unit = |value: f64| format!("{} {}", number(value), figure.unit);
    let target = figure.target.map(|target| {
        let (sign, bound) = target.sign_and_bound();
        format!("{sign} {}", with_unit(bound))
    });
    vec![
        String::new(),
        figure.what.clone(),
        with_unit(figure.value),
        figure.p99.map(with_unit).unwrap_or_default(),
        target.unwrap_or_default(),
        figure.verdict(),
    ]
}

fn process_rows(record: &Record, phase: &Spent) -> Vec<Vec<String>> {
    let heading = format!("PROCESSES, {}: {}, {} s", record.title(), phase.what, number(phase.seconds));
    let mut rows = vec![
        [heading.as_str(), "CPU s", "CORES", "MEMORY", "PSS", "PEAK", "WRITTEN"].map(str::to_owned).to_vec(),
    ];
    rows.extend(phase.processes.iter().map(|used| process_row(&used.name, used, phase.seconds)));
    let reading = sum(&phase.processes, Role::Control);
    let all = Used { name: "control plane".to_owned(), role: Role::Control, reading };
    rows.push(process_row("= control plane", &all, phase.seconds));
    if let Some(nats) = &phase.nats {
        rows.push(vec![format!(
            "NATS: {} messages in, {} out; {} stored, {} MiB",
            number(nats.received),
            number(nats.sent),
            number(nats.stored),
            number(nats.stored_mib)
        )]);
    }
    rows
}

fn process_row(name: &str, used: &Used, seconds: f64) -> Vec<String> {
    let reading = used.reading;
    vec![
        format!("  {name}"),
        format!("{:.2}", reading.cpu_seconds),
        format!("{:.2}", reading.cpu_seconds / seconds.max(0.001)),
        format!("{} MiB", number(reading.resident_mib)),
        format!("{} MiB", number(reading.pss_mib)),
        format!("{} MiB", number(reading.peak_mib)),
        format!("{} MiB", number(reading.written_mib)),
    ]
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use expect_test::expect;

    use super::super::cluster::nats::Counted;
    use super::super::proc::Reading;
    use super::super::targets::Target;
    use super::*;

    #[test]
    fn figures_come_first_and_processes_follow() {
        let used = |name: &str, role: Role, cpu_seconds: f64| Used {
            name: name.to_owned(),
            role,
            reading: Reading {
                cpu_seconds,
                resident_mib: 50.0,
                pss_mib: 30.0,
                peak_mib: 60.0,
                written_mib: 1.5,
            },
        };
        let record = Record {
            scenario: "deploy".to_owned(),
            cluster: "100 nodes".to_owned(),
            figures: vec![
                Figure::single("1,000 pods on 100 nodes", 800.0, "pods/s").against(Target::AtLeast(1000.0)),
                Figure::single("CPU per pod", 1.5, "ms").against(Target::AtMost(1.7)),
            ],
            phases: vec![Spent {
                what: "creating".to_owned(),
                seconds: 2.0,
                processes: vec![
                    used("nats", Role::Control, 0.5),
                    used("gateway", Role::Control, 1.0),
                    used("agent hollow", Role::Nodes, 0.25),
                ],
                nats: Some(Counted { received: 5000.0, sent: 6000.0, stored: 4000.0, stored_mib: 3.25 }),
            }],
            failure: Some("not within 1 s".to_owned()),
            ..Record::default()
        };
        expect![[r#"
            SCENARIO   FIGURE                    VALUE        P99   TARGET           VERDICT
            deploy     (100 nodes)
                       1,000 pods on 100 nodes   800 pods/s         ≥ 1,000 pods/s   MISSED by 20 %
                       CPU per pod               1.50 ms            ≤ 1.70 ms        reached

            PROCESSES, deploy: creating, 2 s                             CPU s   CORES   MEMORY    PSS      PEAK      WRITTEN
              nats                                                       0.50    0.25    50 MiB    30 MiB   60 MiB    1.50 MiB
              gateway                                                    1.00    0.50    50 MiB    30 MiB   60 MiB    1.50 MiB
              agent hollow                                               0.25    0.12    50 MiB    30 MiB   60 MiB    1.50 MiB
              = control plane                                            1.50    0.75    100 MiB   60 MiB   120 MiB   3 MiB
            NATS: 5,000 messages in, 6,000 out; 4,000 stored, 3.25 MiB

            deploy FAILED: not within 1 s
        "#]]
        .assert_eq(&render(&[record]));
    }
}
