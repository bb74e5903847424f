//! Where stages compute, as a user asks for it; on machines without a GPU.

use crate::sandbox::{Sandbox, TINY};

/// Whether there is a GPU: then these say nothing.
fn has_gpu() -> bool {
    let gpus = runner::devices::gpus();
    if gpus.is_ok() {
        eprintln!("skipped: there is a GPU");
    }
    gpus.is_ok()
}

#[test]
fn what_was_chosen_is_said_and_recorded() {
    if has_gpu() {
        return;
    }
    let sandbox = Sandbox::new(TINY);
    let why = runner::devices::gpus().as_ref().unwrap_err().to_string();
    let run = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let said = format!("device: cpu ({why})");
    assert!(run.stderr.contains(&said), "{run:?}");

    let again = sandbox.runner(&["run", "pipeline.yaml", "--device", "cpu", "--json"]);
    assert_eq!(again.json()["device"], "cpu");
    let plan = sandbox.runner(&["plan", "pipeline.yaml", "--json"]);
    assert_eq!(plan.json()["device"], format!("cpu ({why})"));
}

#[test]
fn on_the_cpu_neither_device_nor_precision_is_a_reason_to_run() {
    if has_gpu() {
        return;
    }
    let sandbox = Sandbox::new(TINY);
    assert_eq!(sandbox.run_json(&[]).code, Some(0));
    for args in [
        &["--device", "cpu"][..],
        &["--precision", "float32"],
        &["-S", "device=cpu", "-S", "precision=float32"],
        &["-S", "stages.cnn.resources.gpus=0"],
        &["-S", "stages.cnn.resources.gpu_memory=1GiB"],
    ] {
        let run = sandbox.run_json(args);
        assert_eq!(run.json()["counts"]["cached"], 3, "{args:?}: {run:?}");
    }
}

#[test]
fn a_gpu_that_is_asked_for_and_not_there_is_an_error_with_a_way_out() {
    if has_gpu() {
        return;
    }
    let sandbox = Sandbox::new(TINY);
    for args in [
        &["--device", "cuda"][..],
        &["--device", "cuda:1"],
        &["-S", "device=cuda"],
    ] {
        for command in ["run", "plan", "status", "explain", "graph"] {
            let run = sandbox.runner(&[&[command, "pipeline.yaml"], args].concat());
            assert_eq!(run.code, Some(2), "{command} {args:?}: {run:?}");
            for part in ["there is no GPU to compute on: ", "--device cpu"] {
                assert!(run.stderr.contains(part), "{command} {args:?}: {run:?}");
            }
        }
    }
    assert!(!sandbox.path("artifacts").exists());
}

#[test]
fn what_is_no_device_is_refused_where_it_stands() {
    let sandbox = Sandbox::new(&TINY.replace("seed: 7", "device: gpu"));
    let run = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    for part in ["pipeline.yaml:4:9", "`gpu` is no device", "`cuda:0`"] {
        assert!(run.stderr.contains(part), "{run:?}");
    }
    let sandbox = Sandbox::new(TINY);
    for args in [["--device", "gpu"], ["--precision", "half"]] {
        let run = sandbox.runner(&[&["run", "pipeline.yaml"], &args[..]].concat());
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains(args[1]), "{run:?}");
    }
}

#[test]
fn gpus_are_for_stages_that_compute_and_one_each() {
    for (set, part) in [
        (
            "stages.cnn.resources.gpus=2",
            "a `train-cnn` stage computes on one GPU",
        ),
        (
            "stages.xrays.resources.gpus=1",
            "a `dataset` stage computes on the CPU only",
        ),
    ] {
        let sandbox = Sandbox::new(TINY);
        let run = sandbox.runner(&["run", "pipeline.yaml", "-S", set]);
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains(part), "{run:?}");
    }
    if has_gpu() {
        return;
    }
    let sandbox = Sandbox::new(TINY);
    let set = ["-S", "stages.cnn.resources.gpus=1"];
    let run = sandbox.runner(&[&["run", "pipeline.yaml"], &set[..]].concat());
    assert_eq!(run.code, Some(2), "{run:?}");
    let part = "the stage asks for a GPU, and computes on the CPU";
    assert!(run.stderr.contains(part), "{run:?}");
}
