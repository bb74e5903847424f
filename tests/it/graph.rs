//! `runner graph`, in each of its formats.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde_json::{Value, json};

use crate::sandbox::{Sandbox, TINY};

fn graph(sandbox: &Sandbox, args: &[&str]) -> String {
    let drawn = sandbox.runner(&[&["graph", "pipeline.yaml"], args].concat());
    assert_eq!(
        (drawn.code, drawn.stderr.as_str()),
        (Some(0), ""),
        "{drawn:?}"
    );
    drawn.stdout
}

fn graph_json(sandbox: &Sandbox, args: &[&str]) -> Value {
    serde_json::from_str(&graph(sandbox, &[args, &["--format", "json"]].concat())).unwrap()
}

/// Returns the name, state and reason of every node.
fn states(object: &Value) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let nodes = object["nodes"].as_array().unwrap().iter();
    nodes
        .map(|node| {
            (
                text(&node["name"]),
                text(&node["state"]),
                text(&node["reason"]),
            )
        })
        .collect()
}

fn named(states: &[(&str, &str, &str)]) -> Vec<(String, String, String)> {
    let owned = |&(name, state, reason): &(&str, &str, &str)| {
        (name.to_owned(), state.to_owned(), reason.to_owned())
    };
    states.iter().map(owned).collect()
}

/// Returns a sandbox in which one of two networks is trained.
fn half_run() -> Sandbox {
    let sandbox = Sandbox::new(TINY);
    assert_eq!(sandbox.run_json(&["--until", "cnn[4]"]).code, Some(0));
    sandbox
}

#[test]
fn without_a_store_every_stage_would_run_and_no_store_is_created() {
    let sandbox = Sandbox::new(TINY);
    let object = graph_json(&sandbox, &[]);
    let first = [("xrays", "runs", "first run"), ("cnn", "runs", "first run")];
    assert_eq!(states(&object), named(&first));
    assert!(!sandbox.path("artifacts").exists());
}

#[test]
fn json_describes_every_stage_and_its_inputs() {
    let object = graph_json(&half_run(), &[]);
    let cnn = json!({
        "name": "cnn", "kind": "train-cnn", "axes": { "width": ["4", "6"] },
        "state": "runs", "reason": "first run",
        "instances": 2, "cached": 1, "runs": 1, "waits": 0,
    });
    assert_eq!(object["nodes"][1], cnn);
    assert_eq!(object["nodes"][0]["state"], "cached");
    assert_eq!(object["nodes"][0]["reason"], Value::Null);
    let edges = json!([
        { "from": "xrays", "to": "cnn", "port": "train", "role": "train" },
        { "from": "xrays", "to": "cnn", "port": "validation", "role": "validation" },
    ]);
    assert_eq!(object["edges"], edges);
}

#[test]
fn with_expand_every_instance_has_its_own_state() {
    let sandbox = half_run();
    let object = graph_json(&sandbox, &["--expand"]);
    let half = [
        ("xrays", "cached", ""),
        ("cnn[4]", "cached", ""),
        ("cnn[6]", "runs", "first run"),
    ];
    assert_eq!(states(&object), named(&half));
    assert_eq!(object["nodes"][2]["axes"], json!({ "width": ["6"] }));

    let changed = graph_json(&sandbox, &["--expand", "-S", "images=50"]);
    let reason = "params.source.phantom.images 40 → 50";
    let waits = [
        ("xrays", "runs", reason),
        ("cnn[4]", "waits", "waits on xrays"),
        ("cnn[6]", "waits", "waits on xrays"),
    ];
    assert_eq!(states(&changed), named(&waits));
}

