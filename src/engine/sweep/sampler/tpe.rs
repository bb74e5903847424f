//! The tree-structured Parzen estimator (Bergstra et al. 2011): proposes points that are like those of the
//! best trials and unlike those of the others.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use contract::{Direction, random::stream};

use super::fresh::Fresh;
use super::parzen::Parzen;
use super::random;
use super::{Observation, Proposal, Sampler};
use crate::sweep::space::{Point, Space};

/// Number of trials with a value that are needed before the sampler learns. Until then, its points are those
/// of random search with the same seed. Same as in Optuna.
pub(super) const STARTUP: usize = 10;

/// Maximum number of good trials, which are otherwise a tenth of those with a value. Same as in Optuna.
const MOST_GOOD: usize = 25;

/// Number of draws from the density of the good trials. The best of them is proposed.
const CANDIDATES: usize = 24;

/// Learns from all axes together which points are good. With one density per axis, as in the crate `tpe`, a
/// sampler soon sees only the branch of a conditional space that was good first.
///
/// Trials that failed or have no result yet rank below all others, so the points of one batch are kept apart from
/// each other.
pub struct TpeSampler {
    space: Space,
    seed: u64,
    direction: Direction,
    include: std::vec::IntoIter<Point>,
    fresh: Fresh,
    /// Points of all trials.
    points: Vec<Point>,
    drawn: u64,
    observations: BTreeMap<usize, Observation>,
}

impl TpeSampler {
    /// Creates a sampler that proposes `include` first and learns from these points, too.
    pub fn new(space: &Space, seed: u64, direction: Direction, include: Vec<Point>) -> Self {
        Self {
            space: space.clone(),
            seed,
            direction,
            include: include.into_iter(),
            fresh: Fresh::new(space),
            points: Vec::new(),
            drawn: 0,
            observations: BTreeMap::new(),
        }
    }

    fn next(&mut self) -> Option<Point> {
        if let Some(point) = self.include.by_ref().find(|point| self.fresh.take(point)) {
            return Some(point);
        }
        let number = self.drawn;
        self.drawn += 1;
        let ranking = self.ranking();
        let learned = match ranking.valued < STARTUP {
            true => None,
            false => self.learned(&ranking, number),
        };
        let (space, seed) = (&self.space, self.seed);
        match learned {
            Some(point) => self.fresh.take(&point).then_some(point),
            None => self
                .fresh
                .draw(|attempt| random::draw(space, seed, [number, attempt])),
        }
    }

    /// Returns all trials, best first.
    fn ranking(&self) -> Ranking {
        let valued = self
            .observations
            .iter()
            .filter(|(_, seen)| seen.value().is_some());
        let mut best: Vec<(usize, Observation)> =
            valued.map(|(&trial, &seen)| (trial, seen)).collect();
        best.sort_by(|(_, a), (_, b)| compare(a, b, self.direction));
        let valued = best.len();
        let good = valued.div_ceil(10).min(MOST_GOOD);
        let rest = (0..self.points.len()).filter(|trial| {
            self.observations
                .get(trial)
                .is_none_or(|seen| seen.value().is_none())
        });
        Ranking {
            good,
            valued,
            trials: best.iter().map(|&(trial, _)| trial).chain(rest).collect(),
        }
    }

    /// Returns the best of some points that are drawn from the density of the good trials.
    fn learned(&self, ranking: &Ranking, number: u64) -> Option<Point> {
        let points: Vec<&Point> = ranking.trials.iter().map(|&t| &self.points[t]).collect();
        let (good, others) = points.split_at(ranking.good);
        let good = Parzen::new(&self.space, good.to_vec());
        let others = Parzen::new(&self.space, others.to_vec());
        let mut random = stream(self.seed, "tpe", [number, 0]);
        let mut best: Option<(f64, Point)> = None;
        for _ in 0..CANDIDATES {
            let point = good.sample(&mut random);
            if !self.fresh.is_fresh(&point) {
                continue;
            }
            let gain = good.density(&point) / others.density(&point);
            if best.as_ref().is_none_or(|(most, _)| gain > *most) {
                best = Some((gain, point));
            }
        }
        best.map(|(_, point)| point)
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

    fn observe(&mut self, trial: usize, observation: Observation) {
        assert!(trial < self.points.len(), "trial {trial} was not proposed");
        self.observations.insert(trial, observation);
    }
}

/// All trials, best first. Those without a value come last.
struct Ranking {
    trials: Vec<usize>,
    /// Number of good trials, which come first.
    good: usize,
    /// Number of trials with a value.
    valued: usize,
}

/// Orders complete trials before pruned ones, pruned trials by their epochs (most first), and trials that lasted
/// equally long by value.
fn compare(a: &Observation, b: &Observation, direction: Direction) -> Ordering {
    let lasted = |observation: &Observation| match *observation {
        Observation::Value(_) => u64::MAX,
        Observation::Pruned { epochs, .. } => epochs,
        Observation::Failed => 0,
    };
    let value = |observation: &Observation| observation.value().unwrap_or(f64::NAN);
    let values = match direction {
        Direction::Minimize => value(a).total_cmp(&value(b)),
        Direction::Maximize => value(b).total_cmp(&value(a)),
    };
    lasted(b).cmp(&lasted(a)).then(values)
}
