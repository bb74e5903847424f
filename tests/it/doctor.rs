//! `runner doctor` on machines without a GPU. `cuda.rs` has the test with one.

use std::process::Stdio;

use contract::NoGpu;
use serde_json::Value;

use crate::sandbox::{Sandbox, finish};

#[test]
fn a_machine_is_told_of_in_words_and_as_an_object() {
    let sandbox = Sandbox::new("");
    let told = sandbox.runner(&["doctor", "--device", "cpu"]);
    assert_eq!(told.code, Some(0), "{told:?}");
    for line in [
        "runner  ",
        "cpu     ",
        "memory  ",
        "store   artifacts, ",
        "cuda    ",
    ] {
        let found = told.stdout.lines().any(|told| told.starts_with(line));
        assert!(found, "{line}: {told:?}");
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
    let asked = sandbox.runner(&[&args[..], &["float32"]].concat());
    assert_eq!(asked.json()["cuda"]["precision"], "float32", "{asked:?}");
    let refused = sandbox.runner(&[&args[..], &["half"]].concat());
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(!sandbox.path("artifacts").exists());
}

#[test]
fn a_missing_gpu_is_said_plainly_and_a_failure_only_for_who_asks_for_one() {
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
    let told = doctor("auto");
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.stdout.contains(&why), "{told:?}");
    let asked = doctor("cuda");
    assert_eq!(asked.code, Some(1), "{asked:?}");
    let error = format!("there is no GPU to compute on: {why}; ");
    assert!(asked.stderr.contains(&error), "{asked:?}");
}

#[test]
fn a_store_that_cannot_be_written_is_a_failure() {
    let sandbox = Sandbox::new("");
    let told = sandbox.runner(&[
        "doctor",
        "--device",
        "cpu",
        "--artifacts",
        "pipeline.yaml/store",
    ]);
    assert_eq!(told.code, Some(1), "{told:?}");
    assert!(told.stdout.contains("CANNOT be written"), "{told:?}");
    let error = "the store cannot be written: failed to create a folder in `pipeline.yaml`: ";
    assert!(told.stderr.contains(error), "{told:?}");
}
