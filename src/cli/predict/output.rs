//! Prints predictions as a table or as JSON, and writes them as CSV.

use std::path::{Path, PathBuf};

use contract::json::shortest;
use contract::{ShowPath, one_line};
use engine::atomic_file::{self, Flush};
use engine::error::Error;
use engine::wording;
use serde_json::{Map, Value, json};
use stages::predict::{Predicted, Prediction, Skipped};

use super::model::Model;
use super::page;
use crate::cli::{output_file, unwritten};
use crate::report::columns::fitted;
use crate::report::{Console, csv};

/// Prefix of the names of files before they are renamed.
const FRESH: &str = ".tmp-predictions-";

/// Largest number of images in a table on a terminal.
const MOST_ROWS: usize = 100;

/// Number of files that a message names.
const LISTED: usize = 3;

/// Destination of the CSV.
pub(super) enum Destination {
    /// Standard output.
    Output,
    File(PathBuf),
}

impl Destination {
    /// Checks that a file can be written, before anything is computed.
    pub(super) fn of(path: &Path) -> Result<Self, Error> {
        if path == Path::new("-") {
            return Ok(Self::Output);
        }
        output_file::PREDICTED.destination(path).map(Self::File)
    }
}

/// Returns `true` if the file named `name` is the file at `path`.
pub(super) fn is_same(name: &str, path: &Path) -> bool {
    let canonical = |path: &Path| path.canonicalize().ok();
    canonical(Path::new(name)).is_some_and(|found| Some(found) == canonical(path))
}

/// Predictions, and what they are from.
pub(super) struct Output<'a> {
    pub(super) model: &'a Model,
    pub(super) predicted: &'a Predicted,
    /// Files that were not read as images.
    pub(super) omitted: &'a [Skipped],
}

impl Output<'_> {
    /// Writes a line for each image.
    pub(super) fn write(&self, console: &Console, to: &Destination) -> Result<(), Error> {
        let predicted = self.predicted;
        let mut text = csv::line(&predicted.columns());
        for prediction in &predicted.images {
            text += &csv::line(&predicted.fields(prediction));
        }
        match to {
            Destination::Output => console.result(&text).map_err(unwritten),
            Destination::File(file) => atomic_file::write(file, FRESH, Flush::BeforeRename, |to| {
                to.write_all(text.as_bytes())
            })
            .map_err(Error::io("write", file)),
        }
    }

    pub(super) fn print_json(&self, console: &Console) -> Result<(), Error> {
        let Predicted {
            classes,
            threshold,
            images,
            skipped,
            technique: _,
        } = self.predicted;
        let image = |prediction: &Prediction| {
            let probabilities = classes.iter().zip(&prediction.probabilities);
            let probabilities: Map<String, Value> = probabilities
                .map(|(class, &probability)| (class.clone(), json!(shortest(probability))))
                .collect();
            json!({
                "name": prediction.name,
                "predicted": classes[prediction.predicted],
                "probabilities": probabilities,
                "warnings": prediction.warnings,
                "heat_map": prediction.heat_map.as_ref().map(|map| &map.file),
                "heat_map_maximum": prediction.heat_map.as_ref().map(|map| shortest(map.maximum)),
            })
        };
        let rule = match (threshold, classes.last()) {
            (Some(threshold), Some(class)) => {
                json!({ "class": class, "threshold": shortest(*threshold) })
            }
            _ => json!("most probable class"),
        };
        let object = json!({
            "model": { "name": self.model.artifact.label, "digest": self.model.digest },
            "classes": classes,
            "decision": rule,
            "images": images.iter().map(image).collect::<Vec<Value>>(),
            "left_out": skipped.iter().chain(self.omitted).collect::<Vec<_>>(),
        });
        console.result(&object.to_string()).map_err(unwritten)
    }

    pub(super) fn print_table(&self, console: &Console) -> Result<(), Error> {
        let Predicted {
            classes, images, ..
        } = self.predicted;
        let width = console.width();
        let shown = match width {
            Some(_) => images.len().min(MOST_ROWS),
            None => images.len(),
        };
        let row = |prediction: &Prediction| -> Vec<String> {
            let words = [&prediction.name, &classes[prediction.predicted]];
            let words = words.into_iter().map(|word| one_line(word).into_owned());
            let probabilities = prediction.probabilities.iter().map(|p| format!("{p:.3}"));
            let warnings = [prediction.warnings.join("; ")];
            let heat_map = prediction.heat_map.as_ref();
            let heat_map = heat_map.map(|map| [map.file.clone(), format!("{:.2e}", map.maximum)]);
            let heat_map = heat_map.into_iter().flatten();
            let all = words.chain(probabilities);
            all.chain(warnings).chain(heat_map).collect()
        };
        let rows: Vec<Vec<String>> = images[..shown].iter().map(row).collect();
        let header = self.predicted.columns().into_iter();
        let header: Vec<String> = header.map(|name| one_line(&name).into_owned()).collect();
        let numbers: Vec<usize> = (2..2 + classes.len()).collect();
        let mut text = fitted(&header, &rows, &numbers, width);
        if let more @ 1.. = images.len() - shown {
            let more = wording::counted(more, "more image");
            text += &format!("{more}; `-o FILE` writes all\n");
        }
        console.result(&text).map_err(unwritten)
    }

    /// Prints how many images were predicted and by which rule, how many have warnings, and what was left out.
    pub(super) fn summarize(
        &self,
        console: &Console,
        to: Option<&Destination>,
        heat_maps: Option<&Path>,
    ) {
        let written = match to {
            Some(Destination::File(file)) => format!("wrote `{}`: ", file.shown()),
            _ => String::new(),
        };
        let images = self.predicted.images.len();
        let mut line = format!(
            "{written}{}, {}",
            wording::counted(images, "image"),
            one_line(&self.predicted.rule())
        );
        if let warned @ 1.. = self.predicted.warned() {
            let verb = if warned == 1 { "has" } else { "have" };
            line += &format!("; {} {verb} warnings", wording::counted(warned, "image"));
        }
        if let Some(folder) = heat_maps {
            line += &format!("; heat maps: `{}`", folder.join(page::INDEX).shown());
        }
        console.message(&line);
        for (files, noun, prefix) in [
            (
                self.predicted.skipped.as_slice(),
                "unreadable image",
                "warning: ",
            ),
            (self.omitted, "other file", ""),
        ] {
            if !files.is_empty() {
                console.message(&format!("{prefix}{}", left_out(files, noun)));
            }
        }
    }
}

/// Formats ``2 other files left out: `a.tif` is of the format `tif`, which is not read``.
fn left_out(files: &[Skipped], noun: &str) -> String {
    let listed: Vec<String> = files
        .iter()
        .take(LISTED)
        .map(|file| format!("`{}` {}", one_line(&file.image), one_line(&file.reason)))
        .collect();
    let rest = if files.len() > LISTED {
        "; …; `--json` lists all"
    } else {
        ""
    };
    let count = wording::counted(files.len(), noun);
    format!("{count} left out: {}{rest}", listed.join("; "))
}
