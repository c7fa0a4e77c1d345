//! Fields that a manager wants to set and another owns, in Kubernetes' words.

use std::collections::BTreeMap;

use super::managers::{Manager, Managers, Operation};
use super::set::FieldSet;

/// Fields that others own. `Display` is the sentence that clients print.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conflicts(pub Vec<(Manager, FieldSet)>);

impl Conflicts {
    /// Who but `applier` owns any of `written`, in one version or in any.
    pub(super) fn among(
        managers: &Managers,
        applier: &Manager,
        written: &FieldSet,
        version: Option<&str>,
    ) -> Self {
        let others = managers.0.iter().filter(|(manager, owned)| *manager != applier && owned.is_of(version));
        let owned = others.map(|(manager, owned)| (manager.clone(), owned.fields.intersection(written)));
        Self(owned.filter(|(_, fields)| !fields.is_empty()).collect())
    }

    /// Leaves out fields that may be taken all the same.
    pub(super) fn without(self, allowed: &FieldSet) -> Self {
        let rest = self.0.into_iter().map(|(manager, fields)| (manager, fields.difference(allowed)));
        Self(rest.filter(|(_, fields)| !fields.is_empty()).collect())
    }

    /// Nobody objects.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every field and who owns it: `.spec.replicas`, `"hpa" using apps/v1`.
    pub fn causes(&self) -> impl Iterator<Item = (String, String)> {
        self.0.iter().flat_map(|(manager, fields)| {
            fields.paths().into_iter().map(move |path| (path, manager.to_string()))
        })
    }
}

impl std::fmt::Display for Conflicts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut by_manager: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (path, manager) in self.causes() {
            by_manager.entry(manager).or_default().push(path);
        }
        match by_manager.values().map(Vec::len).sum::<usize>() {
            1 => f.write_str("Apply failed with 1 conflict: ")?,
            many => write!(f, "Apply failed with {many} conflicts: ")?,
        }
        let mut lines = Vec::new();
        for (manager, paths) in &by_manager {
            if let ([path], 1) = (paths.as_slice(), by_manager.len()) {
                return write!(f, "conflict with {manager}: {path}");
            }
            lines.push(format!("conflicts with {manager}:"));
            lines.extend(paths.iter().map(|path| format!("- {path}")));
        }
        f.write_str(&lines.join("\n"))
    }
}

impl std::fmt::Display for Manager {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}", self.name)?;
        if !self.subresource.is_empty() {
            write!(f, " with subresource {:?}", self.subresource)?;
        }
        match self.operation {
            Operation::Apply => Ok(()),
            Operation::Update => write!(f, " using {}", self.version),
        }
    }
}
