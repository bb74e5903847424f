//! The pipeline document, typed, with a place in a text for everything in it.
//!
//! The way of a document: text → `yaml` (a tree of [`Node`]s with places) → `overrides` (profile,
//! then `--set`) → `vars` and `interpolate` (`${…}`) → `decode` (serde, errors by path) →
//! [`Pipeline`]. What it includes goes the same way, each file by itself (`include`). What depends on an axis of a stage's matrix (its `params` and `inputs`) is
//! interpolated later, once for every instance, when the [graph](crate::graph) is built.
//!
//! A value keeps its place through all of this, so that an error in it is shown where it was
//! written: in the stage, in a profile, or on the command line.

mod assignment;
mod bounds;
mod decode;
mod diagnostic;
mod document;
mod expect;
mod faults;
mod include;
mod interpolate;
mod limits;
mod name;
mod node;
mod overrides;
mod pipeline;
mod place;
mod project;
mod promote;
mod reference;
mod scalar;
mod seeds;
mod stage;
pub mod suggest;
mod sweep;
mod table;
mod vars;
mod wording;
mod yaml;

use std::path::{Path, PathBuf};

use contract::files;

pub(crate) use assignment::Assignment;
pub use bounds::Bounds;
pub(crate) use decode::{decode, diagnose};
pub use diagnostic::Diagnostic;
pub(crate) use document::Document;
pub(crate) use expect::ExpectSpec;
pub(crate) use faults::{Fault, read as read_all};
pub(crate) use include::{Inclusions, Scope};
pub(crate) use interpolate::Expansion;
pub use limits::{Limits, Retries, parse_bytes, parse_duration};
pub(crate) use name::{LONGEST_NAME, check_name};
pub use node::Node;
pub(crate) use node::{Entry, Plain, Value};
pub(crate) use pipeline::DocumentFields;
pub use pipeline::{Pipeline, VERSION as DOCUMENT_VERSION};
pub use place::{Place, Source};
pub(crate) use project::project_of;
pub use project::{PROJECT_FILE, is_project};
pub use promote::promote;
pub use stage::Resources;
pub(crate) use stage::{Axis, StageSpec, resource_place};
pub(crate) use sweep::{AshaFields, Method, SweepSpec};
pub(crate) use table::TableSpec;
pub(crate) use vars::Vars;

/// What the command line says about a pipeline.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// The profile whose vars to use.
    pub profile: Option<String>,
    /// Keys of the document that options set; assignments win over them.
    pub options: Vec<KeyOption>,
    /// Assignments `NAME=VALUE`, as typed; a later one wins.
    pub sets: Vec<String>,
    /// Folders outside the project that files may be included from.
    pub include_from: Vec<PathBuf>,
    /// Whether the file was chosen by someone other than the user: then errors show its text only if it is a
    /// pipeline.
    pub is_foreign: bool,
}

/// The value of an option for a key of the document, as `--device cuda` for `device`.
#[derive(Clone, Debug)]
pub struct KeyOption {
    pub key: &'static str,
    pub value: String,
    /// Where the value was set.
    pub place: Place,
    /// Whether it was typed, not taken from a variable or a configuration file.
    pub is_typed: bool,
}

/// Reads a pipeline from a file.
///
/// # Errors
/// Everything that is wrong with the document itself, sorted by place. What is wrong with its
/// references and parameters is told by [`Graph::build`](crate::graph::Graph::build).
pub fn load(file: &Path, options: &LoadOptions) -> Result<Pipeline, Vec<Diagnostic>> {
    Document::read(file, options)?.resolve()
}

/// The text of a file; the error has no place if it cannot be read at all.
fn text(file: &Path) -> Result<String, Diagnostic> {
    let bytes = files::read(file, yaml::MAX_BYTES as u64).map_err(|error| {
        Diagnostic::new(format!("failed to read `{}`: {error}", file.display()))
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let source = Source::file(file, &String::from_utf8_lossy(&error.as_bytes()[..valid]));
        let end = source.text().len();
        Diagnostic::at(
            &source.place(end..end),
            "what follows here is not UTF-8 text",
        )
    })
}

/// As [`text`], for a file that the user did not name. If it is not a pipeline, the error has no place, so none of
/// its text is shown.
fn text_of_pipeline(file: &Path) -> Result<String, Diagnostic> {
    let refused = |why: &str| Diagnostic::new(format!("`{}` {why}", file.display()));
    let text = text(file).map_err(|error| match error.place {
        Some(_) => refused("is not UTF-8 text"),
        None => error,
    })?;
    if project::is_pipeline(&Source::file(file, &text)) {
        Ok(text)
    } else {
        Err(refused("is not a pipeline: no line begins with `version:`"))
    }
}

/// Reads a pipeline from the text of a file; what it includes is read from beside that.
///
/// # Errors
/// As [`load`].
pub fn parse(file: &Path, text: &str, options: &LoadOptions) -> Result<Pipeline, Vec<Diagnostic>> {
    Document::parse(file, text, options)?.resolve()
}
