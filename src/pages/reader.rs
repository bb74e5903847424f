//! [`Reader`]: where views are read from.

use std::collections::HashSet;

use contract::analysis::Analysis;
use contract::{ArtifactType, Port};
use engine::graph::Catalogue;
use engine::plan::rebuild;
use store::keys::{Digest, Fingerprint};
use store::{Store, Tree};

/// A store, and what is needed to understand the results in it.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    pub store: &'a Store,
    pub catalogue: &'a Catalogue,
    pub analysis: &'a dyn Analysis,
    /// Names of the stages whose results are read; `None` for all. The others still have their states and links.
    pub shown: Option<&'a HashSet<&'a str>>,
}

impl Reader<'_> {
    /// `true` if the results of the stage with this name are read.
    pub(crate) fn shows(&self, name: &str) -> bool {
        self.shown.is_none_or(|shown| shown.contains(name))
    }

    /// The output ports of a stage, in their order; empty if its kind is no longer known.
    pub fn ports(&self, fingerprint: &Fingerprint) -> Vec<Port> {
        match self.catalogue.kind(&fingerprint.kind) {
            Some(kind) if kind.declares_ports => rebuild(self.catalogue.parse, fingerprint)
                .map(|stage| stage.outputs())
                .unwrap_or_default(),
            Some(kind) => kind.outputs.iter().map(Port::from).collect(),
            None => Vec::new(),
        }
    }

    /// The files of an output. Logs a warning if they cannot be listed.
    pub(crate) fn tree(&self, output: &Digest) -> Option<std::sync::Arc<Tree>> {
        let tree = self.store.results().get(output);
        tree.inspect_err(|error| tracing::warn!("{error}")).ok()
    }

    /// Reads one file of an output. `None` if the output has no such file. Logs a warning if it is damaged.
    pub(crate) fn file(&self, output: &Digest, name: &str) -> Option<Vec<u8>> {
        let files = self.store.read_files(output, &[name]);
        let files = files.inspect_err(|error| tracing::warn!("`{name}`: {error}"));
        files.ok()??.pop()
    }
}

/// Name of a type of artifacts on a page.
pub(crate) fn type_name(kind: ArtifactType) -> &'static str {
    match kind {
        ArtifactType::Dataset => "dataset",
        ArtifactType::Model => "model",
        ArtifactType::Generator => "generator",
        ArtifactType::Metrics => "metrics",
        ArtifactType::Figure => "figure",
        ArtifactType::Weights => "weights",
        ArtifactType::Files => "files",
    }
}
