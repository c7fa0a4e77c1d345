//! Kinds that are served in more than one group and version: objects are stored in one of them, and converted by pure functions.

mod autoscaler;
mod event;

pub use autoscaler::AUTOSCALER;
pub use event::EVENT;

use serde_json::Value;

/// How objects of a version that is served get into the version that is stored, and back.
#[derive(Clone, Copy, Debug)]
pub struct Conversion {
    /// From the version that is served to the one that is stored; `apiVersion` is set by the caller.
    pub store: fn(&mut Value),
    /// From the version that is stored to the one that is served; `apiVersion` is set by the caller.
    pub show: fn(&mut Value),
}

/// Versions that differ in nothing but their name.
pub(crate) const SAME: Conversion = Conversion { store: |_| {}, show: |_| {} };

/// Gives fields other names.
fn rename(object: &mut Value, names: impl Iterator<Item = (&'static str, &'static str)>) {
    let Some(fields) = object.as_object_mut() else { return };
    let found: Vec<_> = names.filter_map(|(from, to)| Some((to, fields.remove(from)?))).collect();
    fields.extend(found.into_iter().map(|(to, value)| (to.to_owned(), value)));
}

/// Orders versions as clients prefer them: `v2`, `v1`, `v2beta1`, `v1beta2`, `v1alpha1`, and what has another form.
pub fn maturity(version: &str) -> (u8, u32, u32) {
    let parsed = || {
        let rest = version.strip_prefix('v')?;
        let (stage, major, minor) = match (rest.split_once("beta"), rest.split_once("alpha")) {
            (Some((major, minor)), _) => (2, major, minor),
            (None, Some((major, minor))) => (1, major, minor),
            (None, None) => (3, rest, "0"),
        };
        Some((stage, major.parse().ok()?, minor.parse().ok()?))
    };
    parsed().unwrap_or_default()
}
