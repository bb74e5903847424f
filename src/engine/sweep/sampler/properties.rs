//! Properties of all samplers and of all spaces.

use std::collections::HashSet;

use contract::Direction;
use proptest::prelude::*;
use serde_json::Number;

use super::{FixedSampler, Observation, Proposal, RandomSampler, Sampler, TpeSampler};
use crate::sweep::domain::{Coordinate, Domain};
use crate::sweep::grid;
use crate::sweep::space::{Axis, Condition, Point, Space};

fn axes(domains: Vec<Domain>) -> Vec<Axis> {
    let named = domains.into_iter().enumerate();
    named
        .map(|(index, domain)| Axis {
            name: format!("axis{index}"),
            domain,
            when: None,
        })
        .collect()
}

/// A decimal with this number of decimal places.
fn decimal(units: i64, places: usize) -> Number {
    let value = units as f64 / 10_f64.powi(places as i32);
    Number::from_f64(format!("{value:.places$}").parse().unwrap()).unwrap()
}

fn finite() -> impl Strategy<Value = Domain> {
    prop_oneof![
        (1..5_usize).prop_map(|count| Domain::values(count).unwrap()),
        (-50..50_i64, 0..40_i64, 1..20_i64, 0..4_usize).prop_map(|(low, width, gap, places)| {
            let [low, high, gap] = [low, low + width, gap].map(|units| decimal(units, places));
            Domain::uniform(&low, &high, Some(&gap)).unwrap()
        }),
        (-9..9_i64, 0..9_i64, 1..4_i64).prop_map(|(low, width, gap)| Domain::int_uniform(
            low,
            low + width,
            gap
        )
        .unwrap()),
        (1..9_i64, 0..9_i64)
            .prop_map(|(low, width)| Domain::log_int_uniform(low, low + width).unwrap()),
    ]
}

fn any_domain() -> impl Strategy<Value = Domain> {
    prop_oneof![
        finite(),
        (-1e6..1e6, 1e-9..1e6).prop_map(|(low, width)| Domain::Uniform {
            low,
            high: low + width
        }),
        (1e-9..1e3, 1.001..1e6).prop_map(|(low, by)| Domain::log_uniform(low, low * by).unwrap()),
    ]
}

/// Spaces in which some axes apply only where another axis, before or after them, has its first value.
fn space(domain: impl Strategy<Value = Domain>) -> impl Strategy<Value = Space> {
    let conditions = prop::collection::vec(prop::option::of(any::<prop::sample::Index>()), 5);
    let axes_of = prop::collection::vec(domain, 1..5).prop_map(axes);
    (axes_of, conditions, any::<bool>()).prop_map(|(mut axes, conditions, backwards)| {
        for (index, condition) in conditions.into_iter().enumerate().take(axes.len()) {
            let count = axes.len();
            let others = if backwards {
                index + 1..count
            } else {
                0..index
            };
            let Some(parent) = condition.filter(|_| !others.is_empty()) else {
                continue;
            };
            let parent = &axes[others.start + parent.index(others.len())];
            if let Some(first) = parent.domain.nth(0) {
                axes[index].when = Some(Condition {
                    axis: parent.name.clone(),
                    equals: vec![first],
                });
            }
        }
        Space::new(axes, Vec::new()).unwrap()
    })
}

/// Returns all proposals, asked for in batches. Each gets an invented result.
fn proposed(sampler: &mut dyn Sampler, trials: usize, batch: usize) -> Vec<Proposal> {
    let mut proposals: Vec<Proposal> = Vec::new();
    while proposals.len() < trials {
        let asked = sampler.ask(batch.min(trials - proposals.len()));
        if asked.is_empty() {
            break;
        }
        for proposal in asked {
            let value = (proposal.trial * 7 % 13) as f64;
            let observation = match proposal.trial % 11 {
                3 => Observation::Failed,
                5 => Observation::Pruned { value, epochs: 2 },
                _ => Observation::Value(value),
            };
            sampler.observe(proposal.trial, observation);
            proposals.push(proposal);
        }
    }
    proposals
}

