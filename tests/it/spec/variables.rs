//! Vars, profiles and `--set`.

use serde_json::json;

use super::{build, build_with, errors, errors_with, params, with_stages};

const PIPELINE: &str = "
version: 1
name: test
seed: 42
vars:
  size: 16
  epochs: 6
  rates: { first: 0.5 }
  folder: /data
  path: '${folder}/${size}.npz'
profiles:
  quick: { epochs: six }
  tiny: { size: 4 }
  huge: { size: 500 }
  real: { folder: '${data}' }
stages:
  xrays: { kind: source, params: { size: '${size}', path: '${path}' } }
  cnn:
    kind: train
    inputs: { images: xrays.train }
    params: { epochs: '${epochs}', notes: '${rates}' }
";

fn params_with(name: &str, profile: Option<&str>, sets: &[&str]) -> serde_json::Value {
    match build_with(PIPELINE, profile, sets) {
        Ok(graph) => params(&graph, name),
        Err(_) => panic!("{}", errors_with(PIPELINE, profile, sets)),
    }
}

#[test]
fn a_var_keeps_its_type_unless_it_is_part_of_a_text() {
    assert_eq!(
        params_with("xrays", None, &[]),
        json!({ "size": 16, "path": "/data/16.npz" })
    );
    assert_eq!(
        params_with("cnn", None, &[])["notes"],
        json!({ "first": 0.5 })
    );
}

#[test]
fn a_profile_overrides_vars_and_an_assignment_overrides_both() {
    assert_eq!(
        params_with("xrays", Some("tiny"), &[]),
        json!({ "size": 4, "path": "/data/4.npz" })
    );
    assert_eq!(params_with("xrays", Some("tiny"), &["size=5"])["size"], 5);
    assert_eq!(params_with("xrays", None, &["size=5", "size=6"])["size"], 6);
    assert_eq!(
        params_with("xrays", Some("real"), &["data=x y"])["path"],
        "x y/16.npz"
    );
}

#[test]
fn an_assignment_can_set_any_value_by_its_path() {
    assert_eq!(
        params_with("cnn", None, &["stages.cnn.params.epochs=3"])["epochs"],
        3
    );
    assert_eq!(
        params_with("cnn", None, &["stages.cnn.params.rate=0.5"])["rate"],
        0.5
    );
    assert_eq!(
        params_with("cnn", None, &["vars.rates.first={a: [1, '${epochs}']}"])["notes"],
        json!({"first": {"a": [1, 6]}})
    );
    let sets = [
        "stages.cnn.params.notes=[a, b]",
        "stages.cnn.params.notes.1=c",
    ];
    assert_eq!(params_with("cnn", None, &sets)["notes"], json!(["a", "c"]));
    let graph = build_with(PIPELINE, None, &["stages.cnn.resources.cpus=2", "seed=7"])
        .ok()
        .unwrap();
    let cnn = &graph.stages[graph.find("cnn")[0]];
    assert_eq!(
        (cnn.resources.cpus, cnn.resources.gpus, cnn.seed),
        (Some(2), None, 7)
    );
}

#[test]
fn a_dollar_is_escaped_by_another() {
    let text =
        with_stages("  a: { kind: source, params: { path: '$${x} $5 ^a$ $$ ${b} $$${' } }\n");
    let text = text.replace("stages:", "vars: { b: '${c}', c: '$${c}' }\nstages:");
    assert_eq!(
        params(&build(&text), "a")["path"],
        "${x} $5 ^a$ $$ ${c} $${"
    );
}

#[test]
fn a_wrong_value_from_a_profile_is_shown_in_the_profile() {
    assert_eq!(
        errors_with(PIPELINE, Some("quick"), &[]),
        "\
error: expected a whole number, found the text `six`
  --> p.yaml:12:20
     |
  12 |   quick: { epochs: six }
     |                    ^^^
     = note: used as `${epochs}` at p.yaml:21:24"
    );
    let found = errors_with(PIPELINE, Some("huge"), &[]);
    assert!(
        found.starts_with("error: must be between 1 and 64, and is 500\n  --> p.yaml:14:17\n"),
        "{found}"
    );
}

#[test]
fn a_wrong_value_from_the_command_line_is_shown_there() {
    assert_eq!(
        errors_with(PIPELINE, None, &["epochs=x"]),
        "\
error: expected a whole number, found the text `x`
  --> command line
   |
   | --set epochs=x
   |              ^
   = note: used as `${epochs}` at p.yaml:21:24"
    );
    assert_eq!(
        errors_with(PIPELINE, None, &["stages.cnn.params.epoch=3"]),
        "\
error: unknown parameter `epoch`
  --> command line
   |
   | --set stages.cnn.params.epoch=3
   |                         ^^^^^
   = hint: did you mean `epochs`?"
    );
}

