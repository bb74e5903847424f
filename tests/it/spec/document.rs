//! Mistakes in the document itself.

use super::{build, errors, with_stages};

#[test]
fn an_unknown_key_is_shown_with_a_suggestion() {
    let text = with_stages("  a:\n    kind: source\n    param: {}\n");
    assert_eq!(
        errors(&text),
        "\
error: unknown key `param`
  --> p.yaml:6:5
    |
  6 |     param: {}
    |     ^^^^^
    = hint: did you mean `params`?"
    );
}

#[test]
fn an_unknown_key_is_refused_everywhere() {
    let stage = "  a: { kind: source }\n";
    for (text, message) in [
        (
            format!("{}stage: {{}}\n", with_stages(stage)),
            "unknown key `stage`",
        ),
        (
            with_stages("  a: { kind: source, resources: { cpu: 1 } }\n"),
            "unknown key `cpu`",
        ),
        (
            format!("{}tables:\n  t: {{ row: m }}\n", with_stages(stage)),
            "unknown key `row`",
        ),
        (
            format!(
                "{}tables:\n  t: {{ rows: m, columns: [{{ metrics: a.b }}] }}\n",
                with_stages(stage)
            ),
            "unknown key `metrics`",
        ),
    ] {
        let found = errors(&text);
        assert!(found.contains(message), "{found}");
        assert!(found.contains("did you mean"), "{found}");
    }
}

#[test]
fn a_missing_key_is_shown_at_the_stage_that_lacks_it() {
    assert_eq!(
        errors(&with_stages("  a:\n    params:\n      size: 3\n")),
        "\
error: missing key `kind`
  --> p.yaml:4:3
    |
  4 |   a:
    |   ^"
    );
}

#[test]
fn several_errors_are_reported_at_once_in_order() {
    let text = "version: 2\nname: 3d\nstages:\n  a: { kind: 1 }\n  b: { kind: source, seed: -1 }\n";
    assert_eq!(
        errors(text),
        "\
error: unknown document version 2: this program reads version 1
  --> p.yaml:1:10
    |
  1 | version: 2
    |          ^

error: `3d` is not a valid name for a pipeline
  --> p.yaml:2:7
    |
  2 | name: 3d
    |       ^^
    = hint: a name has at most 64 letters, digits, `_` and `-`, and starts with a letter or `_`

error: expected a text, found the number `1`
  --> p.yaml:4:14
    |
  4 |   a: { kind: 1 }
    |              ^

error: expected a whole number of 0 or more, found the number `-1`
  --> p.yaml:5:28
    |
  5 |   b: { kind: source, seed: -1 }
    |                            ^^"
    );
}

