//! JUnit XML: stages and expectations as test cases, and where the file is written.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use roxmltree::{Document, Node};

use crate::expecting::{SCORES, expecting, run, table};
use crate::sandbox::{Sandbox, list};

#[test]
fn a_failed_stage_takes_precedence_over_expectations_and_is_in_junit() {
    let sandbox = Sandbox::new(
        &(SCORES.to_owned()
            + "expect: { late.n: { at_least: 1 }, score.f1: { at_least: 0.6 }, score.loss.last: { at_most: 2 } }\n"),
    );
    let run = run(&sandbox, &["--strict", "--junit", "out.xml"]);
    assert_eq!(run.code, Some(100), "{run:?}");
    assert!(
        run.stdout
            .contains("│ late.n                ┆ failed ? ┆ at least 1 │"),
        "{run:?}"
    );

    let text = fs::read_to_string(sandbox.path("out.xml")).unwrap();
    let document = Document::parse(&text).unwrap_or_else(|e| panic!("{e}: {text}"));
    let suites: Vec<Node> = named(document.root(), "testsuite");
    assert_eq!(suites.len(), 1, "{text}");
    let suite = suites[0];
    let counts = ["name", "tests", "failures", "errors", "skipped"].map(|key| suite.attribute(key));
    assert_eq!(
        counts,
        [Some("scores"), Some("9"), Some("2"), Some("1"), Some("0")],
        "{text}"
    );
    let cases: Vec<_> = named(suite, "testcase")
        .into_iter()
        .map(|case| {
            let ended = case.first_element_child();
            (
                case.attribute("classname").unwrap(),
                case.attribute("name").unwrap(),
                ended.map(|ended| (ended.tag_name().name(), ended.attribute("message").unwrap())),
            )
        })
        .collect();
    let known = "0.500, expected at least 0.6";
    let unknown = "not known: failed, expected at least 1";
    let failure = cases[2].2.expect("`late` must fail");
    assert!(failure.1.contains("exit code 1"), "{text}");
    assert_eq!(
        cases,
        [
            ("score", "score[0.88]", None),
            ("score", "score[0.5]", None),
            ("late", "late", Some(("failure", failure.1))),
            ("late", "late.n: at least 1", Some(("error", unknown))),
            ("score", "score[0.88].f1: at least 0.6", None),
            (
                "score",
                "score[0.5].f1: at least 0.6",
                Some(("failure", known))
            ),
            ("score", "score[0.88].loss.last: at most 2", None),
            ("score", "score[0.5].loss.last: at most 2", None),
            ("score", "score[0.88].f1: 0.93 ± 0.05", None),
        ]
    );
    // The failure contains the text that the program printed, with characters that are special in XML.
    let late = named(suite, "failure")[0].text().unwrap_or_default();
    assert!(late.contains("<&\"]]>"), "{text}");
    let seconds = named(suite, "testcase")[0].attribute("time").unwrap();
    assert!(
        seconds.parse::<f64>().is_ok_and(|seconds| seconds > 0.0),
        "{text}"
    );

    // No temporary file is left beside the report, and the report has the mode of other new files.
    let files = list(&sandbox.path("."));
    let names: Vec<_> = files
        .iter()
        .filter_map(|file| file.file_name()?.to_str())
        .collect();
    assert!(
        names.iter().all(|name| !name.starts_with(".junit")),
        "{names:?}"
    );
    let mode = fs::metadata(sandbox.path("out.xml"))
        .unwrap()
        .permissions()
        .mode();
    fs::write(sandbox.path("plain"), "").unwrap();
    let plain = fs::metadata(sandbox.path("plain"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode, plain);
}

/// Returns all elements with this name below a node.
fn named<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Vec<Node<'a, 'i>> {
    let all = node.descendants();
    all.filter(|node| node.has_tag_name(name)).collect()
}

#[test]
fn stages_that_did_not_start_are_skipped_in_junit() {
    let sandbox = Sandbox::new(&SCORES.replace("'echo \"{", "'${fails}; echo \"{"));
    let run = run(&sandbox, &["--junit", "out.xml", "-k"]);
    assert_eq!(run.code, Some(100), "{run:?}");
    let text = fs::read_to_string(sandbox.path("out.xml")).unwrap();
    let document = Document::parse(&text).unwrap();
    let skipped = named(document.root(), "skipped");
    assert_eq!(skipped.len(), 1, "{text}");
    assert_eq!(skipped[0].attribute("message"), Some("skipped"));
    let case = skipped[0].parent().unwrap();
    assert_eq!(case.attribute("name"), Some("late"));
}

#[test]
fn table_writes_only_expectations_to_junit() {
    let sandbox = expecting("  late.n: { at_least: 1 }\n");
    assert_eq!(run(&sandbox, &[]).code, Some(0));
    let before = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"before\"/>\n";
    fs::write(sandbox.path("out.xml"), before).unwrap();
    let table = table(&sandbox, &["--junit", "out.xml"]);
    assert_eq!(table.code, Some(0), "{table:?}");
    let text = fs::read_to_string(sandbox.path("out.xml")).unwrap();
    let document = Document::parse(&text).unwrap();
    let names: Vec<_> = named(document.root(), "testcase")
        .iter()
        .map(|case| case.attribute("name").unwrap().to_owned())
        .collect();
    assert_eq!(names, ["late.n: at least 1", "score[0.88].f1: 0.93 ± 0.05"]);
}

#[test]
fn an_unwritable_junit_file_is_an_error_before_anything_runs() {
    let sandbox = expecting("  late.n: { at_least: 1 }\n");
    symlink("loop", sandbox.path("loop")).unwrap();
    symlink("/dev/null", sandbox.path("device")).unwrap();
    for (file, why) in [
        (
            "none/out.xml",
            "cannot be written, because there is no folder `none`",
        ),
        (
            "pipeline.yaml/out.xml",
            "cannot be written, because `pipeline.yaml` is not a folder",
        ),
        (".", "is a folder; give a file with `--junit`"),
        ("none/", "is a folder; give a file with `--junit`"),
        (
            "loop",
            "cannot be written: Too many levels of symbolic links",
        ),
        ("device", "cannot be written: it is not a regular file"),
    ] {
        let run = run(&sandbox, &["--junit", file]);
        assert_eq!(run.code, Some(2), "{run:?}");
        let start = format!("error: `{file}` {why}");
        assert!(run.stderr.starts_with(&start), "{run:?}");
        assert!(!run.stderr.contains(".junit"), "{run:?}");
    }
    assert!(!sandbox.path("artifacts/latest").exists());
}

#[test]
fn a_link_to_a_junit_file_stays_a_link() {
    let sandbox = expecting("  score.f1: { at_least: 0 }\n");
    fs::write(sandbox.path("real.xml"), "").unwrap();
    symlink("real.xml", sandbox.path("out.xml")).unwrap();
    assert_eq!(run(&sandbox, &["--junit", "out.xml"]).code, Some(0));
    let link = fs::symlink_metadata(sandbox.path("out.xml")).unwrap();
    assert!(link.is_symlink());
    let text = fs::read_to_string(sandbox.path("real.xml")).unwrap();
    Document::parse(&text).unwrap();
}
