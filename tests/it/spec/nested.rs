//! Values within vars: `${prepare.split}`.

use serde_json::{Value, json};

use super::{build_with, errors_with, params};

const PIPELINE: &str = "
version: 1
name: test
vars:
  prepare: { split: 0.2, sizes: [16, 32], deep: { er: yes, same: '${base.size}' } }
  base: { size: 8, split: '${prepare.split}' }
profiles:
  small: { prepare: { split: 0.1, sizes: [4, 8], deep: { er: no } } }
stages:
  cnn:
    kind: train
    inputs: { images: xrays.train }
    params: { epochs: 1, notes: NOTES }
  xrays: { kind: source, params: { size: 16, path: x } }
";

fn with_notes(notes: &str) -> String {
    // Removes the circular reference, which has a test of its own.
    let text = PIPELINE.replace(", split: '${prepare.split}' }", " }");
    text.replace("NOTES", notes)
}

fn notes(text: &str, profile: Option<&str>, sets: &[&str]) -> Value {
    match build_with(text, profile, sets) {
        Ok(graph) => params(&graph, "cnn")["notes"].clone(),
        Err(_) => panic!("{}", errors_with(text, profile, sets)),
    }
}

#[test]
fn a_dotted_name_leads_into_maps_and_lists() {
    let text = with_notes(
        "['${prepare.split}', '${prepare.sizes.1}', '${prepare.deep}', 'at ${prepare.sizes.0}']",
    );
    assert_eq!(
        notes(&text, None, &[]),
        json!([0.2, 32, { "er": "yes", "same": 8 }, "at 16"])
    );
    assert_eq!(
        notes(&text, Some("small"), &[]),
        json!([0.1, 8, { "er": "no" }, "at 4"])
    );
}

#[test]
fn a_nested_value_is_set_by_its_path() {
    let text = with_notes("'${prepare.split}'");
    for set in ["prepare.split=0.3", "vars.prepare.split=0.3"] {
        assert_eq!(notes(&text, None, &[set]), json!(0.3), "{set}");
    }
    let item = with_notes("'${prepare.sizes}'");
    assert_eq!(notes(&item, None, &["prepare.sizes.1=64"]), json!([16, 64]));
    // `--set` may define a var that is used but has no value yet.
    let open = with_notes("'${other.rate}'");
    assert_eq!(notes(&open, None, &["other.rate=7"]), json!(7));
    assert_eq!(notes(&open, None, &["other={rate: 7}"]), json!(7));
}

#[test]
fn a_missing_nested_value_is_shown_with_a_correct_hint() {
    let found = |notes: &str, sets: &[&str]| errors_with(&with_notes(notes), None, sets);
    let slip = found("'${prepare.splt}'", &[]);
    assert!(
        slip.starts_with("error: `prepare` is a map and does not contain `splt`\n"),
        "{slip}"
    );
    assert!(slip.contains("did you mean `split`?"), "{slip}");
    let scalar = found("'${prepare.split.x}'", &[]);
    assert!(
        scalar.starts_with("error: `prepare.split` is the number `0.2` and does not contain `x`\n"),
        "{scalar}"
    );
    let item = found("'${prepare.sizes.2}'", &[]);
    assert!(item.contains("does not contain `2`"), "{item}");
    let unknown = found("'${nowhere.rate}'", &[]);
    assert!(
        unknown.starts_with("error: unknown var `nowhere.rate`\n"),
        "{unknown}"
    );
    assert!(unknown.contains("`-S nowhere.rate=VALUE`"), "{unknown}");
    assert_eq!(
        notes(&with_notes("'${nowhere.rate}'"), None, &["nowhere.rate=1"]),
        json!(1)
    );
    let unused = found("'${prepare.split}'", &["prepare.splt=1"]);
    let expected = "error: `prepare` does not contain `splt`, and no `${…}` uses it\n";
    assert!(unused.starts_with(expected), "{unused}");
    assert!(unused.contains("did you mean `split`?"), "{unused}");
    assert_eq!(
        found("'${prepare.split}'", &["vars.prepare.splt=1"])
            .matches(expected)
            .count(),
        1
    );
    // An additional key is allowed if the whole map is used.
    assert_eq!(found("'${prepare}'", &["prepare.more=1"]), "no error");
    let within = found("'${prepare.split}'", &["prepare.split.x=1"]);
    assert!(within.contains("does not contain `x`"), "{within}");
    assert_eq!(within.matches("error:").count(), 1, "{within}");
}

#[test]
fn a_cycle_through_nested_vars_is_reported_once() {
    let found = errors_with(&PIPELINE.replace("NOTES", "x"), None, &[]);
    assert!(found.contains("in a cycle: "), "{found}");
    assert_eq!(found.matches("error:").count(), 1, "{found}");
}

#[test]
fn axis_values_that_depend_on_another_axis_are_refused() {
    for (axes, is_fine) in [
        (
            "{ vars.prepare.split: [0.1, 0.2], vars.base.size: ['${prepare.split}'] }",
            false,
        ),
        (
            "{ vars.prepare.split: [0.1, 0.2], vars.base: ['${prepare}'] }",
            false,
        ),
        (
            "{ prepare: [{ split: 1 }], vars.base.size: ['${prepare.split}'] }",
            false,
        ),
        (
            "{ vars.prepare.split: [0.1, 0.2], vars.base.size: ['${prepare.sizes}'] }",
            true,
        ),
    ] {
        let text = with_notes("'${base}'") + &format!("sweep: {{ axes: {axes} }}\n");
        let found = match build_with(&text, None, &[]) {
            Ok(_) => String::new(),
            Err(_) => errors_with(&text, None, &[]),
        };
        let refused = found.contains("which is an axis, too");
        assert_eq!(refused, !is_fine, "{axes}: {found}");
    }
}