fn points(proposals: Vec<Proposal>) -> Vec<Point> {
    proposals
        .into_iter()
        .map(|proposal| proposal.point)
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn points_are_distinct_and_numbered_and_in_the_space(
        space in space(any_domain()),
        seed in any::<u64>(),
        batch in 1..9_usize,
    ) {
        let samplers: [Box<dyn Sampler>; 2] = [
            Box::new(RandomSampler::new(&space, seed, Vec::new())),
            Box::new(TpeSampler::new(&space, seed, Direction::Maximize, Vec::new())),
        ];
        let all = grid::combinations(&space).unwrap_or(u128::MAX);
        for mut sampler in samplers {
            let proposals = proposed(&mut *sampler, 40, batch);
            prop_assert_eq!(proposals.len() as u128, all.min(40));
            prop_assert!(proposals.iter().map(|p| p.trial).eq(0..proposals.len()));
            let points = points(proposals);
            for point in &points {
                prop_assert!(space.contains(point), "{:?} of {:?}", point, space);
            }
            let distinct: HashSet<&Point> = points.iter().collect();
            prop_assert_eq!(distinct.len(), points.len());
        }
    }

    #[test]
    fn equal_samplers_with_equal_results_propose_equal_points(
        space in space(any_domain()),
        seed in any::<u64>(),
    ) {
        let tpe = || TpeSampler::new(&space, seed, Direction::Minimize, Vec::new());
        prop_assert_eq!(proposed(&mut tpe(), 30, 5), proposed(&mut tpe(), 30, 5));
        // The order of the results does not matter.
        let (mut forwards, mut backwards) = (tpe(), tpe());
        let first = forwards.ask(15);
        prop_assert_eq!(&first, &backwards.ask(15));
        let value = |trial: usize| Observation::Value((trial % 4) as f64);
        first.iter().for_each(|p| forwards.observe(p.trial, value(p.trial)));
        first.iter().rev().for_each(|p| backwards.observe(p.trial, value(p.trial)));
        prop_assert_eq!(forwards.ask(5), backwards.ask(5));
    }

    #[test]
    fn more_random_trials_do_not_change_earlier_ones(
        space in space(any_domain()),
        seed in any::<u64>(),
        batch in 1..9_usize,
    ) {
        let random = || RandomSampler::new(&space, seed, Vec::new());
        let (few, many) = (random().ask(17), proposed(&mut random(), 40, batch));
        prop_assert_eq!(&few[..], &many[..few.len()]);
        let mut tpe = TpeSampler::new(&space, seed, Direction::Minimize, Vec::new());
        let startup = few.len().min(super::tpe::STARTUP);
        prop_assert_eq!(&tpe.ask(startup)[..], &few[..startup]);
    }

    #[test]
    fn a_new_axis_does_not_change_the_coordinates_on_others(
        mut domains in prop::collection::vec(any_domain(), 1..4),
        seed in any::<u64>(),
    ) {
        // With a continuous axis, no draw has to be repeated.
        domains.push(Domain::Uniform { low: 0.0, high: 1.0 });
        let mut few = axes(domains);
        let with = |axes: &[Axis]| {
            let space = Space::new(axes.to_vec(), Vec::new()).unwrap();
            points(RandomSampler::new(&space, seed, Vec::new()).ask(20))
        };
        let before = with(&few);
        few.insert(0, Axis { name: "new".to_owned(), ..few[0].clone() });
        let after = with(&few);
        prop_assert!(before.iter().zip(&after).all(|(before, after)| before[..] == after[1..]));
    }

    #[test]
    fn the_grid_has_as_many_distinct_points_as_counted(space in space(finite())) {
        let count = grid::combinations(&space).unwrap();
        prop_assume!(count <= 5000);
        let points: Vec<Point> = grid::points(&space).unwrap().collect();
        prop_assert_eq!(points.len() as u128, count);
        prop_assert!(points.iter().all(|point| space.contains(point)));
        prop_assert_eq!(points.iter().collect::<HashSet<_>>().len(), points.len());
        // None is missing: random search finds as many.
        let mut random = RandomSampler::new(&space, 1, Vec::new());
        prop_assert_eq!(random.ask(6000).len(), points.len());
    }
}

fn choices(counts: &[usize]) -> Vec<Axis> {
    axes(
        counts
            .iter()
            .map(|&count| Domain::values(count).unwrap())
            .collect(),
    )
}

fn at(choices: &[usize]) -> Point {
    choices
        .iter()
        .map(|&choice| Some(Coordinate::Choice(choice)))
        .collect()
}

