//! Exported runs in TensorBoard, MLflow, and in validators of RO-Crates.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::{Value, json};

use super::{python, run, show};
use crate::hostile_names;
use crate::sandbox::Sandbox;

const TABLE1: &str = include_str!("../../../pipelines/table1.yaml");

/// A training, a program that fails, and one that then does not run.
const FAILING: &str = r#"
version: 1
name: failing
seed: 7
stages:
  xrays:
    kind: dataset
    params: { source: { phantom: { images: 40, test_images: 20 } }, image_size: 16, validation: 0.2 }
  cnn:
    kind: train-cnn
    inputs: { train: xrays.train, validation: xrays.validation }
    params: { model: [{ max_pool: 4 }, flatten, { dense: { units: 1 } }], epochs: 2 }
  fail:
    kind: command
    inputs: { model: cnn.model }
    params: { argv: ["false"], outputs: { made: "a b" } }
  after:
    kind: command
    inputs: { made: fail.made }
    params: { argv: ["true"], outputs: { made: "c" } }
"#;

/// A small run of the paper's table: datasets, classifiers, GANs, generated images and evaluations.
fn table1() -> Sandbox {
    let sandbox = Sandbox::new(TABLE1);
    let settings = [
        "source={phantom: {images: 48, test_images: 24}}",
        "epochs=2",
        "gan_epochs=2",
        "sample_every=1",
        "gan_batch_size=4",
        "synthetic_images=8",
        "retrain_epochs=1",
        "models=[model1, model4]",
    ];
    let settings: Vec<&str> = settings.iter().flat_map(|set| ["-S", *set]).collect();
    let done = sandbox.runner(&[&["run", "pipeline.yaml", "-q"], settings.as_slice()].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
    sandbox
}

fn export(sandbox: &Sandbox, target: &str, options: &[&str]) {
    let command = ["runs", "export", "latest", target, "--format"];
    let done = sandbox.runner(&[&command, options].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
    show(done.stderr.trim());
}

/// Writes a JSON file for a program, and returns its path.
fn expected(sandbox: &Sandbox, value: &Value) -> PathBuf {
    let file = sandbox.path("expected.json");
    fs::write(&file, value.to_string()).unwrap();
    file
}

#[test]
fn tensorboard_shows_the_results() {
    let Some(python) = python() else { return };
    let sandbox = table1();
    export(&sandbox, "logs", &["tensorboard"]);
    let params = |model: &str| {
        json!({
            "model": model, "cnn.learning_rate": 0.001, "cnn.epochs": 2.0, "xrays.image_size": 32.0,
            "evaluate.threshold": "model", "augmented.horizontal_flip": true,
        })
    };
    let retrained = |model: &str| {
        json!({
            "model": model, "retrained.epochs": 1.0, "gan.epochs": 2.0,
            "gan[NORMAL].class": "NORMAL", "gan[PNEUMONIA].class": "PNEUMONIA",
        })
    };
    let sessions = json!({
        "evaluate[model1]": params("model1"),
        "evaluate[model4]": params("model4"),
        "evaluate-retrained[model1]": retrained("model1"),
        "evaluate-retrained[model4]": retrained("model4"),
    });
    let arguments = [
        sandbox.path("logs"),
        sandbox.path("artifacts/latest/table1"),
        expected(&sandbox, &sessions),
    ];
    show(run(&python, "tensorboard_reads.py", &arguments).trim());
}

#[test]
fn ro_crates_are_valid() {
    let Some(python) = python() else { return };
    let sandbox = table1();
    export(&sandbox, "crate", &["ro-crate"]);
    export(&sandbox, "with-models", &["ro-crate", "--with-models"]);
    // A pipeline file that has changed, a run that failed, and results that were removed.
    let failing = Sandbox::new(FAILING);
    let done = failing.runner(&["run", "pipeline.yaml", "-q"]);
    assert_eq!(done.code, Some(100), "{done:?}");
    export(&failing, "failed", &["ro-crate"]);
    fs::write(failing.path("pipeline.yaml"), "changed").unwrap();
    fs::remove_dir_all(failing.path("artifacts/v1/actions")).unwrap();
    export(&failing, "removed", &["ro-crate"]);
    // Names that must be escaped in addresses.
    let hostile = hostile_names::ran();
    let done = hostile.runner(&[
        "runs", "export", "latest~2", "hostile", "--format", "ro-crate",
    ]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let crates = [
        hostile.path("hostile"),
        sandbox.path("crate"),
        sandbox.path("with-models"),
        failing.path("failed"),
        failing.path("removed"),
    ];
    show(run(&python, "ro_crate_is_valid.py", &crates).trim());
}

/// A tracking server with its own store, in a process group of its own.
struct Server {
    process: Child,
    address: String,
}

impl Server {
    fn start(python: &Path, sandbox: &Sandbox) -> Self {
        let port = free_port();
        let store = format!("sqlite:///{}", sandbox.path("mlflow.db").display());
        let log = File::create(sandbox.path("mlflow.log")).unwrap();
        let mut command = Command::new(python);
        command
            .args([
                "-m",
                "mlflow",
                "server",
                "--host",
                "127.0.0.1",
                "--workers",
                "1",
            ])
            .args(["--port", &port.to_string(), "--backend-store-uri", &store])
            .arg("--artifacts-destination")
            .arg(sandbox.path("mlflow-artifacts"))
            .env("MLFLOW_DISABLE_TELEMETRY", "true")
            .env("DO_NOT_TRACK", "true")
            .current_dir(sandbox.path(""))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log);
        // The server starts other processes, which must end with it.
        command.process_group(0);
        let mut server = Self {
            process: command.spawn().unwrap(),
            address: format!("http://127.0.0.1:{port}"),
        };
        // It imports many packages and creates its database first.
        let started = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = || fs::read_to_string(sandbox.path("mlflow.log")).unwrap();
            assert!(server.process.try_wait().unwrap().is_none(), "{}", log());
            assert!(started.elapsed() < Duration::from_secs(600), "{}", log());
            sleep(Duration::from_millis(200));
        }
        server
    }
}

/// A port that the system does not give to outgoing connections. On such a port, a client that waits for the server
/// could connect to itself and keep the server from listening.
fn free_port() -> u16 {
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).unwrap();
    let mut ports = first..32_000;
    let free = ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok());
    free.expect("a port must be free")
}

