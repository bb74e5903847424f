//! Runs stages as the engine does, on generated data and, if available, on real data.

mod batches;
mod drawn;
mod files;
mod folds;
mod formats;
mod keras;
mod labels;
mod nested;
mod npz;
mod omissions;
mod packing;
mod patients;
mod real;
mod splits;
mod transforms;
mod views;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;

use contract::{Artifact, Context, Device, Failure, ImageShape, Request, Stage, StageEvent};
use serde_json::Value;
use tempfile::TempDir;

use super::Dataset;
use crate::dataset;

pub(crate) fn gray(size: usize) -> ImageShape {
    ImageShape {
        height: size,
        width: size,
        channels: 1,
    }
}

/// The results of a stage.
#[derive(Debug)]
pub(crate) struct Finished {
    staging: TempDir,
    pub(crate) warnings: Vec<String>,
    pub(crate) notes: Vec<String>,
}

impl Finished {
    pub(crate) fn artifact(&self, port: &str) -> Artifact {
        artifact(&self.staging.path().join(port))
    }

    pub(crate) fn dataset(&self, port: &str) -> Dataset {
        Dataset::open(&self.artifact(port)).unwrap()
    }
}

/// Returns the files of a folder as an artifact.
pub(crate) fn artifact(folder: &Path) -> Artifact {
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let entry = entry.unwrap();
            (entry.file_name().into_string().unwrap(), entry.path())
        })
        .collect();
    Artifact {
        label: "test".into(),
        files,
        ..Artifact::default()
    }
}

pub(crate) fn run(
    stage: &dyn Stage,
    seed: u64,
    inputs: &[(&str, Artifact)],
) -> Result<Finished, Failure> {
    let staging = TempDir::new().unwrap();
    let request = Request {
        kind: "test".into(),
        params: stage.canonical(),
        seed,
        cpus: 2,
        device: Device::Cpu,
        gpus: Vec::new(),
        inputs: inputs
            .iter()
            .map(|(role, artifact)| ((*role).to_owned(), vec![artifact.clone()]))
            .collect(),
        staging: staging.path().to_owned(),
        resume: None,
    };
    let [warnings, notes] = [(); 2].map(|()| Mutex::new(Vec::new()));
    let events = |event| match event {
        StageEvent::Warning { message, .. } => warnings.lock().unwrap().push(message),
        StageEvent::Note { message } => notes.lock().unwrap().push(message),
        _ => {}
    };
    let cancelled = AtomicBool::new(false);
    stage.run(&Context::new(&request, &events, &cancelled))?;
    Ok(Finished {
        staging,
        warnings: warnings.into_inner().unwrap(),
        notes: notes.into_inner().unwrap(),
    })
}

fn dataset_params(params: Value) -> dataset::Params {
    let params: dataset::Params = serde_json::from_value(params).unwrap();
    params.check(&BTreeMap::new()).unwrap();
    params
}

pub(crate) fn make_dataset(params: Value, seed: u64) -> Result<Finished, Failure> {
    run(&dataset_params(params), seed, &[])
}

/// Writes images with the given pixels, all of the class `x`, and opens them as a dataset.
pub(crate) fn packed(shape: ImageShape, images: &[Vec<u8>]) -> Dataset {
    let folder = TempDir::new().unwrap();
    let examples = images.iter().enumerate();
    let examples = examples.map(|(i, image)| (format!("image {i}"), 0, image));
    super::write_dataset(folder.path(), shape, &["x".to_owned()], examples).unwrap();
    // The mapping stays valid after the folder is removed.
    Dataset::in_folder(folder.path()).unwrap()
}

/// Returns the path of a file or folder of the real data, in `RUNNER_TEST_DATA` or else in `../shared/data`
/// relative to the workspace; `None` if it is not there.
#[expect(
    clippy::print_stderr,
    reason = "testers must see which tests were skipped"
)]
pub(crate) fn real_data(name: &str) -> Option<PathBuf> {
    let root = std::env::var_os("RUNNER_TEST_DATA").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data"),
        PathBuf::from,
    );
    let path = root.join(name);
    if !path.exists() {
        eprintln!("left out: there is no `{}`", path.display());
        return None;
    }
    Some(path)
}
