//! Leaves out points of a curve that cannot be seen.

/// Largest distance of a point that is left out from the curve that remains, as a share of the axes. Charts are about
/// 1,000 units wide, of which two are shown as one pixel, so this is a quarter of a pixel.
const TOLERANCE: f64 = 1.0 / 2000.0;

/// Returns some of `points`, whose coordinates are between 0 and 1 and whose first coordinates do not decrease. Each
/// point that is left out is at most 1/2000 away from the line through the others.
///
/// Half of this tolerance is used by each of two steps. The first reduces any curve to 16,000 points, so that the
/// second takes little time, no matter how many points there are.
pub(super) fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    simplified(&columns(points, TOLERANCE / 2.0), TOLERANCE / 2.0)
}

/// Keeps the first, the last, the lowest and the highest point of each column of this width.
fn columns(points: &[(f64, f64)], width: f64) -> Vec<(f64, f64)> {
    let column = |point: &(f64, f64)| (point.0 / width) as u64;
    let mut kept = Vec::new();
    for column in points.chunk_by(|a, b| column(a) == column(b)) {
        let by_height = |a: &usize, b: &usize| column[*a].1.total_cmp(&column[*b].1);
        let lowest = (0..column.len()).min_by(by_height).unwrap_or(0);
        let highest = (0..column.len()).max_by(by_height).unwrap_or(0);
        let mut places = [0, lowest, highest, column.len() - 1];
        places.sort_unstable();
        kept.extend(
            places
                .iter()
                .enumerate()
                .filter(|&(at, place)| at == 0 || places[at - 1] != *place)
                .map(|(_, &place)| column[place]),
        );
    }
    kept
}

/// Keeps the ends, and between two kept points the one that is farthest from the line between them, as long as that
/// distance exceeds `tolerance` (Ramer, 1972; Douglas and Peucker, 1973).
fn simplified(points: &[(f64, f64)], tolerance: f64) -> Vec<(f64, f64)> {
    let Some(last) = points.len().checked_sub(1) else {
        return Vec::new();
    };
    let mut is_kept = vec![false; points.len()];
    (is_kept[0], is_kept[last]) = (true, true);
    let mut spans = vec![(0, last)];
    while let Some((start, end)) = spans.pop() {
        let distance = |at: usize| from_segment(points[at], points[start], points[end]);
        let farthest = (start + 1..end)
            .map(|at| (distance(at), at))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        if let Some((far, at)) = farthest
            && far > tolerance
        {
            is_kept[at] = true;
            spans.extend([(start, at), (at, end)]);
        }
    }
    let all = points.iter().zip(is_kept);
    all.filter(|(_, kept)| *kept)
        .map(|(point, _)| *point)
        .collect()
}

/// Returns the distance of a point from the segment between `a` and `b`.
fn from_segment(point: (f64, f64), a: (f64, f64), b: (f64, f64)) -> f64 {
    let (dx, dy) = (b.0 - a.0, b.1 - a.1);
    let (px, py) = (point.0 - a.0, point.1 - a.1);
    let length = dx * dx + dy * dy;
    let along = if length > 0.0 {
        ((px * dx + py * dy) / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    (px - along * dx).hypot(py - along * dy)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{TOLERANCE, from_segment, thinned};

    /// Returns the largest distance of one of `points` from the curve through `kept`.
    fn error(points: &[(f64, f64)], kept: &[(f64, f64)]) -> f64 {
        let nearest = |&point: &(f64, f64)| {
            let segments = kept.windows(2);
            segments
                .map(|pair| from_segment(point, pair[0], pair[1]))
                .fold(from_segment(point, kept[0], kept[0]), f64::min)
        };
        points.iter().map(nearest).fold(0.0, f64::max)
    }

    #[test]
    fn short_curves_keep_their_corners() {
        let corners = [(0.0, 0.0), (0.0, 0.5), (0.5, 0.5), (0.5, 1.0), (1.0, 1.0)];
        assert_eq!(thinned(&corners), corners);
        assert_eq!(thinned(&[(0.3, 0.4)]), [(0.3, 0.4)]);
        assert_eq!(thinned(&[]), []);
        let on_a_line = [(0.0, 0.0), (0.25, 0.25), (0.5, 0.5), (1.0, 1.0)];
        assert_eq!(thinned(&on_a_line), [(0.0, 0.0), (1.0, 1.0)]);
    }

    #[test]
    fn a_million_points_become_a_few_hundred() {
        let curve: Vec<(f64, f64)> = (0..=1_000_000)
            .map(|i| f64::from(i) / 1e6)
            .map(|x| (x, x.powf(0.2)))
            .collect();
        let kept = thinned(&curve);
        assert!((10..500).contains(&kept.len()), "{}", kept.len());
        let some: Vec<_> = curve.iter().copied().step_by(997).collect();
        assert!(error(&some, &kept) <= TOLERANCE);
    }

    /// Generates curves like those of precision and recall: to the right, up and down.
    fn curves() -> impl Strategy<Value = Vec<(f64, f64)>> {
        prop::collection::vec((0.0..1.0f64, 0.0..1.0f64, 0u8..3), 1..400).prop_map(|moves| {
            let mut x = 0.0f64;
            let mut curve = Vec::new();
            for (right, y, kind) in moves {
                x = (x + right * [0.0, 1e-5, 0.01][usize::from(kind)]).min(1.0);
                curve.push((x, y));
            }
            curve
        })
    }

    proptest! {
        #[test]
        fn properties(curve in curves()) {
            let kept = thinned(&curve);
            prop_assert!(kept.len() <= curve.len());
            prop_assert_eq!(kept.first(), curve.first());
            prop_assert_eq!(kept.last(), curve.last());
            prop_assert!(error(&curve, &kept) <= TOLERANCE + 1e-12);
        }
    }
}
