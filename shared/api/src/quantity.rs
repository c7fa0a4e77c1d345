//! Resource quantities: `100m`, `1.5`, `64Mi`, `1e3` (Kubernetes' `resource.Quantity`), as thousandths.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A quantity in thousandths of its unit, rounded up as Kubernetes does below one thousandth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Quantity {
    /// Thousandths: `100m` is 100, `1` is 1000.
    pub milli: i128,
}

impl Quantity {
    /// So many whole units (bytes, cores).
    pub fn units(units: i64) -> Self {
        Self { milli: i128::from(units) * 1000 }
    }

    /// Whole units, rounded up.
    pub fn ceil_units(self) -> i64 {
        i64::try_from(self.milli.div_euclid(1000) + i128::from(self.milli.rem_euclid(1000) != 0))
            .unwrap_or(i64::MAX)
    }

    /// Parses Kubernetes' notation; `None` if it is malformed.
    pub fn parse(text: &str) -> Option<Self> {
        let digits_end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
        let (number, suffix) = text.split_at(digits_end);
        let (numerator, denominator) = decimal(number)?;
        let (up, down) = scale(suffix)?;
        let scaled = numerator.checked_mul(up)?.checked_mul(1000)?;
        let divisor = denominator.checked_mul(down)?;
        let floor = scaled.div_euclid(divisor);
        Some(Self { milli: floor + i128::from(scaled.rem_euclid(divisor) != 0) })
    }
}

/// `-1.25` as (-125, 100).
fn decimal(number: &str) -> Option<(i128, i128)> {
    let unsigned = number.strip_prefix(['+', '-']).unwrap_or(number);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.len() > 18 || whole.len() > 27 {
        return None;
    }
    if !whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let denominator = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    Some((if number.starts_with('-') { -digits } else { digits }, denominator))
}

/// What a suffix multiplies and divides by.
fn scale(suffix: &str) -> Option<(i128, i128)> {
    let binary = |power: u32| Some((1024_i128.pow(power), 1));
    let decimal = |power: u32| Some((1000_i128.pow(power), 1));
    match suffix {
        "" => Some((1, 1)),
        "n" => Some((1, 1_000_000_000)),
        "u" => Some((1, 1_000_000)),
        "m" => Some((1, 1000)),
        "k" => decimal(1),
        "M" => decimal(2),
        "G" => decimal(3),
        "T" => decimal(4),
        "P" => decimal(5),
        "E" => decimal(6),
        "Ki" => binary(1),
        "Mi" => binary(2),
        "Gi" => binary(3),
        "Ti" => binary(4),
        "Pi" => binary(5),
        "Ei" => binary(6),
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            let factor = 10_i128.checked_pow(power.unsigned_abs().min(30))?;
            Some(if power < 0 { (1, factor) } else { (factor, 1) })
        }
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const BINARY: [(i128, &str); 4] =
            [(1 << 40, "Ti"), (1 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")];
        if self.milli % 1000 != 0 {
            return write!(f, "{}m", self.milli);
        }
        let units = self.milli / 1000;
        match BINARY.iter().find(|(size, _)| units != 0 && units % size == 0) {
            Some((size, suffix)) => write!(f, "{}{suffix}", units / size),
            None => write!(f, "{units}"),
        }
    }
}

impl Serialize for Quantity {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Quantity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity such as 100m or 64Mi")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Quantity, E> {
                Quantity::parse(text).ok_or_else(|| E::custom(format!("`{text}` is not a quantity")))
            }

            fn visit_i64<E: serde::de::Error>(self, units: i64) -> Result<Quantity, E> {
                Ok(Quantity::units(units))
            }

            fn visit_u64<E: serde::de::Error>(self, units: u64) -> Result<Quantity, E> {
                Ok(Quantity { milli: i128::from(units) * 1000 })
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// The spelling that Kubernetes stores: the largest suffix of the same family that loses nothing (`1000m` → `1`,
/// `1024Mi` → `1Gi`, `0.5` → `500m`). `None` if it is malformed or has no exact spelling in thousandths.
pub fn canonical(text: &str) -> Option<String> {
    let digits_end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (_, suffix) = text.split_at(digits_end);
    let milli = Quantity::parse(text)?.milli;
    if matches!(suffix, "n" | "u") || suffix.starts_with(['e', 'E']) && suffix.len() > 1 {
        return None;
    }
    let units = milli / 1000;
    if milli % 1000 != 0 {
        return Some(format!("{milli}m"));
    }
    let binary = suffix.ends_with('i') && units.unsigned_abs() >= 1024;
    let (base, names) = if binary {
        (1024_i128, ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"])
    } else {
        (1000, ["k", "M", "G", "T", "P", "E"])
    };
    let mut spelled = (units, "");
    for name in names {
        if spelled.0 == 0 || spelled.0 % base != 0 {
            break;
        }
        spelled = (spelled.0 / base, name);
    }
    Some(format!("{}{}", spelled.0, spelled.1))
}

#[cfg(test)]
mod tests {
    use super::{Quantity, canonical};

    #[test]
    fn spellings_are_kubernetes_own() {
        for (text, expected) in [
            ("1000m", Some("1")),
            ("0.5", Some("500m")),
            ("1024Mi", Some("1Gi")),
            ("1.5Gi", Some("1536Mi")),
            ("1500", Some("1500")),
            ("2000", Some("2k")),
            ("100M", Some("100M")),
            ("0", Some("0")),
            ("10000.1Ti", Some("10995226228922777600m")),
            ("1e3", None),
            ("5n", None),
            ("much", None),
        ] {
            assert_eq!(canonical(text).as_deref(), expected, "{text}");
        }
        assert_eq!(Quantity::parse("10995226228922777600m"), Quantity::parse("10000.1Ti"));
    }
}
