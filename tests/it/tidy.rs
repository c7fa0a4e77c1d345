//! Rules of the repository that no compiler checks: who may import whom, how files open, how long they are.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use odeon_tests::{repository, run};
use serde_json::Value;

/// Lines at most in a file, its tests included.
const MAX_LINES: usize = 450;

/// Which workspace crates and guarded dependencies a crate may name.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("api", &["k8s-openapi"]),
    ("telemetry", &["api", "axum"]),
    ("bus", &["api", "telemetry", "async-nats", "rmp-serde"]),
    ("actor", &["api", "bus", "telemetry", "actix"]),
    ("gateway", &["api", "bus", "telemetry", "axum", "k8s-openapi"]),
    ("controller", &["api", "bus", "actor", "telemetry"]),
    ("scheduler", &["api", "bus", "actor", "telemetry"]),
    ("agent", &["api", "bus", "actor", "telemetry", "bollard", "k8s-openapi"]),
    ("proxy", &["api", "bus", "telemetry"]),
];

const GUARDED: &[&str] = &[
    "api",
    "telemetry",
    "bus",
    "actor",
    "gateway",
    "controller",
    "scheduler",
    "agent",
    "proxy",
    "odeon",
    "async-nats",
    "rmp-serde",
    "actix",
    "axum",
    "bollard",
    "k8s-openapi",
];

#[test]
fn crates_import_only_what_the_design_allows() {
    let text = run(Command::new("cargo")
        .args(["metadata", "--no-deps", "--format-version=1"])
        .current_dir(repository()))
    .ok();
    let metadata: Value = serde_json::from_str(&text).unwrap();
    let allowed: BTreeMap<&str, &[&str]> = MAY_IMPORT.iter().copied().collect();
    let mut wrong = Vec::new();
    for package in metadata["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        let Some(allowed) = allowed.get(name) else { continue };
        for dependency in package["dependencies"].as_array().unwrap() {
            let imported = dependency["name"].as_str().unwrap();
            let for_tests = dependency["kind"] == "dev";
            if GUARDED.contains(&imported) && !for_tests && !allowed.contains(&imported) {
                wrong.push(format!("{name} imports {imported}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn files_open_with_a_sentence_and_end_before_they_are_too_long() {
    let mut wrong = BTreeSet::new();
    for file in sources() {
        let text = std::fs::read_to_string(&file).unwrap();
        let shown = file.strip_prefix(repository()).unwrap().display().to_string();
        if !text.starts_with("//! ") {
            wrong.insert(format!("{shown} does not open with `//! ` and a sentence"));
        }
        let lines = text.lines().count();
        if lines > MAX_LINES {
            wrong.insert(format!("{shown} has {lines} lines; find the missing noun"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn actors_decide_without_waiting() {
    let actors = repository().join("services/controller/src/actors");
    let mut waiting = Vec::new();
    for file in sources().into_iter().filter(|file| file.starts_with(&actors)) {
        let text = std::fs::read_to_string(&file).unwrap();
        let shell = file.file_name().is_some_and(|name| name.to_string_lossy().ends_with("_host.rs"));
        if !shell && text.contains(".await") {
            waiting.push(file);
        }
    }
    assert!(waiting.is_empty(), "deciding is pure: {waiting:#?}");
}

#[test]
fn architecture_fits_two_hundred_lines() {
    let text = std::fs::read_to_string(repository().join("ARCHITECTURE.md")).unwrap();
    assert!(text.lines().count() <= 200);
}

fn sources() -> Vec<PathBuf> {
    let mut files = Vec::new();
    for root in ["shared", "services", "tests", "deploy"] {
        collect(&repository().join(root), &mut files);
    }
    files
}

fn collect(directory: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            files.push(path);
        }
    }
}
