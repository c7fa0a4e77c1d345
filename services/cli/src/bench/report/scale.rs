//! Where a value is on an axis, and which values are worth a line.

/// Lines of an axis, about.
const TICKS: f64 = 5.0;
/// What a step may be, times a power of ten.
const STEPS: [f64; 4] = [1.0, 2.0, 5.0, 10.0];

/// Turns values into places.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The first and the last value.
    domain: (f64, f64),
    /// Where these are.
    range: (f64, f64),
    logarithmic: bool,
}

impl Scale {
    /// Equal steps are equal differences.
    pub fn linear(domain: (f64, f64), range: (f64, f64)) -> Self {
        let (low, high) = domain;
        let high = if high > low { high } else { low + 1.0 };
        Self { domain: (low, high), range, logarithmic: false }
    }

    /// Equal steps are equal factors; values above zero only.
    pub fn logarithmic(domain: (f64, f64), range: (f64, f64)) -> Self {
        let low = domain.0.max(f64::MIN_POSITIVE);
        let high = if domain.1 > low { domain.1 } else { low * 10.0 };
        Self { domain: (low, high), range, logarithmic: true }
    }

    /// The same with a last value that is a tick.
    pub fn rounded_up(self) -> Self {
        if self.logarithmic {
            return self;
        }
        let step = step((self.domain.1 - self.domain.0) / TICKS);
        let high = (self.domain.1 / step).ceil() * step;
        Self { domain: (self.domain.0, high), ..self }
    }

    /// Where a value is.
    pub fn at(&self, value: f64) -> f64 {
        let place = |value: f64| if self.logarithmic { value.max(self.domain.0).log10() } else { value };
        let (low, high) = (place(self.domain.0), place(self.domain.1));
        let part = (place(value) - low) / (high - low);
        self.range.0 + part * (self.range.1 - self.range.0)
    }

    /// Values worth a line, from the first to the last.
    pub fn ticks(&self) -> Vec<f64> {
        let (low, high) = self.domain;
        if !self.logarithmic {
            let step = step((high - low) / TICKS);
            let first = (low / step).ceil() * step;
            let upto = high + step / 1000.0;
            return std::iter::successors(Some(first), |tick| Some(tick + step))
                .take_while(|tick| *tick <= upto)
                .collect();
        }
        // Over many decades their own lines are enough.
        let factors: &[f64] = if (high / low).log10() > 3.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
        let decades =
            std::iter::successors(Some(10_f64.powf(low.log10().floor())), |decade| Some(decade * 10.0));
        let all = decades
            .take_while(|decade| *decade <= high)
            .flat_map(|decade| factors.iter().map(move |factor| decade * factor));
        all.filter(|tick| *tick >= low * 0.999 && *tick <= high * 1.001).collect()
    }
}

/// The smallest round step that is not below what is wished.
fn step(wished: f64) -> f64 {
    let power = 10_f64.powf(wished.max(f64::MIN_POSITIVE).log10().floor());
    let step = STEPS.iter().map(|factor| factor * power).find(|step| *step >= wished * 0.999);
    step.unwrap_or(power * 10.0)
}

/// A tick's text: `0`, `0.5`, `250`, `20k`, `1.5M`.
pub fn label(value: f64) -> String {
    let trimmed = |value: f64| {
        let text = format!("{value:.3}");
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    };
    match value.abs() {
        million if million >= 1e6 => format!("{}M", trimmed(value / 1e6)),
        thousand if thousand >= 1e4 => format!("{}k", trimmed(value / 1e3)),
        _ => trimmed(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(scale: Scale) -> String {
        scale.ticks().into_iter().map(label).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn ticks_are_round() {
        assert_eq!(labels(Scale::linear((0.0, 1.03), (0.0, 1.0))), "0 0.5 1");
        assert_eq!(labels(Scale::linear((0.0, 93.0), (0.0, 1.0)).rounded_up()), "0 20 40 60 80 100");
        assert_eq!(labels(Scale::linear((0.0, 150_000.0), (0.0, 1.0))), "0 50k 100k 150k");
        assert_eq!(labels(Scale::linear((0.0, 0.0), (0.0, 1.0))), "0 0.2 0.4 0.6 0.8 1");
        assert_eq!(
            labels(Scale::logarithmic((1000.0, 150_000.0), (0.0, 1.0))),
            "1000 2000 5000 10k 20k 50k 100k"
        );
        assert_eq!(labels(Scale::logarithmic((0.1, 9000.0), (0.0, 1.0))), "0.1 1 10 100 1000");
    }

    #[test]
    fn values_are_placed_between_the_ends() {
        let linear = Scale::linear((0.0, 10.0), (100.0, 0.0));
        assert_eq!([linear.at(0.0), linear.at(5.0), linear.at(10.0)], [100.0, 50.0, 0.0]);
        let logarithmic = Scale::logarithmic((1.0, 100.0), (0.0, 200.0));
        assert_eq!([logarithmic.at(1.0), logarithmic.at(10.0), logarithmic.at(0.0)], [0.0, 100.0, 0.0]);
    }
}
