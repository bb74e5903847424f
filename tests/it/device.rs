//! The choice of the device that stages compute on. Most of these tests need a machine without a GPU.

use std::process::Stdio;

use crate::sandbox::{
    Finished, Sandbox, TINY, eventually, finish, first_worker, list, signal, skip,
};

/// Returns whether there is a GPU. If so, prints that the test is skipped.
fn has_gpu() -> bool {
    let gpus = stages::gpus::survey();
    if gpus.is_ok() {
        skip("there is a GPU");
    }
    gpus.is_ok()
}

/// Runs `runner` to its end, with an environment variable if one is given.
fn with_variable(sandbox: &Sandbox, variable: Option<(&str, &str)>, args: &[&str]) -> Finished {
    let mut command = sandbox.command(args);
    command.envs(variable);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    finish(command.spawn().unwrap())
}

#[test]
fn the_chosen_device_is_printed_and_recorded() {
    if has_gpu() {
        return;
    }
    let sandbox = Sandbox::new(TINY);
    let why = stages::gpus::survey().as_ref().unwrap_err().to_string();
    let run = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let printed = format!("device: cpu ({why})");
    assert!(run.stderr.contains(&printed), "{run:?}");
    assert_eq!(sandbox.last_run()["device"], format!("cpu ({why})"));

    let again = sandbox.runner(&["run", "pipeline.yaml", "--device", "cpu", "--json"]);
    assert_eq!(again.json()["device"], "cpu");
    let plan = sandbox.runner(&["plan", "pipeline.yaml", "--json"]);
    assert_eq!(plan.json()["device"], format!("cpu ({why})"));
    let all = sandbox.runner(&["plan", "pipeline.yaml", "--force"]);
    assert!(all.stdout.contains(&printed), "{all:?}");
}