#[test]
fn until_draws_a_stage_and_what_it_needs_with_or_without_a_store() {
    let without = graph_json(&Sandbox::new(TINY), &["--expand", "--until", "cnn[6]"]);
    let with = graph_json(&half_run(), &["--expand", "--until", "cnn[6]"]);
    for object in [without, with] {
        let names: Vec<_> = states(&object).into_iter().map(|(name, ..)| name).collect();
        assert_eq!(names, ["xrays", "cnn[6]"]);
    }
    let refused = Sandbox::new(TINY).runner(&["graph", "pipeline.yaml", "--until", "cn"]);
    assert_eq!(refused.code, Some(2));
    assert!(
        refused.stderr.contains("did you mean `cnn`?"),
        "{refused:?}"
    );
}

/// A Mermaid flowchart: label and class by node, and edges with their labels.
#[derive(Debug, Default, PartialEq)]
struct Chart {
    nodes: BTreeMap<String, (String, String)>,
    edges: BTreeSet<(String, String, String)>,
}

impl Chart {
    fn of_mermaid(text: &str) -> Self {
        let mut chart = Self::default();
        let (front, body) = text.split_once("\n---\nflowchart LR\n").unwrap();
        assert!(front.starts_with("---\ntitle: \""), "{front}");
        for line in body.lines().map(str::trim) {
            if let Some((from, rest)) = line.split_once(" -->") {
                let (label, to) = rest.rsplit_once(' ').unwrap();
                let label = label.trim_start_matches("|\"").trim_end_matches("\"|");
                let edge = (from.to_owned(), to.to_owned(), label.to_owned());
                chart.edges.insert(edge);
            } else if !line.starts_with("classDef ") {
                let (node, rest) = line.split_once("[\"").unwrap();
                let (label, class) = rest.split_once("\"]:::").unwrap();
                let label = label.replace("<br/>", "\n");
                chart
                    .nodes
                    .insert(node.to_owned(), (label, class.to_owned()));
            }
        }
        chart
    }
}

#[test]
fn mermaid_has_a_box_for_a_stage_with_counts() {
    let chart = Chart::of_mermaid(&graph(&half_run(), &[]));
    let node = |label: &str, class: &str| (label.to_owned(), class.to_owned());
    assert_eq!(chart.nodes["n0"], node("xrays\ndataset\ncached", "cached"));
    let cnn = node("cnn ×2\ntrain-cnn · width\n1 cached, 1 runs", "runs");
    assert_eq!(chart.nodes["n1"], cnn);
    let edge = |label: &str| ("n0".to_owned(), "n1".to_owned(), label.to_owned());
    let edges = BTreeSet::from([edge("train"), edge("validation")]);
    assert_eq!(chart.edges, edges);
}

#[test]
fn dot_has_a_line_for_every_instance_and_link() {
    let text = graph(&half_run(), &["--format", "dot", "--expand"]);
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    assert_eq!(
        (lines[0], *lines.last().unwrap()),
        ("digraph \"tiny\" {", "}")
    );
    let label = |name: &str| {
        let line = lines
            .iter()
            .find(|line| line.starts_with(&format!("\"{name}\" [label=")));
        line.unwrap().split('"').nth(3).unwrap().to_owned()
    };
    assert_eq!(label("xrays"), r"xrays\ndataset\ncached");
    assert_eq!(label("cnn[4]"), r"cnn[4]\ntrain-cnn\ncached");
    assert_eq!(label("cnn[6]"), r"cnn[6]\ntrain-cnn\nruns: first run");
    let links = lines.iter().filter(|line| line.contains(" -> ")).count();
    assert_eq!(links, 4);
    assert!(lines.contains(&r#""xrays" -> "cnn[6]" [label="validation"]"#));
}

/// Returns the text between each `start` and the next `end`.
fn between<'a>(text: &'a str, start: &str, end: &str) -> Vec<&'a str> {
    let pieces = text.split(start).skip(1);
    pieces
        .map(|piece| piece.split(end).next().unwrap())
        .collect()
}

