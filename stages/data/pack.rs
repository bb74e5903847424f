//! Writes the images of an offer as packed splits.

use std::path::Path;

use contract::{Failure, ImageShape};

use super::source::{Example, Offer, Pool, Skipped};
use super::{DatasetWriter, split};

/// Settings for splitting and packing an offer.
#[derive(Clone, Copy, Debug)]
pub struct Packing {
    pub shape: ImageShape,
    /// Share of the training images for validation. With 0, the offer's own validation images are used.
    pub validation: f64,
    /// Largest number of images of a class in a split.
    pub limit: Option<usize>,
    pub seed: u64,
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
    /// Writes the splits of `offer`, and returns the images that could not be read.
    pub fn write(
        &self,
        offer: &Offer,
        folders: Folders<'_>,
        progress: &mut Progress<'_>,
    ) -> Result<Vec<Skipped>, Failure> {
        let routes = self.routes(offer, folders)?;
        let total = routes.iter().map(|route| route.indices.len()).sum();
        let mut done = 0;
        let mut skipped = Vec::new();
        // One pass over each pool serves all of its routes, because some sources can only be read in order.
        for routes in routes.chunk_by(|a, b| std::ptr::addr_eq(a.pool, b.pool)) {
            let mut counted = || {
                done += 1;
                progress(done, total)
            };
            skipped.extend(self.write_pool(routes, &offer.classes, &mut counted)?);
        }
        Ok(skipped)
    }

    /// Returns the images for each folder. Routes of one pool follow each other.
    fn routes<'a>(
        &self,
        offer: &'a Offer,
        folders: Folders<'a>,
    ) -> Result<[Route<'a>; 3], Failure> {
        let all = |pool: &dyn Pool| (0..pool.examples().len()).collect();
        let train = offer.train.as_ref();
        let (kept, validation_pool, held_out) = if self.validation > 0.0 {
            let (kept, held_out) = self.hold_out(offer)?;
            (kept, train, held_out)
        } else if let Some(own) = offer.validation.as_deref() {
            (all(train), own, all(own))
        } else {
            (all(train), train, Vec::new())
        };
        let test = offer.test.as_ref();
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
            route(test, all(test), folders.test),
        ])
    }

    /// Returns the training images that stay, and those that are held out for validation.
    fn hold_out(&self, offer: &Offer) -> Result<(Vec<usize>, Vec<usize>), Failure> {
        let examples = offer.train.examples();
        let classes = offer.classes.len();
        let chosen = split::validation(examples, classes, self.validation, self.seed).map_err(
            |class| {
                Failure::Data(format!(
                    "class `{}` has too few training images, or too few groups of them, to set some aside for validation; lower `validation` or check `group_by`",
                    offer.classes[class]
                ))
            },
        )?;
        Ok((0..examples.len()).partition(|&i| !chosen[i]))
    }

    /// Writes the routes of one pool in one pass.
    fn write_pool(
        &self,
        routes: &[Route<'_>],
        classes: &[String],
        counted: &mut dyn FnMut() -> Result<(), Failure>,
    ) -> Result<Vec<Skipped>, Failure> {
        let Some(pool) = routes.first().map(|route| route.pool) else {
            return Ok(Vec::new());
        };
        let examples = pool.examples();
        let mut writers = Vec::new();
        let mut route_of = vec![None; examples.len()];
        for (r, route) in routes.iter().enumerate() {
            writers.push(DatasetWriter::create(route.folder, self.shape, classes)?);
            route.indices.iter().for_each(|&i| route_of[i] = Some(r));
        }
        let wanted: Vec<usize> = (0..examples.len())
            .filter(|&i| route_of[i].is_some())
            .collect();
        let skipped = pool.read(&wanted, self.shape, &mut |i, image| {
            if let Some(r) = route_of[i] {
                let Example {
                    name, label, group, ..
                } = &examples[i];
                writers[r].push_grouped(name, group.as_deref(), *label, image)?;
            }
            counted()
        })?;
        writers.into_iter().try_for_each(DatasetWriter::finish)?;
        Ok(skipped)
    }
}
