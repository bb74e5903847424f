//! The outputs of a program.

use std::fs;

use super::{failure, latest, one, outcome};
use crate::sandbox::Sandbox;

#[test]
fn missing_outputs_and_undeclared_files_are_errors() {
    // Removes the last line, which names the folder where the outputs of a failed stage are kept.
    let failure = |params| {
        let failure = failure(params);
        match failure.split_once("\n  its output is kept: ") {
            Some((failure, _)) => failure.to_owned(),
            None => failure,
        }
    };
    assert_eq!(
        failure("{ argv: [\"true\"], outputs: { a: a.txt, b: b } }"),
        "it: failed: the program did not create `a.txt`, `b`, which the pipeline declares as output"
    );
    assert_eq!(
        failure("{ argv: [touch, a, b], outputs: { a: a } }"),
        "it: failed: the program created `b`, which the pipeline does not declare; list it under `outputs`, \
         or under `ignore` if it is not needed"
    );
    let ignored = one("{ argv: [touch, a, b], outputs: { a: a }, ignore: [b] }");
    assert_eq!(outcome(&ignored, &[]), "succeeded");
    assert_eq!(
        failure("{ argv: [\"true\"], metrics: m.json }"),
        "it: failed: the program did not create `m.json`, which the pipeline declares as output"
    );
    assert_eq!(
        failure("{ shell: true, argv: 'echo \"{\\\"a\\\": [1]}\" > m.json', metrics: m.json }"),
        "it: failed: the metrics in `m.json` contain `a`, which is not a number"
    );
}

#[test]
fn empty_folders_in_outputs_are_kept() {
    let sandbox = Sandbox::new(
        r#"
version: 1
name: p
stages:
  make: { kind: command, params: { shell: true, argv: "mkdir -p pred/A pred/B/C none; echo x > pred/A/x", outputs: { pred: pred, none: none } } }
  use:
    kind: command
    inputs: { pred: make.pred, none: make.none }
    params: { shell: true, argv: "find pred none | sort > found", outputs: { found: found } }
"#,
    );
    let run = sandbox.run_json(&[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(
        latest(&sandbox, "use/found/found"),
        "none\npred\npred/A\npred/A/x\npred/B\npred/B/C\n"
    );
    let shown = sandbox.path("artifacts/latest/p/make/pred");
    assert!(shown.join("B/C").is_dir());
    let exported = sandbox.runner(&["artifacts", "export", "make.pred", "copy"]);
    assert_eq!(exported.code, Some(0), "{exported:?}");
    assert!(sandbox.path("copy/B/C").is_dir());
    assert_eq!(sandbox.runner(&["cache", "verify"]).code, Some(0));

    // A folder that is missing in `latest` is found by `verify` and shown again by the next run.
    fs::remove_dir(shown.join("B/C")).unwrap();
    assert_eq!(sandbox.runner(&["cache", "verify"]).code, Some(1));
    assert_eq!(outcome(&sandbox, &[]), "cached");
    assert!(shown.join("B/C").is_dir());
}

#[test]
fn links_and_special_files_cannot_be_outputs() {
    let link = "the output `r` is a symbolic link; have the program copy its target instead";
    assert_eq!(
        failure("{ argv: [ln, -s, nowhere, r], outputs: { r: r } }"),
        format!("it: failed: {link}")
    );
    assert_eq!(
        failure("{ shell: true, argv: mkdir r; ln -s /etc/passwd r/x, outputs: { r: r } }"),
        "it: failed: its output `r/x` cannot be kept: it is a symbolic link; only regular files can be kept"
    );
    assert_eq!(
        failure("{ argv: [mkfifo, r], outputs: { r: r } }"),
        "it: failed: its output `r` cannot be kept: it is a special file; only regular files can be kept"
    );
}

#[test]
#[expect(clippy::print_stdout, reason = "tests print what they skip")]
fn the_python_example_runs_and_reruns_when_its_scripts_change() {
    let root = env!("CARGO_MANIFEST_DIR");
    let sandbox = Sandbox::new("");
    fs::create_dir_all(sandbox.path("pipelines/python")).unwrap();
    for file in ["python.yaml", "python/points.py", "python/train.py"] {
        let file = format!("pipelines/{file}");
        fs::copy(format!("{root}/{file}"), sandbox.path(&file)).unwrap();
    }
    if std::process::Command::new("python3")
        .arg("--version")
        .output()
        .is_err()
    {
        println!("skipped: `python3` is not installed");
        return;
    }
    let pipeline = "pipelines/python.yaml";
    let run = sandbox.runner(&["run", pipeline, "-S", "rates=[0.01, 0.1]"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(
        run.stdout.contains("accuracy") && run.stdout.contains("0.01"),
        "{run:?}"
    );
    assert!(run.stderr.contains("3 stages: 3 ran"), "{run:?}");
    let script = sandbox.path("pipelines/python/train.py");
    let text = fs::read_to_string(&script).unwrap();
    fs::write(&script, text + "print('done')\n").unwrap();
    let run = sandbox.runner(&["run", pipeline, "-S", "rates=[0.01, 0.1, 1]"]);
    assert!(run.stderr.contains("4 stages: 3 ran, 1 cached"), "{run:?}");
}
