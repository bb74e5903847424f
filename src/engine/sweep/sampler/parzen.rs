//! [`Parzen`]: a density over the whole space with a window around each of some points.

use std::f64::consts::{PI, SQRT_2};

use rand::{Rng, RngExt};

use crate::sweep::domain::{Coordinate, Domain};
use crate::sweep::space::{Point, Space};

/// Width of the window around a single point, as a share of the axis; with more points, windows are narrower.
/// This is half of Optuna's width: a sweep of trainings ends after tens of trials, so it should soon search
/// near good points.
const WIDTH: f64 = 0.1;

/// Minimum width of a window, as a share of the axis.
const NARROWEST: f64 = 0.01;

/// A mixture of windows with equal weights: one around each point, and the prior, which is uniform.
///
/// A window is a product over the axes. On an axis of numbers, its factor is a normal distribution around the point
/// that is cut off at the bounds. On an axis of choices, the choice of the point gets more than its uniform share.
/// On an axis that does not apply to the point, the factor is the prior. So a window in one branch of a conditional
/// space leaves the other branches at the prior.
pub(super) struct Parzen<'a> {
    space: &'a Space,
    windows: Vec<&'a Point>,
    /// For each axis, the standard deviation on its line. For choices, the weight that every choice gets; the
    /// choice of the window's point gets 1 in addition.
    spreads: Vec<f64>,
}

impl<'a> Parzen<'a> {
    pub(super) fn new(space: &'a Space, windows: Vec<&'a Point>) -> Self {
        let axes = space.axes().len();
        let spreads = space.axes().iter().enumerate().map(|(index, axis)| {
            let applying = windows
                .iter()
                .filter(|point| point[index].is_some())
                .count();
            match axis.domain {
                Domain::Values(_) => 1.0 / (applying + 1) as f64,
                _ => {
                    let (start, end) = axis.domain.extent();
                    // Scott's rule for this number of dimensions.
                    let narrower = libm::pow(applying.max(1) as f64, -1.0 / (axes as f64 + 4.0));
                    (WIDTH * narrower).max(NARROWEST) * (end - start)
                }
            }
        });
        Self {
            space,
            spreads: spreads.collect(),
            windows,
        }
    }

    /// Draws a random point.
    pub(super) fn sample(&self, random: &mut impl Rng) -> Point {
        let window = random.random_range(0..=self.windows.len());
        let window = self.windows.get(window);
        self.space.point(|index, axis| {
            let (start, end) = axis.domain.extent();
            let uniform = |random: &mut _| start + unit(random) * (end - start);
            let Some(center) = window.and_then(|point| point[index].as_ref()) else {
                return axis.domain.at(uniform(random));
            };
            match (&axis.domain, center) {
                (&Domain::Values(count), Coordinate::Choice(_)) => {
                    let weight = self.spreads[index];
                    let others = weight * count as f64;
                    match unit(random) * (1.0 + others) < others {
                        true => axis.domain.at(uniform(random)),
                        false => center.clone(),
                    }
                }
                _ => loop {
                    let place = axis.domain.place(center) + self.spreads[index] * normal(random);
                    if (start..=end).contains(&place) {
                        break axis.domain.at(place);
                    }
                },
            }
        })
    }

    /// Returns the density at a point relative to the prior.
    pub(super) fn density(&self, point: &Point) -> f64 {
        let axes = self.space.axes();
        let factors: Vec<_> = axes
            .iter()
            .enumerate()
            .filter_map(|(index, axis)| {
                Some((
                    index,
                    Factor::new(&axis.domain, point[index].as_ref()?, self.spreads[index]),
                ))
            })
            .collect();
        let windows = self.windows.iter().map(|window| {
            let product = factors.iter().map(|(index, factor)| {
                window[*index]
                    .as_ref()
                    .map_or(1.0, |center| factor.around(center))
            });
            product.product::<f64>()
        });
        (1.0 + windows.sum::<f64>()) / (self.windows.len() + 1) as f64
    }
}

/// Density of one coordinate in a window, relative to the prior on its axis.
struct Factor<'a> {
    domain: &'a Domain,
    at: &'a Coordinate,
    extent: (f64, f64),
    /// The coordinate's part of the line; `None` for choices and on continuous axes.
    cell: Option<(f64, f64)>,
    place: f64,
    spread: f64,
}

