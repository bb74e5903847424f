//! Writes the images of an offer as packed splits.

use std::path::Path;

use contract::{Failure, Fold, ImageShape};

use super::source::{Example, Offer, Outcome, Pool};
use super::split::{Part, Ratio};
use super::{DatasetWriter, folds, split};

/// Settings for splitting and packing an offer.
#[derive(Clone, Copy, Debug)]
pub struct Packing {
    pub shape: ImageShape,
    /// Share of the training images for validation. With 0, the offer's own validation images are used.
    pub validation: f64,
    /// Largest number of images of a class in a split.
    pub limit: Option<usize>,
    pub seed: u64,
    /// The fold of a cross-validation; `None` if the offer's own test images are used.
    pub fold: Option<Fold>,
    /// Ratio in which the training images are divided; `None` if the offer's own splits are used. Has no effect with a fold.
    pub ratio: Option<Ratio>,
    /// Number of bits that images with 16 bits per value use.
    pub bits: u8,
}

/// The folders of the three splits.
#[derive(Clone, Copy, Debug)]
pub struct Folders<'a> {
    pub train: &'a Path,
    pub validation: &'a Path,
    pub test: &'a Path,
}

/// Called after every image with the number of written images and the total. An error stops the packing.
pub type Progress<'a> = dyn FnMut(usize, usize) -> Result<(), Failure> + 'a;

/// Images of a pool, and the folder that they are written to.
struct Route<'a> {
    pool: &'a dyn Pool,
    indices: Vec<usize>,
    folder: &'a Path,
}

impl Packing {
    /// Writes the splits of `offer`, and returns what was found while images were read.
    pub fn write(
        &self,
        offer: &Offer,
        folders: Folders<'_>,
        progress: &mut Progress<'_>,
    ) -> Result<Outcome, Failure> {
        let routes = self.routes(offer, folders)?;
        let total = routes.iter().map(|route| route.indices.len()).sum();
        let mut done = 0;
        let mut outcome = Outcome::default();
        // One pass over each pool serves all of its routes, because some sources can only be read in order.
        for routes in routes.chunk_by(|a, b| std::ptr::addr_eq(a.pool, b.pool)) {
            let mut counted = || {
                done += 1;
                progress(done, total)
            };
            outcome.extend(self.write_pool(routes, &offer.classes, &mut counted)?);
        }
        Ok(outcome)
    }

