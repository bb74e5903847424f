//! Options that write a file: a mistake in the path loses nothing.

use std::fs;
use std::path::PathBuf;

use crate::sandbox::{Sandbox, TINY, files, list};

/// Commands that write to the path after them, and a name for a good file.
const WRITERS: [(&[&str], &str); 6] = [
    (&["run", "pipeline.yaml", "--junit"], "run.xml"),
    (&["table", "pipeline.yaml", "--junit"], "table.xml"),
    (&["plan", "pipeline.yaml", "--out"], "p.plan"),
    (
        &["graph", "pipeline.yaml", "--format", "svg", "-o"],
        "graph.svg",
    ),
    (&["graph", "pipeline.yaml", "--json", "-o"], "graph.json"),
    (&["report", "pipeline.yaml", "-o"], "report.html"),
];

#[test]
fn a_file_is_replaced_only_by_one_of_its_kind() {
    let sandbox = Sandbox::new(TINY);
    assert_eq!(sandbox.run_json(&[]).code, Some(0));
    fs::write(sandbox.path("data.csv"), "id,label\n1,a\n").unwrap();
    fs::write(sandbox.path("base.yaml"), TINY).unwrap();
    let kept = || {
        let mut all = files(&sandbox.path(""));
        all.retain(|(name, _)| !name.starts_with("artifacts"));
        all
    };
    let before = kept();
    for (command, _) in WRITERS {
        for file in ["pipeline.yaml", "base.yaml", "data.csv"] {
            let refused = sandbox.runner(&[command, &[file]].concat());
            assert_eq!(refused.code, Some(2), "{command:?}: {refused:?}");
            let message = format!("error: `{file}` exists and is not a");
            assert!(
                refused.stderr.starts_with(&message),
                "{command:?}: {refused:?}"
            );
        }
    }
    assert!(kept() == before);
    for (command, good) in WRITERS {
        // The second time, the file is replaced.
        for _ in 0..2 {
            let written = sandbox.runner(&[command, &[good]].concat());
            assert_eq!(written.code, Some(0), "{command:?}: {written:?}");
        }
        assert!(fs::metadata(sandbox.path(good)).unwrap().len() > 0);
    }
}

/// A path that cannot be meant is a wrong argument, whatever command gets it.
#[test]
fn a_folder_in_place_of_a_file_is_a_wrong_argument_as_is_the_reverse() {
    let sandbox = Sandbox::new(TINY);
    assert_eq!(sandbox.run_json(&[]).code, Some(0));
    fs::create_dir(sandbox.path("folder")).unwrap();
    let before = files(&sandbox.path(""));
    let says = |command: &[&str], path: &str, what: &str| {
        let refused = sandbox.runner(&[command, &[path]].concat());
        assert_eq!(refused.code, Some(2), "{command:?} {path}: {refused:?}");
        assert!(
            refused.stderr.contains(what) && refused.stderr.starts_with("error: `"),
            "{command:?} {path}: {refused:?}"
        );
    };
    let images = ["images", "pipeline.yaml", "evaluate[4]", "-o"];
    let writers = WRITERS.iter().map(|(command, _)| *command);
    for command in writers.chain([images.as_slice()]) {
        // A report can be a folder.
        if command[0] != "report" {
            says(command, "folder", "is a folder; give a file with `-");
            says(command, "folder/", "is a folder; give a file with `-");
        }
        says(command, "none/x", "because there is no folder `none`");
        says(
            command,
            "pipeline.yaml/x",
            "`pipeline.yaml` is not a folder",
        );
    }
    let folders: [&[&str]; 4] = [
        &["init"],
        &["man", "--dir"],
        &["artifacts", "export", "cnn[4].model"],
        &["runs", "export", "latest", "--format", "tensorboard"],
    ];
    for command in folders {
        for path in ["pipeline.yaml", "pipeline.yaml/x"] {
            says(command, path, "is not a folder");
        }
    }
    let mut after = files(&sandbox.path(""));
    after.retain(|(name, _)| before.iter().any(|(known, _)| known == name));
    assert_eq!(after.len(), before.len());
    assert!(!sandbox.path("none").exists());
    assert_eq!(list(&sandbox.path("folder")), Vec::<PathBuf>::new());
}

#[test]
fn a_drawing_can_be_written_to_a_device() {
    let sandbox = Sandbox::new(TINY);
    let args = ["graph", "pipeline.yaml", "--format", "dot", "-o"];
    let drawn = sandbox.runner(&[&args[..], &["/dev/stdout"]].concat());
    assert_eq!(drawn.code, Some(0), "{drawn:?}");
    assert!(drawn.stdout.starts_with("digraph \"tiny\" {"), "{drawn:?}");
}
