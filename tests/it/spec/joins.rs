//! Matrices (instances, joins, fan-in, broadcast) and the tables over them.

use engine::graph::{Graph, Row};
use serde_json::json;

use super::{build, errors, links, params, with_stages};

fn names(graph: &Graph) -> Vec<String> {
    graph
        .order
        .iter()
        .map(|&node| graph.stages[node].name.to_string())
        .collect()
}

const CNNS: &str = "  xrays: { kind: source }
  cnn:
    kind: train
    matrix: { model: [m2, m1], rate: [0.10, 1] }
    inputs: { images: xrays.train }
    params: { notes: '${matrix.model}', rate: '${matrix.rate}' }
";

#[test]
fn every_combination_is_an_instance() {
    let graph = build(&with_stages(CNNS));
    assert_eq!(
        names(&graph),
        [
            "xrays",
            "cnn[m2,0.10]",
            "cnn[m2,1]",
            "cnn[m1,0.10]",
            "cnn[m1,1]"
        ]
    );
    assert_eq!(params(&graph, "cnn[m1,0.10]")["rate"], 0.1);
    assert_eq!(params(&graph, "cnn[m2,1]")["notes"], "m2");
    assert_eq!(graph.find("cnn").len(), 4);
    assert_eq!(graph.find("cnn[m1,1]").len(), 1);
    assert!(graph.find("cnn[m3,1]").is_empty());
}

#[test]
fn stages_join_on_the_axes_that_both_have() {
    let graph = build(&with_stages(
        "  xrays: { kind: source }
  cnn: { kind: train, matrix: { model: [a, b] }, inputs: { images: xrays.train } }
  eval: { kind: score, matrix: { split: [x, y], model: [b, a] }, inputs: { model: cnn, images: xrays.test } }
",
    ));
    let models: Vec<String> = links(&graph)
        .into_iter()
        .filter(|link| link.contains(".model#"))
        .collect();
    assert_eq!(
        models,
        [
            "cnn[b].model → eval[x,b].model#0",
            "cnn[a].model → eval[x,a].model#0",
            "cnn[b].model → eval[y,b].model#0",
            "cnn[a].model → eval[y,a].model#0",
        ]
    );
}

#[test]
fn an_axis_that_only_the_producer_has_is_a_fan_in() {
    let graph = build(&with_stages(&format!(
        "{CNNS}  all: {{ kind: gather, inputs: {{ models: cnn }}, params: {{ exactly: 4 }} }}
  each: {{ kind: gather, matrix: {{ model: [m1, m2] }}, inputs: {{ models: [cnn, cnn.model] }} }}
"
    )));
    let links = links(&graph);
    let into = |name: &str| -> Vec<&str> {
        links
            .iter()
            .filter_map(|link| link.split_once(&format!(" → {name}.models")))
            .map(|(from, _)| from)
            .collect()
    };
    assert_eq!(
        into("all"),
        [
            "cnn[m2,0.10].model",
            "cnn[m2,1].model",
            "cnn[m1,0.10].model",
            "cnn[m1,1].model"
        ]
    );
    assert_eq!(
        into("each[m1]"),
        [
            "cnn[m1,0.10].model",
            "cnn[m1,1].model",
            "cnn[m1,0.10].model",
            "cnn[m1,1].model"
        ]
    );
    assert!(
        links.contains(&"cnn[m1,1].model → each[m1].models#3".to_owned()),
        "{links:?}"
    );
}

#[test]
fn a_fan_in_to_an_input_that_takes_one_artifact_is_refused() {
    let text = with_stages(&format!(
        "{CNNS}  eval: {{ kind: score, inputs: {{ model: cnn, images: xrays.test }} }}\n"
    ));
    assert_eq!(
        errors(&text),
        "\
error: the input `model` takes one model, but `cnn` makes 4 of them here
  --> p.yaml:10:41
     |
  10 |   eval: { kind: score, inputs: { model: cnn, images: xrays.test } }
     |                                         ^^^
     = hint: add `model`, `rate` to the `matrix` of `eval`, as in `cnn`, or name one, such as `cnn[m2,0.10]`"
    );
}

#[test]
fn an_axis_value_that_the_producer_lacks_is_refused() {
    let text = with_stages(
        "  xrays: { kind: source }
  cnn: { kind: train, matrix: { model: [a, b] }, inputs: { images: xrays.train } }
  eval: { kind: score, matrix: { model: [a, c] }, inputs: { model: cnn, images: xrays.test } }
",
    );
    assert_eq!(
        errors(&text),
        "\
error: `cnn` has no instance with `model` = `c`
  --> p.yaml:6:68
    |
  6 |   eval: { kind: score, matrix: { model: [a, c] }, inputs: { model: cnn, images: xrays.test } }
    |                                                                    ^^^
    = note: `eval` is joined with it on the axis `model`"
    );
}

