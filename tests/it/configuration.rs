//! Options, environment variables and configuration files: precedence, errors, and consent to a store outside
//! the project.

use std::fs;
use std::process::Command;

use serde_json::Value;

use crate::sandbox::{Finished, Sandbox, TINY};

/// Runs `command` to its end.
fn finish(mut command: Command) -> Finished {
    command.output().unwrap().into()
}

fn with_user_file(sandbox: &Sandbox, text: &str) {
    let folder = sandbox.path(".config/runner");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("config.toml"), text).unwrap();
}

fn with_project_file(sandbox: &Sandbox, text: &str) {
    fs::write(sandbox.path(".runner.toml"), text).unwrap();
}

fn settings(sandbox: &Sandbox) -> Value {
    let config = sandbox.runner(&["config", "--json"]);
    assert_eq!(config.code, Some(0), "{config:?}");
    config.json()["settings"].clone()
}

#[test]
fn options_override_the_environment_the_project_and_the_user() {
    let sandbox = Sandbox::new(TINY);
    let status = |variable: Option<&str>, args: &[&str]| {
        let mut command = sandbox.command(&[&["status", "pipeline.yaml"], args].concat());
        if let Some(value) = variable {
            command.env("RUNNER_ARTIFACTS", value);
        }
        assert_eq!(finish(command).code, Some(0));
        let stores = ["typed", "variable", "project", "user", "artifacts"];
        let found: Vec<_> = stores
            .into_iter()
            .filter(|store| fs::remove_dir_all(sandbox.path(store)).is_ok())
            .collect();
        found
    };
    assert_eq!(status(None, &[]), ["artifacts"]);
    with_user_file(&sandbox, "artifacts = 'user'\n");
    assert_eq!(status(None, &[]), ["user"]);
    with_project_file(&sandbox, "artifacts = 'project'\n");
    assert_eq!(status(None, &[]), ["project"]);
    assert_eq!(status(Some("variable"), &[]), ["variable"]);
    assert_eq!(
        status(Some("variable"), &["--artifacts", "typed"]),
        ["typed"]
    );
}

#[test]
fn config_shows_every_value_and_its_origin() {
    let sandbox = Sandbox::new(TINY);
    let plain = settings(&sandbox);
    assert_eq!(plain["artifacts"]["value"], "artifacts");
    assert!(
        plain["jobs"]["value"].is_null() && plain["jobs"]["origin"].is_null(),
        "{plain}"
    );

    with_user_file(&sandbox, "jobs = 2\nretries = 3\n");
    with_project_file(
        &sandbox,
        "# ours\njobs = 4\nkeep_going = true\ntimeout = '2h'\n",
    );
    let mut command = sandbox.command(&["config", "--json"]);
    command
        .env("RUNNER_TIMEOUT", "90s")
        .env("RUNNER_PROFILE", "real");
    let config = finish(command);
    let shown = |key: &str| {
        let setting = &config.json()["settings"][key];
        ["value", "origin"].map(|what| setting[what].as_str().unwrap().to_owned())
    };
    assert_eq!(shown("jobs"), ["4", ".runner.toml:2:8"]);
    assert_eq!(shown("keep_going"), ["true", ".runner.toml:3:14"]);
    assert_eq!(shown("timeout"), ["90s", "RUNNER_TIMEOUT"]);
    assert_eq!(shown("profile"), ["real", "RUNNER_PROFILE"]);
    let [retries, origin] = shown("retries");
    assert_eq!(retries, "3");
    assert!(
        origin.ends_with(".config/runner/config.toml:2:11"),
        "{origin}"
    );

    let text = sandbox.runner(&["config"]).stdout;
    assert!(text.contains("jobs         4"), "{text}");
}

