//! Stages, models, vars and seeds of included files.

use serde_json::json;

use super::{BASE, files, main_with, names};
use crate::spec::{links, params};

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
