//! The check of `evaluate`: finds measured images that the model was trained on.

use std::path::Path;

use contract::{Artifact, Context, Failure, json};

use super::copies::Set;
use super::record::{Between, Method, Pair, Record};
use super::sheet::{Strip, sheet};
use super::{Guard, RECORD_FILE, SHEET_FILE};
use crate::data::Dataset;

/// Compares the images of the artifact `measured` with those of each artifact in `train`, and writes the
/// results to `record_folder` and `figure_folder`.
///
/// # Errors
/// `Failure::Data` if there are copies and the guard is `Fail`.
pub fn trained_on(
    measured: (&Artifact, &Dataset),
    train: &[Artifact],
    guard: Guard,
    context: &Context<'_>,
    [record_folder, figure_folder]: [&Path; 2],
) -> Result<(), Failure> {
    if guard == Guard::Off || train.is_empty() {
        return Ok(());
    }
    let stop = || context.check_cancelled();
    let (artifact, images) = measured;
    let measured = Set::new(&artifact.label, images);
    let mut record = Record {
        method: Method::with(measured.sketches.side()),
        sets: [(artifact.label.clone(), images.len())].into(),
        between: Vec::new(),
        within: Vec::new(),
    };
    let mut leaks = Vec::new();
    let datasets: Vec<Dataset> = train.iter().map(Dataset::open).collect::<Result<_, _>>()?;
    let mut found = Vec::new();
    for (artifact, images) in train.iter().zip(&datasets) {
        let original = Set::new(&artifact.label, images);
        measured.warn_of_size(&original, context);
        let copies = measured.copies_of(&original, &stop)?;
        let between = Between {
            sets: [&measured, &original].map(|set| set.name.to_owned()),
            copies: copies
                .iter()
                .map(|copy| Pair::of(copy, &measured, &original))
                .collect(),
            groups: Vec::new(),
        };
        leaks.extend(between.sentences(measured.images.len()));
        record.sets.insert(artifact.label.clone(), images.len());
        record.between.push(between);
        found.push((original, copies));
    }
    json::write(&record_folder.join(RECORD_FILE), &record)?;
    let strips: Vec<Strip<'_>> = found
        .iter()
        .map(|(original, copies)| Strip {
            set: &measured,
            original,
            copies,
        })
        .collect();
    sheet(&strips, &figure_folder.join(SHEET_FILE))?;
    guard.report(&leaks, context)
}
