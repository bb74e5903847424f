//! Trains a small model on a host, and on this machine if both must give the same bytes.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use contract::{Artifact, Device, Request, files};
use engine::graph::Limits;
use engine::launch::{Executors, Launch, Launcher, OnInterrupt, Placement, Places, SshHost, Work};
use engine::spec::Executor;
use serde::Serialize;
use serde_json::{Value, json};
use store::keys::Key;
use store::{Deadline, Staging, Store, Tree};
use tempfile::TempDir;

use crate::cli::doctor::text::last_lines;

/// Longest time of the training on the host.
const LIMIT: Duration = Duration::from_secs(300);
/// Most bytes of the log that are read.
const MOST_LOG: u64 = 1 << 20;

/// A small training on a host.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Trial {
    /// Time from the start of `ssh` to the last output here.
    pub(super) seconds: f64,
    /// `true` if the outputs have the same bytes as those of this machine. `None` if the kinds of processor differ.
    pub(super) has_same_bytes: Option<bool>,
}

impl Trial {
    pub(super) fn text(&self) -> String {
        let bytes = match self.has_same_bytes {
            Some(true) => ", to the same bytes as here",
            Some(false) => ", but NOT to the same bytes as here",
            None => "",
        };
        format!(
            "a small model was trained within {:.1} s{bytes}",
            self.seconds
        )
    }

    pub(super) fn problem(&self, host: &str) -> Option<String> {
        (self.has_same_bytes == Some(false)).then(|| {
            format!(
                "a small model that `{host}` trained has other bytes than here, although both processors have the same kind; \
                 please report this, and give the host a `processor` of its own until then"
            )
        })
    }
}

/// Runs the training. `processor` is the kind of the host's CPUs.
///
/// # Errors
/// If a stage fails, with what to do.
pub(super) fn run(
    host: &str,
    settings: &SshHost,
    processor: &str,
    compares: bool,
) -> Result<Trial, String> {
    let bench = Bench::new(host, settings)?;
    let data = bench.run(&Stage {
        name: "data",
        executor: Executor::Local,
        processor: None,
        kind: "dataset",
        params: json!({
            "source": { "phantom": { "images": 24, "test_images": 4 } }, "image_size": 16, "validation": 0.25
        }),
        inputs: BTreeMap::new(),
    })?;
    let input = |port: &str| -> Result<_, String> {
        Ok((port.to_owned(), vec![bench.artifact(&data, port)?]))
    };
    let inputs = ["train", "validation"].map(input);
    let inputs = inputs.into_iter().collect::<Result<BTreeMap<_, _>, _>>()?;
    let train = |executor| {
        let trained = bench.run(&Stage {
            name: "training",
            executor,
            processor: Some(processor),
            kind: "train-cnn",
            params: json!({
                "model": [{ "conv": { "filters": 4 } }, { "max_pool": 2 }, "flatten", { "dense": { "units": 1 } }],
                "epochs": 1
            }),
            inputs: inputs.clone(),
        })?;
        bench.tree(&trained, "")
    };
    let began = Instant::now();
    let there = train(Executor::Ssh(host.to_owned()))
        .map_err(|why| format!("a small training on `{host}` failed: {why}"))?;
    let seconds = began.elapsed().as_secs_f64();
    let has_same_bytes = match compares {
        true => Some(train(Executor::Local)?.digest == there.digest),
        false => None,
    };
    Ok(Trial {
        seconds,
        has_same_bytes,
    })
}

/// A stage of the check.
struct Stage<'a> {
    name: &'a str,
    executor: Executor,
    processor: Option<&'a str>,
    kind: &'a str,
    params: Value,
    inputs: BTreeMap<String, Vec<Artifact>>,
}

/// A store for one check, which is removed at the end.
struct Bench {
    folder: TempDir,
    store: Store,
    places: Places,
}

impl Bench {
    fn new(host: &str, settings: &SshHost) -> Result<Self, String> {
        let folder = tempfile::tempdir()
            .map_err(|error| format!("failed to create a temporary folder: {error}"))?;
        let places = Places::new(Executors {
            slurm: Err("Slurm is not checked".to_owned()),
            ssh: Ok(BTreeMap::from([(host.to_owned(), settings.clone())])),
            on_interrupt: OnInterrupt::default(),
        });
        Ok(Self {
            store: Store::open(&folder.path().join("artifacts")).map_err(|e| e.to_string())?,
            folder,
            places,
        })
    }

    /// Runs a stage to its end. Returns the folder with its outputs.
    fn run(&self, stage: &Stage<'_>) -> Result<Staging, String> {
        let parsed = stages::parse(stage.kind, stage.params.clone());
        let parsed = parsed.map_err(|invalid| invalid.to_string())?;
        let staging = self.store.staging().map_err(|e| e.to_string())?;
        let request = Request {
            kind: stage.kind.to_owned(),
            params: parsed.canonical(),
            seed: 7,
            cpus: 1,
            device: Device::Cpu,
            gpus: Vec::new(),
            inputs: stage.inputs.clone(),
            staging: staging.path().to_owned(),
            resume: None,
        };
        let log = self.folder.path().join(format!("{}.log", stage.name));
        let launch = Launch {
            key: Key::derive("doctor", stage.name.as_bytes()),
            stage: stage.name,
            placement: &Placement {
                executor: stage.executor.clone(),
                processor: stage.processor.map(str::to_owned),
                ..Placement::default()
            },
            store: &self.store,
            request: &request,
            staging: staging.folder(),
            work: Work::BuiltIn(None),
            limits: Limits {
                timeout: Some(LIMIT),
                ..Limits::default()
            },
            log: &log,
            on_linked: &|| {},
        };
        match self.places.run(&launch, &|_| {}).result {
            Ok(_) => Ok(staging),
            Err(failure) => Err(format!("{failure}{}", said(&log))),
        }
    }

    /// Takes an output into the store. `port` is its folder, or empty for all outputs.
    fn tree(&self, outputs: &Staging, port: &str) -> Result<Tree, String> {
        let tree = self
            .store
            .ingest(outputs.folder(), Path::new(port), &Deadline::NONE);
        tree.map_err(|error| error.to_string())
    }

    fn artifact(&self, outputs: &Staging, port: &str) -> Result<Artifact, String> {
        let tree = self.tree(outputs, port)?;
        Ok(Artifact {
            label: port.to_owned(),
            files: self.store.files_of(&tree),
            folders: tree.folders.into_iter().collect(),
            ..Artifact::default()
        })
    }
}

/// Returns the last lines of a log, if there are any.
fn said(log: &Path) -> String {
    let bytes = files::read(log, MOST_LOG).unwrap_or_default();
    last_lines(&String::from_utf8_lossy(&bytes))
}
