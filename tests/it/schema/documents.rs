//! The schema and the program agree about whole pipelines.

use std::fs;
use std::path::Path;

use super::{SCHEMA, json, program_errors, schema_errors};
use crate::sandbox::{Sandbox, TINY};

const COMMITTED: &str = "docs/pipeline.schema.json";

fn in_project(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

#[test]
fn the_committed_schema_is_current() {
    let printed = Sandbox::new("").runner(&["schema"]);
    assert_eq!(printed.code, Some(0), "{printed:?}");
    assert!(
        printed.stdout == in_project(COMMITTED),
        "`{COMMITTED}` is not current; renew it with\n    cargo run --release -- schema > {COMMITTED}"
    );
}

#[test]
fn the_schema_is_valid_json_schema() {
    jsonschema::draft202012::meta::validate(&SCHEMA).unwrap();
}

#[test]
fn every_pipeline_of_the_project_matches_and_names_the_schema() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines");
    let mut seen = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(
            text.lines().next(),
            Some("# yaml-language-server: $schema=../docs/pipeline.schema.json"),
            "{}",
            path.display()
        );
        assert_eq!(schema_errors(&json(&text)), [""; 0], "{}", path.display());
        seen += 1;
    }
    assert!(seen > 0);
}

#[test]
fn the_readme_examples_match_the_schema() {
    let readme = in_project("README.md");
    let examples: Vec<&str> = readme
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap())
        .filter(|example| example.contains("version: 1"))
        .collect();
    assert!(!examples.is_empty());
    for example in examples {
        assert_eq!(schema_errors(&json(example)), [""; 0]);
        assert_eq!(program_errors(example), [""; 0]);
    }
}

/// Returns a pipeline with one dataset, `xrays`, followed by `more`.
fn pipeline(more: &str) -> String {
    format!(
        "version: 1\nname: test\nstages:\n  xrays: {{ kind: dataset, params: {{ image_size: 8 }} }}\n{more}"
    )
}

/// Returns a pipeline with a `train-cnn` that has these parameters in addition to its model.
fn cnn(params: &str) -> String {
    pipeline(&format!(
        "  cnn:
    kind: train-cnn
    inputs: {{ train: xrays.train, validation: xrays.validation }}
    params: {{ model: [flatten, dense: {{ units: 1 }}], {params} }}\n"
    ))
}

/// Returns a pipeline with a `train-cnn` that has these layers before its last ones.
fn layers(layers: &str) -> String {
    pipeline(&format!(
        "  cnn:
    kind: train-cnn
    inputs: {{ train: xrays.train }}
    params: {{ model: [{layers}, flatten, dense: {{ units: 1 }}] }}\n"
    ))
}

/// Returns a pipeline with another dataset stage that has these fields.
fn stage(fields: &str) -> String {
    pipeline(&format!("  other: {{ kind: dataset, {fields} }}\n"))
}

