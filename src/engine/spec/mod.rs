//! Reads a pipeline file into a typed [`Pipeline`] in which every value has its place in a source text.
//!
//! The steps are: text → `yaml` (a tree of [`Node`]s with places) → `overrides` (the profile, options,
//! `--set`) → `vars` and `interpolate` (`${…}`) → `decode` (serde, errors by path) → [`Pipeline`]. Each
//! included file goes through the same steps separately (`include`). The `params` and `inputs` of a stage may
//! depend on its matrix, so they are interpolated later, once per instance, when the [graph](crate::graph) is
//! built.
//!
//! A value keeps its place through all steps, so an error is shown where the value was written: in the stage,
//! in a profile, or on the command line.

mod assignment;
mod bounds;
mod decode;
mod deserializer;
mod diagnostic;
mod document;
mod document_fields;
mod executor;
mod expect;
mod faults;
mod folds;
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

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use contract::{ShowPath, files};

pub(crate) use assignment::Assignment;
pub use bounds::Bounds;
pub(crate) use decode::decode;
pub use diagnostic::Diagnostic;
pub(crate) use document::Document;
pub(crate) use document_fields::DocumentFields;
pub use document_fields::VERSION as DOCUMENT_VERSION;
pub use executor::{Executor, Processors};
pub(crate) use expect::ExpectSpec;
pub(crate) use faults::{Fault, decode_all, diagnose};
pub(crate) use include::{Inclusions, Scope};
pub(crate) use interpolate::Expansion;
pub use limits::{Limits, Retries, parse_bytes, parse_duration};
pub(crate) use name::{LONGEST_NAME, check_name};
pub use node::Node;
pub(crate) use node::{Entry, Plain, Value};
pub use pipeline::Pipeline;
pub use place::{Place, Source};
pub(crate) use project::project_of;
pub use project::{PROJECT_FILE, is_project};
pub use promote::{as_written, profile_values, promote, single_trial, with_given};
pub(crate) use stage::{Axis, StageSpec, resource_place};
pub use stage::{Pack, Resources};
pub(crate) use sweep::{AshaFields, Method, SweepSpec};
pub(crate) use table::{Paper, TableSpec};
pub(crate) use vars::Vars;

/// Settings for loading a pipeline, mostly from the command line.
#[derive(Clone, Debug, Default)]
pub struct LoadOptions {
    /// Name of the profile to apply.
    pub profile: Option<String>,
    /// Document keys that are set by options. Assignments in `sets` override them.
    pub options: Vec<KeyOption>,
    /// Assignments `NAME=VALUE` as typed. Later ones override earlier ones.
    pub sets: Vec<String>,
    /// Folders outside the project from which files may be included.
    pub include_from: Vec<PathBuf>,
    /// Processors of other machines, by executor.
    pub processors: BTreeMap<Executor, Processors>,
    /// `true` if someone other than the user chose the file. Errors then quote its text only if it is a pipeline.
    pub is_foreign: bool,
}

/// An option that sets a key of the document, for example `--device cuda` for `device`.
#[derive(Clone, Debug)]
pub struct KeyOption {
    pub key: &'static str,
    pub value: String,
    /// The place where the value was set.
    pub place: Place,
    /// `true` if the value was typed, not taken from an environment variable or a configuration file.
    pub is_typed: bool,
}

/// Reads a pipeline from a file.
///
/// # Errors
/// Returns the errors that make the document unusable as a whole, sorted by place.
/// [`Graph::build`](crate::graph::Graph::build) reports all others: those in single stages, tables,
/// references and parameters.
pub fn load(file: &Path, options: &LoadOptions) -> Result<Pipeline, Vec<Diagnostic>> {
    Document::read(file, options)?.resolve()
}

/// Reads the text of a file. The error has no place if the file cannot be read at all.
fn text(file: &Path) -> Result<String, Diagnostic> {
    let bytes = files::read(file, yaml::MAX_BYTES as u64)
        .map_err(|error| Diagnostic::new(format!("failed to read `{}`: {error}", file.shown())))?;
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let source = Source::file(file, &String::from_utf8_lossy(&error.as_bytes()[..valid]));
        let end = source.text().len();
        Diagnostic::at(
            &source.place(end..end),
            "the text from here on is not valid UTF-8",
        )
    })
}

/// Like [`text`], for a file that the user may not have chosen: an included file or the target of a symbolic link,
/// for example. If the file is not a pipeline, the error has no place, so none of the text is shown.
fn text_of_pipeline(file: &Path) -> Result<String, Diagnostic> {
    let refused = |why: &str| Diagnostic::new(format!("`{}` {why}", file.shown()));
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

/// Reads a pipeline from the text of a file. Includes are resolved relative to `file`.
///
/// # Errors
/// Same as [`load`].
pub fn parse(file: &Path, text: &str, options: &LoadOptions) -> Result<Pipeline, Vec<Diagnostic>> {
    Document::parse(file, text, options)?.resolve()
}
