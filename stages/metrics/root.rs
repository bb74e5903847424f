//! Finds where an increasing function is zero.

/// Most steps. An interval is at least halved in every second one.
const MOST_STEPS: usize = 200;

/// Relative change that is too small for another step.
const LEAST_STEP: f64 = 1e-12;

/// Returns where an increasing function is 0 between `low` and `high`; `low` if it is not negative there, and `high` if it
/// is not positive there. `at` returns the function's value and its derivative.
///
/// It takes Newton's steps. A step that leaves the interval known to contain the zero, and every second step that is not
/// small, is replaced by one to the middle of the interval.
pub fn root([mut low, mut high]: [f64; 2], at: impl Fn(f64) -> [f64; 2]) -> f64 {
    if at(low)[0] >= 0.0 {
        return low;
    }
    if at(high)[0] <= 0.0 {
        return high;
    }
    let mut place = (low + high) / 2.0;
    for step in 0..MOST_STEPS {
        let [value, slope] = at(place);
        if value < 0.0 {
            low = place;
        } else {
            high = place;
        }
        let newton = place - value / slope;
        let is_small = (newton - place).abs() < 1e-3 * place.abs().max(1e-3);
        let takes_newton = low <= newton && newton <= high && (step % 2 == 0 || is_small);
        let next = if takes_newton {
            newton
        } else {
            (low + high) / 2.0
        };
        if (next - place).abs() <= LEAST_STEP * place.abs().max(LEAST_STEP) {
            return next;
        }
        place = next;
    }
    place
}

#[cfg(test)]
mod tests {
    use super::root;

    #[test]
    fn curves_of_all_kinds_have_their_root_found() {
        let cubic = root([0.0, 5.0], |x| [x * x * x - 2.0, 3.0 * x * x]);
        assert!((cubic - 2.0f64.cbrt()).abs() < 1e-12, "{cubic}");
        // Newton's steps alone would diverge from most places.
        let step = root([-90.0, 200.0], |x: f64| {
            let share = 1.0 / (1.0 + (-(x - 3.5)).exp());
            [share - 0.5, share * (1.0 - share)]
        });
        assert!((step - 3.5).abs() < 1e-12, "{step}");
        let zero = root([-1.0, 2.0], |x| [x, 1.0]);
        assert!(zero.abs() < 1e-12, "{zero}");
        assert_eq!(root([1.0, 2.0], |x| [x, 1.0]), 1.0);
        assert_eq!(root([-2.0, -1.0], |x| [x, 1.0]), -1.0);
    }
}
