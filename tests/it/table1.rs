//! The paper's pipeline, made small: which stages run again after a change, and that results do not depend
//! on how they were made.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::hostile_names::parsed;
use crate::sandbox::{Finished, Sandbox, list};

const TABLE1: &str = include_str!("../../pipelines/table1.yaml");

/// Assignments with which the thirty stages run in a few seconds.
const SMALL: [&str; 12] = [
    "-S",
    "source={phantom: {images: 48, test_images: 24}}",
    "-S",
    "epochs=1",
    "-S",
    "gan_epochs=1",
    "-S",
    "gan_batch_size=4",
    "-S",
    "synthetic_images=8",
    "-S",
    "retrain_epochs=1",
];

fn run(sandbox: &Sandbox, more: &[&str]) -> Finished {
    let finished = sandbox.run_json(&[&SMALL, more].concat());
    assert_eq!(finished.code, Some(0), "{finished:?}");
    finished
}

/// Returns the names of the stages that were executed.
fn executed(finished: &Finished) -> BTreeSet<String> {
    let outcomes = finished.outcomes().into_iter();
    outcomes
        .filter(|(_, outcome)| outcome == "succeeded")
        .map(|(name, _)| name)
        .collect()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

#[test]
fn a_changed_layer_reruns_only_its_model_and_a_changed_gan_no_cnn() {
    let sandbox = Sandbox::new(TABLE1);
    assert_eq!(executed(&run(&sandbox, &[])).len(), 30);

    let changed = TABLE1.replacen("dense: { units: 128,", "dense: { units: 96,", 1);
    assert_ne!(changed, TABLE1);
    fs::write(sandbox.path("pipeline.yaml"), changed).unwrap();
    assert_eq!(
        executed(&run(&sandbox, &[])),
        names(&[
            "cnn[model1]",
            "evaluate[model1]",
            "retrained[model1]",
            "evaluate-retrained[model1]",
        ])
    );

    let again = executed(&run(&sandbox, &["-S", "gan_epochs=2"]));
    assert!(again.contains("gan[NORMAL]") && again.contains("retrained[model6]"));
    assert!(
        again.iter().all(|name| !name.starts_with("cnn[")),
        "{again:?}"
    );
}

#[test]
fn results_do_not_depend_on_the_folder_or_the_cores() {
    let (one, two) = (Sandbox::new(TABLE1), Sandbox::new(TABLE1));
    run(&one, &["-j", "1"]);
    run(&two, &["-j", "2", "-S", "stages.cnn.resources={cpus: 2}"]);
    let (one, two) = (outputs(&one), outputs(&two));
    assert!(one.keys().any(|path| path.ends_with("weights.safetensors")));
    assert!(one.keys().any(|path| path.ends_with("metrics.json")));
    let differing: Vec<_> = one
        .iter()
        .filter(|(path, bytes)| two.get(*path) != Some(bytes))
        .map(|(path, _)| path)
        .collect();
    assert!(
        differing.is_empty() && one.len() == two.len(),
        "{differing:?}"
    );
}

/// Returns every file below `latest`, by its path there.
fn outputs(sandbox: &Sandbox) -> BTreeMap<PathBuf, Vec<u8>> {
    fn collect(folder: &Path, root: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) {
        for path in list(folder) {
            if path.is_dir() {
                collect(&path, root, files);
            } else {
                let name = path.strip_prefix(root).unwrap().to_owned();
                files.insert(name, fs::read(&path).unwrap());
            }
        }
    }
    let root = sandbox.path("artifacts/latest");
    let mut files = BTreeMap::new();
    collect(&root, &root, &mut files);
    files
}

#[test]
fn the_table_has_both_columns_and_the_papers_values() {
    let sandbox = Sandbox::new(TABLE1);
    let before = sandbox.runner(&["table", "pipeline.yaml", "--format", "md"]);
    assert_eq!(before.stdout.matches("not run").count(), 12, "{before:?}");
    run(&sandbox, &[]);
    let csv = [
        "table",
        "pipeline.yaml",
        "--format",
        "csv",
        "--compare",
        "none",
    ];
    let csv = sandbox.runner(&[&csv, &SMALL[..]].concat());
    assert_eq!(csv.stdout.lines().count(), 7, "{csv:?}");
    // A value without an interval has no ends of one: all resamples of so few images may agree.
    let mut rows = parsed(&csv.stdout).into_iter();
    let header = rows.next().unwrap();
    for row in rows {
        for (name, cell) in header.iter().zip(row) {
            let is_of_interval = ["low", "high", "interval over"].map(|of| name.ends_with(of));
            assert!(
                !cell.is_empty() || is_of_interval.contains(&true),
                "{name}: {csv:?}"
            );
        }
    }
}

#[test]
fn every_pipeline_of_the_project_is_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    let sandbox = Sandbox::new("");
    let files = list(&folder).into_iter();
    for file in files.filter(|file| file.is_file()) {
        let file = file.to_str().unwrap();
        let found = sandbox.runner(&["validate", file]);
        assert_eq!(found.code, Some(0), "{found:?}");
    }
    let table1 = folder.join("table1.yaml");
    for profile in ["real", "paper"] {
        let found = sandbox.runner(&["validate", table1.to_str().unwrap(), "--profile", profile]);
        assert_eq!(found.code, Some(0), "{found:?}");
    }
}
