//! Several artifacts on one input: their folder names and their index, which are part of the key.

use std::collections::BTreeMap;
use std::fs;

use serde_json::{Value, json};

use super::run;
use crate::sandbox::{Sandbox, files};

/// Returns a pipeline of these stages.
fn pipeline(stages: &str) -> Sandbox {
    Sandbox::new(&format!("version: 1\nname: p\nstages:\n{stages}"))
}

/// Returns a stage `look` that copies everything in its input `all` to its output.
fn look(more: &str) -> String {
    format!(
        "  look: {{ kind: command, {more}, params: {{ argv: [cp, -r, all, found], outputs: {{ found: found }} }} }}\n"
    )
}

/// Returns a stage `count` that writes its sample to a file.
fn count(samples: &str) -> String {
    format!(
        "  count: {{ kind: command, matrix: {{ sample: {samples} }}, params: {{ shell: true, argv: 'echo ${{matrix.sample}} > n.txt', outputs: {{ n: n.txt }} }} }}\n"
    )
}

/// Returns the files of an instance's input `all`, with their text, and the index of the input. Checks that
/// the `path` of each entry is a folder and that its `file` is a file.
fn found(sandbox: &Sandbox, instance: &str) -> (BTreeMap<String, String>, Value) {
    let folder = sandbox.path(&format!("artifacts/latest/p/{instance}/found"));
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let files = files(&folder).into_iter();
    let mut files: BTreeMap<String, String> = files.map(|(k, v)| (k, text(v))).collect();
    let index = files.remove("index.json");
    let index: Value = index.map_or(Value::Null, |text| serde_json::from_str(&text).unwrap());
    for entry in index.as_array().into_iter().flatten() {
        let path = folder.join(entry["path"].as_str().unwrap());
        assert!(path.is_dir(), "{entry}");
        if let Some(file) = entry.get("file") {
            assert!(folder.join(file.as_str().unwrap()).is_file(), "{entry}");
        }
    }
    (files, index)
}

fn names(files: &BTreeMap<String, String>) -> Vec<&str> {
    files.keys().map(String::as_str).collect()
}

fn succeed(sandbox: &Sandbox) {
    let run = run(sandbox);
    assert_eq!(run.code, Some(0), "{run:?}");
}

#[test]
fn the_layout_is_the_same_for_one_instance_and_for_several() {
    for samples in [&["A"][..], &["A", "B", "C"]] {
        let list = format!("[{}]", samples.join(", "));
        let sandbox = pipeline(&(count(&list) + &look("inputs: { all: count }")));
        succeed(&sandbox);
        let (files, index) = found(&sandbox, "look");
        let expected = samples.iter();
        let expected = expected.map(|s| (format!("sample={s}/n.txt"), format!("{s}\n")));
        assert_eq!(files, expected.collect());
        let entries = samples.iter().map(|sample| {
            json!({
                "instance": format!("count[{sample}]"),
                "axes": { "sample": sample },
                "path": format!("sample={sample}"),
                "file": format!("sample={sample}/n.txt"),
            })
        });
        assert_eq!(index, entries.collect::<Value>());
    }
}

#[test]
fn an_artifact_is_named_by_the_axes_that_the_stage_lacks() {
    let sandbox = pipeline(
        &("  count: { kind: command, matrix: { rep: [2, 1], split: [train, test], lr: [3.10, 0x10] }, params: { shell: true, argv: 'echo ${matrix.rep} ${matrix.lr} > n', outputs: { n: n } } }\n"
            .to_owned()
            + &look("matrix: { split: [train, test], own: [x] }, inputs: { all: count }")),
    );
    succeed(&sandbox);
    for split in ["train", "test"] {
        let (files, index) = found(&sandbox, &format!("look[{split},x]"));
        assert_eq!(
            names(&files),
            [
                "rep=1,lr=0x10/n",
                "rep=1,lr=3.10/n",
                "rep=2,lr=0x10/n",
                "rep=2,lr=3.10/n"
            ]
        );
        assert_eq!(files["rep=2,lr=3.10/n"], "2 3.10\n");
        // The index is in the order of the matrix.
        let instances = index.as_array().unwrap().iter();
        let instances: Vec<&Value> = instances.map(|entry| &entry["instance"]).collect();
        let expected = ["2,{},3.10", "2,{},0x10", "1,{},3.10", "1,{},0x10"];
        let expected = expected.map(|values| format!("count[{}]", values.replace("{}", split)));
        assert_eq!(instances, expected.each_ref());
        assert_eq!(index[0]["axes"], json!({ "rep": "2", "lr": "3.10" }));
    }
    // A stage with all axes of its producer gets a single artifact, without a folder or an index.
    let sandbox =
        pipeline(&(count("[A, B]") + &look("matrix: { sample: [B, A] }, inputs: { all: count }")));
    succeed(&sandbox);
    let (files, index) = found(&sandbox, "look[A]");
    assert_eq!((names(&files), index), (vec!["n.txt"], Value::Null));
}