#[test]
fn the_schema_accepts_what_the_program_accepts() {
    let accepted = [
        TINY.to_owned(),
        pipeline(""),
        cnn(""),
        cnn("schedule: cosine, optimizer: sgd"),
        cnn("schedule: { cosine: { end: 0.1 } }, optimizer: { adam: {} }"),
        cnn("schedule: { step: { every: 2, factor: 0.5 } }"),
        cnn("class_weights: balanced, threshold: f1"),
        cnn("class_weights: { NORMAL: 2 }, threshold: 0.25"),
        cnn("calibration: temperature, threshold: { sensitivity: 0.95 }"),
        cnn("calibration: platt, threshold: { cost: { false_negative: 5, false_positive: 1 } }"),
        cnn("calibration: none, threshold: { specificity: 1 }"),
        cnn("early_stopping: { patience: 3 }, monitor: validation_auc"),
        cnn("early_stopping: ~"),
        cnn("") + "expect: { cnn.loss: { at_most: 1 }, cnn.validation_loss: { value: 0, within: 0 }, cnn.accuracy: { at_least: 0, at_most: 0 } }\n",
        cnn("epochs: \"${n}\"") + "vars: { n: 1, all: { cnn.loss: { at_most: 1 } } }\nexpect: \"${all}\"\n",
        cnn("") + "vars: { n: 1, one: { at_most: 1 } }\nexpect: { cnn.history.loss: \"${one}\", cnn.accuracy: { at_most: \"${n}\" } }\n",
        cnn("") + "expect: ~\n",
        TINY.replace("paper: { 4: 2 }", "paper: { 4: 2 }, within: 0") + "expect: { 'cnn[4].loss': { at_most: 1 } }\n",
        layers("conv: { filters: 2, padding: 1, activation: elu }, batch_norm, dropout: 0.5"),
        layers("max_pool: 2, avg_pool: { kernel: 2, stride: 1 }, activation: tanh"),
        layers("flatten, reshape: { channels: 1, height: 8, width: 8 }, upsample: 2"),
        layers("conv_transpose: { filters: 1, padding: same }, batch_norm: { momentum: 0.5 }"),
        stage("params: ~, inputs: ~, matrix: ~, resources: ~, seed: ~, retries: ~"),
        stage("params: {}, inputs: {}"),
        stage("params: { source: { folder: { path: here, on_bad_image: skip } }, limit: 5 }"),
        stage("params: { source: { npz: { path: here, classes: [a, b] } }, limit: ~ }"),
        stage("timeout: 1h 30m, retries: 3, resources: { cpus: 2, gpus: 0, memory: 1.5 GiB }"),
        stage("timeout: PT90S, retries: { times: 3, backoff: 250ms }, seed: 1"),
        stage("matrix: { size: [8, 16], x: [a.b, +1, true, 0.5] }, params: { image_size: \"${matrix.size}\" }"),
        pipeline("  a: { kind: augment, inputs: { images: [xrays.train] }, params: { zoom: 0.2 } }\n"),
        pipeline("  a: { kind: augment, inputs: { images: xrays.train }, params: { zoom: [0.8, 1.2] } }\n"),
        "version: 1\nname: ${n}\nseed: ${s}\nvars:\n  n: test\n  s: 3\n  stage: { kind: dataset }\n  kind: dataset\n  size: 8\n  p: { image_size: 8 }\n  rest: 'hundert'
stages:\n  a: ${stage}\n  b: { kind: \"${kind}\", params: \"${p}\" }\n  c: { kind: dataset, params: { image_size: \"${size}\" } }\n"
            .to_owned(),
    ];
    for text in accepted {
        assert_eq!(program_errors(&text), [""; 0], "{text}");
        assert_eq!(schema_errors(&json(&text)), [""; 0], "{text}");
    }
}

#[test]
fn the_program_refuses_what_the_schema_refuses() {
    let refused = [
        // Mistakes in the document.
        "[1, 2]".to_owned(),
        "version: 1\nname: test\nstages: {}".to_owned(),
        "name: test\nstages: { a: { kind: dataset } }".to_owned(),
        pipeline("").replace("version: 1", "version: 2"),
        pipeline("").replace("version: 1", "version: one"),
        pipeline("").replace("name: test", "name: 0test"),
        pipeline("").replace("name: test", "title: test"),
        pipeline("").replace("name: test", "name: test\nseed: -1"),
        pipeline("").replace("name: test", "name: test\nseed: many"),
        pipeline("").replace("name: test", "name: test\nsteps: {}"),
        pipeline("").replace("name: test", "name: test\nvars: [1]"),
        pipeline("").replace("name: test", "name: test\nvars: { a b: 1 }"),
        pipeline("").replace("name: test", "name: test\nprofiles: { real: 1 }"),
        pipeline("").replace("name: test", "name: test\nmodels: { small: 3 }"),
        pipeline("").replace("xrays:", "x.rays:"),
        // Mistakes in stages.
        pipeline("  a: ~\n"),
        pipeline("  a: {}\n"),
        pipeline("  a: { kind: datasets }\n"),
        stage("input: {}"),
        stage("params: [1]"),
        stage("inputs: { images: xrays.train }"),
        stage("matrix: { size: 3 }"),
        stage("matrix: { size: [] }"),
        stage("matrix: { size: [''] }"),
        stage("matrix: { size: [a/b] }"),
        stage("matrix: { size: [[1]] }"),
        stage("resources: { cpu: 1 }"),
        stage("resources: { cpus: 0 }"),
        stage("resources: { cpus: 1.5 }"),
        stage("resources: { gpus: -1 }"),
        stage("resources: { memory: 512 }"),
        stage("resources: { memory: much }"),
        stage("resources: { memory: 0B }"),
        stage("timeout: 5"),
        stage("timeout: '5'"),
        stage("timeout: 0s"),
        stage("timeout: -3s"),
        stage("timeout: soon"),
        stage("timeout: ~"),
        stage("retries: 101"),
        stage("retries: -1"),
        stage("retries: { times: 101 }"),
        stage("retries: { backoff: 1s }"),
        stage("retries: { times: 1, backoff: 3 }"),
        stage("retries: { times: 1, wait: 3s }"),
        stage("seed: -1"),
        stage("seed: 0.5"),
        // Mistakes in inputs.
        pipeline("  a: { kind: augment }\n"),
        pipeline("  a: { kind: augment, inputs: {} }\n"),
        pipeline("  a: { kind: augment, inputs: { images: [] } }\n"),
        pipeline("  a: { kind: augment, inputs: { images: 3 } }\n"),
        pipeline("  a: { kind: augment, inputs: { image: xrays.train } }\n"),
        pipeline("  a: { kind: augment, inputs: { images: [xrays.train, xrays.test] } }\n"),
        pipeline("  a: { kind: augment, inputs: { images: xrays.train, real: xrays.train } }\n"),
        // Mistakes in parameters.
        pipeline("  cnn: { kind: train-cnn, inputs: { train: xrays.train } }\n"),
        pipeline("  cnn: { kind: train-cnn, inputs: { train: xrays.train }, params: {} }\n"),
        pipeline(
            "  cnn: { kind: train-cnn, inputs: { train: xrays.train }, params: { model: 3 } }\n",
        ),
        cnn("epoch: 3"),
        cnn("epochs: three"),
        cnn("epochs: 1.5"),
        cnn("epochs: ~"),
        cnn("epochs: \"1${x}\""),
        cnn("initializer: glorot"),
        cnn("schedule: step"),
        cnn("schedule: { step: { every: 2 } }"),
        cnn("schedule: { constant: {}, cosine: {} }"),
        cnn("schedule: { cosine: { stop: 1 } }"),
        cnn("optimizer: { sgd: { momentum: 0.5, nesterov: true } }"),
        cnn("optimizer: adagrad"),
        cnn("class_weights: heavy"),
        cnn("class_weights: { NORMAL: many }"),
        cnn("threshold: best"),
        cnn("threshold: sensitivity"),
        cnn("threshold: { sensitivity: 0 }"),
        cnn("threshold: { sensitivity: 0.9, specificity: 0.9 }"),
        cnn("threshold: { cost: { false_negative: 5 } }"),
        cnn("threshold: { cost: { false_negative: 5, false_positive: 1, other: 2 } }"),
        cnn("calibration: isotonic"),
        cnn("monitor: validation_f1"),
        cnn("early_stopping: {}"),
        layers("convolution: { filters: 2 }"),
        layers("conv"),
        layers("conv: { filter: 2 }"),
        layers("conv: { filters: 2, padding: reflect }"),
        layers("conv: { filters: 2, activation: swish }"),
        layers("{ conv: { filters: 2 }, max_pool: 2 }"),
        layers("max_pool"),
        layers("max_pool: { stride: 2 }"),
        layers("dropout"),
        layers("dropout: half"),
        layers("flatten: ~"),
        layers("flatten: { all: true }"),
        stage("params: { source: phantom }"),
        stage("params: { source: { phantom: {}, folder: { path: x } } }"),
        stage("params: { source: { folder: {} } }"),
        stage("params: { source: { folder: { path: x, on_bad_image: ignore } } }"),
        stage("params: { source: { npz: { path: x, classes: [a, a] } } }"),
        stage("params: { channels: 2 }"),
        pipeline(
            "  a: { kind: augment, inputs: { images: xrays.train }, params: { zoom: [0.8] } }\n",
        ),
        pipeline(
            "  a: { kind: augment, inputs: { images: xrays.train }, params: { zoom: wide } }\n",
        ),
        pipeline(
            "  a: { kind: augment, inputs: { images: xrays.train }, params: { brightness: 1 } }\n",
        ),
        pipeline(
            "  a: { kind: augment, inputs: { images: xrays.train }, params: { horizontal_flip: 1 } }\n",
        ),
        // Mistakes in tables.
        pipeline("tables: { t: { rows: model } }\n"),
        pipeline("tables: { t: { rows: model, columns: [] } }\n"),
        pipeline("tables: { t: { rows: model, columns: [{ metric: evaluate }] } }\n"),
        pipeline("tables: { t: { rows: model, columns: [{ metric: a.b, papers: {} }] } }\n"),
        pipeline(
            "tables: { t: { rows: model, columns: [{ metric: a.b, paper: { x: good } }] } }\n",
        ),
        pipeline("tables: { t: { rows: model, columns: [{ metric: a.b, within: -1 }] } }\n"),
        // Mistakes in expectations.
        pipeline("expect: { xrays.x: {} }\n"),
        pipeline("expect: { xrays.x: 1 }\n"),
        pipeline("expect: { xrays: { at_least: 1 } }\n"),
        pipeline("expect: { xrays.x: { value: 1 } }\n"),
        pipeline("expect: { xrays.x: { within: 1 } }\n"),
        pipeline("expect: { xrays.x: { value: 1, within: -1 } }\n"),
        pipeline("expect: { xrays.x: { value: 1, within: 1, at_least: 1 } }\n"),
        pipeline("expect: { xrays.x: { above: 1 } }\n"),
        pipeline("expect: { 'xrays[1]': { at_least: 1 } }\n"),
    ];
    for text in refused {
        assert_ne!(schema_errors(&json(&text)), [""; 0], "{text}");
        assert_ne!(program_errors(&text), [""; 0], "{text}");
    }
}
