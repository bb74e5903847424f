//! Pipelines that include others, from files.

use std::fs;

use engine::graph::Graph;
use engine::spec::{Diagnostic, LoadOptions, load};
use serde_json::json;
use tempfile::TempDir;

use super::{kinds, links, params};

/// A folder with some files. `main` is the name of the one that is read.
struct Files {
    folder: TempDir,
    main: String,
}

fn files(files: &[(&str, &str)]) -> Files {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let main = files[0].0.to_owned();
    Files { folder, main }
}

impl Files {
    fn build(&self, sets: &[&str]) -> Result<Graph, Vec<Diagnostic>> {
        let options = LoadOptions {
            profile: None,
            sets: sets.iter().map(|set| (*set).to_owned()).collect(),
            ..LoadOptions::default()
        };
        load(&self.folder.path().join(&self.main), &options)
            .and_then(|pipeline| Graph::build(pipeline, &kinds::CATALOGUE))
    }

    fn graph(&self, sets: &[&str]) -> Graph {
        self.build(sets)
            .unwrap_or_else(|errors| panic!("{}", self.shown(&errors)))
    }

    /// Returns all errors as printed, with paths relative to the folder.
    fn errors(&self, sets: &[&str]) -> String {
        match self.build(sets) {
            Ok(_) => "no error".to_owned(),
            Err(errors) => self.shown(&errors),
        }
    }

    fn shown(&self, errors: &[Diagnostic]) -> String {
        let rendered: Vec<String> = errors.iter().map(Diagnostic::to_string).collect();
        let folder = format!("{}/", self.folder.path().display());
        rendered.join("\n\n").replace(&folder, "")
    }
}

fn names(graph: &Graph) -> Vec<String> {
    let stages = graph.stages.node_weights();
    stages.map(|stage| stage.name.to_string()).collect()
}

const MAIN: &str = r#"
version: 1
name: main
seed: 1
vars: { big: 64 }
include:
  nets: models.yaml
  base: { file: base.yaml, vars: { size: "${big}" } }
stages:
  fit:
    kind: train
    matrix: { model: [nets.small, nets.large] }
    inputs: { images: base.xrays.train }
    params: { model: "${matrix.model}" }
  all: { kind: gather, inputs: { models: [fit, base.net] } }
"#;

const MODELS: &str = r#"
version: 1
name: models
vars: { units: 3 }
models:
  small: [flatten, { dense: { units: "${units}" } }]
  large: [{ dense: { units: 5 } }]
"#;

const BASE: &str = r#"
version: 1
name: base
vars: { size: 32 }
models: { own: [flatten] }
stages:
  xrays: { kind: source, params: { size: "${size}" } }
  net:
    kind: train
    inputs: { images: xrays.train }
    params: { model: own }
tables: { of-no-use: { rows: nothing, columns: [{ metric: nowhere.f1 }] } }
"#;

fn main_with(base: &str) -> Files {
    files(&[
        ("main.yaml", MAIN),
        ("models.yaml", MODELS),
        ("base.yaml", base),
    ])
}

#[test]
fn stages_and_models_of_an_included_file_have_its_name_as_prefix() {
    let graph = main_with(BASE).graph(&[]);
    let expected = [
        "base.xrays",
        "base.net",
        "fit[nets.small]",
        "fit[nets.large]",
        "all",
    ];
    assert_eq!(names(&graph), expected);
    let expected = [
        "base.xrays.train → base.net.images#0",
        "base.xrays.train → fit[nets.small].images#0",
        "base.xrays.train → fit[nets.large].images#0",
        "fit[nets.small].model → all.models#0",
        "fit[nets.large].model → all.models#1",
        "base.net.model → all.models#2",
    ];
    assert_eq!(links(&graph), expected);
    assert_eq!(
        params(&graph, "fit[nets.small]")["model"],
        json!(["flatten", { "dense": { "units": 3 } }])
    );
    assert_eq!(params(&graph, "base.net")["model"], json!(["flatten"]));
    assert!(graph.tables.is_empty());
}

#[test]
fn vars_of_an_included_file_are_set_where_it_is_included() {
    let files = main_with(BASE);
    let size = |sets: &[&str]| params(&files.graph(sets), "base.xrays")["size"].clone();
    assert_eq!(size(&[]), json!(64));
    assert_eq!(size(&["big=48"]), json!(48));
    assert_eq!(size(&["include.base.vars.size=40"]), json!(40));
    let without = main_with(BASE).graph(&["include.base=base.yaml"]);
    assert_eq!(params(&without, "base.xrays")["size"], json!(32));
}

