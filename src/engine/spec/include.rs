//! The `include` section: other pipeline files whose models and stages can be used under a name.
//!
//! ```yaml
//! include:
//!   nets: models.yaml                                    # its models: `nets.model1`
//!   base: { file: base.yaml, vars: { image_size: 64 } }  # its stages: `base.xrays`
//! ```
//!
//! Names in an included file are resolved in that file. Its own includes get both names as prefixes:
//! `base.nets.model1`. None of these names is part of a key, so an included stage uses the same cached
//! results as a run of its own file.

use std::fs;
use std::iter;
use std::path::{Path, PathBuf};

use contract::ShowPath;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Any;

use super::assignment::Assignment;
use super::interpolate;
use super::name::{Named, Names};
use super::node::{Entry, Value, section};
use super::{
    Diagnostic, Expansion, Node, Place, Source, Vars, decode, project_of, text_of_pipeline, yaml,
};

/// Maximum depth of nested includes.
const MAX_DEPTH: usize = 16;
/// Maximum number of included files in total.
const MAX_FILES: usize = 256;

/// The names that a pipeline file may use, and what they refer to.
pub(crate) struct Scope {
    /// Prefix of the names of its stages: empty, or for example `base.`.
    pub prefix: String,
    pub vars: Vars,
    /// Lists of layers by name.
    pub models: Vec<Entry>,
}

/// An entry of `include`.
pub(super) struct Include {
    pub name: String,
    pub place: Place,
    file: PathBuf,
    file_place: Place,
    /// Values for its vars, with every `${` escaped.
    pub vars: Vec<Entry>,
}

/// A file to include, and values for its vars.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Include")]
pub(super) struct IncludeFields {
    /// Path of the file, relative to the folder of the including file.
    file: String,
    /// Values for the file's vars.
    #[serde(rename = "vars")]
    #[schemars(with = "Option<Named<Any>>")]
    _vars: Option<Names>,
}

/// Path of a file to include, or a map with the path and values for the file's vars.
#[derive(JsonSchema)]
#[schemars(untagged, inline)]
#[expect(dead_code, reason = "exists only for its schema")]
pub(super) enum IncludeForm {
    File(String),
    Fields(IncludeFields),
}

