//! Semantic versions: `semver("1.2.3").isLessThan(semver("1.10.0"))`.

use std::cmp::Ordering;

use cel::common::types::{CelBool, CelInt, CelString};
use cel::{DeclarationError, Env, ExecutionError, add_member_overload, add_overload};

use super::failed;
use crate::cel::native::{Native, named};

/// A version of semver.org 2.0.0; builds make no difference.
#[derive(Clone, Debug)]
struct Version {
    numbers: [u64; 3],
    pre: Vec<Identifier>,
}

/// A part of what stands after the hyphen: numbers come before words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Identifier {
    Number(u64),
    Word(String),
}

named! { Version => "kubernetes.Semver" }

type It = Native<Version>;

pub(super) fn extension(environment: &mut Env) -> Result<(), DeclarationError> {
    add_overload!(environment, fn semver: (CelString) -> Result<It>)?;
    add_overload!(environment, fn semver_normal: (CelString, CelBool) -> Result<It>, name = "semver")?;
    add_overload!(environment, fn is_semver: (CelString) -> CelBool)?;
    add_overload!(environment, fn is_semver_normal: (CelString, CelBool) -> CelBool, name = "isSemver")?;
    add_member_overload!(environment, fn major: (It) -> CelInt)?;
    add_member_overload!(environment, fn minor: (It) -> CelInt)?;
    add_member_overload!(environment, fn patch: (It) -> CelInt)?;
    add_member_overload!(environment, fn is_greater_than: (It, It) -> CelBool)?;
    add_member_overload!(environment, fn is_less_than: (It, It) -> CelBool)?;
    add_member_overload!(environment, fn compare_to: (It, It) -> CelInt)?;
    Ok(())
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        let (text, build) = text.split_once('+').map_or((text, None), |(text, build)| (text, Some(build)));
        let (numbers, pre) = text.split_once('-').map_or((text, None), |(numbers, pre)| (numbers, Some(pre)));
        let mut numbers = numbers.split('.').map(number);
        let version = Self {
            numbers: [numbers.next()??, numbers.next()??, numbers.next()??],
            pre: pre.map_or(Some(Vec::new()), |pre| pre.split('.').map(Identifier::parse).collect())?,
        };
        let is_word =
            |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let well_built = build.is_none_or(|build| build.split('.').all(is_word));
        (numbers.next().is_none() && well_built).then_some(version)
    }

    /// `v1.2` as `1.2.0`, `1.02.3` as `1.2.3`.
    fn parse_lenient(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix('v').unwrap_or(text);
        let end = text.find(['-', '+']).unwrap_or(text.len());
        let (numbers, rest) = text.split_at(end);
        let mut parts: Vec<&str> = numbers
            .split('.')
            .map(|part| match part.trim_start_matches('0') {
                "" if !part.is_empty() => "0",
                trimmed => trimmed,
            })
            .collect();
        if parts.len() < 3 && !rest.is_empty() {
            return None;
        }
        while parts.len() < 3 {
            parts.push("0");
        }
        Self::parse(&format!("{}{rest}", parts.join(".")))
    }

    /// Whatever follows a hyphen comes before the version itself.
    fn order(&self, other: &Self) -> Ordering {
        self.numbers.cmp(&other.numbers).then_with(|| match (self.pre.is_empty(), other.pre.is_empty()) {
            (true, false) => Ordering::Greater,
            (false, true) => Ordering::Less,
            _ => self.pre.cmp(&other.pre),
        })
    }
}

impl PartialEq for Version {
    fn eq(&self, other: &Self) -> bool {
        self.order(other) == Ordering::Equal
    }
}

impl Identifier {
    fn parse(text: &str) -> Option<Self> {
        let well_formed = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        match text.bytes().all(|byte| byte.is_ascii_digit()) {
            _ if !well_formed => None,
            true => number(text).map(Self::Number),
            false => Some(Self::Word(text.to_owned())),
        }
    }
}

fn number(text: &str) -> Option<u64> {
    let well_formed = text == "0" || !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    well_formed.then(|| text.parse().ok()).flatten()
}

fn semver(text: &CelString<'_>) -> Result<It, ExecutionError> {
    semver_normal(text, &CelBool::from(false))
}

fn semver_normal(text: &CelString<'_>, normalize: &CelBool) -> Result<It, ExecutionError> {
    let parsed =
        if *normalize.inner() { Version::parse_lenient(text.inner()) } else { Version::parse(text.inner()) };
    parsed.map(Native).ok_or_else(|| failed(format!("failed to parse semver {:?}", text.inner())))
}

fn is_semver(text: &CelString<'_>) -> CelBool {
    CelBool::from(semver(text).is_ok())
}

fn is_semver_normal(text: &CelString<'_>, normalize: &CelBool) -> CelBool {
    CelBool::from(semver_normal(text, normalize).is_ok())
}

fn part(it: &It, which: impl Fn(&[u64; 3]) -> u64) -> CelInt {
    CelInt::from(i64::try_from(which(&it.0.numbers)).unwrap_or(i64::MAX))
}

fn major(it: &It) -> CelInt {
    part(it, |[major, _, _]| *major)
}

fn minor(it: &It) -> CelInt {
    part(it, |[_, minor, _]| *minor)
}

fn patch(it: &It) -> CelInt {
    part(it, |[_, _, patch]| *patch)
}

fn is_greater_than(it: &It, other: &It) -> CelBool {
    CelBool::from(it.0.order(&other.0) == Ordering::Greater)
}

fn is_less_than(it: &It, other: &It) -> CelBool {
    CelBool::from(it.0.order(&other.0) == Ordering::Less)
}

fn compare_to(it: &It, other: &It) -> CelInt {
    CelInt::from(it.0.order(&other.0) as i64)
}