#[test]
fn a_project_file_is_found_in_parent_folders_up_to_the_one_with_git() {
    let sandbox = Sandbox::new(TINY);
    with_project_file(&sandbox, "artifacts = 'store'\n");
    fs::create_dir_all(sandbox.path("a/b")).unwrap();
    fs::copy(
        sandbox.path("pipeline.yaml"),
        sandbox.path("a/b/pipeline.yaml"),
    )
    .unwrap();
    let status_below = || {
        let mut command = sandbox.command(&["status", "pipeline.yaml"]);
        command.current_dir(sandbox.path("a/b"));
        assert_eq!(finish(command).code, Some(0));
    };
    // A relative path in a configuration file is relative to the file's folder.
    status_below();
    assert!(sandbox.path("store/v1").is_dir() && !sandbox.path("a/b/artifacts").exists());

    fs::create_dir(sandbox.path("a/.git")).unwrap();
    status_below();
    assert!(sandbox.path("a/b/artifacts/v1").is_dir());
}

#[test]
fn errors_in_configuration_files_are_shown_at_their_place() {
    let sandbox = Sandbox::new(TINY);
    with_project_file(&sandbox, "jobs = 'many'\nretrie = 2\n");
    let refused = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("`jobs` takes a whole number from 1 to 65535")
            && refused.stderr.contains("--> .runner.toml:1:8")
            && refused.stderr.contains("--> .runner.toml:2:1")
            && refused.stderr.contains("did you mean `retries`?"),
        "{refused:?}"
    );
    assert!(!sandbox.path("artifacts").exists());
    // Commands that read no configuration still work.
    assert_eq!(sandbox.runner(&["--version"]).code, Some(0));
    assert_eq!(sandbox.runner(&["completions", "bash"]).code, Some(0));
    assert_eq!(sandbox.runner(&["run", "--help"]).code, Some(0));

    with_project_file(&sandbox, "seed = 3\n");
    let refused = sandbox.runner(&["status", "pipeline.yaml"]);
    assert!(
        refused
            .stderr
            .contains("in the pipeline or on the command line"),
        "{refused:?}"
    );
}

#[test]
fn an_error_in_a_variable_names_the_variable() {
    let sandbox = Sandbox::new(TINY);
    for (variable, value) in [
        ("RUNNER_JOBS", "0"),
        ("RUNNER_TIMEOUT", "soon"),
        ("RUNNER_KEEP_GOING", "perhaps"),
    ] {
        let mut command = sandbox.command(&["run", "pipeline.yaml"]);
        command.env(variable, value);
        let refused = finish(command);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(
            refused.stderr.contains(&format!("variable `{variable}`")),
            "{refused:?}"
        );
    }
    for typed in [&["--jobs", "0"][..], &["-j0"]] {
        let mut command = sandbox.command(&[&["run", "pipeline.yaml"], typed].concat());
        command.env("RUNNER_JOBS", "2");
        let refused = finish(command);
        assert!(
            refused.code == Some(2) && !refused.stderr.contains("variable"),
            "{refused:?}"
        );
    }
    // The variable is named whatever other options are given.
    let mut command = sandbox.command(&["run", "pipeline.yaml", "-qk", "-S", "epochs=1"]);
    command.env("RUNNER_JOBS", "0");
    let refused = finish(command);
    assert!(
        refused.code == Some(2) && refused.stderr.contains("variable `RUNNER_JOBS`"),
        "{refused:?}"
    );

    let mut command = sandbox.command(&["plan", "pipeline.yaml"]);
    for name in ["RUNNER_JOBS", "RUNNER_EXECUTOR", "RUNNER_INCLUDE_FROM"] {
        command.env(name, "");
    }
    let unset: Finished = command.output().unwrap().into();
    assert_eq!(unset.code, Some(0), "{unset:?}");
}

