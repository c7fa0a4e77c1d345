//! Pod security standards: what a namespace's labels ask of its pods, and what of a pod violates it.

mod baseline;
mod pod;
mod restricted;

use std::fmt;

use serde_json::Value;

use self::pod::Pod;
use crate::ResourceId;
use crate::json::{items, text};
use crate::kinds::FieldError;

/// What the labels' names begin with.
const PREFIX: &str = "pod-security.kubernetes.io/";

/// How much is asked of pods; each asks what those before it ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Nothing.
    Privileged,
    /// Nothing that is known to break out of containers.
    Baseline,
    /// What hardening is best practice.
    Restricted,
}

/// The minor version of Kubernetes as which the standards are understood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// `v1.<minor>`.
    Minor(u32),
    /// As they are now.
    Latest,
}

/// A level as a version understands it: `restricted:latest`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standard {
    /// How much is asked.
    pub level: Level,
    /// As of when.
    pub version: Version,
}

/// What a namespace asks. What it wants to be noted of is left out: there is no audit log to note it in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Pods that violate this are refused.
    pub enforce: Standard,
    /// Clients are warned of pods, and of templates of pods, that violate this.
    pub warn: Standard,
}

/// Something about a pod that its namespace does not admit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// `host namespaces`.
    pub reason: &'static str,
    /// `hostNetwork=true`.
    pub detail: String,
}

/// What a check has against a pod, as a minor version understands it.
type Check = fn(&Pod<'_>, u32) -> Option<Violation>;

impl Policy {
    /// What labels say; else nothing is asked. What is wrong with labels is told beside the strictest reading of them.
    pub fn of<'a>(labels: impl Iterator<Item = (&'a str, &'a str)>) -> (Self, Vec<FieldError>) {
        let mut policy = Self { enforce: Standard::NOTHING, warn: Standard::NOTHING };
        let mut errors = Vec::new();
        let mut sorted: Vec<(&str, &str)> = labels.filter(|(key, _)| key.starts_with(PREFIX)).collect();
        sorted.sort_unstable();
        for (key, value) in sorted {
            let mode = key.strip_prefix(PREFIX).unwrap_or_default();
            let wrong = match mode.strip_suffix("-version") {
                Some(mode) => {
                    let version = Version::parse(value);
                    policy.set(mode, |standard| standard.version = version.unwrap_or(Version::Latest));
                    version.is_none().then_some("must be \"latest\" or \"v1.x\"")
                }
                None => {
                    let level = Level::parse(value);
                    // Nobody is kept from working by a warning that cannot be understood.
                    let strictest = if mode == "enforce" { Level::Restricted } else { Level::Privileged };
                    policy.set(mode, |standard| standard.level = level.unwrap_or(strictest));
                    level.is_none().then_some("must be one of privileged, baseline, restricted")
                }
            };
            let known = ["enforce", "warn", "audit"].contains(&mode.trim_end_matches("-version"));
            errors.extend(wrong.filter(|_| known).map(|why| FieldError {
                field: format!("metadata.labels[{key}]"),
                reason: "FieldValueInvalid",
                message: format!("Invalid value: {value:?}: {why}"),
            }));
        }
        (policy, errors)
    }

    /// Nothing is asked.
    pub fn is_empty(&self) -> bool {
        self.enforce.level == Level::Privileged && self.warn.level == Level::Privileged
    }

    /// Why a pod is refused, if it is.
    pub fn refusal(&self, pod: &Value) -> Option<String> {
        let violations = self.enforce.violations(pod);
        (!violations.is_empty())
            .then(|| format!("violates PodSecurity \"{}\": {}", self.enforce, details(&violations)))
    }

    /// What a client is warned of who writes a pod, or something that makes pods of a template.
    pub fn warning(&self, pod: &Value) -> Option<String> {
        let violations = self.warn.violations(pod);
        (!violations.is_empty())
            .then(|| format!("would violate PodSecurity \"{}\": {}", self.warn, details(&violations)))
    }

    fn set(&mut self, mode: &str, change: impl FnOnce(&mut Standard)) {
        match mode {
            "enforce" => change(&mut self.enforce),
            "warn" => change(&mut self.warn),
            _ => {}
        }
    }
}

impl Standard {
    /// Asks nothing.
    pub const NOTHING: Self = Self { level: Level::Privileged, version: Version::Latest };

    /// Everything of a pod, or of a template of pods, that it does not admit, in Kubernetes' order.
    pub fn violations(&self, pod: &Value) -> Vec<Violation> {
        let minor = match self.version {
            Version::Minor(minor) => minor,
            Version::Latest => u32::MAX,
        };
        let pod = Pod(pod);
        let (others, always): (_, &[Check]) = match self.level {
            Level::Privileged => return Vec::new(),
            Level::Baseline => (baseline::REPLACED, &baseline::CHECKS),
            Level::Restricted => (&restricted::CHECKS[..], &baseline::CHECKS),
        };
        always.iter().chain(others).filter_map(|check| check(&pod, minor)).collect()
    }
}

impl fmt::Display for Standard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        };
        match self.version {
            Version::Minor(minor) => write!(f, "{level}:v1.{minor}"),
            Version::Latest => write!(f, "{level}:latest"),
        }
    }
}

impl Level {
    fn parse(word: &str) -> Option<Self> {
        match word {
            "privileged" => Some(Self::Privileged),
            "baseline" => Some(Self::Baseline),
            "restricted" => Some(Self::Restricted),
            _ => None,
        }
    }
}

impl Version {
    fn parse(word: &str) -> Option<Self> {
        if word == "latest" {
            return Some(Self::Latest);
        }
        let minor = word.strip_prefix("v1.")?;
        let canonical = minor == "0" || !minor.starts_with(['0', '+']);
        minor.parse().ok().filter(|_| canonical).map(Self::Minor)
    }
}

/// The reasons with their details.
pub fn details(violations: &[Violation]) -> String {
    let one = |violation: &Violation| format!("{} ({})", violation.reason, violation.detail);
    violations.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// The reasons alone.
pub fn reasons(violations: &[Violation]) -> String {
    violations.iter().map(|violation| violation.reason).collect::<Vec<_>>().join(", ")
}

/// The pod of a pod, or the template of what makes pods of one; `None` for everything else.
pub fn template(resource: ResourceId, object: &Value) -> Option<&Value> {
    match resource.as_str() {
        "pods" => Some(object),
        "podtemplates" => object.get("template"),
        "replicationcontrollers"
        | "replicasets.apps"
        | "deployments.apps"
        | "statefulsets.apps"
        | "daemonsets.apps"
        | "jobs.batch" => object.pointer("/spec/template"),
        "cronjobs.batch" => object.pointer("/spec/jobTemplate/spec/template"),
        _ => None,
    }
}

/// Whether an update of a pod changes what its namespace asks about: only so much of a pod can change.
pub fn is_significant(new: &Value, old: &Value) -> bool {
    let images = |pod: &Value, list: &str| -> Vec<(String, String)> {
        let containers = items(pod, list).iter();
        containers
            .map(|container| (text(container, "/name").to_owned(), text(container, "/image").to_owned()))
            .collect()
    };
    ["/spec/containers", "/spec/initContainers", "/spec/ephemeralContainers"]
        .iter()
        .any(|list| images(new, list) != images(old, list))
}

#[cfg(test)]
mod tests;
