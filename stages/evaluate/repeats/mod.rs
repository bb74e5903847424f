//! [`Repeats`]: the evaluations of a classifier under several seeds, and their comparison with another's.

use contract::analysis::{Contrast, DeLong, Difference, Evaluation, McNemar, Over};

use super::evaluation::{Unlike, check_alike, has_same_images, scored, units};
use crate::metrics::{Measure, NamedMeasure, Resampled, Scored, Tested, Units, mcnemar};

/// Reasons why two classifiers cannot be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Incomparable {
    #[error(transparent)]
    Unlike(#[from] Unlike),
    #[error("the number of seeds differs")]
    Seeds,
    #[error("the measure is undefined for these images, or for most resamples of them")]
    Undefined,
    #[error("there is only one test image, or one group of them")]
    OneUnit,
}

/// The evaluations of a classifier, one for each seed, prepared for comparisons by one measure.
pub(super) struct Repeats<'a> {
    evaluations: &'a [Evaluation],
    measure: NamedMeasure<'a>,
    /// Empty if an evaluation lacks the class of the measure.
    scored: Vec<Scored>,
    /// `None` if the measure is undefined for a seed.
    resampled: Option<Resampled>,
}

impl<'a> Repeats<'a> {
    /// Computes `measure` for each seed, with `resamples` resamples of the images. Two classifiers with the same
    /// images and the same `seed` get the same resamples.
    pub(super) fn new(
        evaluations: &'a [Evaluation],
        measure: NamedMeasure<'a>,
        resamples: usize,
        seed: u64,
    ) -> Self {
        let of_class = |evaluation| scored(evaluation, measure.class);
        let scored: Option<Vec<Scored>> = evaluations.iter().map(of_class).collect();
        let scored = scored.unwrap_or_default();
        let units: Vec<Units> = evaluations.iter().map(units).collect();
        // Seeds with the same images share one resample of them.
        let images = evaluations.iter().map(|evaluation| {
            let same = |first: &Evaluation| has_same_images(first, evaluation);
            evaluations.iter().position(same).unwrap_or_default()
        });
        let sides = scored.iter().zip(&units).zip(images);
        let tested: Vec<Tested<'_>> = sides
            .map(|((scored, units), images)| Tested {
                scored,
                units,
                images,
            })
            .collect();
        let resampled = Resampled::new(&tested, measure.measure, resamples, seed);
        Self {
            evaluations,
            measure,
            scored,
            resampled,
        }
    }

    /// The values under each seed and on each resample; `None` if the measure is undefined for a seed.
    pub(super) fn resampled(&self) -> Option<&Resampled> {
        self.resampled.as_ref()
    }

    /// Returns `true` if there are several images or groups to resample. A single one says nothing about others.
    pub(super) fn has_units(&self) -> bool {
        self.evaluations.iter().all(|one| units(one).count() != 1)
    }

    /// Returns what an interval of these evaluations accounts for.
    pub(super) fn over(evaluations: &[Evaluation]) -> Over {
        match (evaluations.len() > 1, is_grouped(evaluations)) {
            (false, false) => Over::Images,
            (false, true) => Over::Groups,
            (true, false) => Over::SeedsAndImages,
            (true, true) => Over::SeedsAndGroups,
        }
    }

    /// Returns the mean over the seeds of the value of `self` minus that of `other`, for the same measure and
    /// resamples.
    ///
    /// # Errors
    /// If the evaluations of a seed are not of the same images, if the numbers of seeds differ, or if the measure is
    /// undefined.
    pub(super) fn minus(&self, other: &Self) -> Result<Contrast, Incomparable> {
        if self.evaluations.len() != other.evaluations.len() {
            return Err(Incomparable::Seeds);
        }
        for (ours, theirs) in self.evaluations.iter().zip(other.evaluations) {
            check_alike(ours, theirs)?;
        }
        if !self.has_units() {
            return Err(Incomparable::OneUnit);
        }
        let both = self.resampled.as_ref().zip(other.resampled.as_ref());
        let difference = both.and_then(|(ours, theirs)| ours.minus(theirs).estimate());
        Ok(Contrast {
            images: self.scored.first().map_or(0, Scored::examples),
            seeds: self.scored.len(),
            shares_images: self
                .evaluations
                .windows(2)
                .all(|pair| has_same_images(&pair[0], &pair[1])),
            over: Self::over(self.evaluations),
            difference: within(
                difference.ok_or(Incomparable::Undefined)?,
                self.measure.measure.info().range,
            ),
            mcnemar: self.mcnemar(other),
            delong: self.delong(other),
        })
    }

    fn mcnemar(&self, other: &Self) -> Option<McNemar> {
        match (self.scored.as_slice(), other.scored.as_slice()) {
            ([ours], [theirs])
                if self.measure.measure == Measure::Accuracy && !is_grouped(self.evaluations) =>
            {
                Some(mcnemar(&ours.right(), &theirs.right()))
            }
            _ => None,
        }
    }

    fn delong(&self, other: &Self) -> Option<DeLong> {
        match (self.scored.as_slice(), other.scored.as_slice()) {
            ([ours], [theirs]) if self.measure.measure == Measure::RocAuc => {
                let units = units(self.evaluations.first()?);
                ours.placements()?.test(&theirs.placements()?, &units)
            }
            _ => None,
        }
    }
}

/// Cuts off the interval of a difference at the largest differences that two values in a range can have. Student's t
/// knows no limits, so the interval over a few seeds may go beyond them.
fn within(difference: Difference, [least, most]: [f64; 2]) -> Difference {
    let [low, high] = difference.interval;
    Difference {
        interval: [low.max(least - most), high.min(most - least)],
        ..difference
    }
}

fn is_grouped(evaluations: &[Evaluation]) -> bool {
    evaluations.iter().any(|one| !one.groups.is_empty())
}

#[cfg(test)]
mod tests;
