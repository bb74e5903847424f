//! Other pipelines whose models and stages a pipeline takes up under a name.
//!
//! ```yaml
//! include:
//!   nets: models.yaml                                    # its models: `nets.model1`
//!   base: { file: base.yaml, vars: { image_size: 64 } }  # its stages: `base.xrays`
//! ```
//!
//! Names within an included file mean what they mean there; what it includes itself comes along under
//! both names, `base.nets.model1`. None of these names enters a key: an included stage is cached as it
//! is where its file is run alone.

use std::fs;
use std::iter;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Any;

use super::assignment::Assignment;
use super::interpolate;
use super::name::Named;
use super::node::{Entry, Value};
use super::pipeline::{Given, Names, section};
use super::{
    Diagnostic, Expansion, Node, Pipeline, Place, Source, Vars, decode, project_of,
    text_of_pipeline, yaml,
};

/// Files that may include one another in a row.
const MAX_DEPTH: usize = 16;
/// Files that may be included in all.
const MAX_FILES: usize = 256;

/// What the names in a file mean.
pub(crate) struct Scope {
    /// What stands in front of the names of its stages: nothing, or `base.`.
    pub prefix: String,
    pub vars: Vars,
    /// Lists of layers by name.
    pub models: Vec<Entry>,
}

/// An entry of `include:`.
pub(super) struct Include {
    pub name: String,
    pub place: Place,
    file: PathBuf,
    file_place: Place,
    vars: Vec<Entry>,
}

/// A file to include, and values for its vars.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Include")]
pub(super) struct IncludeFields {
    /// Its path, from the folder of the including file.
    file: String,
    /// Values for its vars.
    #[serde(rename = "vars")]
    #[schemars(with = "Option<Named<Any>>")]
    _vars: Option<Names>,
}

/// The file alone, or with values for its vars.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[expect(dead_code, reason = "it is there for its schema")]
pub(super) enum IncludeForm {
    File(String),
    Fields(IncludeFields),
}

impl Include {
    /// Reads an entry; what is wrong with it is reported.
    pub fn read(entry: &Entry, errors: &mut Vec<Diagnostic>) -> Option<Self> {
        let fields: IncludeFields = match decode(&entry.value, &entry.key_place) {
            Ok(fields) => fields,
            Err(found) => {
                errors.extend(found);
                return None;
            }
        };
        let file = entry.value.get("file");
        Some(Self {
            name: entry.key.clone(),
            place: entry.key_place.clone(),
            file: fields.file.into(),
            file_place: file.map_or(&entry.key_place, |file| &file.place).clone(),
            vars: section(&entry.value, "vars").iter().map(literal).collect(),
        })
    }

    fn note(&self) -> String {
        format!("included as `{}` at {}", self.name, self.place)
    }
}

/// Writes `base: FILE` as `base: { file: FILE }`, so that `--set include.base.vars.…` finds its way.
pub(super) fn spell_out(document: &mut Node) {
    let sections = document.entries_mut().iter_mut();
    let includes = sections.filter(|section| section.key == "include");
    for entry in includes.flat_map(|section| section.value.entries_mut()) {
        if matches!(entry.value.value, Value::Text(_)) {
            let place = entry.value.place.clone();
            let file = Entry {
                key: "file".to_owned(),
                key_place: place.clone(),
                value: entry.value.clone(),
            };
            entry.value = Node::new(Value::Map(vec![file]), place);
        }
    }
}

/// An assignment to a stage or a model of an included file as one to that file, with the name that it
/// is included under: of `stages.base.xrays.params.…` the rest, `stages.xrays.params.…`.
pub(super) fn forward(
    document: &Node,
    mut assignment: Assignment,
) -> Result<(String, Assignment), Assignment> {
    let includes = document.get("include");
    match assignment.path.as_slice() {
        [(section, _), (name, _), _, ..]
            if matches!(section.as_str(), "stages" | "models")
                && includes.is_some_and(|includes| includes.entry(name).is_some()) =>
        {
            let (name, _) = assignment.path.remove(1);
            Ok((name, assignment))
        }
        _ => Err(assignment),
    }
}

/// A value that is final already: a `${` in it is no interpolation where it is read again.
fn literal(entry: &Entry) -> Entry {
    Entry {
        value: interpolate::escape(&entry.value),
        ..entry.clone()
    }
}

/// A pipeline that is being read, with all that it includes.
pub(super) struct Loader {
    /// The files that include one another down to the one being read; each as it is called, and by its
    /// one true path.
    open: Vec<(PathBuf, PathBuf)>,
    files: usize,
    /// Folders that files may be included from: the project's, and those that were allowed.
    allowed: Vec<PathBuf>,
    /// Of all files together.
    pub expansion: Expansion,
}