#[test]
fn only_typed_options_can_conflict() {
    let sandbox = Sandbox::new(TINY);
    let planned = sandbox.runner(&["plan", "pipeline.yaml", "--until", "xrays", "-o", "kept"]);
    assert_eq!(planned.code, Some(0), "{planned:?}");
    let run = |typed: &[&str]| {
        let mut command = sandbox.command(&[&["run", "--plan", "kept"], typed].concat());
        command.envs([
            ("RUNNER_DEVICE", "cpu"),
            ("RUNNER_PRECISION", "float32"),
            ("RUNNER_PROFILE", "none-of-that-name"),
            ("RUNNER_QUIET", "1"),
        ]);
        finish(command)
    };
    for typed in [
        &["--device", "cpu"][..],
        &["--precision", "tf32"],
        &["--profile", "x"],
        &["-S", "epochs=1"],
        &["--until", "xrays"],
    ] {
        let refused = run(typed);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(
            refused.stderr.contains("cannot be used with"),
            "{refused:?}"
        );
    }
    let kept = run(&[]);
    assert_eq!(kept.code, Some(0), "{kept:?}");
    // The help still names the variables.
    let mut command = sandbox.command(&["run", "--help"]);
    command.env("RUNNER_JOBS", "3");
    let help = finish(command);
    assert_eq!(help.code, Some(0), "{help:?}");
    assert!(help.stdout.contains("[env: RUNNER_JOBS=3]"), "{help:?}");
}

#[test]
fn keep_going_can_be_turned_off_again() {
    let pipeline = "
version: 1
name: two
stages:
  bad: { kind: dataset, params: { source: { folder: { path: nothing-here } } } }
";
    let sandbox = Sandbox::new(pipeline);
    with_project_file(&sandbox, "keep_going = true\n");
    let keep_going = |args: &[&str]| {
        let mut command = sandbox.command(&[&["config", "--json"], args].concat());
        command.env("RUNNER_KEEP_GOING", "no");
        finish(command).json()["settings"]["keep_going"]["value"].clone()
    };
    assert_eq!(keep_going(&[]), "no");
    assert_eq!(settings(&sandbox)["keep_going"]["value"], "true");
    for (flag, code) in [("-k", 2), ("--keep-going", 2), ("--keep-going=false", 2)] {
        // The flag is accepted; the missing folder is refused.
        let run = sandbox.runner(&["run", "pipeline.yaml", flag]);
        assert_eq!(run.code, Some(code), "{run:?}");
        assert!(run.stderr.contains("nothing-here"), "{run:?}");
    }
}

#[test]
fn quiet_and_verbose_can_come_from_the_environment_and_options_win() {
    let sandbox = Sandbox::new(TINY);
    let ran = |variable: &str, args: &[&str]| {
        let mut command = sandbox.command(&[&["run", "pipeline.yaml"], args].concat());
        command.env(variable, "1");
        finish(command)
    };
    assert_eq!(ran("RUNNER_QUIET", &[]).stderr, "");
    assert!(ran("RUNNER_VERBOSE", &[]).stderr.contains("xrays: cached"));
    assert!(
        ran("RUNNER_QUIET", &["--verbose"])
            .stderr
            .contains("xrays: cached")
    );
    assert_eq!(ran("RUNNER_VERBOSE", &["--quiet"]).stderr, "");
    let both = sandbox.runner(&["run", "pipeline.yaml", "-q", "-v"]);
    assert_eq!(both.code, Some(2), "{both:?}");
    assert!(both.stderr.contains("cannot be used together"), "{both:?}");
}

