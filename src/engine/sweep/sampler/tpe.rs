//! The tree-structured Parzen estimator (Bergstra et al. 2011): points that look like those of the best
//! trials and unlike those of the others.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use contract::{Direction, random::stream};

use super::fresh::Fresh;
use super::parzen::Parzen;
use super::random;
use super::{Proposal, Sampler, Told};
use crate::sweep::space::{Point, Space};

/// Trials with a result before there is anything to learn from them; until then points are those of
/// random search under the same seed. As in Optuna.
pub const STARTUP: usize = 10;

/// At most so many trials are the good ones, and otherwise a tenth of those with a value. As in Optuna.
const MOST_GOOD: usize = 25;

/// Draws from what the good ones look like, of which the best is proposed.
const CANDIDATES: usize = 24;

/// Learns which points are good, from all axes at once: one density per axis, as the crate `tpe` has it,
/// soon sees only the branch of a conditional space that was lucky first.
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

    /// The best of the points drawn from what the good trials look like.
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