impl Loader {
    /// For a pipeline in `file`, which may include files from its project and from the folders `allowed`.
    pub fn new(file: &Path, allowed: &[PathBuf]) -> Self {
        let known = fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
        let allowed = allowed.iter().map(|folder| match fs::canonicalize(folder) {
            Ok(folder) => folder,
            Err(_) => folder.clone(),
        });
        Self {
            open: vec![(file.to_owned(), known)],
            files: 0,
            allowed: iter::once(project_of(file)).chain(allowed).collect(),
            expansion: Expansion::new(),
        }
    }

    /// Whether the file being read is included by another.
    pub fn is_within(&self) -> bool {
        self.open.len() > 1
    }

    /// Reads an included file.
    pub fn load(
        &mut self,
        include: &Include,
        sets: Vec<Assignment>,
    ) -> Result<Pipeline, Vec<Diagnostic>> {
        let (path, known) = self.path(include).map_err(|error| vec![error])?;
        self.open.push((path, known));
        let read = self.read(include, sets);
        self.open.pop();
        read.map_err(|errors| {
            let here = include.place.file();
            let explain = |error: Diagnostic| match &error.place {
                None => error,
                Some(place) if place.file().is_none() || place.file() == here => error,
                Some(_) => error.note(include.note()),
            };
            errors.into_iter().map(explain).collect()
        })
    }

    /// The included file, and its one true path; refuses circles and what goes too far.
    fn path(&mut self, include: &Include) -> Result<(PathBuf, PathBuf), Diagnostic> {
        let error = |message: String| Err(Diagnostic::at(&include.file_place, message));
        let includer = self.open.last().and_then(|(file, _)| file.parent());
        let path = includer.map_or_else(|| include.file.clone(), |f| f.join(&include.file));
        let known = match fs::canonicalize(&path) {
            Ok(known) => known,
            Err(cause) => return error(format!("failed to read `{}`: {cause}", path.display())),
        };
        if !self.allowed.iter().any(|folder| known.starts_with(folder)) {
            let message = format!(
                "`{}` is outside the project `{}`",
                path.display(),
                self.allowed[0].display()
            );
            let hint = "`--include-from DIR` allows a folder to include from; the project is the nearest folder \
                        above the pipeline with a `.runner.toml` or `.git`, else the pipeline's own";
            return Err(Diagnostic::at(&include.file_place, message).hint(hint.to_owned()));
        }
        if let Some(start) = self.open.iter().position(|(_, open)| *open == known) {
            let files = self.open[start..].iter().map(|(file, _)| file);
            let circle: Vec<String> = files
                .chain([&path])
                .map(|file| format!("`{}`", file.display()))
                .collect();
            return error(format!(
                "files include one another in a circle: {}",
                circle.join(" → ")
            ));
        }
        if self.open.len() > MAX_DEPTH {
            return error(format!(
                "more than {MAX_DEPTH} files include one another in a row"
            ));
        }
        self.files += 1;
        if self.files > MAX_FILES {
            return error(format!("more than {MAX_FILES} files are included"));
        }
        Ok((path, known))
    }

    fn read(
        &mut self,
        include: &Include,
        sets: Vec<Assignment>,
    ) -> Result<Pipeline, Vec<Diagnostic>> {
        let file = self.open.last().map(|(file, _)| file.clone());
        let file = file.unwrap_or_default();
        let text = text_of_pipeline(&file).map_err(|error| {
            vec![Diagnostic {
                place: error.place.or_else(|| Some(include.file_place.clone())),
                ..error
            }]
        })?;
        let source = Source::file(&file, &text);
        let document = yaml::parse(&source, source.given()).map_err(|error| vec![error])?;
        let weight = document.weight();
        if self.expansion.charge(weight, &include.place).is_none() {
            return Err(std::mem::take(&mut self.expansion.errors));
        }
        let given = Given {
            vars: include.vars.clone(),
            sets,
            ..Given::default()
        };
        Pipeline::resolve(&file, document, given, self)
    }
}

/// The files that were included, each with notes of where.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inclusions(Vec<(PathBuf, Vec<String>)>);

impl Inclusions {
    /// Adds to a mistake in an included file where that is included.
    pub fn explain(&self, mut diagnostic: Diagnostic) -> Diagnostic {
        let Some(file) = diagnostic.place.as_ref().and_then(Place::file) else {
            return diagnostic;
        };
        let inclusions = self.0.iter().filter(|(included, _)| included == file);
        let notes: Vec<&String> = inclusions.flat_map(|(_, notes)| notes).collect();
        for note in notes {
            if !diagnostic.notes.contains(note) {
                diagnostic.notes.push(note.clone());
            }
        }
        diagnostic
    }

    /// Takes up an included file and what it includes itself.
    pub(super) fn add(&mut self, include: &Include, included: &Pipeline) {
        let mut new = vec![(included.file.clone(), Vec::new())];
        new.extend(included.inclusions.0.iter().cloned());
        for (_, notes) in &mut new {
            notes.push(include.note());
        }
        self.0.append(&mut new);
    }
}
