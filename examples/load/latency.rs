//! How long things took: samples in, quantiles out.

use std::time::Duration;

use serde::Serialize;

/// Times that were measured.
#[derive(Clone, Debug, Default)]
pub(crate) struct Samples(Vec<Duration>);

/// What is told of them, in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Quantiles {
    pub(crate) samples: usize,
    pub(crate) p50: f64,
    pub(crate) p90: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Samples {
    pub(crate) fn add(&mut self, took: Duration) {
        self.0.push(took);
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.0.extend(other.0);
    }

    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    /// The quantiles; `None` of nothing.
    pub(crate) fn quantiles(mut self) -> Option<Quantiles> {
        self.0.sort_unstable();
        let at = |percent: usize| self.at(percent * 10_000);
        Some(Quantiles {
            samples: self.0.len(),
            p50: at(50)?,
            p90: at(90)?,
            p99: at(99)?,
            max: at(100)?,
        })
    }

    /// The distribution as pairs: so many of a hundred are not above so many microseconds.
    pub(crate) fn curve(mut self) -> Vec<(f64, f64)> {
        self.0.sort_unstable();
        let of_hundred = |parts: usize| f64::from(u32::try_from(parts).unwrap_or(0)) / 10_000.0;
        CURVE
            .iter()
            .filter_map(|parts| Some((of_hundred(*parts), self.at(*parts)?)))
            .collect()
    }

    /// The quantile of sorted samples at so many parts of a million.
    fn at(&self, parts: usize) -> Option<f64> {
        Some(micros(*self.0.get(rank(parts, self.0.len())?)?))
    }
}

/// Parts of a million below which a distribution is told, for a plot.
const CURVE: [usize; 16] = [
    10_000, 100_000, 250_000, 500_000, 750_000, 900_000, 950_000, 980_000, 990_000, 995_000,
    998_000, 999_000, 999_500, 999_800, 999_900, 1_000_000,
];

/// The place of the smallest of `count` sorted values that at least so many parts of a million are not
/// above (nearest rank), so that a quantile is always something that was measured.
fn rank(parts: usize, count: usize) -> Option<usize> {
    (count * parts)
        .div_ceil(1_000_000)
        .max(1)
        .checked_sub(1)
        .filter(|rank| *rank < count)
}

fn micros(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e7).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(millis: impl IntoIterator<Item = u64>) -> Option<Quantiles> {
        let mut samples = Samples::default();
        for millis in millis {
            samples.add(Duration::from_millis(millis));
        }
        samples.quantiles()
    }

    #[test]
    fn quantiles_are_values_that_were_measured() {
        let told = of((1..=100).rev()).unwrap();
        let expected = Quantiles {
            samples: 100,
            p50: 50e3,
            p90: 90e3,
            p99: 99e3,
            max: 100e3,
        };
        assert_eq!(told, expected);
        let two = of([7, 5]).unwrap();
        assert_eq!((two.p50, two.p90, two.max), (5e3, 7e3, 7e3));
        let one = of([3]).unwrap();
        assert_eq!((one.p50, one.p99), (3e3, 3e3));
    }

    #[test]
    fn a_curve_rises_to_the_most() {
        let mut samples = Samples::default();
        (1..=1000)
            .rev()
            .for_each(|millis| samples.add(Duration::from_millis(millis)));
        let curve = samples.curve();
        assert!(curve.is_sorted_by(|one, next| one.0 < next.0 && one.1 <= next.1));
        assert!(curve.contains(&(50.0, 500e3)) && curve.contains(&(99.9, 999e3)));
        assert_eq!(curve.last(), Some(&(100.0, 1e6)));
        assert_eq!(Samples::default().curve(), []);
    }

    #[test]
    fn nothing_has_no_quantiles() {
        assert_eq!(of([]), None);
    }
}
