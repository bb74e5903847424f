//! Pipelines that include others, run by the binary.

use std::fs;

use serde_json::Value;

use crate::sandbox::{Finished, Sandbox, TINY};

/// Returns a sandbox whose pipeline includes `tiny.yaml` ([`TINY`]) as `base` and adds a stage of its own.
fn including() -> Sandbox {
    let sandbox = Sandbox::new(
        "\
version: 1
name: main
seed: 99
vars: { epochs: 2 }
include:
  base: { file: tiny.yaml, vars: { epochs: \"${epochs}\" } }
stages:
  turned:
    kind: augment
    inputs: { images: base.xrays.train }
    params: { rotation: 10 }
tables:
  losses:
    rows: width
    columns: [{ metric: base.cnn.best_epoch }]
",
    );
    fs::write(sandbox.path("tiny.yaml"), TINY).unwrap();
    sandbox
}

/// Returns the name and key of every stage, from `status --json`.
fn keys(sandbox: &Sandbox, file: &str) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let object = sandbox.runner(&["status", file, "--json"]).json();
    let stages = object["stages"].as_array().unwrap().iter();
    stages
        .map(|stage| (text(&stage["name"]), text(&stage["key"])))
        .collect()
}

fn outcomes(finished: &Finished) -> Vec<(String, String)> {
    assert_eq!(finished.code, Some(0), "{finished:?}");
    finished.outcomes()
}

fn named(outcomes: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |&(name, outcome): &(&str, &str)| (name.to_owned(), outcome.to_owned());
    outcomes.iter().map(owned).collect()
}

#[test]
fn a_stage_has_the_same_key_whether_its_file_is_included_or_read_alone() {
    let sandbox = including();
    let alone = keys(&sandbox, "tiny.yaml");
    let included: Vec<_> = keys(&sandbox, "pipeline.yaml")
        .into_iter()
        .filter_map(|(name, key)| Some((name.strip_prefix("base.")?.to_owned(), key)))
        .collect();
    assert_eq!(included, alone);
}

#[test]
fn stages_that_ran_alone_are_cached_where_they_are_included() {
    let sandbox = including();
    assert_eq!(sandbox.runner(&["run", "tiny.yaml"]).code, Some(0));
    let expected = [
        ("base.xrays", "cached"),
        ("base.cnn[4]", "cached"),
        ("base.cnn[6]", "cached"),
        ("turned", "succeeded"),
    ];
    assert_eq!(outcomes(&sandbox.run_json(&[])), named(&expected));
    assert!(sandbox.path("artifacts/latest/main/turned/images").is_dir());
    assert!(
        sandbox
            .path("artifacts/latest/main/base.xrays/train")
            .is_dir()
    );
    let table = sandbox.runner(&["table", "pipeline.yaml", "--format", "csv"]);
    assert!(table.stdout.lines().count() == 3, "{table:?}");
}

#[test]
fn a_changed_included_file_reruns_only_affected_stages() {
    let sandbox = including();
    assert_eq!(sandbox.run_json(&[]).code, Some(0));
    let wider = TINY.replace("filters: 4", "filters: 5");
    fs::write(sandbox.path("tiny.yaml"), wider).unwrap();
    let expected = [
        ("base.xrays", "cached"),
        ("base.cnn[4]", "succeeded"),
        ("base.cnn[6]", "succeeded"),
        ("turned", "cached"),
    ];
    let again = sandbox.run_json(&["--until", "turned"]);
    assert_eq!(
        outcomes(&again),
        named(&[("base.xrays", "cached"), ("turned", "cached")])
    );
    let mut found = outcomes(&sandbox.run_json(&[]));
    found.sort();
    let mut expected = named(&expected);
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn set_accepts_the_printed_names_of_included_stages() {
    let sandbox = including();
    let only = sandbox.run_json(&[
        "-S",
        "stages.base.cnn.params.epochs=1",
        "--until",
        "base.cnn[4]",
    ]);
    let expected = [("base.xrays", "succeeded"), ("base.cnn[4]", "succeeded")];
    assert_eq!(outcomes(&only), named(&expected));
    let status = sandbox.runner(&["status", "pipeline.yaml"]);
    assert!(
        status
            .stdout
            .contains("base.cnn[4]  will run: params.epochs 1 → 2; resumes after epoch 1 of 2\n"),
        "{status:?}"
    );
    let drawn = sandbox
        .runner(&["graph", "pipeline.yaml", "--format", "json"])
        .json();
    let edges = drawn["edges"].as_array().unwrap();
    let from = |edge: &Value| edge["from"] == "base.xrays" && edge["to"] == "turned";
    assert_eq!(edges.iter().filter(|edge| from(edge)).count(), 1);
}

#[test]
fn validate_shows_the_place_in_the_included_file() {
    let sandbox = including();
    let invalid = TINY.replace("image_size: 16", "image_sise: 16");
    fs::write(sandbox.path("tiny.yaml"), invalid).unwrap();
    let refused = sandbox.runner(&["validate", "pipeline.yaml"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.starts_with(
            "\
error: unknown parameter `image_sise`
  --> tiny.yaml:11:7
     |
  11 |       image_sise: 16
     |       ^^^^^^^^^^
     = note: included as `base` at pipeline.yaml:6:3
     = hint: did you mean `image_size`?"
        ),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_missing_source_is_shown_where_it_is_named() {
    let sandbox = including();
    let missing = TINY.replace(
        "phantom: { images: \"${images}\", test_images: \"${test_images}\" }",
        "folder: { path: nowhere }",
    );
    fs::write(sandbox.path("tiny.yaml"), missing).unwrap();
    let refused = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.stderr.contains("--> tiny.yaml:10:"), "{refused:?}");
    assert!(
        refused
            .stderr
            .contains("= note: included as `base` at pipeline.yaml:6:3"),
        "{refused:?}"
    );
}

/// Returns a pipeline that includes `file` as `x`.
fn including_file(file: &str) -> String {
    format!(
        "version: 1\nname: i\ninclude: {{ x: {file} }}\nstages: {{ a: {{ kind: command, params: {{ argv: [sh] }} }} }}\n"
    )
}

#[test]
fn no_error_shows_text_of_a_file_that_is_not_a_pipeline() {
    let sandbox = Sandbox::new("");
    let secrets = [
        "AWS_SECRET=abc123\nTOKEN=zzz\n",
        "password: abc123\nuser: zzz\n",
        "- abc123\n",
        "abc123: [\n",
        "\tabc123\n",
    ];
    let disclosed = |finished: &Finished| {
        let printed = format!("{}{}", finished.stdout, finished.stderr);
        ["abc123", "zzz", "SECRET", "password"]
            .iter()
            .any(|secret| printed.contains(secret))
    };
    for secret in secrets {
        fs::write(sandbox.path("secret.env"), secret).unwrap();
        fs::write(sandbox.path("pipeline.yaml"), including_file("secret.env")).unwrap();
        for args in [
            &["validate", "pipeline.yaml"] as &[&str],
            &["validate", "pipeline.yaml", "--json"],
        ] {
            let refused = sandbox.runner(args);
            assert_eq!(refused.code, Some(2), "{refused:?}");
            assert!(!disclosed(&refused), "{refused:?}");
        }
        // The pipeline or the project's configuration is a link to the secret file.
        for (link, command) in [
            ("link.yaml", "link.yaml"),
            (".runner.toml", "pipeline.yaml"),
        ] {
            std::os::unix::fs::symlink("secret.env", sandbox.path(link)).unwrap();
            let refused = sandbox.runner(&["status", command]);
            fs::remove_file(sandbox.path(link)).unwrap();
            assert_eq!(refused.code, Some(2), "{link}: {refused:?}");
            assert!(!disclosed(&refused), "{link}: {refused:?}");
        }
    }
    fs::write(sandbox.path("secret.env"), b"abc123 \xff zzz\n").unwrap();
    fs::write(sandbox.path("pipeline.yaml"), including_file("secret.env")).unwrap();
    let refused = sandbox.runner(&["validate", "pipeline.yaml"]);
    assert!(
        refused.stderr.contains("`secret.env` is not UTF-8 text"),
        "{refused:?}"
    );
    assert!(!disclosed(&refused), "{refused:?}");
}

#[test]
fn files_outside_the_project_are_included_only_if_that_is_allowed() {
    let sandbox = Sandbox::new("");
    let models = "version: 1\nname: m\nmodels: { small: [flatten] }\n";
    fs::write(sandbox.path("models.yaml"), models).unwrap();
    fs::create_dir_all(sandbox.path("project/pipelines")).unwrap();
    fs::create_dir_all(sandbox.path("common")).unwrap();
    fs::write(sandbox.path("common/models.yaml"), models).unwrap();
    fs::write(sandbox.path("project/models.yaml"), models).unwrap();
    let write = |text: &str| fs::write(sandbox.path("project/pipelines/p.yaml"), text).unwrap();
    let validate =
        |more: &[&str]| sandbox.runner(&[&["validate", "project/pipelines/p.yaml"], more].concat());
    write(&including_file("../models.yaml"));
    let refused = validate(&[]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("is outside the project"),
        "{refused:?}"
    );
    assert!(refused.stderr.contains("--include-from DIR"), "{refused:?}");
    // The folder that contains `.git` is the project.
    fs::create_dir(sandbox.path("project/.git")).unwrap();
    assert_eq!(validate(&[]).code, Some(0));

    // Neither `..` nor a link may lead out of the project.
    std::os::unix::fs::symlink(
        "../../common/models.yaml",
        sandbox.path("project/pipelines/link.yaml"),
    )
    .unwrap();
    for file in ["../../common/models.yaml", "link.yaml"] {
        write(&including_file(file));
        assert_eq!(validate(&[]).code, Some(2), "{file}");
        assert_eq!(
            validate(&["--include-from", "common"]).code,
            Some(0),
            "{file}"
        );
        let allowed = validate(&["--include-from", "elsewhere:common"]);
        assert_eq!(allowed.code, Some(0), "{file}: {allowed:?}");
        assert_eq!(
            validate(&["--include-from", "elsewhere"]).code,
            Some(2),
            "{file}"
        );
    }
}
