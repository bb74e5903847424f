//! Predictions of another program: a table with a line for each image.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use contract::{Artifact, ShowPath};

use super::evaluation::PREDICTIONS_FILE;
use super::tested::{self, Tested};
use crate::data::Dataset;
use crate::delimited::{Row, Table, listed};

/// Beginning of the names of columns with probabilities.
const PROBABILITY: &str = "p_";
/// Largest difference of the sum of an image's probabilities from 1. Programs round probabilities differently.
const TOLERANCE: f64 = 0.01;

/// A table of predictions, each checked by itself.
#[derive(Debug)]
pub(super) struct External {
    /// The file, for messages.
    shown: String,
    /// Classes of the columns with probabilities, in their order.
    columns: Vec<String>,
    lines: Vec<Line>,
    has_labels: bool,
}

#[derive(Debug)]
struct Line {
    number: u64,
    name: String,
    /// Empty for an image without a group.
    group: String,
    /// Empty if there is no column `label`.
    label: String,
    /// In the order of [`External::columns`].
    probabilities: Vec<f32>,
}

/// The places of the columns.
struct Places {
    name: usize,
    group: Option<usize>,
    label: Option<usize>,
    probabilities: Vec<usize>,
}

impl External {
    /// Reads a file that the user named.
    pub(super) fn read(path: &Path) -> Result<Self, String> {
        Self::read_as(path, format!("`{}`", path.shown()))
    }

    /// Reads the output of a program: its only file, or the one that is called `predictions.csv`.
    pub(super) fn read_output(artifact: &Artifact) -> Result<Self, String> {
        let mut files = artifact.files.iter();
        let named = artifact.files.get_key_value(PREDICTIONS_FILE);
        let only = files.next().filter(|_| files.next().is_none());
        let (name, path) = named.or(only).ok_or_else(|| {
            let names = artifact.files.keys().map(String::as_str);
            format!(
                "`{}` must be one CSV file, or contain `{PREDICTIONS_FILE}`, but its files are {}",
                artifact.label,
                listed(names)
            )
        })?;
        Self::read_as(path, format!("`{name}` of `{}`", artifact.label))
    }

    fn read_as(path: &Path, shown: String) -> Result<Self, String> {
        let table = Table::read(path, &shown)?;
        let (places, columns) = places(&table).map_err(|why| format!("{shown} {why}"))?;
        let mut lines = Vec::with_capacity(table.rows.len());
        let mut known: HashMap<String, u64> = HashMap::new();
        for row in &table.rows {
            let line = line(row, &places, &columns)
                .map_err(|why| format!("{shown}, line {}: {why}", row.line))?;
            if let Some(before) = known.insert(line.name.clone(), row.line) {
                return Err(format!(
                    "{shown}, line {}: `{}` is also in line {before}; each image needs one line",
                    row.line, line.name
                ));
            }
            lines.push(line);
        }
        Ok(Self {
            shown,
            columns,
            lines,
            has_labels: places.label.is_some(),
        })
    }

    /// Returns the predictions with the labels in the table. Images are ordered by name, so that programs that write
    /// the same images in another order can be compared.
    pub(super) fn labelled(mut self) -> Result<Tested, String> {
        let shown = &self.shown;
        if !self.has_labels {
            return Err(format!(
                "{shown} has no column `label` with the class of each image; add it, or connect the input `images`"
            ));
        }
        if self.lines.is_empty() {
            return Err(format!("{shown} has no line with an image"));
        }
        let classes = self.classes()?;
        self.lines.sort_by(|a, b| a.name.cmp(&b.name));
        let mut labels = Vec::new();
        for line in &self.lines {
            let place = classes.iter().position(|class| *class == line.label);
            let place = place.ok_or_else(|| self.unknown_label(line, &classes))?;
            labels.push(place as u32);
        }
        let lines: Vec<&Line> = self.lines.iter().collect();
        Ok(Tested {
            probabilities: self.probabilities(&lines, &classes)?,
            names: names(&lines),
            groups: groups(&lines),
            labels,
            classes,
            pixels: None,
            threshold: None,
        })
    }

