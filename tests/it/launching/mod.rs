//! The launcher that CONTRIBUTING.md shows as an example runs stages as the engine's own does.

use std::collections::{BTreeMap, HashSet};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use contract::{
    Artifact, Device, Failure, Folder, Gathered, Request, Resume, StageEvent, files, lock,
};
use engine::graph::Limits;
use engine::launch::{Ending, Kept, Launch, Launcher, Placement, Usage, Work};
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};
use store::keys::Key;
use store::{Checkpoints, Store};
use tempfile::TempDir;

// The example is shown without its imports.
include!("nice.rs");

/// A folder in which stages run one after the other.
struct Bench {
    root: TempDir,
    store: Store,
    nice: Nice,
    events: Mutex<Vec<StageEvent>>,
}

impl Bench {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        Self {
            store: Store::open(&root.path().join("artifacts")).unwrap(),
            nice: Nice::new(PathBuf::from(env!("CARGO_BIN_EXE_runner"))),
            events: Mutex::new(Vec::new()),
            root,
        }
    }

    /// Runs a stage, whose outputs are in the folder `name` afterwards.
    fn run(
        &self,
        name: &str,
        (kind, params): (&str, Value),
        inputs: &[(&str, &str)],
        checkpoints: Option<&Checkpoints<'_>>,
        timeout: Option<Duration>,
    ) -> Ending {
        let stage = stages::parse(kind, params).unwrap();
        let staging = self.root.path().join(name);
        fs::create_dir(&staging).unwrap();
        let inputs = inputs.iter().map(|(role, folder)| {
            let artifact = artifact(&self.root.path().join(folder));
            ((*role).to_owned(), vec![artifact])
        });
        let request = Request {
            kind: kind.to_owned(),
            params: stage.canonical(),
            seed: 7,
            cpus: 1,
            device: Device::Cpu,
            gpus: Vec::new(),
            inputs: inputs.collect(),
            staging: staging.clone(),
            resume: None,
        };
        let launch = Launch {
            key: Key::derive("test", name.as_bytes()),
            stage: name,
            placement: &Placement::default(),
            store: &self.store,
            request: &request,
            staging: &Folder::open(&staging).unwrap(),
            work: Work::BuiltIn(checkpoints.map(|checkpoints| Kept {
                checkpoints,
                resume: true,
            })),
            limits: Limits {
                timeout,
                ..Limits::default()
            },
            log: &self.root.path().join(format!("{name}.log")),
            on_linked: &|| {},
        };
        self.nice
            .run(&launch, &|event| lock(&self.events).push(event))
    }
}

/// The files of an output folder.
fn artifact(folder: &Path) -> Artifact {
    let files = fs::read_dir(folder).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        (name.to_owned(), path.clone())
    });
    Artifact {
        files: files.collect::<BTreeMap<_, _>>(),
        ..Artifact::default()
    }
}

fn dataset(images: usize) -> (&'static str, Value) {
    let source = json!({ "phantom": { "images": images, "test_images": 10 } });
    let params = json!({ "source": source, "image_size": 16, "validation": 0.2 });
    ("dataset", params)
}

#[test]
fn the_example_of_a_launcher_runs_stages_and_resumes_them() {
    let bench = Bench::new();
    bench
        .run("xrays", dataset(40), &[], None, None)
        .result
        .unwrap();
    let training = |epochs: usize| {
        let model = json!(["flatten", { "dense": { "units": 1 } }]);
        ("train-cnn", json!({ "model": model, "epochs": epochs }))
    };
    let inputs = [("train", "xrays/train"), ("validation", "xrays/validation")];
    let checkpoints = bench
        .store
        .checkpoints(&Key::derive("test", b"cnn"))
        .unwrap();
    let run = |name: &str, epochs: usize| {
        bench
            .run(name, training(epochs), &inputs, Some(&checkpoints), None)
            .result
    };
    run("first", 2).unwrap();
    run("longer", 4).unwrap();
    let events = lock(&bench.events);
    let resumed = events
        .iter()
        .any(|event| matches!(event, StageEvent::Resumed { from } if from.epoch == 2));
    assert!(resumed, "{events:?}");
    assert!(bench.root.path().join("longer/model").is_dir());
}

#[test]
fn the_example_of_a_launcher_enforces_limits_and_stops() {
    let bench = Bench::new();
    let late = bench.run(
        "late",
        dataset(1_000_000),
        &[],
        None,
        Some(Duration::from_millis(50)),
    );
    assert!(matches!(late.result, Err(Failure::TimedOut(_))), "{late:?}");
    let wrong = json!({ "source": { "folder": { "path": "/nowhere" } }, "image_size": 16 });
    let wrong = bench.run("wrong", ("dataset", wrong), &[], None, None);
    assert!(matches!(wrong.result, Err(Failure::Data(_))), "{wrong:?}");
    bench.nice.stop();
    let stopped = bench.run("stopped", dataset(40), &[], None, None);
    assert_eq!(stopped.result.unwrap_err(), Failure::Cancelled);
}

#[test]
fn the_guide_for_contributors_shows_the_example() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| fs::read_to_string(root.join(path)).unwrap();
    let code = read("tests/it/launching/nice.rs");
    let block = format!("```rust\n{code}```\n");
    assert!(
        read("CONTRIBUTING.md").contains(&block),
        "copy tests/it/launching/nice.rs into CONTRIBUTING.md"
    );
}
