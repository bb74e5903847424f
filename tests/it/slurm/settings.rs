//! The table `[slurm]` of configuration files. These tests need no cluster.

use super::*;

/// Runs `runner` where Slurm's commands are not found.
fn without_slurm(sandbox: &Sandbox, args: &[&str]) -> Finished {
    let mut command = sandbox.command(args);
    let empty = sandbox.path("empty");
    fs::create_dir_all(&empty).unwrap();
    command.env("PATH", empty).output().unwrap().into()
}

#[test]
fn settings_are_shown_with_their_origins() {
    let sandbox = Sandbox::new("");
    let plain = sandbox.runner(&["config"]);
    assert!(!plain.stdout.contains("slurm."), "{plain:?}");
    configure(
        &sandbox,
        "partition = 'gpu'\nsetup = ['a \"b\"']\nmax_jobs = 40\n",
    );
    let shown = sandbox.runner(&["config"]);
    for words in [
        ["slurm.partition", "gpu", ".config/runner/config.toml:2:13"],
        ["slurm.setup", "[\"a \\\"b\\\"\"]", "config.toml:3:9"],
        ["slurm.time_limit", "none", "default"],
    ] {
        let is_it = |line: &str| words.iter().all(|word| line.contains(word));
        assert!(shown.stdout.lines().any(is_it), "{words:?}: {shown:?}");
    }
    let json = sandbox.runner(&["config", "--json"]).json();
    assert_eq!(json["settings"]["slurm.max_jobs"]["value"], 40);
    assert_eq!(json["settings"]["slurm.setup"]["value"][0], "a \"b\"");
    assert!(json["settings"]["slurm.grace"]["value"].is_null());
}

