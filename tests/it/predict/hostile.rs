//! Hostile names of files and classes.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use super::*;
use crate::sandbox::acts_on_terminal;

const NAMES: [&str; 9] = [
    "=cmd|' /C calc'!A0.png",
    "+1.png",
    "-1+2.png",
    "@x.png",
    "a,b \"c\".png",
    "one\nerror: forged.png",
    "\u{1b}[2J\u{7}.png",
    "\u{202e}txet.png",
    "\t=1+2.png",
];

#[test]
fn names_have_no_effect_and_are_not_lost() {
    let sandbox = trained(2, &[]);
    let mine = sandbox.path("mine");
    for name in NAMES {
        files::write(&mine.join(name), &files::picture(0, 3, 20), "png");
    }
    let inside = |args: &[&str]| {
        let mut command =
            sandbox.command(&[&["predict", "cnn", "--artifacts", "../artifacts"], args].concat());
        let done: Finished = command.current_dir(&mine).output().unwrap().into();
        assert_eq!(done.code, Some(0), "{done:?}");
        done
    };
    // A `--` before names that look like options, as a shell's `*` gives them.
    let given: Vec<&str> = ["--"].into_iter().chain(NAMES).collect();
    for args in [&[] as &[&str], &["--json"], &["-o", "-"]] {
        let done = inside(&[args, &given].concat());
        for text in [&done.stdout, &done.stderr] {
            assert_eq!(acts_on_terminal(text), None, "{text}");
            assert!(
                text.lines().all(|line| line != "error: forged.png"),
                "{text}"
            );
        }
    }
    inside(&[&["-o", "../p.csv"], given.as_slice()].concat());
    let text = fs::read_to_string(sandbox.path("p.csv")).unwrap();
    crate::hostile_names::check_csv(&text);
    let rows = rows(&text);
    let mut found: Vec<&str> = rows[1..].iter().map(|row| row[0].as_str()).collect();
    found.sort_unstable();
    // Texts that a spreadsheet would compute are marked as text, as in every other CSV output.
    let mut expected: Vec<String> = NAMES
        .iter()
        .map(|name| {
            let is_formula = name.starts_with(['=', '+', '-', '@', '\t']);
            format!("{}{name}", if is_formula { "'" } else { "" })
        })
        .collect();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn a_name_that_is_not_utf8_is_an_error() {
    let sandbox = trained(2, &[]);
    let name = OsStr::from_bytes(b"mine/\xff.png");
    let path = sandbox.path("").join(name);
    files::write(&path, &files::picture(0, 3, 20), "png");
    let done = predict(&sandbox, &["cnn", "mine", "-o", "p.csv"]);
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(done.stderr.contains("is not UTF-8; rename it"), "{done:?}");
    let mut command = sandbox.command(&["predict", "cnn"]);
    let done: Finished = command.arg(name).output().unwrap().into();
    assert_eq!(done.code, Some(2), "{done:?}");
    assert!(done.stderr.contains("is not UTF-8; rename it"), "{done:?}");
}

#[test]
fn classes_with_hostile_names_are_escaped() {
    let sandbox = trained(2, &[]);
    let done = sandbox.runner(&["artifacts", "export", "cnn.model", "exported"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let path = sandbox.path("exported/model.json");
    let mut card: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    card["classes"] = serde_json::json!(["=1+2", "a,\u{1b}[2J\nerror: forged"]);
    fs::write(&path, card.to_string()).unwrap();
    for args in [&[] as &[&str], &["--json"], &["-o", "-"]] {
        let args = [&["exported", "data/test"], args].concat();
        let done = predict(&sandbox, &args);
        assert_eq!(done.code, Some(0), "{done:?}");
        for text in [&done.stdout, &done.stderr] {
            assert_eq!(acts_on_terminal(text), None, "{text}");
        }
    }
    for _ in 0..2 {
        let done = predict(&sandbox, &["exported", "data/test", "-o", "p.csv"]);
        assert_eq!(done.code, Some(0), "{done:?}");
    }
    crate::hostile_names::check_csv(&fs::read_to_string(sandbox.path("p.csv")).unwrap());
}
