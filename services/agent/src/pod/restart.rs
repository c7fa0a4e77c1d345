//! Says whether a container that has ended runs again: its own rules decide first, then its own policy, then its pod's (KEP-5307).

use k8s_openapi::api::core::v1 as k8s;

/// What happens to a container that ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartPolicy {
    /// It is restarted.
    #[default]
    Always,
    /// It is restarted if it failed.
    OnFailure,
    /// It has ended.
    Never,
}

/// All that decides about one container.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Restarts {
    policy: RestartPolicy,
    /// Exit codes after which it is restarted whatever the policy says.
    rules: Vec<ExitCodes>,
}

#[derive(Clone, Debug, PartialEq)]
struct ExitCodes {
    /// The codes are those that do not count.
    inverted: bool,
    codes: Vec<i32>,
}

impl RestartPolicy {
    /// Reads the policy of a pod or container; `None` if it has none.
    pub fn read(policy: Option<&str>) -> Option<Self> {
        match policy? {
            "OnFailure" => Some(Self::OnFailure),
            "Never" => Some(Self::Never),
            _ => Some(Self::Always),
        }
    }
}

impl Restarts {
    /// Reads what a container of a pod with this policy says. Rules with actions of later versions say nothing.
    pub fn of(container: &k8s::Container, of_pod: RestartPolicy) -> Self {
        let rules = container.restart_policy_rules.iter().flatten().filter(|rule| rule.action == "Restart");
        let codes = rules.filter_map(|rule| rule.exit_codes.as_ref()).map(|codes| ExitCodes {
            inverted: codes.operator == "NotIn",
            codes: codes.values.clone().unwrap_or_default(),
        });
        let policy = RestartPolicy::read(container.restart_policy.as_deref()).unwrap_or(of_pod);
        Self { policy, rules: codes.collect() }
    }

    /// By a policy alone.
    pub fn by(policy: RestartPolicy) -> Self {
        Self { policy, rules: Vec::new() }
    }

    /// Whether it runs again after it has ended with this code.
    pub fn after(&self, code: i32) -> bool {
        let ruled = self.rules.iter().any(|rule| rule.codes.contains(&code) != rule.inverted);
        ruled
            || match self.policy {
                RestartPolicy::Always => true,
                RestartPolicy::OnFailure => code != 0,
                RestartPolicy::Never => false,
            }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn rules_then_the_own_policy_then_the_pods() {
        let check = |container: Value, pod: &str, codes: &[i32]| -> Vec<bool> {
            let container: k8s::Container = serde_json::from_value(container).unwrap();
            let restarts = Restarts::of(&container, RestartPolicy::read(Some(pod)).unwrap());
            codes.iter().map(|code| restarts.after(*code)).collect()
        };
        let rules = |operator: &str| {
            json!({"name": "a", "restartPolicy": "Never", "restartPolicyRules": [
                {"action": "Restart", "exitCodes": {"operator": operator, "values": [42, 43]}},
                {"action": "Dance", "exitCodes": {"operator": "In", "values": [7]}},
            ]})
        };
        assert_eq!(check(json!({"name": "a"}), "OnFailure", &[0, 1]), [false, true]);
        assert_eq!(check(json!({"name": "a", "restartPolicy": "Always"}), "Never", &[0, 1]), [true, true]);
        assert_eq!(check(rules("In"), "Always", &[0, 7, 42]), [false, false, true]);
        assert_eq!(check(rules("NotIn"), "Always", &[0, 7, 42]), [true, true, false]);
    }
}
