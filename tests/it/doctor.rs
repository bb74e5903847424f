//! `runner doctor` on machines without a GPU. `cuda.rs` has the test with one.

use std::process::Stdio;

use contract::NoGpu;
use serde_json::Value;

use crate::sandbox::{Sandbox, finish};

#[test]
fn doctor_describes_the_machine_as_text_and_as_json() {
    let sandbox = Sandbox::new("");
    let printed = sandbox.runner(&["doctor", "--device", "cpu"]);
    assert_eq!(printed.code, Some(0), "{printed:?}");
    for line in [
        "runner  ",
        "cpu     ",
        "memory  ",
        "store   artifacts, ",
        "cuda    ",
    ] {
        let found = printed.stdout.lines().any(|shown| shown.starts_with(line));
        assert!(found, "{line}: {printed:?}");
    }
    let object = sandbox
        .runner(&["doctor", "--device", "cpu", "--json"])
        .json();
    assert!(object["cpu"]["threads"].as_u64().unwrap() > 0);
    assert_eq!(object["store"]["is_there"], false);
    assert_eq!(object["store"]["why_not_writable"], Value::Null);
    assert!(object["problems"].as_array().unwrap().is_empty());
    assert_eq!(object["cuda"]["default_precision"], "tf32");
    assert_eq!(object["cuda"]["precision"], "tf32");
    let args = ["doctor", "--device", "cpu", "--json", "--precision"];
    let requested = sandbox.runner(&[&args[..], &["float32"]].concat());
    assert_eq!(
        requested.json()["cuda"]["precision"],
        "float32",
        "{requested:?}"
    );
    let refused = sandbox.runner(&[&args[..], &["half"]].concat());
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(!sandbox.path("artifacts").exists());
}

#[test]
fn a_missing_gpu_is_reported_and_is_a_failure_only_if_one_is_requested() {
    // If there are GPUs, `CUDA_VISIBLE_DEVICES` hides them below.
    let why = stages::gpus::survey().as_ref().err();
    let why = why.unwrap_or(&NoGpu::NoDevice).to_string();
    let sandbox = Sandbox::new("");
    let doctor = |device| {
        let mut command = sandbox.command(&["doctor", "--device", device]);
        command.env("CUDA_VISIBLE_DEVICES", "");
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        finish(command.spawn().unwrap())
    };
    let printed = doctor("auto");
    assert_eq!(printed.code, Some(0), "{printed:?}");
    assert!(printed.stdout.contains(&why), "{printed:?}");
    let requested = doctor("cuda");
    assert_eq!(requested.code, Some(1), "{requested:?}");
    let error = format!("there is no GPU to compute on: {why}; ");
    assert!(requested.stderr.contains(&error), "{requested:?}");
}

#[test]
fn a_store_that_cannot_be_written_is_a_failure() {
    let sandbox = Sandbox::new("");
    let printed = sandbox.runner(&[
        "doctor",
        "--device",
        "cpu",
        "--artifacts",
        "pipeline.yaml/store",
    ]);
    assert_eq!(printed.code, Some(1), "{printed:?}");
    assert!(printed.stdout.contains("CANNOT be written"), "{printed:?}");
    let error = "the store cannot be written: failed to create a folder in `pipeline.yaml`: ";
    assert!(printed.stderr.contains(error), "{printed:?}");
}