#[test]
fn svg_shows_states_in_words_and_has_a_legend() {
    let text = graph(&half_run(), &["--format", "svg", "--expand"]);
    assert!(text.starts_with("<svg ") && text.ends_with("</svg>\n"));
    let written: Vec<&str> = between(&text, "<text ", "</text>")
        .into_iter()
        .map(|text| text.split_once('>').unwrap().1)
        .collect();
    assert_eq!(&written[..4], ["tiny", "cached: 2", "runs: 1", "waits: 0"]);
    for expected in ["cnn[6]", "runs: first run", "train", "validation"] {
        assert!(written.contains(&expected), "{expected} in {written:?}");
    }
    let classes = |class: &str| {
        text.matches(&format!("<g class=\"{class}\"><title>"))
            .count()
    };
    assert_eq!(
        (classes("cached"), classes("runs"), classes("waits")),
        (2, 1, 0)
    );
}

/// Returns the value of a numeric attribute.
fn attribute(element: &str, name: &str) -> f64 {
    between(element, &format!(" {name}=\""), "\"")[0]
        .parse()
        .unwrap()
}

#[test]
fn svg_text_fits_its_box_and_unusual_names_work() {
    let long = format!("a{}", "-_Z9".repeat(15));
    let pipeline = format!(
        "version: 1\nname: odd\nstages:\n  end: {{ kind: dataset }}\n  {long}:\n    kind: augment\n    matrix: {{ x_: [1.5e+300, -1, a+b.c, subgraph] }}\n    inputs: {{ images: end.train }}\n"
    );
    let sandbox = Sandbox::new(&pipeline);
    for args in [&["--format", "svg"][..], &["--format", "svg", "--expand"]] {
        let text = graph(&sandbox, args);
        let boxes = text.split("<g class=\"runs\"><title>").skip(1);
        let mut seen = 0;
        for stage in boxes {
            let rect = between(stage, "<rect", "/>")[0];
            let right = attribute(rect, "x") + attribute(rect, "width");
            for line in between(stage, "<text", "</text>").into_iter().take(3) {
                let (tag, content) = line.split_once('>').unwrap();
                let size = if tag.contains("\"name\"") { 13.0 } else { 11.0 };
                // In the widest common monospaced font, a character is 0.62 times the font size wide.
                let end = attribute(tag, "x") + 0.62 * size * content.chars().count() as f64;
                assert!(
                    attribute(tag, "x") > attribute(rect, "x") && end < right,
                    "{line}"
                );
                seen += 1;
            }
        }
        assert_eq!(seen, if args.len() == 2 { 6 } else { 15 });
    }
    let chart = Chart::of_mermaid(&graph(&sandbox, &["--expand"]));
    // A node with the id `end` would break a flowchart, so nodes have generated ids.
    assert_eq!(chart.nodes["n0"].0.lines().next(), Some("end"));
    assert!(chart.nodes["n3"].0.starts_with(&format!("{long}[a+b.c]\n")));
}

#[test]
fn the_extension_of_a_file_determines_its_format() {
    let sandbox = Sandbox::new(TINY);
    for (name, start) in [
        ("a.svg", "<svg "),
        ("a.dot", "digraph "),
        ("a.mmd", "---\n"),
        ("a.json", "{"),
    ] {
        assert_eq!(graph(&sandbox, &["-o", name]), "");
        let text = fs::read_to_string(sandbox.path(name)).unwrap();
        assert!(text.starts_with(start), "{name}: {text}");
    }
    assert_eq!(graph(&sandbox, &["-o", "a.txt", "--format", "svg"]), "");
    assert!(
        fs::read_to_string(sandbox.path("a.txt"))
            .unwrap()
            .starts_with("<svg ")
    );

    let refused = sandbox.runner(&["graph", "pipeline.yaml", "-o", "a.png"]);
    assert_eq!(refused.code, Some(2));
    let expected = "error: `a.png` has no extension of a known format; use .mmd, .dot, .svg or .json, or give `--format`\n";
    assert_eq!(refused.stderr, expected);
    assert!(!sandbox.path("a.png").exists());
}
