//! Pipelines whose text expands too far, and names that lead out of the store.

use std::fs;
use std::time::{Duration, Instant};

use crate::sandbox::{Sandbox, TINY, files, list};

#[test]
fn a_pipeline_that_expands_without_limit_is_refused_quickly() {
    let laughs: String = (1..40)
        .map(|level| {
            let below = format!("*a{}, ", level - 1).repeat(10);
            format!("  a{level}: &a{level} [{}]\n", below.trim_end_matches(", "))
        })
        .collect();
    let laughs = format!("version: 1\nname: bomb\nvars:\n  a0: &a0 [ha]\n{laughs}");
    let deep = format!(
        "version: 1\nname: {}1{}\n",
        "[".repeat(10_000),
        "]".repeat(10_000)
    );
    let growing = "version: 1\nname: bomb\nvars:\n  a: '0123456789'\n".to_owned()
        + &(0..40)
            .map(|level| {
                let before = if level == 0 {
                    "a".to_owned()
                } else {
                    format!("b{}", level - 1)
                };
                format!("  b{level}: '{}'\n", format!("${{{before}}}").repeat(10))
            })
            .collect::<String>()
        + "stages: { xrays: { kind: dataset } }\n";
    for bomb in [laughs, deep, growing] {
        let sandbox = Sandbox::new(&bomb);
        refused(&sandbox, "pipeline.yaml");
    }
    let sandbox = Sandbox::new(TINY);
    fs::File::create(sandbox.path("sparse.yaml"))
        .unwrap()
        .set_len(1 << 40)
        .unwrap();
    for (endless, words) in [
        ("/dev/zero", "it is a device, not a regular file"),
        ("sparse.yaml", "it is larger than 8 MiB"),
    ] {
        let error = refused(&sandbox, endless);
        assert!(error.contains(words), "{error}");
    }
}

fn refused(sandbox: &Sandbox, file: &str) -> String {
    let started = Instant::now();
    let run = sandbox.runner(&["validate", file]);
    assert_eq!(run.code, Some(2), "{run:?}");
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    assert!(
        run.stderr.len() < 100_000,
        "the error has {} bytes",
        run.stderr.len()
    );
    run.stderr
}

#[test]
fn names_that_lead_out_of_the_store_are_refused() {
    for (from, to) in [
        ("name: tiny", "name: ../tiny"),
        ("name: tiny", "name: /tiny"),
        ("  xrays:", "  ../xrays:"),
        ("widths: [4, 6]", "widths: ['../../4']"),
        ("widths: [4, 6]", "widths: ['/4']"),
        ("widths: [4, 6]", "widths: ['..']"),
    ] {
        let sandbox = Sandbox::new(&TINY.replacen(from, to, 1));
        let run = sandbox.runner(&["run", "pipeline.yaml"]);
        let inside = sandbox.path("artifacts/latest");
        if run.code == Some(0) {
            // The value `..` is only part of a folder's name.
            assert!(inside.join("tiny").is_dir());
            let names = files(&sandbox.path("artifacts/latest/tiny"));
            assert!(
                names.iter().any(|(name, _)| name.starts_with("cnn[..]/")),
                "{run:?}"
            );
        } else {
            assert_eq!(run.code, Some(2), "{run:?}");
        }
        let parent = sandbox.path("");
        let here = list(&parent).len();
        assert!(
            here <= 2,
            "files were written outside the store: {:?}",
            list(&parent)
        );
    }
}

#[test]
fn long_names_work_and_a_duplicate_in_a_long_axis_is_found_quickly() {
    let name = "x".repeat(64);
    let axes: Vec<String> = (0..5).map(|n| format!("a{n}: [{name}]")).collect();
    let source = "{ phantom: { images: 20, test_images: 4 } }";
    let sandbox = Sandbox::new(&format!(
        "version: 1\nname: {name}\nstages:\n  {name}: {{ kind: dataset, matrix: {{ {} }}, params: {{ source: {source}, image_size: 8 }} }}\n",
        axes.join(", ")
    ));
    let run = sandbox.runner(&["run", "pipeline.yaml"]);
    assert_eq!(run.code, Some(0), "{run:?}");

    let values: Vec<String> = (0..90_000).map(|value| value.to_string()).collect();
    let twice = format!("[{}, 0]", values.join(","));
    let sandbox = Sandbox::new(&format!(
        "version: 1\nname: long\nstages:\n  xrays: {{ kind: dataset, matrix: {{ n: {twice} }} }}\n"
    ));
    let error = refused(&sandbox, "pipeline.yaml");
    assert!(error.contains("duplicate value `0`"), "{error}");
}