impl Drop for Server {
    fn drop(&mut self) {
        let group = Pid::from_child(&self.process);
        let _ = kill_process_group(group, Signal::KILL);
        let _ = self.process.wait();
    }
}

#[test]
fn mlflow_shows_the_results() {
    let Some(python) = python() else { return };
    let sandbox = table1();
    let server = Server::start(&python, &sandbox);
    export(&sandbox, &server.address, &["mlflow"]);
    let again = [
        "runs",
        "export",
        "latest",
        &server.address,
        "--format",
        "mlflow",
    ];
    let refused = sandbox.runner(&again);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("has run `"), "{refused:?}");
    assert!(
        refused.stderr.contains("`--force` replaces it"),
        "{refused:?}"
    );
    export(&sandbox, &server.address, &["mlflow", "--force"]);
    let params =
        |model: &str| json!({ "model": model, "cnn.learning_rate": "0.001", "cnn.epochs": "2" });
    let expected = expected(
        &sandbox,
        &json!({
            "": { "cnn.learning_rate": "0.001", "gan.epochs": "2" },
            "cnn[model1]": params("model1"),
            "evaluate[model4]": params("model4"),
            "gan[NORMAL]": { "gan.class": "NORMAL" },
            "evaluate-retrained[model1]": { "gan.NORMAL.class": "NORMAL", "gan.PNEUMONIA.class": "PNEUMONIA" },
        }),
    );
    let id = sandbox.last_run()["run"].as_str().unwrap().to_owned();
    let results = sandbox.path("artifacts/latest/table1");
    let arguments = [server.address.as_str().into(), results, id.into(), expected];
    show(run(&python, "mlflow_reads.py", &arguments).trim());
    // The server accepts names that have other characters than it allows.
    let hostile = hostile_names::ran();
    let command = [
        "runs",
        "export",
        "latest~2",
        &server.address,
        "--format",
        "mlflow",
    ];
    let done = hostile.runner(&command);
    assert_eq!(done.code, Some(0), "{done:?}");
}