#[test]
fn device_precision_and_gpu_settings_do_not_rerun_stages_on_the_cpu() {
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
fn a_requested_gpu_that_is_missing_is_an_error_with_a_hint() {
    if has_gpu() {
        return;
    }
    let sandbox = Sandbox::new(TINY);
    for args in [
        &["--device", "cuda"][..],
        &["--device", "cuda:1"],
        &["-S", "device=cuda"],
    ] {
        // `plan` reports the error that `run` fails with.
        for (command, code) in [("run", 2), ("plan", 0)] {
            let run = sandbox.runner(&[&[command, "pipeline.yaml"], args].concat());
            assert_eq!(run.code, Some(code), "{command} {args:?}: {run:?}");
            for part in ["there is no GPU to compute on: ", "--device cpu"] {
                assert!(run.stderr.contains(part), "{command} {args:?}: {run:?}");
            }
            let is_plan = run.stderr.contains("a run would be refused: ");
            assert_eq!(is_plan, command == "plan", "{run:?}");
        }
        let plan = sandbox.runner(&[&["plan", "pipeline.yaml", "--json"], args].concat());
        let refusals = plan.json()["refusals"].clone();
        assert_eq!(refusals.as_array().unwrap().len(), 1, "{plan:?}");
        let message = refusals[0]["message"].as_str().unwrap();
        assert!(message.starts_with("there is no GPU"), "{plan:?}");
    }
    assert!(list(&sandbox.path("artifacts/v1/runs")).is_empty());
    let fine = sandbox.runner(&["plan", "pipeline.yaml", "--json"]).json();
    assert_eq!(fine["refusals"], serde_json::json!([]));
}

/// The GPU is requested by the stage (`gpus: 1`) or on the command line (`--device cuda`).
#[test]
fn a_gpu_is_required_only_to_run_the_stage_that_requests_it() {
    if has_gpu() {
        return;
    }
    let asks = "stages.cnn.resources.gpus=1";
    for args in [
        &["-S", asks][..],
        &["-S", asks, "--device", "cpu"],
        &["-S", asks, "--device", "cuda"],
        &["--device", "cuda"],
    ] {
        let sandbox = Sandbox::new(TINY);
        let with = |args: &[&str], more: &[&str]| sandbox.runner(&[args, more].concat());
        for command in ["validate", "status", "explain", "table", "graph", "plan"] {
            let looked = with(&[command, "pipeline.yaml"], args);
            assert_eq!(looked.code, Some(0), "{command} {args:?}: {looked:?}");
        }
        let other = with(&["run", "pipeline.yaml", "--until", "xrays"], args);
        assert_eq!(other.code, Some(0), "{args:?}: {other:?}");
        let refused = with(&["run", "pipeline.yaml"], args);
        assert_eq!(refused.code, Some(2), "{args:?}: {refused:?}");
        assert!(refused.stderr.contains("GPU"), "{args:?}: {refused:?}");
    }
}

#[test]
fn a_missing_gpu_is_shown_where_it_was_requested() {
    if has_gpu() {
        return;
    }
    let refused = |pipeline: &str, config: &str, variable, args: &[&str]| {
        let sandbox = Sandbox::new(pipeline);
        std::fs::write(sandbox.path(".runner.toml"), config).unwrap();
        let args = [&["run", "pipeline.yaml"], args].concat();
        let run = with_variable(&sandbox, variable, &args);
        assert_eq!(run.code, Some(2), "{run:?}");
        run.stderr
    };
    let shown = |text: String, place: &str, line: &str| {
        let parts = [format!("--> {place}\n"), format!("| {line}\n")];
        assert!(parts.iter().all(|part| text.contains(part)), "{text}");
    };
    let text = refused(TINY, "", None, &["--device", "cuda"]);
    shown(text, "command line", "--device cuda");
    let text = refused(TINY, "", None, &["-S", "device=cuda"]);
    shown(text, "command line", "--set device=cuda");
    let text = refused(TINY, "", Some(("RUNNER_DEVICE", "cuda")), &[]);
    shown(text, "environment", "RUNNER_DEVICE=cuda");
    let text = refused(TINY, "device = 'cuda'\n", None, &[]);
    shown(text, ".runner.toml:1:10", "device = 'cuda'");
    let text = refused(&TINY.replace("seed: 7", "device: cuda"), "", None, &[]);
    shown(text, "pipeline.yaml:4:9", "device: cuda");
    let resources = "    kind: train-cnn\n    resources: { gpus: 1 }\n";
    let pipeline = TINY.replace("    kind: train-cnn\n", resources);
    let text = refused(&pipeline, "", None, &[]);
    shown(text, "pipeline.yaml:15:24", "    resources: { gpus: 1 }");
    let program = "  report:\n    kind: command\n    resources: { gpus: 99 }\n    params: { argv: ['true'] }\n";
    let pipeline = TINY.replace("tables:\n", &format!("{program}tables:\n"));
    let text = refused(&pipeline, "", None, &[]);
    shown(text, "pipeline.yaml:22:24", "    resources: { gpus: 99 }");
}

#[test]
fn an_option_and_an_assignment_that_contradict_each_other_are_an_error() {
    let sandbox = Sandbox::new(TINY);
    for (option, value, set) in [
        ("--device", "auto", "device=cpu"),
        ("--precision", "float32", "precision=tf32"),
    ] {
        let args = ["plan", "pipeline.yaml", option, value, "-S"];
        let refused = sandbox.runner(&[&args[..], &[set]].concat());
        assert_eq!(refused.code, Some(2), "{refused:?}");
        let part = format!("`{option} {value}` sets ");
        assert!(refused.stderr.contains(&part), "{refused:?}");
        // An option and an assignment with the same value do not conflict.
        let same = format!("{}={value}", &option[2..]);
        let plan = sandbox.runner(&[&args[..], &[&same]].concat());
        assert_eq!(plan.code, Some(0), "{plan:?}");
    }
    // An assignment on the command line wins over a variable.
    let variable = Some(("RUNNER_DEVICE", "auto"));
    let plan = with_variable(
        &sandbox,
        variable,
        &["plan", "pipeline.yaml", "-S", "device=cpu", "--json"],
    );
    assert_eq!(plan.json()["device"], "cpu", "{plan:?}");
}

#[test]
fn requesting_a_gpu_that_no_stage_uses_causes_a_warning() {
    let sandbox = Sandbox::new(
        "version: 1
name: p
stages: { report: { kind: command, params: { argv: ['true'] } } }
",
    );
    let printed = |variable, args: &[&str]| {
        let args = [&["plan", "pipeline.yaml"], args].concat();
        let plan = with_variable(&sandbox, variable, &args);
        assert_eq!(plan.code, Some(0), "{plan:?}");
        plan.stderr
    };
    let warning = "warning: no stage takes a GPU, so `cuda` has no effect";
    assert!(printed(None, &["--device", "cuda"]).contains(warning));
    assert_eq!(printed(Some(("RUNNER_DEVICE", "cuda")), &[]), "");
    assert_eq!(printed(None, &["--device", "cpu"]), "");
}

#[test]
fn an_unknown_device_or_precision_is_an_error_that_quotes_it() {
    let sandbox = Sandbox::new(&TINY.replace("seed: 7", "device: gpu"));
    let run = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    for part in ["pipeline.yaml:4:9", "`gpu` is not a device", "`cuda:0`"] {
        assert!(run.stderr.contains(part), "{run:?}");
    }
    let sandbox = Sandbox::new(TINY);
    let run = sandbox.runner(&["plan", "pipeline.yaml", "-S", "precision=32"]);
    assert_eq!(run.code, Some(2), "{run:?}");
    let part = "expected a text, found the number `32`";
    assert!(run.stderr.contains(part), "{run:?}");
    for args in [["--device", "gpu"], ["--precision", "half"]] {
        let run = sandbox.runner(&[&["run", "pipeline.yaml"], &args[..]].concat());
        assert_eq!(run.code, Some(2), "{run:?}");
        assert!(run.stderr.contains(args[1]), "{run:?}");
    }
}

#[test]
fn a_training_stage_may_request_one_gpu_and_a_dataset_stage_none() {
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
    let part = "the stage requests a GPU, but computes on the CPU";
    assert!(run.stderr.contains(part), "{run:?}");
    // Read-only commands do not require the GPU.
    for command in ["validate", "status", "explain", "table", "graph"] {
        let run = sandbox.runner(&[&[command, "pipeline.yaml"], &set[..]].concat());
        assert_eq!(run.code, Some(0), "{run:?}");
    }
}

#[test]
fn a_pipeline_without_stages_that_compute_needs_no_device() {
    let sandbox = Sandbox::new(
        "version: 1
name: p
stages: { report: { kind: command, params: { argv: ['true'] } } }
",
    );
    for device in ["auto", "cuda"] {
        let run = sandbox.run_json(&["--device", device]);
        assert_eq!(run.code, Some(0), "{run:?}");
        assert!(run.json()["device"].is_null(), "{run:?}");
        assert!(!run.stderr.contains("device: "), "{run:?}");
    }
}

#[test]
fn options_override_the_environment_the_project_and_the_pipeline() {
    if has_gpu() {
        return;
    }
    let sandbox = Sandbox::new(&TINY.replace("seed: 7", "device: cuda:3"));
    let planned = |variable: Option<&str>, args: &[&str]| {
        let variable = variable.map(|device| ("RUNNER_DEVICE", device));
        let args = [&["plan", "pipeline.yaml", "--json"], args].concat();
        with_variable(&sandbox, variable, &args)
    };
    let is_refused = |variable, args: &[&str]| {
        let run = planned(variable, args);
        let is_refused = run.json()["refusals"] != serde_json::json!([]);
        assert_eq!(
            is_refused,
            run.stderr.contains("there is no GPU"),
            "{run:?}"
        );
        assert!(is_refused || run.json()["device"] == "cpu", "{run:?}");
        is_refused
    };
    assert!(is_refused(None, &[]));
    // Read-only commands need no GPU.
    for command in ["validate", "status", "explain", "table", "graph"] {
        let run = sandbox.runner(&[command, "pipeline.yaml"]);
        assert_eq!(run.code, Some(0), "{run:?}");
    }
    std::fs::write(sandbox.path(".runner.toml"), "device = 'cpu'\n").unwrap();
    assert!(!is_refused(None, &[]));
    assert!(is_refused(Some("cuda"), &[]));
    let stderr = planned(Some("cuda"), &[]).stderr;
    assert!(stderr.contains("RUNNER_DEVICE=cuda"), "{stderr}");
    assert!(!is_refused(Some("cuda"), &["--device", "cpu"]));
    assert!(!is_refused(Some("cuda"), &["-S", "device=cpu"]));
    // `bench` has a `--device` of its own, which also reads the variable.
    let run = with_variable(
        &sandbox,
        Some(("RUNNER_DEVICE", "gpu")),
        &["bench", "train", "--models", "model1"],
    );
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("`gpu` is not a device"), "{run:?}");
    std::fs::write(sandbox.path(".runner.toml"), "device = 'auto'\n").unwrap();
    let bench = sandbox.runner(&["bench", "train", "--models", "model0"]);
    assert!(bench.stderr.contains("`model0`"), "{bench:?}");
    std::fs::write(sandbox.path(".runner.toml"), "device = 'gpu'\n").unwrap();
    let run = planned(None, &[]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(run.stderr.contains("`device` takes `\"auto\"`"), "{run:?}");
}

#[test]
fn a_stage_on_the_cpu_sees_no_gpu() {
    let sandbox = Sandbox::new(TINY);
    let args = [
        "run",
        "pipeline.yaml",
        "--device",
        "cpu",
        "-S",
        "images=30000",
    ];
    let mut command = sandbox.command(&args);
    command.env("CUDA_VISIBLE_DEVICES", "7");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut run = command.spawn().unwrap();
    let worker = first_worker(&run);
    let read = |what| std::fs::read_to_string(format!("/proc/{worker}/{what}")).ok();
    let seen = eventually("seen", || {
        // Before `exec`, the process is still a copy of its parent.
        read("cmdline").filter(|line| line.ends_with("\0worker\0"))?;
        let text = read("environ")?;
        let mut variables = text.split('\0');
        let seen = variables.find_map(|line| line.strip_prefix("CUDA_VISIBLE_DEVICES="));
        seen.map(str::to_owned)
    });
    signal(run.id(), rustix::process::Signal::INT).unwrap();
    run.wait().unwrap();
    assert_eq!(seen, "");
}

#[test]
fn a_program_sees_the_same_gpus_as_the_user_unless_its_stage_sets_gpus() {
    let sandbox = Sandbox::new(
        "version: 1
name: p
stages:
  seen:
    kind: command
    params: { shell: true, argv: 'echo $CUDA_VISIBLE_DEVICES > gpus', outputs: { gpus: gpus } }
",
    );
    let variable = Some(("CUDA_VISIBLE_DEVICES", "7"));
    let no_gpu = &["-S", "stages.seen.resources.gpus=0", "--force"];
    for (args, expected) in [(&[][..], "7\n"), (no_gpu, "\n")] {
        let args = [&["run", "pipeline.yaml"], args].concat();
        let run = with_variable(&sandbox, variable, &args);
        assert_eq!(run.code, Some(0), "{run:?}");
        let seen = std::fs::read_to_string(sandbox.path("artifacts/latest/p/seen/gpus/gpus"));
        assert_eq!(seen.unwrap(), expected);
    }
}
