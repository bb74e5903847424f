//! Reading a pipeline never panics and is fast.

use std::path::Path;
use std::time::{Duration, Instant};

use engine::graph::Graph;
use engine::spec::{LoadOptions, load, parse};
use proptest::prelude::*;

use super::{build_with, kinds};

/// Reads a text and renders all errors, because rendering uses their positions.
fn attempt(text: &str, profile: Option<&str>, sets: &[&str]) {
    if let Err(errors) = build_with(text, profile, sets) {
        assert!(!errors.is_empty());
        for error in errors {
            assert!(!error.to_string().is_empty());
            serde_json::to_string(&error).unwrap();
        }
    }
}

const PIPELINE: &str = "version: 1
name: test
vars: &v { a: 1, b: '${a}', é: [x, y] }
profiles: { p: { a: 2 } }
models: { m: [flatten: ~] }
stages:
  xrays: { kind: source, params: { size: '${a}' } }
  cnn:
    kind: train
    matrix: { m: [1, 2] }
    inputs: { images: xrays.train }
    params: { notes: 'x${matrix.m}', model: m }
  all: { kind: gather, inputs: { models: [cnn] } }
tables:
  t: { rows: m, columns: [] }
";

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in any::<String>()) {
        attempt(&text, None, &[]);
    }

    #[test]
    fn any_yaml_punctuation_is_read_or_refused(text in "[-\\[\\]{}:,?&*!|>'\"%@#$ \t\r\na1é.~<]{0,60}") {
        attempt(&text, None, &[]);
    }

    #[test]
    fn a_damaged_pipeline_is_read_or_refused(at in 0..PIPELINE.len(), width in 0_usize..6, new in "[-\\[\\]{}:,&*!'\"$ \na1é.~]{0,4}") {
        let at = PIPELINE.floor_char_boundary(at);
        let end = PIPELINE.floor_char_boundary((at + width).min(PIPELINE.len()));
        let text = format!("{}{new}{}", &PIPELINE[..at], &PIPELINE[end..]);
        attempt(&text, Some("p"), &["a=3"]);
    }

    #[test]
    fn any_assignment_is_applied_or_refused(set in "[a-z.=\\[\\]{}:$é 0-9\n]{0,24}", any in any::<String>()) {
        attempt(PIPELINE, None, &[&set, &any]);
        attempt(PIPELINE, None, &[&format!("stages.cnn.{set}"), &format!("vars.a={any}")]);
    }
}

#[test]
fn a_file_that_is_missing_or_not_utf8_is_an_error() {
    let options = LoadOptions::default();
    let folder = tempfile::tempdir().unwrap();
    let missing = load(&folder.path().join("none.yaml"), &options)
        .err()
        .unwrap();
    assert!(
        missing[0].message.starts_with("failed to read `"),
        "{}",
        missing[0]
    );
    let file = folder.path().join("latin1.yaml");
    std::fs::write(&file, b"version: 1\nname: \xe9\n").unwrap();
    let errors = load(&file, &options).err().unwrap();
    assert!(
        errors[0]
            .message
            .starts_with("the text from here on is not valid UTF-8"),
        "{}",
        errors[0]
    );
    assert_eq!(errors[0].place.as_ref().map(|place| place.line()), Some(2));
}

#[test]
fn a_long_pipeline_is_read_quickly() {
    let mut text = String::from("version: 1\nname: long\nvars: { epochs: 3 }\nmodels:\n");
    for model in 0..12 {
        text += &format!("  m{model}:\n");
        text += &"    - dense: { units: 4 }\n".repeat(15);
    }
    text += "stages:\n  xrays: { kind: source }\n";
    for stage in 0..12 {
        text += &format!(
            "  cnn{stage}:\n    kind: train\n    matrix: {{ model: [m0, m1, m2, m3, m4, m5] }}\n    inputs: {{ images: xrays.train }}\n    \
             params:\n      model: '${{matrix.model}}'\n      epochs: '${{epochs}}'\n"
        );
    }
    let quickest = (0..20)
        .map(|_| {
            let start = Instant::now();
            let pipeline = parse(Path::new("p.yaml"), &text, &LoadOptions::default())
                .unwrap_or_else(|_| unreachable!());
            let graph =
                Graph::build(pipeline, &kinds::CATALOGUE).unwrap_or_else(|_| unreachable!());
            assert_eq!(graph.order.len(), 73);
            start.elapsed()
        })
        .min();
    assert!(
        quickest < Some(Duration::from_millis(20)),
        "{} lines took {quickest:?}",
        text.lines().count()
    );
}
