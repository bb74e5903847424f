//! Control characters in arguments, file names, errors and logs are shown escaped. `hostile_names` tests the rest.

use std::fs;

use crate::sandbox::{Finished, Sandbox, acts_on_terminal};

/// Text that erases the screen, sets the window title, reverses text and forges a message.
const HOSTILE: &str = r"\e[2J\e]0;pwned\a\u202etxet\u009b31m\nerror: forged";

fn check(args: &[&str], finished: &Finished) {
    for text in [&finished.stdout, &finished.stderr] {
        let found = acts_on_terminal(text);
        let around = found.map(|at| &text[text.floor_char_boundary(at.saturating_sub(60))..]);
        assert_eq!(around, None, "{args:?} prints control characters");
        assert!(
            !text.lines().any(|line| line == "error: forged"),
            "{args:?} prints a forged message: {text}"
        );
    }
}

/// The names of files in a source and in an output contain line breaks that forge messages.
#[test]
fn no_file_name_adds_a_line() {
    let sandbox = Sandbox::new(
        r#"
version: 1
name: names
stages:
  a:
    kind: command
    params:
      argv: [sh, -c, 'mkdir -p o "$1"; ln -s / "$1/x"', sh, "b\nerror: forged"]
      code: [d]
      outputs: { o: o, b: "b\nerror: forged" }
"#,
    );
    fs::create_dir(sandbox.path("d")).unwrap();
    fs::write(sandbox.path("d/a"), "").unwrap();
    let runner = |args: &[&str]| {
        let finished = sandbox.runner(args);
        check(args, &finished);
        finished
    };
    let run = runner(&["run", "pipeline.yaml", "-v"]);
    assert!(run.stderr.contains(r"b\nerror: forged"), "{run:?}");
    fs::write(sandbox.path("d/new\nerror: forged"), "").unwrap();
    for args in [
        &["plan", "pipeline.yaml"] as &[&str],
        &["run", "pipeline.yaml"],
        &["explain", "pipeline.yaml", "a"],
    ] {
        runner(args);
    }
    let bad = "no\nerror: forged.yaml";
    for args in [
        &["validate", bad] as &[&str],
        &["run", bad],
        &["explain", bad],
    ] {
        let finished = runner(args);
        assert!(finished.stderr.contains(r"\nerror: forged"), "{finished:?}");
    }
}

#[test]
fn arguments_are_shown_escaped() {
    let sandbox = Sandbox::new(
        "version: 1\nname: t\nstages:\n  a: { kind: command, params: { argv: [sh, -c, \"true\"] } }\n",
    );
    let set = "params.x\u{1b}[2J=\u{202e}1";
    for args in [
        &["explain", "pipeline.yaml", "no\u{1b}[2Jsuch"] as &[&str],
        &["run", "pipeline.yaml", "-S", set],
        &["run", "no\u{1b}]0;such\u{7}.yaml"],
        &["run", "--no\u{1b}[2Jsuch"],
        &["run", "pipeline.yaml", "--jobs", "\u{1b}[2J"],
        &["table", "pipeline.yaml", "--table", "\u{1b}[2J"],
        &["table", "pipeline.yaml", "--compare", "\u{202e}"],
        &["no\u{1b}[2Jsuch"],
    ] {
        let refused = sandbox.runner(args);
        assert!(matches!(refused.code, Some(1 | 2)), "{args:?}: {refused:?}");
        check(args, &refused);
    }
}

#[test]
fn failures_with_hostile_text_and_names_are_shown_escaped() {
    for program in [
        r#"printf x > "$(printf 'left\033[31m\nerror: forged')""#,
        r#"mkdir o; printf x > "$(printf 'o/in\033[31m')""#,
        r#"printf '\033[2J\342\200\256txet\n'; exit 3"#,
        r#"printf '{"a\\u001b[2J": ' > m.json"#,
    ] {
        let sandbox = Sandbox::new(&format!(
            "version: 1\nname: t\nstages:\n  a: {{ kind: command, params: {{ argv: [sh, -c, {program:?}], outputs: {{ o: o }}, metrics: m.json }} }}\n"
        ));
        let run = sandbox.runner(&["run", "pipeline.yaml"]);
        assert_eq!(run.code, Some(100), "{program}: {run:?}");
        check(&["run"], &run);
        check(
            &["runs", "show"],
            &sandbox.runner(&["runs", "show", "latest"]),
        );
    }
}

#[test]
fn errors_in_hostile_text_are_shown_escaped() {
    let sandbox = Sandbox::new("");
    for text in [
        format!("version: 1\nname: t\n\"evil{HOSTILE}\": 1\nstages:\n  a: {{ kind: command }}\n"),
        format!("version: 1\nname: t\nstages:\n  \"x{HOSTILE}\": {{ kind: command }}\n"),
        format!("version: 1\nname: t\nstages:\n  a: {{ kind: \"c{HOSTILE}\" }}\n"),
        "version: 1\nname: t\nstages:\n  a: { kind: \u{202e}dnammoc\u{9b} }\n".to_owned(),
        format!("version: 1\nname: \"{HOSTILE}\"\nstages:\n  a: {{ kind: command }}\n"),
    ] {
        fs::write(sandbox.path("pipeline.yaml"), &text).unwrap();
        for command in ["validate", "plan"] {
            let refused = sandbox.runner(&[command, "pipeline.yaml"]);
            assert_eq!(refused.code, Some(2), "{text}: {refused:?}");
            check(&[command], &refused);
            assert!(refused.stderr.contains("error: "), "{refused:?}");
        }
    }
}

#[test]
fn a_log_is_printed_readably_and_raw_only_on_request() {
    let sandbox = Sandbox::new(
        r#"
version: 1
name: logs
stages:
  a: { kind: command, params: { argv: [sh, -c, "printf '\\033[31mred\\033[0m 1%%\\r 2%%\\r\\n\\033]0;t\\007end\\n'"] } }
"#,
    );
    assert_eq!(sandbox.run_json(&[]).code, Some(0));
    let shown = sandbox.runner(&["runs", "logs", "latest"]);
    assert!(shown.stdout.starts_with("red 1%\n 2%\n"), "{shown:?}");
    assert!(!shown.stdout.contains('\u{1b}'), "{shown:?}");
    let raw = sandbox.runner(&["runs", "logs", "latest", "--raw"]);
    let bytes = "\u{1b}[31mred\u{1b}[0m 1%\r 2%\r\n\u{1b}]0;t\u{7}end\n";
    assert_eq!(raw.stdout, bytes);
}
