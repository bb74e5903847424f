//! References between stages: primary outputs, and references that are refused.

use super::{build, errors, links, with_stages};

const SOURCE: &str = "  xrays: { kind: source }\n";

fn with_source(stages: &str) -> String {
    with_stages(&format!("{SOURCE}{stages}"))
}

#[test]
fn a_missing_stage_is_shown_with_a_suggestion() {
    assert_eq!(
        errors(&with_source(
            "  cnn:\n    kind: train\n    inputs: { images: xray.train }\n"
        )),
        "\
error: there is no stage `xray`
  --> p.yaml:7:23
    |
  7 |     inputs: { images: xray.train }
    |                       ^^^^
    = hint: did you mean `xrays`?"
    );
}

/// A stage with two axes, and a stage with the reference to it that replaces `REFERENCE`.
const CNNS: &str = "  xrays: { kind: source }
  cnn: { kind: train, matrix: { model: [m1, m2], rate: [0.10, 1] }, inputs: { images: xrays.train } }
  eval: { kind: score, MATRIX, inputs: { model: REFERENCE, images: xrays.test } }
";

fn referring(matrix: &str, reference: &str) -> String {
    with_stages(
        &CNNS
            .replace("MATRIX", matrix)
            .replace("REFERENCE", reference),
    )
}

#[test]
fn a_reference_may_name_one_instance() {
    let models = |matrix: &str, reference: &str| -> Vec<String> {
        let links = links(&build(&referring(matrix, reference)));
        let models = links.into_iter().filter(|link| link.contains("model#"));
        models.collect()
    };
    for reference in [
        "\"cnn[m2,0.10]\"",
        "\"cnn[m2, 0.10].model\"",
        "\"cnn[model=m2,rate=0.10]\"",
        "\"cnn[rate=0.10, model=m2].model\"",
        "\"cnn[m2,rate=0.10]\"",
    ] {
        assert_eq!(
            models("matrix: {}", reference),
            ["cnn[m2,0.10].model → eval.model#0"]
        );
    }
    // The named instance takes precedence over the values on shared axes.
    assert_eq!(
        models("matrix: { model: [m1, m2] }", "\"cnn[m1,1]\""),
        [
            "cnn[m1,1].model → eval[m1].model#0",
            "cnn[m1,1].model → eval[m2].model#0"
        ]
    );
    assert_eq!(
        models("matrix: { chosen: [m2] }", "\"cnn[${matrix.chosen},1]\""),
        ["cnn[m2,1].model → eval[m2].model#0"]
    );
}

