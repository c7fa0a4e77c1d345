//! Numbers that may be given as a share of something: `2` or `25%`.

use serde_json::Value;

/// Kubernetes' `IntOrString`, where the string is a percentage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IntOrPercent {
    /// An absolute number.
    Int(i64),
    /// So many hundredths of a total.
    Percent(i64),
}

impl IntOrPercent {
    /// Reads `2` or `"25%"`; `None` for anything else.
    pub fn parse(value: &Value) -> Option<Self> {
        match value {
            Value::Number(number) => number.as_i64().map(Self::Int),
            Value::String(text) => {
                let digits = text
                    .strip_suffix('%')
                    .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?;
                digits.parse().ok().map(Self::Percent)
            }
            _ => None,
        }
    }

    /// The number that it means of `total`, rounded up (`maxSurge`).
    pub fn of_rounded_up(self, total: i64) -> i64 {
        match self {
            Self::Int(number) => number,
            Self::Percent(percent) => {
                let hundredths = percent.saturating_mul(total);
                hundredths.div_euclid(100) + i64::from(hundredths.rem_euclid(100) != 0)
            }
        }
    }

    /// The number that it means of `total`, rounded down (`maxUnavailable`).
    pub fn of_rounded_down(self, total: i64) -> i64 {
        match self {
            Self::Int(number) => number,
            Self::Percent(percent) => percent.saturating_mul(total).div_euclid(100),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::IntOrPercent;

    #[test]
    fn shares_round_as_rollouts_want_them() {
        for (value, total, up, down) in [
            (json!("25%"), 10, 3, 2),
            (json!("25%"), 4, 1, 1),
            (json!("0%"), 4, 0, 0),
            (json!(2), 10, 2, 2),
            (json!("100%"), 7, 7, 7),
        ] {
            let share = IntOrPercent::parse(&value).unwrap();
            assert_eq!(
                (share.of_rounded_up(total), share.of_rounded_down(total)),
                (up, down),
                "{value} of {total}"
            );
        }
        for wrong in [json!("25"), json!("a%"), json!(true), json!(null), json!("%")] {
            assert_eq!(IntOrPercent::parse(&wrong), None, "{wrong}");
        }
    }
}