    /// Returns the predictions for the images of a dataset, in their order and with their labels. Every image must have
    /// a line, and every line an image.
    pub(super) fn of(self, artifact: &Artifact, dataset: &Dataset) -> Result<Tested, String> {
        let by_name: HashMap<&str, &Line> = self
            .lines
            .iter()
            .map(|line| (line.name.as_str(), line))
            .collect();
        self.check_names(artifact, dataset, &by_name)?;
        let classes = dataset.classes().to_vec();
        let lines: Vec<&Line> = dataset
            .names()
            .iter()
            .filter_map(|name| by_name.get(name.as_str()).copied())
            .collect();
        for (line, &label) in lines.iter().zip(dataset.labels()) {
            let class = &classes[label as usize];
            if self.has_labels && line.label != *class {
                return Err(format!(
                    "{}, line {}: the label of `{}` is `{}`, but its class in `{}` is `{class}`",
                    self.shown, line.number, line.name, line.label, artifact.label
                ));
            }
        }
        let of_dataset = tested::groups(dataset);
        Ok(Tested {
            probabilities: self.probabilities(&lines, &classes)?,
            names: dataset.names().to_vec(),
            groups: match of_dataset.is_empty() {
                true => groups(&lines),
                false => of_dataset,
            },
            labels: dataset.labels().to_vec(),
            classes,
            pixels: Some(dataset.checksum()),
            threshold: None,
        })
    }

    fn check_names(
        &self,
        artifact: &Artifact,
        dataset: &Dataset,
        by_name: &HashMap<&str, &Line>,
    ) -> Result<(), String> {
        let known: HashSet<&str> = dataset.names().iter().map(String::as_str).collect();
        let missing: Vec<&str> = dataset
            .names()
            .iter()
            .map(String::as_str)
            .filter(|name| !by_name.contains_key(name))
            .collect();
        let names = self.lines.iter().map(|line| line.name.as_str());
        let extra: Vec<&str> = names.filter(|name| !known.contains(name)).collect();
        let counted = |names: &[&str], what: &str| {
            let first = names.first()?;
            Some(format!("{} {what} (such as `{first}`)", names.len()))
        };
        let faults = [
            counted(&missing, "images have no line"),
            counted(&extra, "lines have no image"),
        ];
        let faults: Vec<String> = faults.into_iter().flatten().collect();
        if faults.is_empty() {
            return Ok(());
        }
        Err(format!(
            "{} does not fit the images of `{}`: {}; names must be equal to those in the dataset, with their folders",
            self.shown,
            artifact.label,
            faults.join(", and ")
        ))
    }

    /// Returns the classes according to the table: those of the columns; with one column, the other label first.
    pub(super) fn classes(&self) -> Result<Vec<String>, String> {
        let [only] = self.columns.as_slice() else {
            return Ok(self.columns.clone());
        };
        let labels = self.lines.iter().map(|line| line.label.as_str());
        let others: BTreeSet<&str> = labels.filter(|label| label != only).collect();
        let others: Vec<&str> = others.into_iter().collect();
        match others.as_slice() {
            [other] => Ok(vec![(*other).to_owned(), only.clone()]),
            [] => Err(format!(
                "{} has only images of `{only}`, so the name of the other class is unknown; add its column `p_CLASS`",
                self.shown
            )),
            several => Err(format!(
                "{} has one column of probabilities, `p_{only}`, but labels of {} other classes ({}); add a column \
                 `p_CLASS` for each",
                self.shown,
                several.len(),
                listed(several.iter().copied())
            )),
        }
    }

    /// Returns the probabilities of `classes` for each of `lines`, row by row.
    fn probabilities(&self, lines: &[&Line], classes: &[String]) -> Result<Vec<f32>, String> {
        let shown = &self.shown;
        let known = || listed(classes.iter().map(String::as_str));
        if let Some(unknown) = self.columns.iter().find(|class| !classes.contains(class)) {
            return Err(format!(
                "{shown} has the column `p_{unknown}`, but the classes of the images are {}",
                known()
            ));
        }
        let place = |class: &String| self.columns.iter().position(|column| column == class);
        let places: Vec<Option<usize>> = classes.iter().map(place).collect();
        let is_complement = classes.len() == 2 && self.columns.len() == 1;
        if let Some(missing) = places.iter().position(Option::is_none)
            && !is_complement
        {
            return Err(format!(
                "{shown} has no column `p_{}`; the classes of the images are {}",
                classes[missing],
                known()
            ));
        }
        let of_line = |line: &&Line| -> Vec<f32> {
            let value = |place: &Option<usize>| match place {
                Some(place) => line.probabilities[*place],
                None => 1.0 - line.probabilities[0],
            };
            places.iter().map(value).collect()
        };
        Ok(lines.iter().flat_map(of_line).collect())
    }

