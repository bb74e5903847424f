//! A chart's axis: its range, its ticks, and where a value lies on it.

/// A range of values with the ticks to show on it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Axis {
    pub(super) low: f64,
    pub(super) high: f64,
    step: f64,
}

impl Axis {
    /// An axis for `values` (finite), widened to whole ticks; about `ticks` of them.
    pub(super) fn covering(values: impl Iterator<Item = f64>, ticks: usize) -> Self {
        let (low, high) = span(values);
        let step = nice_step((high - low) / ticks as f64);
        Self { low: (low / step).floor() * step, high: (high / step).ceil() * step, step }
    }

    /// An axis that ends where `values` end. Where all are whole numbers (epochs), so are its ticks.
    pub(super) fn tight(values: impl Iterator<Item = f64> + Clone, ticks: usize) -> Self {
        let whole = values.clone().all(|value| value.fract() == 0.0);
        let (low, high) = span(values);
        let step = nice_step((high - low) / ticks as f64);
        Self { low, high, step: if whole { step.max(1.0) } else { step } }
    }

    /// The ticks and their labels, from low to high.
    pub(super) fn ticks(&self) -> Vec<(f64, String)> {
        // Room for rounding, so that a tick at the very end is not lost.
        let (first, last) = ((self.low / self.step - 1e-6).ceil(), (self.high / self.step + 1e-6).floor());
        let count = (last - first).clamp(0.0, 100.0) as usize;
        (0..=count).map(|i| (first + i as f64) * self.step).map(|tick| (tick, self.label(tick))).collect()
    }

    /// Position of `value` between `start` and `end` in pixels.
    pub(super) fn place(&self, value: f64, start: i32, end: i32) -> i32 {
        let fraction = (value - self.low) / (self.high - self.low);
        (f64::from(start) + fraction * f64::from(end - start)).round() as i32
    }

    fn label(&self, tick: f64) -> String {
        let largest = self.low.abs().max(self.high.abs());
        if largest >= 1e6 || self.step < 1e-5 {
            return format!("{:.3e}", tick).replace(".000e", "e");
        }
        let decimals = (-(self.step.log10() + 1e-9).floor()).max(0.0) as usize;
        let label = format!("{tick:.decimals$}");
        // Rounding leaves a sign on what is nothing.
        if label.trim_start_matches('-').chars().all(|c| matches!(c, '0' | '.')) {
            return label.trim_start_matches('-').to_owned();
        }
        label
    }
}

/// Least and greatest of `values`, never equal: a single value is given some room on both sides.
fn span(values: impl Iterator<Item = f64>) -> (f64, f64) {
    let (low, high) =
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    if low > high {
        return (0.0, 1.0);
    }
    if high - low > high.abs().max(low.abs()) * 1e-9 {
        return (low, high);
    }
    let room = if low.fract() == 0.0 && low.abs() < 1e6 { 1.0 } else { low.abs() * 0.1 };
    (low - room, high + room)
}

/// The least of 1, 2, 5 × 10ⁿ that is not below `step`.
fn nice_step(step: f64) -> f64 {
    let magnitude = 10f64.powf(step.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|factor| factor * magnitude)
        .find(|nice| *nice >= step * (1.0 - 1e-9))
        .unwrap_or(10.0 * magnitude)
}