#[test]
fn list_items_are_numbered_and_gathered_artifacts_are_named_below_them() {
    let stages = count("[B, A]")
        + "  one: { kind: command, params: { shell: true, argv: 'mkdir -p d/sub d/none e; echo 1 > d/sub/x; echo 2 > d/y', outputs: { d: d, e: e } } }\n";
    let sandbox = pipeline(&(stages.clone() + &look("inputs: { all: [one.d, count, one.e] }")));
    succeed(&sandbox);
    let (files, index) = found(&sandbox, "look");
    assert_eq!(
        names(&files),
        ["0/sub/x", "0/y", "1/sample=A/n.txt", "1/sample=B/n.txt"]
    );
    assert!(
        sandbox
            .path("artifacts/latest/p/look/found/0/none")
            .is_dir()
    );
    let counted = |sample: &str| {
        json!({
            "instance": format!("count[{sample}]"),
            "axes": { "sample": sample },
            "path": format!("1/sample={sample}"),
            "file": format!("1/sample={sample}/n.txt"),
        })
    };
    let expected = json!([
        { "instance": "one", "axes": {}, "path": "0" },
        counted("B"),
        counted("A"),
        { "instance": "one", "axes": {}, "path": "2" },
    ]);
    assert_eq!(index, expected);
    // A list with one item has numbered folders and an index; a plain reference does not.
    for (input, expected, indexed) in [
        ("[one.d]", ["0/sub/x", "0/y"], true),
        ("one.d", ["sub/x", "y"], false),
    ] {
        let sandbox = pipeline(&(stages.clone() + &look(&format!("inputs: {{ all: {input} }}"))));
        succeed(&sandbox);
        let (files, index) = found(&sandbox, "look");
        assert_eq!(
            (names(&files), index.is_array()),
            (expected.to_vec(), indexed)
        );
    }
}

#[test]
fn every_value_has_a_folder_of_its_own_and_keeps_its_spelling_in_the_index() {
    let values = [
        "..",
        ".",
        ".hidden",
        "-rf",
        "+5",
        "5",
        "5.0",
        "0x5",
        "TRUE",
        "true",
        "index.json",
    ];
    let long = "x".repeat(64);
    // Together, these axes are too long for a file name, so the folder names are truncated.
    let axes: Vec<String> = (0..4).map(|n| format!("axis{n}: [{long}]")).collect();
    let axes = axes.join(", ");
    let matrix = format!("{{ {axes}, sample: [{}] }}", values.join(", "));
    let sandbox = pipeline(
        &(count("[]").replace("{ sample: [] }", &matrix) + &look("inputs: { all: count }")),
    );
    succeed(&sandbox);
    let (files, index) = found(&sandbox, "look");
    let entries = index.as_array().unwrap();
    assert_eq!((files.len(), entries.len()), (values.len(), values.len()));
    for (entry, value) in entries.iter().zip(values) {
        assert_eq!(entry["axes"]["sample"], value);
        assert_eq!(entry["axes"]["axis3"], *long);
        let path = entry["path"].as_str().unwrap();
        assert!(path.len() <= 200 && !path.contains('/'), "{path}");
        assert_eq!(files[entry["file"].as_str().unwrap()], format!("{value}\n"));
    }
}

