//! The source `csv`: image files with their classes in a table.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fs::Metadata;
use std::path::{Component, Path, PathBuf};

use contract::sources::walk;
use contract::{Failure, Invalid, ShowPath, Text, files};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::files::{OnBadImage, Reading, default_max_megapixels};
use super::layout::{Layout, LayoutKind, Listed};
use super::source::{Offer, Omitted, Skipped, SplitUse, Unusable};
use crate::delimited::{Row, Table};

/// Parameters of the source `csv`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Csv {
    /// The table, with a header and a line for each image, relative to the working directory. The separator is `,`, `;` or a
    /// tab. Fields may be quoted.
    #[schemars(with = "Text")]
    pub path: PathBuf,
    /// Folder of the images, relative to the working directory. Names that start with a dot, and files that a
    /// `.runnerignore` leaves out, cannot be named in the table. Images without a line are left out and reported.
    #[schemars(with = "Text")]
    pub root: PathBuf,
    /// Column with the path of the image in `root`, with its extension.
    #[schemars(with = "Text")]
    pub image: String,
    /// Column with the class. Classes are sorted by name.
    #[schemars(with = "Text")]
    pub label: String,
    /// Column with the split: `train`, `val`, `validation` or `test`. Without it, the images are divided by `split` beside
    /// `source`, or into folds. Images of `val` and `validation` are the validation set if the dataset's `validation` is 0.
    /// Otherwise they join the training images.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub split: Option<String>,
    /// Column with the group (for example, the patient) whose images stay together. An image with an empty field is a group
    /// of its own.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub group: Option<String>,
    /// Reaction to a file that cannot be decoded or is too large.
    #[serde(default)]
    pub on_bad_image: OnBadImage,
    /// Images with more pixels are refused.
    #[serde(default = "default_max_megapixels")]
    #[schemars(range(min = 1, max = 1000), extend("x-unit" = "megapixels"))]
    pub max_megapixels: u32,
    /// Number of bits that the values of PNG and TIFF files with 16 bits per value use: 12 for most X-ray detectors. The
    /// largest value of so many bits is white in every image. DICOM files say it themselves.
    #[serde(
        default = "images::all_bits",
        skip_serializing_if = "images::are_all_bits"
    )]
    #[schemars(range(min = 9, max = 16))]
    pub bits: u8,
}

/// The split that an image is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Split {
    Train,
    Validation,
    Test,
}

impl Split {
    fn named(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "train" => Some(Self::Train),
            "val" | "validation" => Some(Self::Validation),
            "test" => Some(Self::Test),
            _ => None,
        }
    }
}

/// A line of the table.
#[derive(Debug, PartialEq, Eq)]
struct Line {
    label: String,
    split: Split,
    group: Option<String>,
}

/// Places of the columns.
struct Columns {
    image: usize,
    label: usize,
    split: Option<usize>,
    group: Option<usize>,
}

impl Csv {
    /// Checks the parameters without looking at the disk.
    pub fn check(&self) -> Result<(), Invalid> {
        self.reading().check_ranges()
    }

    /// Returns the names of the classes, if the table can be read.
    pub fn class_names(&self) -> Option<Vec<String>> {
        let lines = self.lines().ok()?;
        Some(classes(lines.values().map(|(_, line)| line)))
    }

    /// Returns whether the table has a split; `None` if it cannot be read.
    fn has(&self, split: Split) -> Option<bool> {
        let lines = self.lines().ok()?;
        Some(lines.values().any(|(_, line)| line.split == split))
    }

    /// Returns `true` if there are training images; `None` if the table cannot be read.
    pub fn has_train(&self) -> Option<bool> {
        self.has(Split::Train)
    }

    /// Returns `true` if there are validation images; `None` if the table cannot be read.
    pub fn has_validation(&self) -> Option<bool> {
        self.has(Split::Validation)
    }

    /// Reads the table and every file's header, and returns the number of classes.
    pub fn preflight(&self, usage: SplitUse) -> Result<usize, Invalid> {
        self.root_exists()
            .map_err(|unusable| unusable.under("root"))?;
        let (layout, _) = self.checked(usage)?;
        Ok(layout.classes.len())
    }

    /// Lists the images.
    pub fn offer(&self, usage: SplitUse) -> Result<Offer, Failure> {
        let (layout, skipped) = self.checked(usage)?;
        self.reading().offer(layout, skipped, usage)
    }

    fn reading(&self) -> Reading {
        Reading {
            on_bad_image: self.on_bad_image,
            max_megapixels: self.max_megapixels,
            bits: self.bits,
        }
    }

