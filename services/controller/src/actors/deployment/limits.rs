//! How far a rollout may stray from the wanted number of pods.

use api::views::{Deployment, DeploymentSpec};
use serde_json::Value;

/// The limits of a rollout, as numbers of pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// Old and new pods may overlap; otherwise all old ones go first.
    pub rolling: bool,
    /// How many pods there may be beyond the wanted ones. Zero unless rolling.
    pub surge: i32,
    /// How many of the wanted pods may be unavailable. Zero unless rolling; never more than are wanted.
    pub unavailable: i32,
}

impl Limits {
    /// Kubernetes' rules: surge rounds up, unavailable rounds down, and both cannot be zero.
    pub fn of(deployment: &Deployment) -> Self {
        let DeploymentSpec { replicas, strategy, .. } = &deployment.spec;
        if strategy.kind == "Recreate" {
            return Self { rolling: false, surge: 0, unavailable: 0 };
        }
        let absent = Value::Null;
        let (surge, unavailable) = match &strategy.rolling_update {
            Some(limits) => (&limits.max_surge, &limits.max_unavailable),
            None => (&absent, &absent),
        };
        let surge = resolve(surge, *replicas, Rounding::Up);
        let unavailable = match (surge, resolve(unavailable, *replicas, Rounding::Down)) {
            (0, 0) => 1,
            (_, unavailable) => unavailable,
        };
        Self { rolling: true, surge, unavailable: unavailable.min(*replicas) }
    }
}

#[derive(Clone, Copy)]
enum Rounding {
    Up,
    Down,
}

/// A number, or a percentage of the wanted pods; a quarter of them if it is absent or unreadable.
fn resolve(limit: &Value, replicas: i32, rounding: Rounding) -> i32 {
    let percent = match (limit.as_i64(), limit.as_str()) {
        (Some(number), _) => return i32::try_from(number.max(0)).unwrap_or(i32::MAX),
        (None, Some(text)) => text.strip_suffix('%').and_then(|text| text.parse::<i64>().ok()).unwrap_or(25),
        (None, None) => 25,
    };
    let hundredths = i64::from(replicas).saturating_mul(percent.max(0));
    let pods = match rounding {
        Rounding::Up => hundredths.saturating_add(99) / 100,
        Rounding::Down => hundredths / 100,
    };
    i32::try_from(pods).unwrap_or(i32::MAX)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn limits(replicas: i32, rolling_update: Value) -> (i32, i32) {
        let spec = json!({"replicas": replicas, "strategy": {"type": "RollingUpdate", "rollingUpdate": rolling_update}});
        let deployment: Deployment = serde_json::from_value(json!({"spec": spec})).unwrap();
        let limits = Limits::of(&deployment);
        (limits.surge, limits.unavailable)
    }

    #[test]
    fn surge_rounds_up_and_unavailable_rounds_down() {
        assert_eq!(limits(10, json!({"maxSurge": "25%", "maxUnavailable": "25%"})), (3, 2));
        assert_eq!(limits(3, Value::Null), (1, 0));
        assert_eq!(limits(3, json!({"maxSurge": 0, "maxUnavailable": "10%"})), (0, 1));
        assert_eq!(limits(2, json!({"maxSurge": 1, "maxUnavailable": 5})), (1, 2));
    }
}
