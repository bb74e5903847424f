//! [`OutputView`]: the artifacts that a stage made, and their metrics.

use contract::{ArtifactType, Metrics};
use engine::run::metrics;
use store::ActionRecord;
use store::keys::Digest;

use crate::metric::MetricView;
use crate::reader::{Reader, type_name};
use crate::size::size;

/// Most files of an output that are listed.
const FILES: usize = 20;

/// An artifact that a stage made.
#[derive(Clone, Debug)]
pub struct OutputView {
    pub port: String,
    /// `dataset`; empty if its kind is no longer known.
    pub kind: &'static str,
    pub artifact: Option<ArtifactType>,
    pub digest: Digest,
    /// Names and sizes of its first files.
    pub files: Vec<(String, String)>,
    /// Number of files that are not listed.
    pub more: usize,
    pub bytes: String,
}

pub(super) fn outputs(reader: Reader<'_>, record: &ActionRecord) -> Vec<OutputView> {
    let ports = reader.ports(&record.fingerprint);
    let order = |port: &str| ports.iter().position(|known| known.name == port);
    let mut outputs: Vec<OutputView> = record
        .outputs
        .iter()
        .map(|(port, digest)| {
            let artifact = order(port).map(|at| ports[at].yields);
            let tree = reader.tree(digest);
            let files = tree.iter().flat_map(|tree| &tree.files);
            let bytes = files.clone().map(|(_, blob)| blob.bytes).sum();
            let count = files.clone().count();
            OutputView {
                port: port.clone(),
                kind: artifact.map_or("", type_name),
                artifact,
                digest: *digest,
                files: files
                    .take(FILES)
                    .map(|(name, blob)| (name.clone(), size(blob.bytes)))
                    .collect(),
                more: count.saturating_sub(FILES),
                bytes: size(bytes),
            }
        })
        .collect();
    outputs.sort_by_key(|output| order(&output.port).unwrap_or(usize::MAX));
    outputs
}

/// The metrics on the ports that hold metrics.
pub(super) fn measured(
    reader: Reader<'_>,
    outputs: &[OutputView],
) -> Vec<(String, Vec<MetricView>)> {
    let ports = outputs.iter();
    let ports = ports.filter(|output| output.artifact == Some(ArtifactType::Metrics));
    let read = |output: &OutputView| {
        let found = metrics::read(reader.store, &output.digest);
        let found: Metrics = found
            .inspect_err(|error| tracing::warn!("{error}"))
            .ok()??;
        let views = found.iter().map(|(name, m)| MetricView::new(name, m));
        Some((output.port.clone(), views.collect::<Vec<_>>()))
    };
    ports.filter_map(read).collect()
}