#[test]
fn set_changes_stages_and_models_of_an_included_file() {
    let graph = main_with(BASE).graph(&[
        "stages.base.xrays.params.size=7",
        "models.nets.large=[flatten]",
        "include.nets.vars.units=9",
    ]);
    assert_eq!(params(&graph, "base.xrays")["size"], json!(7));
    assert_eq!(
        params(&graph, "fit[nets.large]")["model"],
        json!(["flatten"])
    );
    assert_eq!(
        params(&graph, "fit[nets.small]")["model"][1],
        json!({ "dense": { "units": 9 } })
    );
    assert_eq!(
        main_with(BASE).errors(&["stages.base.xray.params.size=7"]),
        "\
error: there is no `xray` in `stages`
  --> command line
   |
   | --set stages.base.xray.params.size=7
   |                   ^^^^
   = hint: did you mean `xrays`?"
    );
}

#[test]
fn a_seed_comes_from_the_stage_then_its_file_then_the_including_file() {
    let seed = |base: &str| {
        let graph = main_with(base).graph(&[]);
        graph.stages[graph.find("base.xrays")[0]].seed
    };
    assert_eq!(seed(BASE), 1);
    let seeded = BASE.replace("name: base", "name: base\nseed: 2");
    assert_eq!(seed(&seeded), 2);
    assert_eq!(
        seed(&seeded.replace("kind: source", "kind: source, seed: 3")),
        3
    );
}

#[test]
fn a_dollar_brace_in_a_given_value_is_not_expanded_again() {
    let files = files(&[
        (
            "main.yaml",
            "version: 1\nname: m\nvars: { x: X }\ninclude:\n  a: { file: a.yaml, vars: { note: \"${x} $${x} $$${x}\" } }\n",
        ),
        (
            "a.yaml",
            "version: 1\nname: a\nvars: { note: n, x: Y }\nstages: { s: { kind: source, params: { path: \"${note}\" } } }\n",
        ),
    ]);
    assert_eq!(
        params(&files.graph(&[]), "a.s")["path"],
        json!("X ${x} $${x}")
    );
}

#[test]
fn a_file_can_include_a_file_beside_it_and_be_included_twice() {
    let files = files(&[
        (
            "main.yaml",
            "version: 1\nname: m\ninclude: { a: in/a.yaml, b: { file: in/a.yaml, vars: { n: 2 } } }\n",
        ),
        (
            "in/a.yaml",
            "version: 1\nname: a\nvars: { n: 1 }\ninclude: { c: { file: deep/c.yaml, vars: { size: \"${n}\" } } }\nstages: { net: { kind: train, inputs: { images: c.xrays.train }, params: { model: c.m } } }\n",
        ),
        (
            "in/deep/c.yaml",
            "version: 1\nname: c\nvars: { size: 0 }\nmodels: { m: [flatten] }\nstages: { xrays: { kind: source, params: { size: \"${size}\" } } }\n",
        ),
    ]);
    let graph = files.graph(&[]);
    assert_eq!(names(&graph), ["a.c.xrays", "a.net", "b.c.xrays", "b.net"]);
    assert_eq!(params(&graph, "a.c.xrays")["size"], json!(1));
    assert_eq!(params(&graph, "b.c.xrays")["size"], json!(2));
    let expected = [
        "a.c.xrays.train → a.net.images#0",
        "b.c.xrays.train → b.net.images#0",
    ];
    assert_eq!(links(&graph), expected);
    let set = files.graph(&["stages.b.c.xrays.params.size=5"]);
    assert_eq!(params(&set, "b.c.xrays")["size"], json!(5));
    assert_eq!(params(&set, "a.c.xrays")["size"], json!(1));
}

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

#[test]
fn a_table_can_show_an_included_stage() {
    let base = "version: 1\nname: b\nstages:\n  xrays: { kind: source }\n  net: { kind: train, inputs: { images: xrays.train } }\n  rate: { kind: score, matrix: { m: [a] }, inputs: { model: net, images: xrays.test } }\n";
    let main = "version: 1\nname: m\ninclude: { base: base.yaml }\ntables: { t: { rows: m, columns: [{ metric: base.rate.f1 }] } }\n";
    let graph = files(&[("main.yaml", main), ("base.yaml", base)]);
    let found = graph.build(&[]);
    let shown = found.map(|graph| graph.tables[0].columns[0].metric.to_string());
    assert_eq!(
        shown.map_err(|errors| graph.shown(&errors)),
        Ok("base.rate.f1".to_owned())
    );
}