    fn unknown_label(&self, line: &Line, classes: &[String]) -> String {
        format!(
            "{}, line {}: the label `{}` is not a class; according to the columns with probabilities, the classes are {}",
            self.shown,
            line.number,
            line.label,
            listed(classes.iter().map(String::as_str))
        )
    }
}

/// Finds the columns, and the classes of those with probabilities. An error continues a sentence that begins with the
/// name of the file.
fn places(table: &Table) -> Result<(Places, Vec<String>), String> {
    let name = table.column("name").ok_or_else(|| {
        format!(
            "has no column `name` with the names of the images; its columns are {}",
            table.listed_columns()
        )
    })?;
    let columns = table.columns.iter().enumerate();
    let (probabilities, classes): (Vec<usize>, Vec<String>) = columns
        .filter_map(|(place, column)| Some((place, column.strip_prefix(PROBABILITY)?.to_owned())))
        .filter(|(_, class)| !class.is_empty())
        .unzip();
    if classes.is_empty() {
        return Err(format!(
            "has no column `p_CLASS` with the probabilities of a class; its columns are {}",
            table.listed_columns()
        ));
    }
    let places = Places {
        name,
        group: table.column("group"),
        label: table.column("label"),
        probabilities,
    };
    Ok((places, classes))
}

/// Reads a line. An error continues a sentence that begins with its number.
fn line(row: &Row, places: &Places, classes: &[String]) -> Result<Line, String> {
    let field = |place: usize| row.fields[place].trim();
    let optional = |place: Option<usize>| place.map_or("", field).to_owned();
    let name = field(places.name);
    if name.is_empty() {
        return Err("the image has no `name`".to_owned());
    }
    let label = optional(places.label);
    if places.label.is_some() && label.is_empty() {
        return Err(format!("`{name}` has no `label`"));
    }
    let mut probabilities = Vec::with_capacity(classes.len());
    for (&place, class) in places.probabilities.iter().zip(classes) {
        let probability = probability(field(place)).map_err(|why| format!("`p_{class}` {why}"))?;
        probabilities.push(probability);
    }
    let sum: f64 = probabilities.iter().map(|&p| f64::from(p)).sum();
    if probabilities.len() > 1 && (sum - 1.0).abs() > TOLERANCE {
        return Err(format!(
            "the probabilities of `{name}` add up to {sum:.4}, not to 1 (±{TOLERANCE})"
        ));
    }
    Ok(Line {
        number: row.line,
        name: name.to_owned(),
        group: optional(places.group),
        label,
        probabilities,
    })
}

/// Reads a probability. An error continues a sentence that begins with the name of its column.
fn probability(text: &str) -> Result<f32, String> {
    let number: Option<f32> = text.parse().ok();
    match number {
        Some(number) if (0.0..=1.0).contains(&number) => Ok(number),
        Some(number) if number.is_finite() => Err(format!(
            "is {text}, which is not a probability from 0 to 1; write those of `predict_proba`, or apply the sigmoid or \
             softmax to scores"
        )),
        Some(_) => Err(format!("is `{text}`, which is not a number from 0 to 1")),
        None if text.is_empty() => Err("is empty".to_owned()),
        None if text.contains(',') => Err(format!(
            "is `{text}`, which is not a number; write a point before decimals"
        )),
        None => Err(format!("is `{text}`, which is not a number")),
    }
}

fn names(lines: &[&Line]) -> Vec<String> {
    lines.iter().map(|line| line.name.clone()).collect()
}

/// Returns the group of each image; empty if no image has one. An image without a group is a group of its own.
fn groups(lines: &[&Line]) -> Vec<String> {
    if lines.iter().all(|line| line.group.is_empty()) {
        return Vec::new();
    }
    let group = |line: &&Line| match line.group.is_empty() {
        true => line.name.clone(),
        false => line.group.clone(),
    };
    lines.iter().map(group).collect()
}

#[cfg(test)]
mod tests;
