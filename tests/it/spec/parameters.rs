//! A stage's parameters, and the models in them.

use serde_json::json;

use super::{build, errors, params, with_stages};

#[test]
fn an_unknown_parameter_is_shown_with_a_suggestion() {
    let text = with_stages("  a:\n    kind: source\n    params: { sise: 6 }\n");
    assert_eq!(
        errors(&text),
        "\
error: unknown parameter `sise`
  --> p.yaml:6:15
    |
  6 |     params: { sise: 6 }
    |               ^^^^
    = hint: did you mean `size`?"
    );
}

#[test]
fn a_wrong_type_is_reported_in_plain_words() {
    let text = with_stages("  a:\n    kind: source\n    params:\n      size: six\n");
    assert_eq!(
        errors(&text),
        "\
error: expected a whole number, found the text `six`
  --> p.yaml:7:13
    |
  7 |       size: six
    |             ^^^"
    );
}

#[test]
fn a_value_out_of_range_is_shown() {
    let text = with_stages("  a:\n    kind: source\n    params: { size: 65 }\n");
    assert_eq!(
        errors(&text),
        "\
error: must be between 1 and 64, and is 65
  --> p.yaml:6:21
    |
  6 |     params: { size: 65 }
    |                     ^^"
    );
}

#[test]
fn a_stage_after_an_invalid_stage_is_not_checked() {
    // The size 65 is an error. 5000 units would be one as well, but `b` is not checked.
    let text = with_stages(
        "  a: { kind: source, params: { size: 65 } }
  b: { kind: train, inputs: { images: a.train }, params: { model: [dense: { units: 5000 }] } }
",
    );
    assert_eq!(
        errors(&text).matches("error:").count(),
        1,
        "{}",
        errors(&text)
    );
}

#[test]
fn params_that_are_not_a_map_are_refused() {
    let found = errors(&with_stages("  a: { kind: source, params: [1] }\n"));
    assert!(
        found.starts_with("error: expected a map, found a list\n  --> p.yaml:4:30\n"),
        "{found}"
    );
}

#[test]
fn numbers_keep_their_types() {
    let text = with_stages(
        "  a: { kind: source }
  b:
    kind: train
    inputs: { images: a.train }
    params: { notes: [1, 1.0, -3, 18446744073709551615, 0x10, 1e3, '1', 007, yes, true, ~, {k: 0.1}] }
",
    );
    assert_eq!(
        params(&build(&text), "b")["notes"].to_string(),
        json!([1, 1.0, -3, 18446744073709551615_u64, 16, 1000.0, "1", "007", "yes", true, null, {"k": 0.1}]).to_string()
    );
}

const MODELS: &str = "
version: 1
name: test
models:
  small:
    - flatten: ~
    - dense: { units: 4 }
  large: [flatten: ~, dense: { units: 65 }]
stages:
  xrays: { kind: source }
  cnn:
    kind: train
    inputs: { images: xrays.train }
    params: { model: MODEL }
";

#[test]
fn a_model_can_be_named_or_written_in_place() {
    let graph = build(&MODELS.replace("MODEL", "small"));
    assert_eq!(
        params(&graph, "cnn")["model"][1],
        json!({ "dense": { "units": 4 } })
    );
    let graph = build(&MODELS.replace("MODEL", "[dense: { units: 3 }]"));
    assert_eq!(
        params(&graph, "cnn")["model"],
        json!([{ "dense": { "units": 3 } }])
    );
}

#[test]
fn an_unknown_model_is_shown_with_a_suggestion() {
    assert_eq!(
        errors(&MODELS.replace("MODEL", "smal")),
        "\
error: there is no model `smal`
  --> p.yaml:14:22
     |
  14 |     params: { model: smal }
     |                      ^^^^
     = hint: did you mean `small`?"
    );
}

#[test]
fn an_error_in_a_model_is_shown_in_the_model_and_where_it_is_used() {
    assert_eq!(
        errors(&MODELS.replace("MODEL", "large")),
        "\
error: 65 units are more than the 64 values of 8×8×1
  --> p.yaml:8:39
    |
  8 |   large: [flatten: ~, dense: { units: 65 }]
    |                                       ^^
    = note: used as `large` at p.yaml:14:22"
    );
}

#[test]
fn an_unknown_layer_is_shown_with_a_suggestion() {
    let found = errors(&MODELS.replace("MODEL", "[{ flaten: 1 }]"));
    assert!(
        found.contains("error: unknown name `flaten`\n  --> p.yaml:14:2"),
        "{found}"
    );
    assert!(found.contains("did you mean `flatten`?"), "{found}");
}