impl<'a> Factor<'a> {
    fn new(domain: &'a Domain, at: &'a Coordinate, spread: f64) -> Self {
        Self {
            domain,
            at,
            extent: domain.extent(),
            cell: domain.cell(at),
            place: domain.place(at),
            spread,
        }
    }

    fn around(&self, center: &Coordinate) -> f64 {
        if let Domain::Values(count) = *self.domain {
            let same = f64::from(u8::from(center == self.at));
            let count = count as f64;
            return count * (self.spread + same) / (1.0 + count * self.spread);
        }
        let center = self.domain.place(center);
        let below = |place: f64| 0.5 * libm::erf((place - center) / (SQRT_2 * self.spread));
        let (start, end) = self.extent;
        let inside = below(end) - below(start);
        let density = match self.cell {
            Some((from, to)) => (below(to) - below(from)) / (to - from),
            None => {
                let z = (self.place - center) / self.spread;
                libm::exp(-0.5 * z * z) / (self.spread * (2.0 * PI).sqrt())
            }
        };
        density / inside * (end - start)
    }
}

fn unit(random: &mut impl Rng) -> f64 {
    random.random()
}

/// Draws from the standard normal distribution (Box and Muller).
fn normal(random: &mut impl Rng) -> f64 {
    let (radius, angle) = (1.0 - unit(random), unit(random));
    (-2.0 * libm::log(radius)).sqrt() * libm::cos(2.0 * PI * angle)
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use contract::random::stream;

    use super::Parzen;
    use crate::sweep::domain::{Coordinate, Domain};
    use crate::sweep::grid;
    use crate::sweep::space::{Axis, Condition, Point, Space};

    /// A space of three choices, one of which has an axis of five numbers, and points in two of the branches.
    fn space() -> (Space, [Point; 3]) {
        let axis = |name: &str, domain, when| Axis {
            name: name.to_owned(),
            domain,
            when,
        };
        let second = Condition {
            axis: "kind".to_owned(),
            equals: vec![Coordinate::Choice(1)],
        };
        let numbers = Domain::int_uniform(10, 18, 2).unwrap();
        let axes = vec![
            axis("kind", Domain::values(3).unwrap(), None),
            axis("number", numbers, Some(second)),
        ];
        let (kind, number) = (
            |choice| Some(Coordinate::Choice(choice)),
            |number: i64| Some(Coordinate::Number(number.into())),
        );
        let points = [
            vec![kind(0), None],
            vec![kind(1), number(10)],
            vec![kind(1), number(14)],
        ];
        (Space::new(axes, Vec::new()).unwrap(), points)
    }

    #[test]
    fn the_density_sums_to_one_and_matches_the_samples() {
        let (space, points) = space();
        let parzen = Parzen::new(&space, points.iter().collect());
        let mut random = stream(1, "test", [0, 0]);
        let draws = 100_000;
        let mut drawn: HashMap<Point, usize> = HashMap::new();
        for _ in 0..draws {
            *drawn.entry(parzen.sample(&mut random)).or_default() += 1;
        }
        let mut sum = 0.0;
        for point in grid::points(&space).unwrap() {
            let prior = if point[1].is_some() {
                1.0 / 15.0
            } else {
                1.0 / 3.0
            };
            let share = parzen.density(&point) * prior;
            sum += share;
            let found = drawn[&point] as f64 / f64::from(draws);
            // Five standard deviations.
            let error = 5.0 * (share * (1.0 - share) / f64::from(draws)).sqrt();
            assert!(
                (found - share).abs() < error,
                "{point:?}: {found} of {share}"
            );
        }
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
    }

    #[test]
    fn the_density_of_a_continuous_axis_integrates_to_one() {
        let domain = Domain::log_uniform(1e-4, 1e-1).unwrap();
        let (start, end) = domain.extent();
        let at = |share: f64| vec![Some(domain.at(start + share * (end - start)))];
        let axes = vec![Axis {
            name: "rate".to_owned(),
            domain: domain.clone(),
            when: None,
        }];
        let space = Space::new(axes, Vec::new()).unwrap();
        let points = [at(0.0), at(0.3), at(0.31)];
        let parzen = Parzen::new(&space, points.iter().collect());
        let cells = 20_000;
        let middles = (0..cells).map(|cell| (f64::from(cell) + 0.5) / f64::from(cells));
        let sum: f64 = middles.map(|share| parzen.density(&at(share))).sum();
        let mean = sum / f64::from(cells);
        assert!((mean - 1.0).abs() < 1e-4, "{mean}");
    }
}
