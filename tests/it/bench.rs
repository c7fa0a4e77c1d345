//! `odeon bench` against real processes: it measures, writes its report, says what is missing, and leaves nothing behind.

use std::path::Path;
use std::process::Command;

use odeon_tests::{odeon, run};
use serde_json::Value;

/// Small enough for a test.
const SMALL: &[&str] = &["--replicas", "20", "--nodes", "3"];

fn bench(arguments: &[&str], data: &Path) -> Command {
    let mut command = Command::new(odeon());
    command.arg("bench").args(arguments).args(SMALL).arg("--data-dir").arg(data);
    command
}

/// What is in a directory.
fn left_in(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn a_small_deployment_is_measured_and_reported() {
    let (data, report) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let output =
        run(bench(&["deploy", "--agents", "2"], data.path()).arg("--report").arg(report.path())).ok();
    for words in
        ["20 pods until all are Ready", "gateway", "scheduler", "controller", "nats", "= control plane"]
    {
        assert!(output.contains(words), "`{words}` is missing in: {output}");
    }
    let json: Value =
        serde_json::from_str(&std::fs::read_to_string(report.path().join("report.json")).unwrap()).unwrap();
    let figure = &json["runs"][0]["figures"][0];
    assert!(figure["value"].as_f64().unwrap() > 0.0, "{figure}");
    let nats = &json["runs"][0]["phases"][0]["nats"];
    assert!(nats["received"].as_f64().unwrap() > 60.0, "{nats}");
    let html = std::fs::read_to_string(report.path().join("report.html")).unwrap();
    assert!(html.contains("<svg") && !html.contains("<script"));
    assert_eq!(left_in(data.path()), Vec::<String>::new());
}

#[test]
fn pods_that_are_not_ready_in_time_are_told_with_their_reason() {
    let data = tempfile::tempdir().unwrap();
    let arguments = ["deploy", "--patience", "2", "--hollow-pull-failures", "1"];
    let output = run(&mut bench(&arguments, data.path()));
    let told = &output.stdout;
    assert!(
        !output.success && output.stderr.contains("not everything was reached: deploy"),
        "{}",
        output.stderr
    );
    assert!(told.contains("not within 2 s: all pods Ready") && told.contains("20 × Pending: "), "{told}");
    assert!(told.contains("ImagePull"), "{told}");
    assert_eq!(left_in(data.path()), Vec::<String>::new());
}
