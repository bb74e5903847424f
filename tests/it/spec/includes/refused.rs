//! Errors in included files and in the includes themselves.

use super::{BASE, MAIN, MODELS, files, main_with};

#[test]
fn an_error_in_an_included_file_shows_its_place_and_the_include() {
    let syntax = main_with(&BASE.replace("kind: train", "kin: train"));
    assert_eq!(
        syntax.errors(&[]),
        "\
error: unknown key `kin`
  --> base.yaml:9:5
    |
  9 |     kin: train
    |     ^^^
    = note: included as `base` at main.yaml:8:3
    = hint: did you mean `kind`?"
    );
    let graph = main_with(&BASE.replace("xrays.train", "xray.train"));
    assert_eq!(
        graph.errors(&[]),
        "\
error: there is no stage `xray`
  --> base.yaml:10:23
     |
  10 |     inputs: { images: xray.train }
     |                       ^^^^
     = note: included as `base` at main.yaml:8:3
     = hint: did you mean `xrays`?"
    );
    let nested = files(&[
        ("main.yaml", "version: 1\nname: m\ninclude: { a: a.yaml }\n"),
        ("a.yaml", "version: 1\nname: a\ninclude: { b: b.yaml }\n"),
        (
            "b.yaml",
            "version: 1\nname: b\nstages: { s: { kind: sourc } }\n",
        ),
    ]);
    assert_eq!(
        nested.errors(&[]),
        "\
error: there is no stage kind `sourc`
  --> b.yaml:3:22
    |
  3 | stages: { s: { kind: sourc } }
    |                      ^^^^^
    = note: included as `b` at a.yaml:3:12
    = note: included as `a` at main.yaml:3:12
    = hint: did you mean `source`?"
    );
}

#[test]
fn references_into_an_included_file_are_checked_at_their_place() {
    let refused = |from: &str, to: &str| {
        let main = MAIN.replace(from, to);
        assert_ne!(main, MAIN);
        files(&[
            ("main.yaml", &main),
            ("models.yaml", MODELS),
            ("base.yaml", BASE),
        ])
        .errors(&[])
    };
    assert_eq!(
        refused("base.xrays.train", "base.xray.train"),
        "\
error: there is no stage `base.xray`
  --> main.yaml:13:23
     |
  13 |     inputs: { images: base.xray.train }
     |                       ^^^^^^^^^
     = hint: did you mean `base.xrays`?"
    );
    assert_eq!(
        refused("base.xrays.train", "base.xrays.trains"),
        "\
error: `base.xrays` has no output `trains`
  --> main.yaml:13:34
     |
  13 |     inputs: { images: base.xrays.trains }
     |                                  ^^^^^^
     = hint: did you mean `train`?"
    );
    let model = refused("nets.large", "nets.lage");
    assert!(
        model.starts_with("error: there is no model `nets.lage`\n  --> main.yaml:12:35\n"),
        "{model}"
    );
    assert!(
        model.ends_with("= hint: did you mean `nets.large`?"),
        "{model}"
    );
    assert_eq!(
        refused("vars: { size: \"${big}\" }", "vars: { sise: 3 }"),
        "\
error: there is no var `sise`
  --> main.yaml:8:36
    |
  8 |   base: { file: base.yaml, vars: { sise: 3 } }
    |                                    ^^^^
    = hint: did you mean `size`?"
    );
}

#[test]
fn an_invalid_include_is_refused_at_its_place() {
    let refused = |include: &str| {
        let main = format!(
            "version: 1\nname: m\ninclude: {include}\nstages: {{ s: {{ kind: source }} }}\n"
        );
        files(&[("main.yaml", &main), ("text.yaml", "- a\n")]).errors(&[])
    };
    assert_eq!(
        refused("{ a: nowhere.yaml }"),
        "\
error: failed to read `nowhere.yaml`: No such file or directory (os error 2)
  --> main.yaml:3:15
    |
  3 | include: { a: nowhere.yaml }
    |               ^^^^^^^^^^^^"
    );
    for (include, message) in [
        (
            "{ a: text.yaml }",
            "`text.yaml` is not a pipeline: no line begins with `version:`\n  --> main.yaml:3:15",
        ),
        ("{ a: . }", "failed to read"),
        ("{ a: 1 }", "expected"),
        (
            "{ a: { file: main.yaml, var: {} } }",
            "unknown key `var`\n  --> main.yaml:3:34",
        ),
        ("{ a: { vars: {} } }", "missing key `file`"),
        (
            "{ a.b: text.yaml }",
            "`a.b` is not a valid name for an included file",
        ),
        (
            "{ s: text.yaml }",
            "an included file and a stage are both called `s`\n  --> main.yaml:3:12",
        ),
        ("[text.yaml]", "expected a map"),
    ] {
        let found = refused(include);
        assert!(found.contains(message), "{include}: {found}");
    }
}

#[test]
fn files_that_include_each_other_are_refused_with_the_cycle() {
    let files = files(&[
        ("main.yaml", "version: 1\nname: m\ninclude: { a: a.yaml }\n"),
        ("a.yaml", "version: 1\nname: a\ninclude: { b: in/b.yaml }\n"),
        (
            "in/b.yaml",
            "version: 1\nname: b\ninclude: { again: ../in/../a.yaml }\n",
        ),
    ]);
    assert_eq!(
        files.errors(&[]),
        "\
error: files include each other in a cycle: `a.yaml` → `in/b.yaml` → `in/../in/../a.yaml`
  --> in/b.yaml:3:19
    |
  3 | include: { again: ../in/../a.yaml }
    |                   ^^^^^^^^^^^^^^^
    = note: included as `b` at a.yaml:3:12
    = note: included as `a` at main.yaml:3:12"
    );
}

#[test]
fn the_depth_and_the_number_of_includes_are_limited() {
    // Each file includes the next one twice.
    let level = |depth: usize| {
        let next = depth + 1;
        format!("version: 1\nname: l\ninclude: {{ a: {next}.yaml, b: {next}.yaml }}\n")
    };
    let texts: Vec<(String, String)> = (0..20)
        .map(|depth| (format!("{depth}.yaml"), level(depth)))
        .chain([("20.yaml".to_owned(), "version: 1\nname: l\n".to_owned())])
        .collect();
    let few: Vec<(&str, &str)> = texts
        .iter()
        .map(|(n, t)| (n.as_str(), t.as_str()))
        .collect();
    let found = files(&few).errors(&[]);
    assert!(
        found.contains("included files are nested more than 16 levels deep"),
        "{found}"
    );
    let found = files(&few[10..]).errors(&[]);
    assert!(
        found.contains("more than 256 files are included"),
        "{found}"
    );
}

#[test]
fn a_file_with_only_models_is_not_a_pipeline() {
    let alone = files(&[("models.yaml", MODELS)]).errors(&[]);
    assert!(
        alone.starts_with("error: missing key `stages`\n"),
        "{alone}"
    );
    let main = "version: 1\nname: m\ninclude: { nets: models.yaml }\n";
    let found = files(&[("main.yaml", main), ("models.yaml", MODELS)]).errors(&[]);
    assert!(
        found.starts_with("error: a pipeline needs at least one stage\n  --> main.yaml:3:1\n"),
        "{found}"
    );
}