#[test]
fn a_project_needs_consent_for_each_setting_and_overrides_the_user() {
    let sandbox = Sandbox::new(crate::sandbox::TINY);
    configure(&sandbox, "partition = 'mine'\nqos = 'high'\n");
    let project = |text: &str| fs::write(sandbox.path(".runner.toml"), text).unwrap();
    project("[slurm]\npartition = 'theirs'\nsetup = ['rm -rf ~']\n");
    let submit = ["submit", "pipeline.yaml"];
    let refused = without_slurm(&sandbox, &submit);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    for words in [
        "sets `slurm.partition` to `theirs`",
        "--> .runner.toml:3:9",
        "sets `slurm.setup` to `[\"rm -rf ~\"]`",
        "`runner config trust`",
    ] {
        assert!(refused.stderr.contains(words), "{words}: {refused:?}");
    }
    // Nothing else of a run needs them.
    let run = without_slurm(&sandbox, &["status", "pipeline.yaml"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let config = sandbox.runner(&["config", "--json"]).json();
    assert_eq!(config["untrusted"]["slurm.partition"]["value"], "theirs");
    assert_eq!(config["settings"]["slurm.partition"]["value"], "mine");

    let allowed = sandbox.runner(&["config", "trust"]);
    assert!(
        allowed
            .stderr
            .contains("allowed: `slurm.setup` is `[\"rm -rf ~\"]`"),
        "{allowed:?}"
    );
    let config = sandbox.runner(&["config", "--json"]).json();
    assert_eq!(config["settings"]["slurm.partition"]["value"], "theirs");
    assert_eq!(config["settings"]["slurm.qos"]["value"], "high");
    let reached = without_slurm(&sandbox, &submit);
    assert_eq!(reached.code, Some(1), "{reached:?}");
    assert!(
        reached.stderr.contains("failed to run `sbatch`"),
        "{reached:?}"
    );
    assert!(
        reached.stderr.contains("such as a login node"),
        "{reached:?}"
    );

    // Consent covers only this value.
    project("[slurm]\npartition = 'theirs'\nsetup = ['rm -rf ~ /']\n");
    let refused = without_slurm(&sandbox, &submit);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(!refused.stderr.contains("slurm.partition"), "{refused:?}");
}

/// The stages of a sweep are not known when the settings are read.
#[test]
fn a_sweep_uses_the_settings_and_needs_consent_too() {
    let sweep = "version: 1\nname: p\nvars: { x: 0 }\nstages: { it: { kind: command, params: { argv: [/bin/true, \"${x}\"], metrics: m.json } } }\nsweep: { axes: { x: [1, 2] }, objective: { metric: it.x, direction: maximize } }\n";
    let sandbox = Sandbox::new(sweep);
    fs::write(
        sandbox.path(".runner.toml"),
        "[slurm]\npartition = 'theirs'\n",
    )
    .unwrap();
    let run = ["run", "pipeline.yaml", "--executor", "slurm"];
    let refused = without_slurm(&sandbox, &run);
    assert_ne!(refused.code, Some(0), "{refused:?}");
    for words in [
        "sets `slurm.partition` to `theirs`",
        "`runner config trust`",
    ] {
        assert!(refused.stderr.contains(words), "{words}: {refused:?}");
    }
    assert!(!refused.stderr.contains("failed to run"), "{refused:?}");
    sandbox.runner(&["config", "trust"]);
    let reached = without_slurm(&sandbox, &run);
    assert_eq!(reached.code, Some(100), "{reached:?}");
    assert!(reached.stderr.contains("failed to run `"), "{reached:?}");
    assert!(!reached.stderr.contains("config trust"), "{reached:?}");
}

#[test]
fn wrong_settings_are_all_shown_before_anything_is_done() {
    let sandbox = Sandbox::new(crate::sandbox::TINY);
    configure(&sandbox, "partiton = 'gpu'\nmax_jobs = 0\npoll = 'often'\n");
    for args in [
        &["submit", "pipeline.yaml"][..],
        &["doctor", "--executor", "slurm"],
    ] {
        let refused = without_slurm(&sandbox, args);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        for words in [
            "config.toml:2:1",
            "did you mean `partition`?",
            "`slurm.max_jobs` is 0",
            "`slurm.poll` takes a number of seconds",
        ] {
            assert!(refused.stderr.contains(words), "{words}: {refused:?}");
        }
    }
    assert!(!sandbox.path("artifacts").exists());
}

#[test]
fn without_slurm_there_is_one_error_with_a_hint() {
    let sandbox = Sandbox::new("");
    let args = ["doctor", "--executor", "slurm", "--device", "cpu"];
    let refused = without_slurm(&sandbox, &args);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert_eq!(refused.stderr.matches("error: ").count(), 1, "{refused:?}");
    assert!(
        refused.stderr.contains("failed to run `sbatch`: "),
        "{refused:?}"
    );
    assert!(
        refused.stderr.contains("such as a login node"),
        "{refused:?}"
    );
    assert!(!sandbox.path("artifacts").exists());
}

#[test]
fn a_plan_shows_the_requests_and_a_run_refuses_one_that_cannot_be_expressed() {
    let sandbox = Sandbox::new(crate::sandbox::TINY);
    configure(&sandbox, "memory = 2048\ntime_limit = 30\n");
    let plan = |more: &[&str]| {
        let args = ["plan", "pipeline.yaml", "--executor", "slurm"];
        without_slurm(&sandbox, &[&args[..], more].concat())
    };
    let shown = plan(&[]);
    let says = "slurm: 3 stages, each with --cpus-per-task=1 --mem=2048M --time=30";
    assert!(shown.stdout.contains(says), "{shown:?}");
    let requests = &plan(&["--json"]).json()["slurm_requests"];
    assert_eq!(
        *requests,
        serde_json::json!({ "--cpus-per-task=1 --mem=2048M --time=30": 3 })
    );
    let text = fs::read_to_string(sandbox.path("pipeline.yaml")).unwrap();
    let text = text.replacen(
        "kind: train-cnn",
        "kind: train-cnn\n    resources: { gpus: 1, gpu_memory: 16GiB }",
        1,
    );
    fs::write(sandbox.path("pipeline.yaml"), text).unwrap();
    let refused = without_slurm(&sandbox, &["run", "pipeline.yaml", "--executor", "slurm"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("slurm.gpu_types"), "{refused:?}");
    let runs = sandbox.runner(&["runs", "list", "--json"]).json();
    assert_eq!(runs["runs"].as_array().map(Vec::len), Some(0), "{runs}");
}