#[test]
fn an_instance_that_does_not_exist_is_shown_with_a_suggestion() {
    for (reference, expected) in [
        (
            "\"cnn[m3,1]\"",
            "\
error: the axis `model` has no value `m3`
  --> p.yaml:6:58
    |
  6 |   eval: { kind: score, matrix: {}, inputs: { model: \"cnn[m3,1]\", images: xrays.test } }
    |                                                          ^^
    = hint: known values: `m1`, `m2`",
        ),
        (
            "\"cnn[m1,rate=2]\"",
            "\
error: the axis `rate` has no value `2`
  --> p.yaml:6:66
    |
  6 |   eval: { kind: score, matrix: {}, inputs: { model: \"cnn[m1,rate=2]\", images: xrays.test } }
    |                                                                  ^
    = hint: known values: `0.10`, `1`",
        ),
        (
            "\"cnn[m1]\"",
            "\
error: `cnn[m1]` is not an instance: `cnn` has the axes `model`, `rate`
  --> p.yaml:6:58
    |
  6 |   eval: { kind: score, matrix: {}, inputs: { model: \"cnn[m1]\", images: xrays.test } }
    |                                                          ^^
    = hint: write `cnn[MODEL,RATE]` for one instance, or `cnn` for all",
        ),
        (
            "\"cnn[m1,1].modle\"",
            "\
error: `cnn` has no output `modle`
  --> p.yaml:6:64
    |
  6 |   eval: { kind: score, matrix: {}, inputs: { model: \"cnn[m1,1].modle\", images: xrays.test } }
    |                                                                ^^^^^
    = hint: did you mean `model`?",
        ),
    ] {
        assert_eq!(errors(&referring("matrix: {}", reference)), expected);
    }
    for (reference, start) in [
        (
            "\"xrays[0.1].train\"",
            "error: `xrays` has no axes\n  --> p.yaml:6:60\n",
        ),
        (
            "\"cnn[m1,1\"",
            "error: expected `STAGE[VALUES].PORT` or `STAGE[VALUES]`, found `cnn[m1,1`\n",
        ),
        (
            "\"cnn[m1,1]model\"",
            "error: expected `STAGE[VALUES].PORT` or `STAGE[VALUES]`, found `cnn[m1,1]model`\n",
        ),
        ("\"cn[0.1].train\"", "error: there is no stage `cn`\n"),
    ] {
        let found = errors(&referring("matrix: {}", reference));
        assert!(found.starts_with(start), "{found}");
    }
}

#[test]
fn an_instance_cannot_be_made_from_itself() {
    let found = errors(&with_source(
        "  cnn:
    kind: train
    matrix: { model: [a, b] }
    inputs: { images: xrays.train, weights: \"cnn[a]\" }
",
    ));
    assert!(
        found.starts_with("error: stages depend on each other in a cycle: `cnn` → `cnn`\n"),
        "{found}"
    );
}

#[test]
fn a_missing_port_is_shown_with_a_suggestion() {
    assert_eq!(
        errors(&with_source(
            "  cnn: { kind: train, inputs: { images: xrays.trian } }\n"
        )),
        "\
error: `xrays` has no output `trian`
  --> p.yaml:5:47
    |
  5 |   cnn: { kind: train, inputs: { images: xrays.trian } }
    |                                               ^^^^^
    = hint: did you mean `train`?"
    );
}

#[test]
fn a_missing_input_is_shown_with_candidates() {
    assert_eq!(
        errors(&with_source("  cnn: { kind: train }\n")),
        "\
error: the stage `cnn` needs an input `images` with a dataset
  --> p.yaml:5:3
    |
  5 |   cnn: { kind: train }
    |   ^^^
    = hint: outputs with a dataset: `xrays.train`, `xrays.test`"
    );
}

#[test]
fn an_input_of_the_wrong_type_is_refused() {
    assert_eq!(
        errors(&with_source(
            "  eval: { kind: score, inputs: { model: xrays.test, images: xrays.test } }\n"
        )),
        "\
error: the input `model` takes a model, but `xrays.test` is a dataset
  --> p.yaml:5:41
    |
  5 |   eval: { kind: score, inputs: { model: xrays.test, images: xrays.test } }
    |                                         ^^^^^^^^^^"
    );
}

#[test]
fn a_cycle_is_shown_with_all_its_stages() {
    let text = with_source(
        "  a: { kind: train, inputs: { images: xrays.train, weights: c } }
  b: { kind: train, inputs: { images: xrays.train, weights: a } }
  c: { kind: train, inputs: { images: xrays.train, weights: b.model } }
  d: { kind: train, inputs: { images: xrays.train, weights: d } }
",
    );
    assert_eq!(
        errors(&text),
        "\
error: stages depend on each other in a cycle: `a` → `b` → `c` → `a`
  --> p.yaml:5:61
    |
  5 |   a: { kind: train, inputs: { images: xrays.train, weights: c } }
    |                                                             ^

error: stages depend on each other in a cycle: `d` → `d`
  --> p.yaml:8:61
    |
  8 |   d: { kind: train, inputs: { images: xrays.train, weights: d } }
    |                                                             ^"
    );
}

#[test]
fn a_cycle_through_a_matrix_is_reported_once() {
    let text = with_source(
        "  a: { kind: train, matrix: { m: [1, 2, 3] }, inputs: { images: xrays.train, weights: b } }
  b: { kind: train, matrix: { m: [1, 2, 3] }, inputs: { images: xrays.train, weights: a } }
",
    );
    let found = errors(&text);
    assert_eq!(found.matches("error:").count(), 1, "{found}");
}

#[test]
fn other_invalid_references_are_refused() {
    for (stage, message, hint) in [
        (
            "kind: train, inputs: { images: xrays }",
            "`xrays` has several outputs",
            "`xrays.train`, `xrays.test`",
        ),
        (
            "kind: train, inputs: { image: xrays.train }",
            "a stage of kind `train` has no input `image`",
            "did you mean `images`?",
        ),
        (
            "kind: train, inputs: { images: 3 }",
            "expected a reference to a stage, found the number `3`",
            "STAGE.PORT",
        ),
        (
            "kind: train, inputs: { images: [xrays.train, xrays.test] }",
            "the input `images` takes one dataset, but 2 are given",
            "",
        ),
        (
            "kind: train, inputs: { images: [] }",
            "the stage `a` needs an input `images` with a dataset",
            "",
        ),
        (
            "kind: train, inputs: [xrays]",
            "expected a map, found a list",
            "",
        ),
        (
            "kind: source, inputs: { images: xrays.train }",
            "a stage of kind `source` has no inputs",
            "",
        ),
        (
            "kind: gather, inputs: { models: [] }",
            "the stage `a` needs an input `models` with a model",
            "no stage of this pipeline makes a model",
        ),
        (
            "kind: trian",
            "there is no stage kind `trian`",
            "did you mean `train`?",
        ),
    ] {
        let found = errors(&with_source(&format!("  a: {{ {stage} }}\n")));
        assert!(found.contains(message), "{found}");
        assert!(found.contains(hint), "{found}");
        assert!(found.contains("p.yaml:5:"), "{found}");
    }
}

#[test]
fn a_reference_to_an_invalid_stage_causes_no_second_error() {
    let text = with_source("  a: { kind: trian }\n  b: { kind: gather, inputs: { models: a } }\n");
    assert_eq!(
        errors(&text).matches("error:").count(),
        1,
        "{}",
        errors(&text)
    );
}

#[test]
fn a_stage_name_alone_refers_to_its_primary_output() {
    let graph = build(&with_source(
        "  eval: { kind: score, inputs: { model: cnn, images: xrays.test } }
  cnn: { kind: train, inputs: { images: xrays.train } }
",
    ));
    assert_eq!(
        links(&graph),
        [
            "xrays.test → eval.images#0",
            "cnn.model → eval.model#0",
            "xrays.train → cnn.images#0"
        ]
    );
    let order: Vec<String> = graph
        .order
        .iter()
        .map(|&node| graph.stages[node].name.to_string())
        .collect();
    assert_eq!(order, ["xrays", "cnn", "eval"]);
}