    fn checked(&self, usage: SplitUse) -> Result<(Layout, Vec<Skipped>), Unusable> {
        let mut layout = self.layout(usage)?;
        let skipped = self.reading().check(&mut layout)?;
        layout.check_classes(&self.path, usage.needs_test())?;
        Ok((layout, skipped))
    }

    fn root_exists(&self) -> Result<(), Unusable> {
        let shown = self.root.shown();
        match files::leads_to(&self.root, Metadata::is_dir) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Unusable::new(format!("there is no folder `{shown}`"))
                .hint("set `root` to the folder that the paths in the table begin in")),
            Err(error) => Err(Unusable::new(format!("failed to read `{shown}`: {error}"))),
        }
    }

    fn layout(&self, usage: SplitUse) -> Result<Layout, Unusable> {
        self.root_exists()?;
        let lines = self.lines()?;
        self.check_splits(&lines, usage)?;
        let classes = classes(lines.values().map(|(_, line)| line));
        if classes.len() < 2 {
            let message = format!(
                "`{}` has {}; classification needs at least two",
                self.path.shown(),
                match classes.first() {
                    Some(only) => format!("only one class (`{only}`)"),
                    None => "no line with an image".to_owned(),
                }
            );
            return Err(Unusable::new(message).hint("check the column that `label` names"));
        }
        let found = walk(&self.root)?;
        let known: HashSet<&str> = found.files.iter().map(String::as_str).collect();
        // In the order of the table, so that the first line with an error is reported.
        let mut by_line: Vec<(&String, &(u64, Line))> = lines.iter().collect();
        by_line.sort_unstable_by_key(|(_, (number, _))| *number);
        if let Some((name, (number, _))) = by_line
            .iter()
            .find(|(name, _)| !known.contains(name.as_str()))
        {
            return Err(self.missing(name, *number));
        }
        by_line.sort_unstable_by_key(|(name, (_, line))| (&line.label, *name));
        let mut splits = [Split::Train, Split::Validation, Split::Test].map(|split| {
            let of_split = by_line.iter().filter(|(_, (_, line))| line.split == split);
            let listed = of_split.map(|(name, (_, line))| Listed {
                path: self.root.join(name),
                name: (*name).clone(),
                label: classes.partition_point(|class| *class < line.label) as u32,
                group: line.group.clone(),
            });
            listed.collect::<Vec<Listed>>()
        });
        let [train, validation, test] = &mut splits;
        Ok(Layout {
            kind: LayoutKind::Table,
            train: (!train.is_empty()).then(|| std::mem::take(train)),
            validation: (!validation.is_empty()).then(|| std::mem::take(validation)),
            test: std::mem::take(test),
            omitted: self.omitted(&found.files, &lines),
            classes,
        })
    }

    /// Checks that the table has the splits that are needed.
    fn check_splits(
        &self,
        lines: &HashMap<String, (u64, Line)>,
        usage: SplitUse,
    ) -> Result<(), Unusable> {
        let shown = self.path.shown();
        match &self.split {
            None if usage.needs_test() => Err(Unusable::new(format!(
                "`{shown}` does not say which images are for tests"
            ))
            .hint(
                "set `split` of the source to a column with `train` and `test`, or divide the images with \
                 `split: { train: 70, validation: 15, test: 15 }` beside `source`",
            )),
            Some(column) if usage.is_drawn => Err(Unusable::new(format!(
                "the column `{column}` of `{shown}` has splits, but `split` beside `source` divides images without them"
            ))
            .hint("remove one of the two")),
            Some(column) if usage.needs_test() => {
                match lines.values().any(|(_, line)| line.split == Split::Test) {
                    true => Ok(()),
                    false => Err(Unusable::new(format!(
                        "the column `{column}` of `{shown}` has no `test`"
                    ))
                    .hint("without test images, cross-validate with `folds: 5` at the top of the pipeline")),
                }
            }
            None | Some(_) => Ok(()),
        }
    }

    /// Reads the table. Returns each image's line, with its number, by the path of the image in `root`.
    fn lines(&self) -> Result<HashMap<String, (u64, Line)>, Unusable> {
        let shown = format!("`{}`", self.path.shown());
        let table = Table::read(&self.path, &shown).map_err(|why| {
            Unusable::new(why).hint(match files::exists(&self.path) {
                Ok(false) => "set `path` to the table, relative to the working directory",
                Ok(true) | Err(_) => {
                    "write a header and a line for each image, and quote fields with separators"
                }
            })
        })?;
        let columns = self.columns(&table)?;
        let mut lines: HashMap<String, (u64, Line)> = HashMap::new();
        for row in &table.rows {
            let number = row.line;
            let at = |unusable: Unusable| Unusable {
                message: format!("{shown}, line {number}: {}", unusable.message),
                ..unusable
            };
            let (name, line) = self.line(row, &columns).map_err(at)?;
            if let Some((before, known)) = lines.get(&name) {
                if *known != line {
                    return Err(at(twice(&name, *before, known, &line)));
                }
                continue;
            }
            lines.insert(name, (number, line));
        }
        Ok(lines)
    }

    fn columns(&self, table: &Table) -> Result<Columns, Unusable> {
        let place = |parameter: &str, name: &str| {
            table.column(name).ok_or_else(|| {
                Unusable::new(format!(
                    "`{}` has no column `{name}`, which `{parameter}` names",
                    self.path.shown()
                ))
                .hint(format!("its columns are {}", table.listed_columns()))
            })
        };
        let optional = |parameter: &str, name: &Option<String>| match name {
            Some(name) => place(parameter, name).map(Some),
            None => Ok(None),
        };
        Ok(Columns {
            image: place("image", &self.image)?,
            label: place("label", &self.label)?,
            split: optional("split", &self.split)?,
            group: optional("group", &self.group)?,
        })
    }

    /// Reads a line. An error continues a sentence that begins with its number.
    fn line(&self, row: &Row, columns: &Columns) -> Result<(String, Line), Unusable> {
        let field = |place: usize| row.fields.get(place).map_or("", |field| field.trim());
        let name = self.name(field(columns.image))?;
        let label = field(columns.label);
        if label.is_empty() {
            let message = format!("`{name}` has no class in the column `{}`", self.label);
            return Err(Unusable::new(message).hint("add its class, or remove the line"));
        }
        let split = match columns.split.map(field) {
            None => Split::Train,
            Some(split) => Split::named(split).ok_or_else(|| {
                Unusable::new(format!("`{name}` is in the split `{split}`"))
                    .hint("the splits are `train`, `val` or `validation`, and `test`")
            })?,
        };
        let group = columns.group.map(field).filter(|group| !group.is_empty());
        let line = Line {
            label: label.to_owned(),
            split,
            group: group.map(str::to_owned),
        };
        Ok((name, line))
    }

    /// Returns the path of an image in `root`, without parts that change nothing.
    fn name(&self, written: &str) -> Result<String, Unusable> {
        if written.is_empty() {
            let message = format!("the column `{}` is empty", self.image);
            return Err(
                Unusable::new(message).hint("add the path of the image, or remove the line")
            );
        }
        let mut parts = Vec::new();
        for part in Path::new(written).components() {
            match part {
                Component::Normal(part) => parts.push(part.to_string_lossy()),
                Component::CurDir => {}
                Component::ParentDir | Component::RootDir | Component::Prefix(_) => {
                    return Err(Unusable::new(format!(
                        "`{written}` is outside of `{}`",
                        self.root.shown()
                    ))
                    .hint("write paths relative to `root`, without `..`"));
                }
            }
        }
        Ok(parts.join("/"))
    }

    fn missing(&self, name: &str, number: u64) -> Unusable {
        let shown = self.root.shown();
        let place = format!("`{}`, line {number}:", self.path.shown());
        match files::leads_to(&self.root.join(name), Metadata::is_file) {
            Ok(true) => Unusable::new(format!(
                "{place} `{name}` is in `{shown}`, but hidden or left out by a `.runnerignore`"
            ))
            .hint("rename it, change the `.runnerignore`, or remove the line"),
            Ok(false) | Err(_) => {
                Unusable::new(format!("{place} there is no file `{name}` in `{shown}`"))
                    .hint("paths begin in `root`, use `/`, and end with the extension")
            }
        }
    }

    /// Returns the images that have no line.
    fn omitted(&self, files: &[String], lines: &HashMap<String, (u64, Line)>) -> Omitted {
        let mut omitted = Omitted::default();
        let unnamed = files.iter().filter(|name| !lines.contains_key(*name));
        for name in unnamed.filter(|name| images::is_probably_image(name)) {
            omitted.add(name.clone(), "has no line in the table", None);
        }
        omitted
    }
}

/// Returns the classes of the lines, sorted.
fn classes<'a>(lines: impl Iterator<Item = &'a Line>) -> Vec<String> {
    let classes: BTreeSet<&str> = lines.map(|line| line.label.as_str()).collect();
    classes.into_iter().map(str::to_owned).collect()
}

/// Returns the error for an image with two lines that differ.
fn twice(name: &str, before: u64, known: &Line, line: &Line) -> Unusable {
    let differs = if known.label != line.label {
        format!("the class `{}`, here `{}`", known.label, line.label)
    } else if known.split != line.split {
        "another split".to_owned()
    } else {
        "another group".to_owned()
    };
    Unusable::new(format!(
        "`{name}` is also in line {before}, there with {differs}"
    ))
    .hint("keep one line for each image")
}