#[test]
fn an_axis_can_choose_a_port() {
    let graph = build(&with_stages(
        "  xrays: { kind: source }
  cnn: { kind: train, matrix: { part: [train, test] }, inputs: { images: 'xrays.${matrix.part}' } }
",
    ));
    assert_eq!(
        links(&graph),
        [
            "xrays.train → cnn[train].images#0",
            "xrays.test → cnn[test].images#0"
        ]
    );
}

#[test]
fn an_axis_can_take_its_values_from_a_var() {
    let text = with_stages(CNNS)
        .replace("[m2, m1]", "'${names}'")
        .replace("stages:", "vars: { names: [x] }\nstages:");
    assert_eq!(names(&build(&text)), ["xrays", "cnn[x,0.10]", "cnn[x,1]"]);
    let found = errors(&text.replace("[x]", "x"));
    assert!(
        found.starts_with("error: expected a list, found the text `x`\n  --> p.yaml:3:16\n"),
        "{found}"
    );
    assert!(
        found.contains("used as `${names}` at p.yaml:8:23"),
        "{found}"
    );
}

#[test]
fn a_bad_matrix_is_refused() {
    for (from, to, message) in [
        (
            "[m2, m1]",
            "[m2, m2]",
            "duplicate value `m2` on the axis `model`",
        ),
        (
            "[0.10, 1]",
            "[0.1, '0.1']",
            "duplicate value `0.1` on the axis `rate`",
        ),
        ("[m2, m1]", "[]", "the axis `model` has no values"),
        ("[m2, m1]", "[a/b]", "`a/b` cannot name an instance"),
        (
            "[m2, m1]",
            "[[a]]",
            "expected a name, a number or a boolean, found a list",
        ),
        (
            "matrix: { model: ",
            "matrix: { mo.del: ",
            "`mo.del` is not a valid name for an axis",
        ),
        (
            "matrix.model}",
            "matrix.modle}",
            "this stage has no axis `modle`",
        ),
    ] {
        let found = errors(&with_stages(CNNS).replace(from, to));
        assert!(found.starts_with(&format!("error: {message}\n")), "{found}");
    }
    let many = format!("{:?}", (0..200).collect::<Vec<_>>());
    let found = errors(
        &with_stages(CNNS)
            .replace("[m2, m1]", &many)
            .replace("[0.10, 1]", &many),
    );
    assert!(
        found.starts_with("error: the pipeline has more than 10000 instances"),
        "{found}"
    );
}

const TABLE: &str = "
version: 1
name: test
stages:
  xrays: { kind: source }
  cnn: { kind: train, matrix: { model: [b, a] }, inputs: { images: xrays.train } }
  eval: { kind: score, matrix: { model: [b, a] }, inputs: { model: cnn, images: xrays.test } }
tables:
  results:
    title: all of it
    rows: model
    columns:
      - { title: F1, metric: eval.f1, paper: { a: 0.5 } }
      - { metric: eval.f1.weighted }
";

#[test]
fn a_table_has_a_row_for_every_value_of_its_axis() {
    let graph = build(TABLE);
    let table = &graph.tables[0];
    assert_eq!(
        (
            table.name.as_str(),
            table.title.as_deref(),
            table.axes.as_slice()
        ),
        (
            "results",
            Some("all of it"),
            ["model".to_owned()].as_slice()
        )
    );
    let rows: Vec<String> = table.rows.iter().map(Row::label).collect();
    assert_eq!(rows, ["b", "a"]);
    let columns = json!(
        table
            .columns
            .iter()
            .map(|column| json!([
                column.title,
                column.metric.stage,
                column.metric.metric,
                column.reference,
                column.reference_label
            ]))
            .collect::<Vec<_>>()
    );
    assert_eq!(
        columns,
        json!([["F1", "eval", "f1", { "a": 0.5 }, "paper"], ["eval.f1.weighted", "eval", "f1.weighted", {}, "paper"]])
    );
}

#[test]
fn a_bad_table_is_refused() {
    for (from, to, start) in [
        (
            "rows: model",
            "rows: modle",
            "`eval` has no axis `modle`\n  --> p.yaml:11:11\n",
        ),
        (
            "eval.f1,",
            "evl.f1,",
            "there is no stage `evl`\n  --> p.yaml:13:30\n",
        ),
        (
            "eval.f1,",
            "cnn.f1,",
            "`cnn` has no metrics: a stage of kind `train` does not measure any\n  --> p.yaml:13:30\n",
        ),
        (
            "eval.f1,",
            "f1,",
            "expected `STAGE.METRIC`, found `f1`\n  --> p.yaml:13:30\n",
        ),
        (
            "a: 0.5",
            "c: 0.5",
            "the axis `model` has no value `c`\n  --> p.yaml:13:48\n",
        ),
        (
            "a: 0.5",
            "a: x",
            "expected a number, found the text `x`\n  --> p.yaml:13:51\n",
        ),
    ] {
        let found = errors(&TABLE.replace(from, to));
        assert!(found.starts_with(&format!("error: {start}")), "{found}");
        assert_eq!(found.matches("error:").count(), 1, "{found}");
    }
}
