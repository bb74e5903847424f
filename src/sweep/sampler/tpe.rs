//! The tree-structured Parzen estimator (Bergstra et al. 2011): points that look like those of the best
//! trials and unlike those of the others.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use ::tpe::{TpeOptimizer, TpeOptimizerBuilder, histogram_estimator, parzen_estimator, range};
use stages::contract::Direction;
use stages::random::stream;

use super::fresh::Fresh;
use super::random;
use super::{Proposal, Sampler, Told};
use crate::sweep::domain::{Coordinate, Domain};
use crate::sweep::space::{Point, Space};

/// Trials with a result before there is anything to learn from them; until then points are those of
/// random search under the same seed. As in Optuna.
pub const STARTUP: usize = 10;

/// At most so many trials are the good ones, and otherwise a tenth of those with a value. As in Optuna and Hyperopt.
const MOST_GOOD: usize = 25;

/// Draws from what the good ones look like, of which the best is proposed.
const CANDIDATES: usize = 24;

/// How often a point is drawn from the estimate, before one at random is taken instead.
const REDRAWS: u64 = 10;

/// Learns which points are good, axis by axis.
///
/// Of trials that were proposed and not told of, it takes for granted that they will not be among the
/// good ones, and so proposes several at once that differ. Failed trials are worst of all.
pub struct TpeSampler {
    space: Space,
    seed: u64,
    direction: Direction,
    include: std::vec::IntoIter<Point>,
    fresh: Fresh,
    /// Of all trials.
    points: Vec<Point>,
    drawn: u64,
    told: BTreeMap<usize, Told>,
}

impl TpeSampler {
    /// Proposes `include` first, and learns from them too.
    pub fn new(space: &Space, seed: u64, direction: Direction, include: Vec<Point>) -> Self {
        Self {
            space: space.clone(),
            seed,
            direction,
            include: include.into_iter(),
            fresh: Fresh::new(space),
            points: Vec::new(),
            drawn: 0,
            told: BTreeMap::new(),
        }
    }

    fn next(&mut self) -> Option<Point> {
        if let Some(point) = self.include.by_ref().find(|point| self.fresh.take(point)) {
            return Some(point);
        }
        let number = self.drawn;
        self.drawn += 1;
        let ranking = self.ranking();
        let learned = (ranking.valued >= STARTUP)
            .then(|| (0..REDRAWS).map(|attempt| self.learned(&ranking, [number, attempt])))
            .and_then(|mut points| points.find(|point| self.fresh.is_fresh(point)));
        let (space, seed) = (&self.space, self.seed);
        match learned {
            Some(point) => self.fresh.take(&point).then_some(point),
            None => self
                .fresh
                .draw(|attempt| random::draw(space, seed, [number, attempt])),
        }
    }

    /// All trials, the best first.
    fn ranking(&self) -> Ranking {
        let standings = self.told.iter().filter(|(_, told)| told.value().is_some());
        let mut best: Vec<(usize, Told)> = standings.map(|(&trial, &told)| (trial, told)).collect();
        best.sort_by(|(_, a), (_, b)| compare(a, b, self.direction));
        let valued = best.len();
        let good = valued.div_ceil(10).min(MOST_GOOD);
        let rest = (0..self.points.len()).filter(|trial| {
            self.told
                .get(trial)
                .is_none_or(|told| told.value().is_none())
        });
        Ranking {
            good,
            valued,
            trials: best.iter().map(|&(trial, _)| trial).chain(rest).collect(),
        }
    }

    /// A point drawn from what was learned.
    fn learned(&self, ranking: &Ranking, indices: [u64; 2]) -> Point {
        self.space.point(|index, axis| {
            let domain = &axis.domain;
            if domain.count() == Some(1) {
                return domain.at(0.0);
            }
            let mut estimate = ranking.optimizer(domain);
            for (rank, &trial) in ranking.trials.iter().enumerate() {
                let value = self.points[trial][index].as_ref();
                let value = value.map_or(f64::NAN, |value| within(domain, value));
                // Only the order of ranks matters. NaN: the axis did not apply.
                let told = estimate.tell(value, rank as f64);
                debug_assert!(told.is_ok(), "{told:?}");
            }
            let mut random = stream(self.seed, &format!("tpe {}", axis.name), indices);
            match estimate.ask(&mut random) {
                Ok(place) => domain.at(place),
                Err(error) => unreachable!("no estimate of `{}`: {error:?}", axis.name),
            }
        })
    }
}

impl Sampler for TpeSampler {
    fn ask(&mut self, count: usize) -> Vec<Proposal> {
        let mut proposals = Vec::new();
        while proposals.len() < count
            && let Some(point) = self.next()
        {
            let trial = self.points.len();
            self.points.push(point.clone());
            proposals.push(Proposal { trial, point });
        }
        proposals
    }

    fn tell(&mut self, trial: usize, told: Told) {
        assert!(trial < self.points.len(), "trial {trial} was not proposed");
        self.told.insert(trial, told);
    }
}

/// The trials by their results; those without one last.
struct Ranking {
    trials: Vec<usize>,
    /// How many of the first are the good ones.
    good: usize,
    /// How many have a value.
    valued: usize,
}

impl Ranking {
    /// Nothing told yet.
    fn optimizer(&self, domain: &Domain) -> TpeOptimizer {
        let (start, end) = domain.extent();
        // The optimizer rounds `gamma · trials` up; half a trial less keeps rounding errors out of it.
        let gamma = (self.good as f64 - 0.5).max(0.0) / self.trials.len() as f64;
        let estimator = match domain {
            Domain::Values(_) => histogram_estimator(),
            _ => parzen_estimator(),
        };
        let mut builder = TpeOptimizerBuilder::new();
        let builder = builder.gamma(gamma).candidates(CANDIDATES);
        let optimizer = range(start, end).map(|range| builder.build(estimator, range));
        match optimizer {
            Ok(Ok(optimizer)) => optimizer,
            refused => unreachable!("{start}..{end} of {domain:?}: {refused:?}"),
        }
    }
}

/// The place of a coordinate, below the end of the extent, which the optimizer leaves out.
fn within(domain: &Domain, value: &Coordinate) -> f64 {
    let (start, end) = domain.extent();
    domain.place(value).clamp(start, end.next_down())
}

/// Complete trials before pruned ones, these by how long they lasted; then by value.
fn compare(a: &Told, b: &Told, direction: Direction) -> Ordering {
    let lasted = |told: &Told| match *told {
        Told::Value(_) => u64::MAX,
        Told::Pruned { epochs, .. } => epochs,
        Told::Failed => 0,
    };
    let value = |told: &Told| told.value().unwrap_or(f64::NAN);
    let values = match direction {
        Direction::Minimize => value(a).total_cmp(&value(b)),
        Direction::Maximize => value(b).total_cmp(&value(a)),
    };
    lasted(b).cmp(&lasted(a)).then(values)
}
