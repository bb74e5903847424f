//! [`Part`]: a part of an axis.

use crate::sweep::domain::{Coordinate, Domain};

/// Disjoint intervals of [0, 1] in ascending order.
///
/// The whole axis is [0, 1], so that lengths are probabilities: an interval is as long as the share of random trials
/// that have a coordinate in it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Part(Vec<(f64, f64)>);

impl Part {
    pub(super) fn whole() -> Self {
        Self(vec![(0.0, 1.0)])
    }

    /// Returns the union of intervals. Empty ones are left out.
    pub(super) fn union(mut intervals: Vec<(f64, f64)>) -> Self {
        intervals.retain(|(start, end)| start < end);
        intervals.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut joined: Vec<(f64, f64)> = Vec::new();
        for (start, end) in intervals {
            match joined.last_mut() {
                Some(last) if start <= last.1 => last.1 = last.1.max(end),
                _ => joined.push((start, end)),
            }
        }
        Self(joined)
    }

    pub(super) fn intersection(&self, other: &Self) -> Self {
        let pairs = self
            .0
            .iter()
            .flat_map(|a| other.0.iter().map(move |b| (a, b)));
        Self::union(pairs.map(|(a, b)| (a.0.max(b.0), a.1.min(b.1))).collect())
    }

    pub(super) fn complement(&self) -> Self {
        let starts = [0.0].into_iter().chain(self.0.iter().map(|&(_, end)| end));
        let ends = self.0.iter().map(|&(start, _)| start).chain([1.0]);
        Self::union(starts.zip(ends).collect())
    }

    pub(super) fn contains(&self, place: f64) -> bool {
        let mut intervals = self.0.iter();
        intervals.any(|&(start, end)| start <= place && place <= end)
    }

    pub(super) fn is_within(&self, other: &Self) -> bool {
        self.intersection(other) == *self
    }

    /// Returns the probability that a random trial has a coordinate in this part.
    pub(super) fn length(&self) -> f64 {
        self.0.iter().map(|(start, end)| end - start).sum()
    }

    pub(super) fn intervals(&self) -> &[(f64, f64)] {
        &self.0
    }
}

/// Returns the interval of [0, 1] that a coordinate takes; on a continuous axis, its ends are equal.
pub(super) fn cell(domain: &Domain, coordinate: &Coordinate) -> (f64, f64) {
    let (start, end) = domain.extent();
    let share = |place: f64| ((place - start) / (end - start)).clamp(0.0, 1.0);
    match (domain.cell(coordinate), coordinate) {
        (Some((low, high)), _) => (share(low), share(high)),
        (None, Coordinate::Choice(index)) => (share(*index as f64), share(*index as f64 + 1.0)),
        (None, Coordinate::Number(_)) => {
            let place = share(domain.place(coordinate));
            (place, place)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Part, cell};
    use crate::sweep::domain::{Coordinate, Domain};

    #[test]
    fn parts_are_combined_as_sets() {
        let a = Part::union(vec![(0.5, 0.75), (0.0, 0.25), (0.25, 0.375), (0.9, 0.9)]);
        assert_eq!(a.intervals(), [(0.0, 0.375), (0.5, 0.75)]);
        assert_eq!(a.length(), 0.625);
        assert_eq!(a.complement().intervals(), [(0.375, 0.5), (0.75, 1.0)]);
        assert_eq!(a.complement().complement(), a);
        let b = Part::union(vec![(0.25, 0.625)]);
        assert_eq!(
            a.intersection(&b).intervals(),
            [(0.25, 0.375), (0.5, 0.625)]
        );
        assert!(a.intersection(&b).is_within(&b) && !a.is_within(&b));
        assert!(a.contains(0.375) && !a.contains(0.4));
        assert_eq!(Part::whole().complement().length(), 0.0);
    }

    #[test]
    fn cells_have_the_probability_of_their_coordinates() {
        let whole = |number: i64| Coordinate::Number(number.into());
        assert_eq!(
            cell(&Domain::Values(4), &Coordinate::Choice(1)),
            (0.25, 0.5)
        );
        let quantised = Domain::int_uniform(10, 50, 10).unwrap();
        assert_eq!(cell(&quantised, &whole(10)), (0.0, 0.2));
        let log = Domain::log_int_uniform(1, 4).unwrap();
        let (start, end) = cell(&log, &whole(1));
        assert_eq!(start, 0.0);
        // ln(1.5 / 0.5) of ln(4.5 / 0.5)
        assert!((end - 0.5).abs() < 1e-12, "{end}");
        let continuous = Domain::log_uniform(1e-4, 1.0).unwrap();
        let (start, end) = cell(
            &continuous,
            &Coordinate::Number(serde_json::Number::from_f64(0.01).unwrap()),
        );
        assert!(start == end && (start - 0.5).abs() < 1e-12, "{start}");
    }
}