impl Include {
    /// Reads an entry. If it is invalid, adds its errors to `errors` and returns `None`.
    pub(super) fn read(entry: &Entry, errors: &mut Vec<Diagnostic>) -> Option<Self> {
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

/// Rewrites `base: FILE` as `base: { file: FILE }`, so that `--set include.base.vars.…` works.
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

/// Translates an assignment to a stage or model of an included file. Returns the name of the include and the
/// assignment within that file: `stages.base.xrays.params.…` gives `base` and `stages.xrays.params.…`.
/// Returns any other assignment unchanged as `Err`.
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

/// Escapes `${` in a value that is already final, so that the included file does not interpolate it again.
fn literal(entry: &Entry) -> Entry {
    Entry {
        value: interpolate::escape(&entry.value),
        ..entry.clone()
    }
}

/// Reads a pipeline's included files, and enforces the limits on their folders, nesting and number.
pub(super) struct Loader {
    /// The chain of files from the pipeline to the one that is being read, each with its path as written and
    /// its canonical path.
    open: Vec<(PathBuf, PathBuf)>,
    files: usize,
    /// Folders from which files may be included: the project's, then those that the user allowed.
    allowed: Vec<PathBuf>,
    /// Expansion of `${…}` in all files together.
    pub expansion: Expansion,
}

impl Loader {
    /// Creates the loader for the pipeline in `file`, which may include files from its project and from the
    /// folders in `allowed`.
    pub(super) fn new(file: &Path, allowed: &[PathBuf]) -> Self {
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

    /// Returns whether the file being read is included by another.
    pub(super) fn is_within(&self) -> bool {
        self.open.len() > 1
    }

    /// Reads an included file and calls `resolve` with its path and its document. Errors in the file say where
    /// it is included.
    pub(super) fn load<T>(
        &mut self,
        include: &Include,
        resolve: impl FnOnce(&Path, Node, &mut Self) -> Result<T, Vec<Diagnostic>>,
    ) -> Result<T, Vec<Diagnostic>> {
        let (path, known) = self.path(include).map_err(|error| vec![error])?;
        self.open.push((path.clone(), known));
        let document = self.read(include, &path);
        let resolved = document.and_then(|document| resolve(&path, document, self));
        self.open.pop();
        resolved.map_err(|errors| {
            let here = include.place.file();
            let explain = |error: Diagnostic| match &error.place {
                None => error,
                Some(place) if place.file().is_none() || place.file() == here => error,
                Some(_) => error.note(include.note()),
            };
            errors.into_iter().map(explain).collect()
        })
    }

    /// Returns the path and the canonical path of an included file. Refuses cycles, files outside the allowed
    /// folders, and includes beyond the limits.
    fn path(&mut self, include: &Include) -> Result<(PathBuf, PathBuf), Diagnostic> {
        let error = |message: String| Err(Diagnostic::at(&include.file_place, message));
        let includer = self.open.last().and_then(|(file, _)| file.parent());
        let path = includer.map_or_else(|| include.file.clone(), |f| f.join(&include.file));
        let known = match fs::canonicalize(&path) {
            Ok(known) => known,
            Err(cause) => return error(format!("failed to read `{}`: {cause}", path.shown())),
        };
        if !self.allowed.iter().any(|folder| known.starts_with(folder)) {
            let message = format!(
                "`{}` is outside the project `{}`",
                path.shown(),
                self.allowed[0].shown()
            );
            let note = "the project is the nearest folder above the pipeline with a `.runner.toml` or \
                        `.git`, or else the pipeline's own folder";
            let hint = "`--include-from DIR` allows files from another folder".to_owned();
            let error = Diagnostic::at(&include.file_place, message);
            return Err(error.note(note).hint(hint));
        }
        if let Some(start) = self.open.iter().position(|(_, open)| *open == known) {
            let files = self.open[start..].iter().map(|(file, _)| file);
            let cycle: Vec<String> = files
                .chain([&path])
                .map(|file| format!("`{}`", file.shown()))
                .collect();
            return error(format!(
                "files include each other in a cycle: {}",
                cycle.join(" → ")
            ));
        }
        if self.open.len() > MAX_DEPTH {
            return error(format!(
                "included files are nested more than {MAX_DEPTH} levels deep"
            ));
        }
        self.files += 1;
        if self.files > MAX_FILES {
            return error(format!("more than {MAX_FILES} files are included"));
        }
        Ok((path, known))
    }

    fn read(&mut self, include: &Include, file: &Path) -> Result<Node, Vec<Diagnostic>> {
        let text = text_of_pipeline(file).map_err(|error| {
            vec![Diagnostic {
                place: error.place.or_else(|| Some(include.file_place.clone())),
                ..error
            }]
        })?;
        let source = Source::file(file, &text);
        let document = yaml::parse(&source, source.given()).map_err(|error| vec![error])?;
        let weight = document.weight();
        if self.expansion.charge(weight, &include.place).is_none() {
            return Err(std::mem::take(&mut self.expansion.errors));
        }
        Ok(document)
    }
}

/// The included files, each with notes that say where it is included.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inclusions(Vec<(PathBuf, Vec<String>)>);

impl Inclusions {
    /// Adds to a diagnostic in an included file the notes that say where the file is included.
    pub(crate) fn explain(&self, mut diagnostic: Diagnostic) -> Diagnostic {
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

    /// Adds an included file, and the files that it includes itself.
    pub(super) fn add(&mut self, include: &Include, file: &Path, own: &Self) {
        let mut new = vec![(file.to_owned(), Vec::new())];
        new.extend(own.0.iter().cloned());
        for (_, notes) in &mut new {
            notes.push(include.note());
        }
        self.0.append(&mut new);
    }
}
