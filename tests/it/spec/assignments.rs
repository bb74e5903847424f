//! Values of `--set NAME=VALUE`, as YAML reads them.

use serde_json::{Value, json};

use super::{build_with, errors_with, params};

const PIPELINE: &str = "
version: 1
name: test
vars: { notes: x }
stages:
  xrays: { kind: source, params: { size: 16, path: x } }
  cnn:
    kind: train
    inputs: { images: xrays.train }
    params: { epochs: 1, notes: '${notes}' }
";

fn notes(value: &str) -> Value {
    let set = format!("notes={value}");
    match build_with(PIPELINE, None, &[&set]) {
        Ok(graph) => params(&graph, "cnn")["notes"].clone(),
        Err(_) => panic!("{value}: {}", errors_with(PIPELINE, None, &[&set])),
    }
}

#[test]
fn a_value_is_taken_as_a_whole_or_refused() {
    for (value, expected) in [
        ("foo # bar", None),
        ("#bar", None),
        ("foo\t# bar", None),
        ("[1, 2] # two", None),
        ("{ a: 1 } # map", None),
        ("\"foo\" # bar", None),
        ("'it''s' # \"bar\"", None),
        ("\"a\\\"b\" # \"", None),
        ("a: b # c", None),
        ("&anchor foo", None),
        ("&anchor [1, 2]", None),
        ("--- foo", None),
        ("foo\n...", None),
        ("foo\n--- bar", None),
        ("foo\n---\nbar", None),
        ("%YAML 1.2\n--- foo", None),
        ("*anchor", None),
        ("!tag foo", None),
        ("foo#bar", Some(json!("foo#bar"))),
        ("foo bar", Some(json!("foo bar"))),
        ("  foo  ", Some(json!("foo"))),
        ("\"foo # bar\"", Some(json!("foo # bar"))),
        ("'it''s'", Some(json!("it's"))),
        ("\"a\\\"b\"", Some(json!("a\"b"))),
        ("'#bar'", Some(json!("#bar"))),
        ("\"&anchor foo\"", Some(json!("&anchor foo"))),
        ("é ü", Some(json!("é ü"))),
        ("'é' ", Some(json!("é"))),
        ("[1, { a: [2] }]", Some(json!([1, { "a": [2] }]))),
        ("[&x 1, *x]", Some(json!([1, 1]))),
        ("{ a: b }", Some(json!({ "a": "b" }))),
        ("a: b", Some(json!({ "a": "b" }))),
        ("- a\n- b", Some(json!(["a", "b"]))),
        ("|\n  one\n  # two\n", Some(json!("one\n# two\n"))),
        ("one\n  two", Some(json!("one two"))),
        ("null", Some(json!(null))),
        ("", Some(json!(null))),
        ("a=b", Some(json!("a=b"))),
    ] {
        match expected {
            Some(expected) => assert_eq!(notes(value), expected, "{value}"),
            None => {
                let found = errors_with(PIPELINE, None, &[&format!("notes={value}")]);
                assert_eq!(found.matches("error:").count(), 1, "{value}: {found}");
                assert!(found.contains("--> command line"), "{value}: {found}");
                assert!(found.contains("quotes"), "{value}: {found}");
            }
        }
    }
}

#[test]
fn text_that_yaml_would_drop_is_shown_with_the_quotes_that_keep_it() {
    let found = errors_with(PIPELINE, None, &["notes=foo # bar"]);
    let expected = "\
error: YAML does not read `# bar` as part of the value, so it would be lost
  --> command line
   |
   | --set notes=foo # bar
   |                 ^^^^^
   = hint: put the value in quotes if it is meant as text: `-S 'notes=\"foo # bar\"'`";
    assert_eq!(found, expected);
    assert_eq!(notes("\"foo # bar\""), json!("foo # bar"));
}