#[test]
fn included_points_come_first_and_other_excluded_points_are_left_out() {
    let exclude = vec![
        Condition {
            axis: "axis0".to_owned(),
            equals: vec![Coordinate::Choice(0)],
        },
        Condition {
            axis: "axis1".to_owned(),
            equals: vec![Coordinate::Choice(1), Coordinate::Choice(2)],
        },
    ];
    let space = Space::new(choices(&[2, 3]), vec![exclude]).unwrap();
    let include = vec![at(&[1, 1]), at(&[0, 2]), at(&[1, 1])];
    let mut grid = FixedSampler::grid(&space, include.clone()).unwrap();
    let expected: Vec<Point> = [[1, 1], [0, 2], [0, 0], [1, 0], [1, 2]]
        .iter()
        .map(|c| at(c))
        .collect();
    assert_eq!(points(grid.ask(9)), expected);
    let random = RandomSampler::new(&space, 3, include.clone());
    let tpe = TpeSampler::new(&space, 3, Direction::Minimize, include.clone());
    let samplers: [Box<dyn Sampler>; 2] = [Box::new(random), Box::new(tpe)];
    for mut sampler in samplers {
        let points = points(sampler.ask(9));
        assert_eq!(points[..2], include[..2]);
        let all: HashSet<&Point> = points.iter().collect();
        assert_eq!((points.len(), all), (5, expected.iter().collect()));
    }
}

#[test]
fn included_points_do_not_change_the_drawn_ones() {
    let space = Space::new(
        axes(vec![Domain::Uniform {
            low: 0.0,
            high: 1.0,
        }]),
        Vec::new(),
    )
    .unwrap();
    let include = vec![vec![space.axes()[0].domain.find(&decimal(5, 1))]];
    let with = RandomSampler::new(&space, 3, include).ask(8);
    let without = RandomSampler::new(&space, 3, Vec::new()).ask(7);
    assert_eq!(points(with)[1..], points(without));
}

#[test]
fn all_choices_are_drawn_equally_often() {
    let space = Space::new(
        axes(vec![
            Domain::values(3).unwrap(),
            Domain::int_uniform(0, 3, 1).unwrap(),
            Domain::Uniform {
                low: 0.0,
                high: 1.0,
            },
        ]),
        Vec::new(),
    )
    .unwrap();
    let (mut choices, mut numbers) = ([0; 3], [0; 4]);
    for proposal in RandomSampler::new(&space, 5, Vec::new()).ask(12_000) {
        match (&proposal.point[0], &proposal.point[1]) {
            (Some(Coordinate::Choice(choice)), Some(Coordinate::Number(number))) => {
                choices[*choice] += 1;
                numbers[number.as_u64().unwrap() as usize] += 1;
            }
            other => panic!("{other:?}"),
        }
    }
    // Five standard deviations.
    assert!(
        choices.iter().all(|&n: &i32| n.abs_diff(4000) < 260),
        "{choices:?}"
    );
    assert!(
        numbers.iter().all(|&n: &i32| n.abs_diff(3000) < 240),
        "{numbers:?}"
    );
}

fn training() -> Space {
    let domains = vec![
        Domain::log_uniform(1e-5, 1e-1).unwrap(),
        Domain::Uniform {
            low: 0.0,
            high: 0.9,
        },
        Domain::int_uniform(16, 512, 16).unwrap(),
        Domain::values(6).unwrap(),
    ];
    Space::new(axes(domains), Vec::new()).unwrap()
}

/// Returns the CPU time of this thread, which other programs do not lengthen.
fn cpu_seconds() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

#[test]
fn ten_thousand_random_points_are_quick() {
    let start = cpu_seconds();
    assert_eq!(
        RandomSampler::new(&training(), 1, Vec::new())
            .ask(10_000)
            .len(),
        10_000
    );
    let took = cpu_seconds() - start;
    assert!(
        took < if cfg!(debug_assertions) { 5.0 } else { 0.1 },
        "{took} s"
    );
}

#[test]
fn tpe_is_quick_after_a_thousand_trials() {
    let mut tpe = TpeSampler::new(&training(), 1, Direction::Maximize, Vec::new());
    for proposal in tpe.ask(1000) {
        tpe.observe(
            proposal.trial,
            Observation::Value((proposal.trial * 37 % 101) as f64),
        );
    }
    let start = cpu_seconds();
    assert_eq!(tpe.ask(1).len(), 1);
    let took = cpu_seconds() - start;
    assert!(
        took < if cfg!(debug_assertions) { 2.0 } else { 0.05 },
        "{took} s"
    );
}
