//! An axis of a chart: its range, its ticks, and the positions of values on it.

/// A range of values with the ticks to show on it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    step: f64,
}

impl Axis {
    /// Creates an axis for `values` (finite), widened to whole ticks. It has about `ticks` of them.
    pub(super) fn covering(values: impl Iterator<Item = f64>, ticks: usize) -> Self {
        let (low, high) = span(
            values,
            |value| if value == 0.0 { 1.0 } else { value.abs() * 0.1 },
        );
        let step = nice_step((high - low) / ticks as f64);
        Self {
            low: (low / step).floor() * step,
            high: (high / step).ceil() * step,
            step,
        }
    }

    /// Creates an axis that ends where `values` end. If all values are whole numbers (epochs), so are the
    /// ticks.
    pub(super) fn tight(values: impl Iterator<Item = f64> + Clone, ticks: usize) -> Self {
        let whole = values.clone().all(|value| value.fract() == 0.0);
        let (low, high) = span(values, |value| if whole { 1.0 } else { value.abs() * 0.1 });
        let step = nice_step((high - low) / ticks as f64);
        Self {
            low,
            high,
            step: if whole { step.max(1.0) } else { step },
        }
    }

    /// Creates an axis from 0 to 1.
    pub(super) fn unit() -> Self {
        Self {
            low: 0.0,
            high: 1.0,
            step: 0.2,
        }
    }

    /// Returns the ticks and their labels, from low to high.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        // Tolerates rounding errors, so that a tick at the very end is not lost.
        let (first, last) = (
            (self.low / self.step - 1e-6).ceil(),
            (self.high / self.step + 1e-6).floor(),
        );
        let count = (last - first).clamp(0.0, 100.0) as usize;
        (0..=count)
            .map(|i| (first + i as f64) * self.step)
            .map(|tick| (tick, self.label(tick)))
            .collect()
    }

    /// Returns the position of `value` between `start` and `end`, in pixels. A value outside of the axis is placed at
    /// its end.
    pub(super) fn place(&self, value: f64, start: i32, end: i32) -> i32 {
        let fraction = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0);
        (f64::from(start) + fraction * f64::from(end - start)).round() as i32
    }

    fn label(&self, tick: f64) -> String {
        let largest = self.low.abs().max(self.high.abs());
        if largest >= 1e6 || self.step < 1e-5 {
            return format!("{:.3e}", tick).replace(".000e", "e");
        }
        let decimals = (-(self.step.log10() + 1e-9).floor()).max(0.0) as usize;
        let label = format!("{tick:.decimals$}");
        // Rounding can leave a minus sign on zero.
        if label
            .trim_start_matches('-')
            .chars()
            .all(|c| matches!(c, '0' | '.'))
        {
            return label.trim_start_matches('-').to_owned();
        }
        label
    }
}

/// Returns the range of `values` (finite) without outliers, such as the losses of a training that failed.
/// Outliers lie more than three interquartile ranges beyond the quartiles (Tukey's outer fences).
pub(super) fn range_without_outliers(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let mut sorted: Vec<f64> = values.collect();
    sorted.sort_by(f64::total_cmp);
    let [Some(&least), Some(&greatest)] = [sorted.first(), sorted.last()] else {
        return (0.0, 1.0);
    };
    let quartile = |quarter: usize| sorted[(sorted.len() - 1) * quarter / 4];
    let [lower, upper] = [quartile(1), quartile(3)];
    // If most values are equal, all others would be outliers.
    if upper <= lower {
        return (least, greatest);
    }
    let reach = 3.0 * (upper - lower);
    let inside = |value: &f64| (lower - reach..=upper + reach).contains(value);
    let least = sorted.iter().copied().find(inside);
    let greatest = sorted.iter().rev().copied().find(inside);
    (least.unwrap_or(lower), greatest.unwrap_or(upper))
}

/// Largest value on an axis. With larger ones, the length of an axis could be infinite.
const LARGEST: f64 = 1e300;

/// Returns the least and the greatest of `values`, never equal: a single value gets `margin` on both sides.
fn span(values: impl Iterator<Item = f64>, margin: impl Fn(f64) -> f64) -> (f64, f64) {
    let values = values.map(|value| value.clamp(-LARGEST, LARGEST));
    let (low, high) = values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| {
        (low.min(v), high.max(v))
    });
    if low > high {
        return (0.0, 1.0);
    }
    if high - low > high.abs().max(low.abs()) * 1e-9 {
        return (low, high);
    }
    (low - margin(low), high + margin(high))
}

/// Returns the least of 1, 2, 5 × 10ⁿ that is not below `step`.
fn nice_step(step: f64) -> f64 {
    let magnitude = 10f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * magnitude)
        .find(|nice| *nice >= step * (1.0 - 1e-9))
        .unwrap_or(10.0 * magnitude)
}

#[cfg(test)]
mod tests {
    use super::Axis;

    fn labels(axis: &Axis) -> Vec<String> {
        axis.ticks().into_iter().map(|(_, label)| label).collect()
    }

    #[test]
    fn covers_with_whole_ticks() {
        let axis = Axis::covering([0.71, 0.984].into_iter(), 6);
        assert_eq!(
            labels(&axis),
            ["0.70", "0.75", "0.80", "0.85", "0.90", "0.95", "1.00"]
        );
        assert_eq!(
            labels(&Axis::covering([-12.0, 19.0].into_iter(), 6)),
            ["-20", "-10", "0", "10", "20"]
        );
        assert_eq!(
            labels(&Axis::covering([0.0, 3e6].into_iter(), 3)),
            ["0e0", "1e6", "2e6", "3e6"]
        );
    }

    #[test]
    fn epochs_have_whole_ticks() {
        assert_eq!(
            labels(&Axis::tight([1.0, 2.0, 3.0].into_iter(), 10)),
            ["1", "2", "3"]
        );
        let long = Axis::tight((1..=200).map(f64::from), 10);
        assert_eq!(
            labels(&long),
            [
                "20", "40", "60", "80", "100", "120", "140", "160", "180", "200"
            ]
        );
        assert_eq!(long.place(1.0, 100, 500), 100);
        assert_eq!(long.place(200.0, 100, 500), 500);
    }

    #[test]
    fn constant_single_and_no_values_have_a_range() {
        assert_eq!(labels(&Axis::tight([1.0].into_iter(), 10)), ["0", "1", "2"]);
        assert_eq!(
            labels(&Axis::covering([0.0, 0.0].into_iter(), 4)),
            ["-1.0", "-0.5", "0.0", "0.5", "1.0"]
        );
        let constant = Axis::covering([1.0, 1.0].into_iter(), 6);
        assert!(
            constant.low >= 0.85 && constant.high <= 1.15,
            "{constant:?}"
        );
        assert_eq!(labels(&Axis::covering(std::iter::empty(), 5)).len(), 6);
    }
}
