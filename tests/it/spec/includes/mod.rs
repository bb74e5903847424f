//! Pipelines that include others, from files.

mod combined;
mod refused;

use std::fs;

use engine::graph::Graph;
use engine::spec::{Diagnostic, LoadOptions, load};
use tempfile::TempDir;

use super::kinds;

/// A folder with some files. `main` is the name of the one that is read.
struct Files {
    folder: TempDir,
    main: String,
}

fn files(files: &[(&str, &str)]) -> Files {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let main = files[0].0.to_owned();
    Files { folder, main }
}

impl Files {
    fn build(&self, sets: &[&str]) -> Result<Graph, Vec<Diagnostic>> {
        let options = LoadOptions {
            profile: None,
            sets: sets.iter().map(|set| (*set).to_owned()).collect(),
            ..LoadOptions::default()
        };
        load(&self.folder.path().join(&self.main), &options)
            .and_then(|pipeline| Graph::build(pipeline, &kinds::CATALOGUE))
    }

    fn graph(&self, sets: &[&str]) -> Graph {
        self.build(sets)
            .unwrap_or_else(|errors| panic!("{}", self.shown(&errors)))
    }

    /// Returns all errors as printed, with paths relative to the folder.
    fn errors(&self, sets: &[&str]) -> String {
        match self.build(sets) {
            Ok(_) => "no error".to_owned(),
            Err(errors) => self.shown(&errors),
        }
    }

    fn shown(&self, errors: &[Diagnostic]) -> String {
        let rendered: Vec<String> = errors.iter().map(Diagnostic::to_string).collect();
        let folder = format!("{}/", self.folder.path().display());
        rendered.join("\n\n").replace(&folder, "")
    }
}

fn names(graph: &Graph) -> Vec<String> {
    let stages = graph.stages.node_weights();
    stages.map(|stage| stage.name.to_string()).collect()
}

const MAIN: &str = r#"
version: 1
name: main
seed: 1
vars: { big: 64 }
include:
  nets: models.yaml
  base: { file: base.yaml, vars: { size: "${big}" } }
stages:
  fit:
    kind: train
    matrix: { model: [nets.small, nets.large] }
    inputs: { images: base.xrays.train }
    params: { model: "${matrix.model}" }
  all: { kind: gather, inputs: { models: [fit, base.net] } }
"#;

const MODELS: &str = r#"
version: 1
name: models
vars: { units: 3 }
models:
  small: [flatten, { dense: { units: "${units}" } }]
  large: [{ dense: { units: 5 } }]
"#;

const BASE: &str = r#"
version: 1
name: base
vars: { size: 32 }
models: { own: [flatten] }
stages:
  xrays: { kind: source, params: { size: "${size}" } }
  net:
    kind: train
    inputs: { images: xrays.train }
    params: { model: own }
tables: { of-no-use: { rows: nothing, columns: [{ metric: nowhere.f1 }] } }
"#;

fn main_with(base: &str) -> Files {
    files(&[
        ("main.yaml", MAIN),
        ("models.yaml", MODELS),
        ("base.yaml", base),
    ])
}