#[test]
fn a_profile_in_a_configuration_file_is_used_by_runs() {
    let pipeline = TINY.replace("stages:\n", "profiles: { short: { epochs: 1 } }\nstages:\n");
    let sandbox = Sandbox::new(&pipeline);
    let typed = sandbox.run_json(&["--profile", "short"]).json();
    with_project_file(&sandbox, "profile = 'short'\n");
    let filed = sandbox.run_json(&[]).json();
    assert_eq!(filed["profile"], "short");
    // The keys are the same as with the option on the command line.
    assert_eq!(filed["stages"][1]["key"], typed["stages"][1]["key"]);
    assert_eq!(filed["counts"]["cached"], 3);

    with_project_file(&sandbox, "profile = 'shrt'\n");
    let refused = sandbox.runner(&["status", "pipeline.yaml"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("did you mean `short`?")
            && refused
                .stderr
                .ends_with("note: the profile comes from `.runner.toml:1:11`\n"),
        "{refused:?}"
    );
}

#[test]
fn a_store_outside_the_project_takes_effect_only_with_consent() {
    let sandbox = Sandbox::new("");
    fs::create_dir_all(sandbox.path("project")).unwrap();
    fs::write(sandbox.path("project/pipeline.yaml"), TINY).unwrap();
    let project = |artifacts: &str| {
        let text = format!("jobs = 1\nartifacts = '{artifacts}'\n");
        fs::write(sandbox.path("project/.runner.toml"), text).unwrap();
    };
    let runner = |args: &[&str]| {
        let mut command = sandbox.command(args);
        command.current_dir(sandbox.path("project"));
        finish(command)
    };
    let status = &["status", "pipeline.yaml"];
    project("../elsewhere");
    let refused = runner(status);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    for words in [
        "`../elsewhere`",
        "--> .runner.toml:2:13",
        "runner config trust",
    ] {
        assert!(refused.stderr.contains(words), "{words}: {refused:?}");
    }
    assert!(!sandbox.path("elsewhere").exists());
    // An option on the command line takes precedence and needs no consent.
    assert_eq!(
        runner(&["status", "pipeline.yaml", "--artifacts", "typed"]).code,
        Some(0)
    );
    let config = runner(&["config", "--json"]).json();
    assert_eq!(config["settings"]["artifacts"]["value"], "artifacts");
    assert_eq!(config["untrusted"]["artifacts"]["value"], "../elsewhere");
    assert_eq!(config["settings"]["jobs"]["value"], "1");

    let allowed = runner(&["config", "trust"]);
    assert_eq!(allowed.code, Some(0), "{allowed:?}");
    assert!(
        allowed
            .stderr
            .contains("allowed: `artifacts` is `../elsewhere`"),
        "{allowed:?}"
    );
    assert!(sandbox.path(".config/runner/trusted.json").is_file());
    assert_eq!(runner(status).code, Some(0));
    assert!(sandbox.path("elsewhere/v1").is_dir());

    // Consent covers only this value, and lasts until it is revoked.
    project("../another");
    assert_eq!(runner(status).code, Some(2));
    project("../elsewhere");
    assert_eq!(runner(status).code, Some(0));
    assert_eq!(runner(&["config", "trust", "--revoke"]).code, Some(0));
    assert_eq!(runner(status).code, Some(2));
}

#[test]
fn a_store_inside_the_project_needs_consent_only_behind_a_link_that_leads_out() {
    let sandbox = Sandbox::new(TINY);
    with_project_file(&sandbox, "artifacts = 'deep/store'\n");
    let status = || sandbox.runner(&["status", "pipeline.yaml"]);
    assert_eq!(status().code, Some(0));
    let outside = tempfile::tempdir().unwrap();
    fs::remove_dir_all(sandbox.path("deep")).unwrap();
    std::os::unix::fs::symlink(outside.path(), sandbox.path("deep")).unwrap();
    let refused = status();
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert_eq!(fs::read_dir(outside.path()).unwrap().count(), 0);
}

#[test]
fn a_damaged_consent_file_is_an_error() {
    let sandbox = Sandbox::new(TINY);
    with_project_file(&sandbox, "artifacts = '../elsewhere'\n");
    with_user_file(&sandbox, "");
    fs::write(sandbox.path(".config/runner/trusted.json"), "{").unwrap();
    let refused = sandbox.runner(&["status", "pipeline.yaml"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("trusted.json"), "{refused:?}");
}