#[test]
fn a_syntax_error_is_shown_at_its_place() {
    assert_eq!(
        errors("version: 1\nstages: { a: { kind: source }\n"),
        "\
error: this is not valid YAML: while parsing a flow mapping, did not find expected ',' or '}'
  --> p.yaml:2:30
    |
  2 | stages: { a: { kind: source }
    |                              ^"
    );
    let unquoted =
        "version: 1\nstages:\n  a: { kind: use, inputs: { model: cnn[large], images: b } }\n";
    let found = errors(unquoted);
    let hint = "hint: put quotes around an instance: `\"cnn[large]\"`";
    assert!(found.ends_with(hint), "{found}");
    assert_eq!(
        errors("version: 1\nstages:\n\ta: b\n"),
        "\
error: this is not valid YAML: tabs disallowed within this context (block indentation)
  --> p.yaml:3:2
    |
  3 |  a: b
    |  ^"
    );
}

#[test]
fn a_duplicate_key_names_both_places() {
    assert_eq!(
        errors("version: 1\nname: a\nname: b\n"),
        "\
error: duplicate key `name`
  --> p.yaml:3:1
    |
  3 | name: b
    | ^^^^
    = note: first given at p.yaml:2:1"
    );
}

#[test]
fn aliases_that_expand_exponentially_are_one_error() {
    let mut text = String::from("v0: &v0 [1, 1, 1, 1, 1, 1, 1, 1, 1]\n");
    for level in 1..9 {
        let aliases = vec![format!("*v{}", level - 1); 9].join(",");
        text += &format!("v{level}: &v{level} [{aliases}]\n");
    }
    assert_eq!(
        errors(&text),
        "\
error: the document has more than 1000000 values once its aliases are expanded
  --> p.yaml:6:5
    |
  6 | v5: &v5 [*v4,*v4,*v4,*v4,*v4,*v4,*v4,*v4,*v4]
    |     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^"
    );
}

#[test]
fn vars_that_expand_exponentially_are_one_error() {
    let mut text = String::from("vars:\n  v0: [1, 1, 1, 1, 1, 1, 1, 1, 1]\n");
    for level in 1..9 {
        let items = vec![format!("\"${{v{}}}\"", level - 1); 9].join(",");
        text += &format!("  v{level}: [{items}]\n");
    }
    let found = errors(&text);
    assert_eq!(found.matches("error:").count(), 1, "{found}");
    assert!(
        found.contains("more than 1000000 values once `${…}` and `matrix` are expanded"),
        "{found}"
    );
}

#[test]
fn unsupported_documents_are_refused_with_a_clear_message() {
    let deep = format!("{}{}", "[".repeat(100), "]".repeat(100));
    let large = format!("# {}\n", "x".repeat(8 << 20));
    for (text, message, line) in [
        (
            "a: &a { b: 1 }\nc:\n  <<: *a\n",
            "merge keys (`<<`) are not supported",
            3,
        ),
        ("a: 1\n---\nb: 1\n", "a second YAML document starts here", 2),
        ("a: !name 1\n", "tags (`!name`) are not supported", 1),
        (
            "a: &a [*a]\n",
            "this alias is inside the value that it refers to",
            1,
        ),
        ("? [a, b]\n: 1\n", "a key must be a plain name", 1),
        ("a: .inf\n", "`.inf` is not a finite number", 1),
        (
            "a: 18446744073709551616\n",
            "`18446744073709551616` does not fit into 64 bits",
            1,
        ),
        ("- a\n", "expected a map of keys, found a list", 1),
        ("", "expected a map of keys, found an empty value", 1),
        (deep.as_str(), "nested more than 64 levels deep", 1),
        (large.as_str(), "too large for a pipeline", 1),
        ("vars: [a]\n", "expected a map, found a list", 1),
        (
            "profiles: { a: 1 }\n",
            "expected a map, found the number `1`",
            1,
        ),
        (
            "version: 1\nname: a\nstages: {}\n",
            "a pipeline needs at least one stage",
            3,
        ),
        (
            "version: 1\nname: a\nstages: { a.b: { kind: source } }\n",
            "`a.b` is not a valid name for a stage",
            3,
        ),
    ] {
        let found = errors(text);
        assert!(found.contains(message), "{found}");
        assert!(found.contains(&format!("p.yaml:{line}:")), "{found}");
    }
}

#[test]
fn columns_are_counted_in_characters_and_carets_in_cells() {
    let text = with_stages(
        "  a: # ü × 日本\n    kind: source\n    params: { path: \"日本ü\", sise: 6 }\n",
    );
    assert_eq!(
        errors(&text),
        "\
error: unknown parameter `sise`
  --> p.yaml:6:28
    |
  6 |     params: { path: \"日本ü\", sise: 6 }
    |                              ^^^^
    = hint: did you mean `size`?"
    );
}

#[test]
fn line_ends_and_byte_order_marks_do_not_move_places() {
    let text = "\u{feff}version: 1\r\nname: é\r\nstages:\r\n  a: { kind: source }\r\n";
    assert!(
        errors(text).contains("p.yaml:2:7\n    |\n  2 | name: é\n    |       ^\n"),
        "{}",
        errors(text)
    );
}

#[test]
fn a_long_line_is_cut_around_the_caret() {
    let text = with_stages(&format!(
        "  a: {{ kind: source, params: {{ path: {}, sise: 6 }} }}\n",
        "x".repeat(5000)
    ));
    let found = errors(&text);
    assert!(
        found.lines().all(|line| line.chars().count() < 200),
        "{found}"
    );
    let caret = found.lines().nth(4).map(|line| line.find('^').unwrap());
    let excerpt: Vec<char> = found.lines().nth(3).unwrap().chars().collect();
    assert_eq!(excerpt[caret.unwrap()..][..4], ['s', 'i', 's', 'e']);
}

#[test]
fn a_diagnostic_serializes_to_json() {
    let text = with_stages("  a:\n    kind: source\n    param: {}\n");
    let errors = super::build_with(&text, None, &["seed=3"]).err().unwrap();
    assert_eq!(
        serde_json::to_value(&errors).unwrap(),
        serde_json::json!([{
            "message": "unknown key `param`",
            "place": { "file": "p.yaml", "line": 6, "column": 5, "text": "param" },
            "hint": "did you mean `params`?",
        }])
    );
}

#[test]
fn empty_sections_count_as_missing() {
    let text = "version: 1\nname: a\nvars:\nprofiles:\nmodels:\ntables:\nstages:\n  a:\n    kind: source\n    params:\n    inputs:\n    matrix:\n    resources:\n";
    assert_eq!(build(text).order.len(), 1);
}
