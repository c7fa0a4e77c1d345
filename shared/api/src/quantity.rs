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

/// The spelling that Kubernetes stores: the largest suffix of the same family that loses nothing (`1000m` → `1`, `1024Mi` → `1Gi`,
/// `0.5` → `500m`, `12e2` → `1200`), in billionths if it has to be, rounded away from zero below these. `None` if it is malformed or too
/// large to tell.
pub fn canonical(text: &str) -> Option<String> {
    const BILLION: i128 = 1_000_000_000;
    let digits_end = text.find(|c: char| !matches!(c, '0'..='9' | '.' | '+' | '-')).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits_end);
    let ((numerator, denominator), (up, down)) = (decimal(number)?, scale(suffix)?);
    let scaled = numerator.checked_mul(up)?.checked_mul(BILLION)?;
    let divisor = denominator.checked_mul(down)?;
    let mut spelled = scaled / divisor + (scaled % divisor).signum();
    if suffix.ends_with('i')
        && spelled % BILLION == 0
        && spelled.unsigned_abs() >= 1024 * BILLION.unsigned_abs()
    {
        spelled /= BILLION;
        let mut name = "";
        for larger in ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"] {
            if spelled % 1024 != 0 {
                break;
            }
            (spelled, name) = (spelled / 1024, larger);
        }
        return Some(format!("{spelled}{name}"));
    }
    let has_exponent = suffix.starts_with(['e', 'E']) && suffix.len() > 1;
    let mut power = -9;
    while spelled % 1000 == 0 && power < if spelled == 0 { 0 } else { 18 } {
        (spelled, power) = (spelled / 1000, power + 3);
    }
    Some(match power {
        0 => spelled.to_string(),
        power if has_exponent => format!("{spelled}e{power}"),
        power => format!("{spelled}{}", thousands(power)),
    })
}

/// The suffix of a power of ten.
fn thousands(power: i32) -> &'static str {
    match power {
        -9 => "n",
        -6 => "u",
        -3 => "m",
        3 => "k",
        6 => "M",
        9 => "G",
        12 => "T",
        15 => "P",
        _ => "E",
    }
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
            ("1e3", Some("1e3")),
            ("12e2", Some("1200")),
            ("1E-3", Some("1e-3")),
            ("5n", Some("5n")),
            ("0.0005", Some("500u")),
            ("1500u", Some("1500u")),
            ("0.1n", Some("1n")),
            ("-0.1n", Some("-1n")),
            ("1.5Ki", Some("1536")),
            ("0.5Ki", Some("512")),
            ("0.1Ki", Some("102400m")),
            ("1000000E", Some("1000000E")),
            ("much", None),
        ] {
            assert_eq!(canonical(text).as_deref(), expected, "{text}");
        }
        assert_eq!(Quantity::parse("10995226228922777600m"), Quantity::parse("10000.1Ti"));
    }
}
