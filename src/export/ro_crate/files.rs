//! Files of the crate, and the results that stages made.

use contract::ArtifactType;
use engine::error::Error;
use serde_json::{Value, json};
use store::component;

use super::graph::{Graph, local_id, path_id};
use crate::folder::NewFolder;
use crate::media_type::media_type;
use crate::record::{Instance, Output, Record};

/// Folder of results.
const RESULTS: &str = "results";

/// The content of the crate so far.
pub(super) struct Contents<'a> {
    pub(super) record: &'a Record<'a>,
    pub(super) folder: &'a NewFolder,
    pub(super) graph: Graph,
    /// References to files and folders.
    pub(super) parts: Vec<Value>,
    pub(super) files: usize,
    pub(super) bytes: u64,
    pub(super) with_models: bool,
}

impl Contents<'_> {
    /// Writes a file and adds its entity.
    pub(super) fn write(
        &mut self,
        name: &str,
        bytes: &[u8],
        kind: Value,
        mut fields: Value,
    ) -> Result<Value, Error> {
        self.folder.write(name, bytes)?;
        fields["contentSize"] = json!(bytes.len().to_string());
        fields["encodingFormat"] = json!(media_type(name));
        let part = self.graph.add(&path_id(name), kind, fields);
        self.parts.push(part.clone());
        self.files += 1;
        self.bytes += bytes.len() as u64;
        Ok(part)
    }

    /// Copies the files of an output, or only describes it if the crate does not include it. Returns a reference.
    pub(super) fn output(&mut self, instance: &Instance, output: &Output) -> Result<Value, Error> {
        let name = format!("{}.{}", instance.name, output.port);
        let digest = format!("blake3:{}", output.tree.digest);
        if !output.is_included(self.with_models) {
            let fields = json!({
                "name": name,
                "identifier": digest,
                "description": format!("{}, not included in this crate", described(output)),
            });
            return Ok(self
                .graph
                .add(&local_id("artifact", &name), "CreativeWork", fields));
        }
        let path = format!(
            "{RESULTS}/{}/{}",
            component(&instance.name),
            component(&output.port)
        );
        let id = format!("{}/", path_id(&path));
        if self.graph.contains(&id) {
            return Ok(super::graph::reference(&id));
        }
        let copies = self.folder.path().join(&path);
        self.record.reader.store.export(&output.tree, &copies)?;
        let mut files = Vec::new();
        for (file, blob) in &output.tree.files {
            let fields = json!({
                "name": file,
                "contentSize": blob.bytes.to_string(),
                "encodingFormat": media_type(file),
                "identifier": format!("blake3:{}", blob.digest),
            });
            files.push(
                self.graph
                    .add(&format!("{id}{}", path_id(file)), "File", fields),
            );
            self.files += 1;
            self.bytes += blob.bytes;
        }
        let fields = json!({
            "name": name,
            "description": format!("{} of stage {}", described(output), instance.name),
            "identifier": digest,
            "hasPart": files,
        });
        let part = self.graph.add(&id, "Dataset", fields);
        self.parts.push(part.clone());
        Ok(part)
    }
}

fn described(output: &Output) -> &'static str {
    match output.artifact {
        Some(ArtifactType::Dataset) => "images",
        Some(ArtifactType::Model) => "a model",
        Some(ArtifactType::Generator) => "a generator of images",
        Some(ArtifactType::Weights) => "weights of a network",
        Some(ArtifactType::Metrics) => "metrics",
        Some(ArtifactType::Figure) => "pictures",
        Some(ArtifactType::Files) | None => "files",
    }
}
