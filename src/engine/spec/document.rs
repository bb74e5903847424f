//! A parsed pipeline file ([`Document`]). It is resolved once or, in a sweep, once per trial.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use contract::files;

use super::assignment::Assignment;
use super::include::Loader;
use super::pipeline::Overrides;
use super::{Diagnostic, LoadOptions, Node, Pipeline, Source, text, text_of_pipeline, yaml};

/// A parsed pipeline file with the options that apply to it.
pub(crate) struct Document {
    file: PathBuf,
    node: Node,
    options: LoadOptions,
}

impl Document {
    /// Reads and parses a pipeline file.
    pub(crate) fn read(file: &Path, options: &LoadOptions) -> Result<Self, Vec<Diagnostic>> {
        // A symbolic link, or a path that the user did not type, may lead to any file. Errors must not quote its
        // text unless it is a pipeline.
        let is_link = files::is(file, Metadata::is_symlink).unwrap_or(true);
        let text = if is_link || options.is_foreign {
            text_of_pipeline(file)
        } else {
            text(file)
        };
        Self::parse(file, &text.map_err(|error| vec![error])?, options)
    }

    /// Parses the text of a pipeline file.
    pub(crate) fn parse(
        file: &Path,
        text: &str,
        options: &LoadOptions,
    ) -> Result<Self, Vec<Diagnostic>> {
        let source = Source::file(file, text);
        let node = yaml::parse(&source, source.given()).map_err(|error| vec![error])?;
        Ok(Self {
            file: file.to_owned(),
            node,
            options: options.clone(),
        })
    }

    /// Resolves the pipeline without further assignments.
    pub(crate) fn resolve(&self) -> Result<Pipeline, Vec<Diagnostic>> {
        self.resolve_given(Vec::new(), false)
    }

    /// Resolves the pipeline as a trial: without its sweep, and with these assignments, which override all
    /// others.
    pub(crate) fn resolve_with(
        &self,
        assignments: Vec<Assignment>,
    ) -> Result<Pipeline, Vec<Diagnostic>> {
        self.resolve_given(assignments, true)
    }

    fn resolve_given(
        &self,
        sets: Vec<Assignment>,
        is_trial: bool,
    ) -> Result<Pipeline, Vec<Diagnostic>> {
        let given = Overrides {
            profile: self.options.profile.clone(),
            sets,
            options: self.options.options.clone(),
            typed: self.options.sets.clone(),
            vars: Vec::new(),
            is_trial,
        };
        let mut loader = Loader::new(&self.file, &self.options.include_from);
        match Pipeline::resolve(&self.file, self.node.clone(), given, &mut loader) {
            Ok(mut pipeline) => {
                pipeline.processors.clone_from(&self.options.processors);
                Ok(pipeline)
            }
            Err(mut errors) => {
                Diagnostic::sort(&mut errors);
                Err(errors)
            }
        }
    }
}