#[test]
fn a_bad_assignment_is_shown_on_the_command_line() {
    for (set, message, caret, hint) in [
        (
            "epoch=3",
            "there is no var `epoch`",
            "^^^^^",
            "did you mean `epochs`?",
        ),
        (
            "epochs",
            "expected `NAME=VALUE`",
            "^^^^^^",
            "for example `-S epochs=3`",
        ),
        (
            "stages.cn.params.epochs=3",
            "there is no `cn` in `stages`",
            "^^",
            "did you mean `cnn`?",
        ),
        ("epochs=[3", "this is not valid YAML", "^", ""),
        (
            "epochs=1\n---\n2",
            "a second YAML document starts here",
            "^^^",
            "",
        ),
        (
            "seed=x",
            "expected a whole number, found the text `x`",
            "^",
            "",
        ),
        (
            "name.x=1",
            "`name` is the text `test` and does not contain `x`",
            "^",
            "",
        ),
        (
            "stage.cnn=1",
            "unknown key `stage`",
            "^^^^^",
            "did you mean `stages`?",
        ),
        (
            "profiles.tiny.size=1",
            "profiles are applied before `--set`",
            "^^^^^^^^",
            "set the var itself",
        ),
        (
            "stages.cnn.resources.cpus=0",
            "a stage needs at least 1 CPU",
            "^",
            "",
        ),
        (
            "vars.epoch=1",
            "there is no var `epoch`",
            "^^^^^",
            "did you mean `epochs`?",
        ),
    ] {
        let found = errors_with(PIPELINE, None, &[set]);
        assert_eq!(found.matches("error:").count(), 1, "{found}");
        assert!(found.starts_with(&format!("error: {message}")), "{found}");
        assert!(found.contains("--> command line"), "{found}");
        assert!(
            found
                .lines()
                .nth(4)
                .unwrap()
                .ends_with(&format!(" {caret}")),
            "{found}"
        );
        assert!(found.contains(hint), "{found}");
    }
    let sets = [
        "stages.cnn.params.notes=[a, b]",
        "stages.cnn.params.notes.2=c",
    ];
    let found = errors_with(PIPELINE, None, &sets);
    assert!(
        found.contains("`stages.cnn.params.notes` has no item `2`: it is a list of length 2"),
        "{found}"
    );
    assert!(
        found.contains("its items are numbered from 0 to 1"),
        "{found}"
    );
}

#[test]
fn an_unknown_profile_is_shown_with_the_known_ones() {
    assert_eq!(
        errors_with(PIPELINE, Some("papers"), &[]),
        "\
error: there is no profile `papers`
  --> p.yaml:11:1
     |
  11 | profiles:
     | ^^^^^^^^
     = hint: known profiles: `quick`, `tiny`, `huge`, `real`"
    );
    assert!(errors_with(PIPELINE, Some("tny"), &[]).contains("did you mean `tiny`?"));
    let found = errors_with(&with_stages("  a: { kind: source }\n"), Some("x"), &[]);
    assert_eq!(
        found,
        "error: there is no profile `x`\n   = hint: this pipeline has no `profiles`"
    );
}

#[test]
fn a_profile_cannot_set_an_unknown_var() {
    let text = PIPELINE.replace("tiny: { size: 4 }", "tiny: { sise: 4 }");
    let found = errors(&text);
    assert!(
        found.starts_with("error: there is no var `sise`\n  --> p.yaml:13:11\n"),
        "{found}"
    );
    assert!(found.contains("did you mean `size`?"), "{found}");
}

#[test]
fn a_var_without_a_value_is_an_error_with_a_hint() {
    assert_eq!(
        errors_with(PIPELINE, Some("real"), &[]),
        "\
error: unknown var `data`
  --> p.yaml:15:20
     |
  15 |   real: { folder: '${data}' }
     |                    ^^^^^^^
     = hint: give it a value under `vars:`, or with `-S data=VALUE`"
    );
    let found = errors(&PIPELINE.replace("'${size}'", "'${sizes}'"));
    assert!(
        found.contains("error: unknown var `sizes`") && found.contains("did you mean `size`?"),
        "{found}"
    );
}

#[test]
fn vars_in_a_cycle_are_refused() {
    let text = with_stages("  a: { kind: source }\n").replace(
        "stages:",
        "vars: { a: '${b}', b: 'x${c}', c: ['${a}'] }\nstages:",
    );
    assert_eq!(
        errors(&text),
        "\
error: vars refer to each other in a cycle: `a` → `b` → `c` → `a`
  --> p.yaml:3:37
    |
  3 | vars: { a: '${b}', b: 'x${c}', c: ['${a}'] }
    |                                     ^^^^"
    );
}

#[test]
fn an_invalid_interpolation_is_an_error() {
    for (from, to, message) in [
        (
            "'${path}'",
            "'x${rates}'",
            "`${rates}` is a map, which cannot be inserted into a longer text",
        ),
        ("'${path}'", "'x${path'", "this `${` has no `}`"),
        (
            "'${path}'",
            "'${matrix.model}'",
            "this stage has no axis `model`",
        ),
        (
            "name: test",
            "name: '${matrix.model}'",
            "`${matrix.model}` has no value here",
        ),
        (
            "folder: /data",
            "folder: '${matrix.model}'",
            "`${matrix.model}` has no value here",
        ),
    ] {
        let found = errors(&PIPELINE.replace(from, to));
        assert!(found.starts_with(&format!("error: {message}\n")), "{found}");
        assert_eq!(found.matches("error:").count(), 1, "{found}");
    }
}

#[test]
fn an_anchored_value_is_shared() {
    let text = PIPELINE.replace(
        "rates: { first: 0.5 }",
        "rates: &shared { first: 0.5 }\n  other: *shared",
    );
    assert_eq!(
        params(&build(&text.replace("${rates}", "${other}")), "cnn")["notes"],
        json!({ "first": 0.5 })
    );
}
