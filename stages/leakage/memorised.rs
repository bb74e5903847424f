//! The check of `synthesize`: finds generated images that are copies of the generators' training images.

use std::collections::BTreeSet;
use std::path::Path;

use contract::{Artifact, Context, Failure, json};
use serde::Serialize;

use super::copies::{Copy, Likeness, Set};
use super::record::{Method, Pair, copied, rounded};
use super::scan::{self, Near, Stop};
use super::sheet::{Strip, sheet};
use super::sketch::Sketches;
use super::{Guard, RECORD_FILE};
use crate::data::Dataset;

/// Name of the picture of the generated images that are most similar to training images, each above the
/// training image.
pub(super) const NEAREST_FILE: &str = "nearest.png";
/// Largest number of training images that are compared with the other training images, to find how similar
/// different training images are.
const COMPARED: usize = 2000;

/// Content of `leakage.json` for generated images.
#[derive(Debug, Serialize)]
struct Record {
    method: Method,
    /// Results for each set of training images.
    train: Vec<Compared>,
}

/// Comparison of the generated images with one set of training images.
#[derive(Debug, Serialize)]
struct Compared {
    set: String,
    images: usize,
    generated: usize,
    /// Share of the generated images that are copies.
    copied: f64,
    /// Similarity of a generated image to the most similar training image.
    nearest: Option<Distribution>,
    /// Similarity of a training image to the most similar other one. A generated image that is not more similar
    /// than this to a training image is not a copy.
    nearest_among_training: Option<Distribution>,
    copies: Vec<Pair>,
}

impl Compared {
    /// Formats `0 of 800 generated images are copies of images of …`.
    fn summary(&self) -> String {
        let (copies, generated, set) = (self.copies.len(), self.generated, &self.set);
        let copied =
            format!("{copies} of {generated} generated images are copies of images of `{set}`");
        match (self.nearest, self.nearest_among_training) {
            (Some(nearest), Some(others)) => format!(
                "{copied}; similarity to the nearest training image: median {:.2}, highest {:.2} (among \
                 training images: median {:.2}, highest {:.2})",
                nearest.median, nearest.max, others.median, others.max
            ),
            _ => copied,
        }
    }
}

/// Quantiles of similarities.
#[derive(Clone, Copy, Debug, Serialize)]
struct Distribution {
    median: f64,
    p90: f64,
    p99: f64,
    max: f64,
}

impl Distribution {
    /// Computes quantiles by the nearest rank; `None` if there are no similarities.
    fn of(nearest: &[Option<Near>]) -> Option<Self> {
        let similarities = nearest.iter().flatten().map(|near| near.similarity);
        let mut values: Vec<f64> = similarities.collect();
        values.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let rank = (share * values.len() as f64).ceil() as usize;
            values.get(rank.checked_sub(1)?).copied().map(rounded)
        };
        Some(Self {
            median: at(0.5)?,
            p90: at(0.9)?,
            p99: at(0.99)?,
            max: at(1.0)?,
        })
    }
}

/// Compares generated images with each set of `train`, and writes the results to `folder`.
///
/// # Errors
/// `Failure::Data` if there are copies and the guard is `Fail`.
pub fn memorised(
    generated: &Dataset,
    train: &[Artifact],
    guard: Guard,
    context: &Context<'_>,
    folder: &Path,
) -> Result<(), Failure> {
    if guard == Guard::Off || train.is_empty() {
        return Ok(());
    }
    let stop = || context.check_cancelled();
    let generated = Set::new("generated", generated);
    let mut record = Record {
        method: Method::with(generated.sketches.side()),
        train: Vec::new(),
    };
    let datasets: Vec<Dataset> = train.iter().map(Dataset::open).collect::<Result<_, _>>()?;
    let mut leaks = Vec::new();
    let mut shown = Vec::new();
    for (artifact, images) in train.iter().zip(&datasets) {
        let original = Set::new(&artifact.label, images);
        let (sketches, among) = (&generated.sketches, &original.sketches);
        let nearest = match scan::affordable(sketches.len(), among.len()) {
            true => scan::nearest(sketches, among, |_| None, &stop)?,
            false => vec![None; sketches.len()],
        };
        generated.warn_of_size(&original, context);
        let copies = generated.copies_of(&original, &stop)?;
        let pair = |copy| Pair::of(copy, &generated, &original);
        let compared = Compared {
            set: artifact.label.clone(),
            images: images.len(),
            generated: nearest.len(),
            copied: rounded(copies.len() as f64 / nearest.len().max(1) as f64),
            nearest: Distribution::of(&nearest),
            nearest_among_training: Distribution::of(&among_themselves(among, &stop)?),
            copies: copies.iter().map(pair).collect(),
        };
        context.note(compared.summary());
        let name = format!("`{}`", compared.set);
        leaks.extend(copied(
            "generated images",
            compared.generated,
            &name,
            &compared.copies,
        ));
        record.train.push(compared);
        shown.push((original, most_similar(&nearest)));
    }
    json::write(&folder.join(RECORD_FILE), &record)?;
    let strips: Vec<Strip<'_>> = shown
        .iter()
        .map(|(original, copies)| Strip {
            set: &generated,
            original,
            copies,
        })
        .collect();
    sheet(&strips, &folder.join(NEAREST_FILE))?;
    guard.report(&leaks, context)
}

/// Returns the nearest other image for training images that are spaced evenly over the set.
fn among_themselves(train: &Sketches, stop: &Stop<'_>) -> Result<Vec<Option<Near>>, Failure> {
    let count = train.len().min(COMPARED);
    let chosen: Vec<usize> = (0..count).map(|k| k * train.len() / count).collect();
    scan::nearest(&train.some(&chosen), train, |k| Some(chosen[k]), stop)
}

/// Returns the images in order of similarity to their nearest one, the most similar first. Of images with the
/// same nearest one, only the first is returned.
fn most_similar(nearest: &[Option<Near>]) -> Vec<Copy> {
    let mut all: Vec<Copy> = nearest
        .iter()
        .enumerate()
        .filter_map(|(image, near)| {
            Some(Copy {
                image,
                of: near.as_ref()?.index,
                likeness: Likeness::Near,
                similarity: near.as_ref()?.similarity,
            })
        })
        .collect();
    all.sort_by(|a, b| b.similarity.total_cmp(&a.similarity));
    let mut seen = BTreeSet::new();
    all.retain(|copy| seen.insert(copy.of));
    all
}