    /// Returns the images for each folder. Routes of one pool follow each other.
    fn routes<'a>(
        &self,
        offer: &'a Offer,
        folders: Folders<'a>,
    ) -> Result<[Route<'a>; 3], Failure> {
        let all = |pool: &dyn Pool| (0..pool.examples().len()).collect();
        let train = offer.train.as_ref();
        let mut drawn = None;
        let (rest, test, tested) = match (self.fold, self.ratio) {
            (Some(fold), _) => {
                let (rest, tested) = self.divide(offer, fold)?;
                (rest, train, tested)
            }
            (None, Some(ratio)) => {
                let [rest, validation, tested] = self.draw(offer, ratio)?;
                drawn = Some(validation);
                (rest, train, tested)
            }
            (None, None) => {
                let test = offer.test.as_ref();
                (all(train), test, all(test))
            }
        };
        let (kept, validation_pool, held_out) = if let Some(drawn) = drawn {
            (rest, train, drawn)
        } else if self.validation > 0.0 {
            let (kept, held_out) = self.hold_out(offer, rest)?;
            (kept, train, held_out)
        } else if let Some(own) = offer.validation.as_deref() {
            (rest, own, all(own))
        } else {
            (rest, train, Vec::new())
        };
        let route = |pool: &'a dyn Pool, indices, folder| Route {
            pool,
            indices: match self.limit {
                Some(limit) => split::limited(pool.examples(), indices, limit, self.seed),
                None => indices,
            },
            folder,
        };
        Ok([
            route(train, kept, folders.train),
            route(validation_pool, held_out, folders.validation),
            route(test, tested, folders.test),
        ])
    }

    /// Returns the training images that are not in the fold's part, and those that are.
    fn divide(&self, offer: &Offer, fold: Fold) -> Result<(Vec<usize>, Vec<usize>), Failure> {
        let examples = offer.train.examples();
        let parts = folds::divide(examples, offer.classes.len(), fold.of, self.seed);
        let parts = parts.map_err(|folds::TooFew { class, units }| {
            let class = &offer.classes[class];
            let is_grouped = examples.iter().any(|example| example.group.is_some());
            let units = match (is_grouped, units) {
                (true, 1) => "images of 1 group".to_owned(),
                (true, groups) => format!("images of {groups} groups"),
                (false, 1) => "1 image (copies count once)".to_owned(),
                (false, images) => format!("{images} images (copies count once)"),
            };
            Failure::Data(format!(
                "class `{class}` has {units}, which cannot be divided into {} folds; use fewer `folds`, more images, \
                 or check `group_by`",
                fold.of
            ))
        })?;
        Ok((0..examples.len()).partition(|&i| parts[i] + 1 != fold.test))
    }

    /// Divides the images into those for training, validation and tests.
    fn draw(&self, offer: &Offer, ratio: Ratio) -> Result<[Vec<usize>; 3], Failure> {
        let examples = offer.train.examples();
        let parts = split::draw(examples, offer.classes.len(), ratio, self.seed);
        let parts = parts.map_err(|class| {
            Failure::Data(format!(
                "class `{}` has too few images, or too few groups of them, to be in each part of `split`; add images, or \
                 check the groups",
                offer.classes[class]
            ))
        })?;
        let of = |part: Part| (0..examples.len()).filter(|&i| parts[i] == part).collect();
        Ok([Part::Train, Part::Validation, Part::Test].map(of))
    }

    /// Divides the training images `among` into those that stay, and those that are held out for validation.
    fn hold_out(
        &self,
        offer: &Offer,
        among: Vec<usize>,
    ) -> Result<(Vec<usize>, Vec<usize>), Failure> {
        let all = offer.train.examples();
        let examples: Vec<Example> = among.iter().map(|&i| all[i].clone()).collect();
        let classes = offer.classes.len();
        let chosen = split::validation(&examples, classes, self.validation, self.seed).map_err(
            |class| {
                Failure::Data(format!(
                    "class `{}` has too few training images, or too few groups of them, to set some aside for validation; lower `validation` or check `group_by`",
                    offer.classes[class]
                ))
            },
        )?;
        let mut chosen = chosen.into_iter();
        Ok(among
            .into_iter()
            .partition(|_| !chosen.next().unwrap_or_default()))
    }

    /// Writes the routes of one pool in one pass.
    fn write_pool(
        &self,
        routes: &[Route<'_>],
        classes: &[String],
        counted: &mut dyn FnMut() -> Result<(), Failure>,
    ) -> Result<Outcome, Failure> {
        let Some(pool) = routes.first().map(|route| route.pool) else {
            return Ok(Outcome::default());
        };
        let examples = pool.examples();
        let mut writers = Vec::new();
        let mut route_of = vec![None; examples.len()];
        for (r, route) in routes.iter().enumerate() {
            let writer = DatasetWriter::create(route.folder, self.shape, classes)?;
            writers.push(writer.of_fold(self.fold).of_bits(self.bits));
            route.indices.iter().for_each(|&i| route_of[i] = Some(r));
        }
        let wanted: Vec<usize> = (0..examples.len())
            .filter(|&i| route_of[i].is_some())
            .collect();
        let outcome = pool.read(&wanted, self.shape, &mut |i, image| {
            if let Some(r) = route_of[i] {
                let Example {
                    name, label, group, ..
                } = &examples[i];
                writers[r].push_grouped(name, group.as_deref(), *label, image)?;
            }
            counted()
        })?;
        writers.into_iter().try_for_each(DatasetWriter::finish)?;
        Ok(outcome)
    }
}