#[test]
fn the_layout_of_the_inputs_is_in_the_key() {
    let stages = |sample: &str, stage: &str| {
        let make = "params: { shell: true, argv: 'echo same > n', outputs: { n: n } }";
        format!(
            "version: 1\nname: p\nstages:\n  {stage}: {{ kind: command, matrix: {{ sample: [{sample}] }}, {make} }}\n{}",
            look(&format!("inputs: {{ all: {stage} }}"))
        )
    };
    let sandbox = Sandbox::new(&stages("A", "count"));
    let outcome = |sandbox: &Sandbox| {
        let outcomes = sandbox.run_json(&[]).outcomes();
        let outcomes = outcomes.into_iter().map(|(_, outcome)| outcome);
        outcomes.collect::<Vec<_>>()
    };
    assert_eq!(outcome(&sandbox), ["succeeded", "succeeded"]);
    let planned = sandbox.runner(&["plan", "pipeline.yaml", "--out", "plan.json"]);
    assert_eq!(planned.code, Some(0), "{planned:?}");
    for (sample, stage, why) in [
        ("B", "count", "all/sample=A → all/sample=B"),
        ("B", "tally", "count[B] → tally[B]"),
    ] {
        fs::write(sandbox.path("pipeline.yaml"), stages(sample, stage)).unwrap();
        let why = format!("the index of input `all` changed: {why}");
        for command in ["status", "explain"] {
            let printed = sandbox.runner(&[command, "pipeline.yaml"]).stdout;
            assert!(printed.contains(&why), "{printed}");
        }
        // The producer's result is a hit, but the consumer runs again because its index changed.
        assert_eq!(outcome(&sandbox), ["cached", "succeeded"]);
        let (_, index) = found(&sandbox, "look");
        assert_eq!(index[0]["instance"], format!("{stage}[{sample}]"));
        assert_eq!(outcome(&sandbox), ["cached", "cached"]);
    }
    let stale = sandbox.runner(&["run", "--plan", "plan.json"]);
    assert_eq!(stale.code, Some(2), "{stale:?}");
    let why = "`look`: the index of input `all` changed: all/sample=A → all/sample=B";
    assert!(stale.stderr.contains(why), "{stale:?}");
}

#[test]
fn stages_merge_only_if_the_names_of_their_inputs_are_equal_too() {
    let taking = |name: &str, input: &str| {
        look(&format!("inputs: {{ all: {input} }}")).replace("look", name)
    };
    let stages = count("[A]")
        + &count("[A]").replace("count", "tally")
        + &taking("one", "count")
        + &taking("same", "count")
        + &taking("other", "tally")
        + &taking("list", "[count]");
    let sandbox = pipeline(&stages);
    let outcomes: BTreeMap<String, String> = sandbox.run_json(&[]).outcomes().into_iter().collect();
    let executed = outcomes
        .iter()
        .filter(|(_, outcome)| *outcome == "succeeded");
    let executed: Vec<&str> = executed.map(|(name, _)| name.as_str()).collect();
    assert_eq!(executed.len(), 4, "{outcomes:?}");
    for (name, instance, path) in [
        ("one", "count[A]", "sample=A"),
        ("same", "count[A]", "sample=A"),
        ("other", "tally[A]", "sample=A"),
        ("list", "count[A]", "0/sample=A"),
    ] {
        let (_, index) = found(&sandbox, name);
        assert_eq!(
            (&index[0]["instance"], &index[0]["path"]),
            (&json!(instance), &json!(path))
        );
    }
}

#[test]
fn a_changed_index_affects_no_other_program() {
    let sandbox = pipeline(&format!(
        "{}  spoil: {{ kind: command, inputs: {{ all: count }}, params: {{ shell: true, argv: 'rm all/index.json; echo x > all/index.json; echo > o', outputs: {{ o: o }} }} }}\n{}",
        count("[A, B]"),
        look("inputs: { all: count, after: spoil }")
    ));
    succeed(&sandbox);
    let (files, index) = found(&sandbox, "look");
    assert_eq!(names(&files), ["sample=A/n.txt", "sample=B/n.txt"]);
    assert_eq!(index[1]["path"], "sample=B");
}
