//! Hostile names, values, logs and metrics in everything that is shown: terminal, CSV, LaTeX, Markdown, JSON, diagrams,
//! reports and served pages.

mod csv;
mod latex;
mod markup;
mod material;

use std::fs;

pub(crate) use csv::parsed;
pub(crate) use material::ran;

use material::names;

use crate::exporting::contents;
use crate::report::document::{Report, text};
use crate::sandbox::{Finished, Sandbox, acts_on_terminal};

/// Checks that CSV is one table without formulas.
pub(crate) fn check_csv(text: &str) {
    csv::check(&[], text);
}

/// Runs a command, and checks that it prints neither control characters nor a forged message.
fn runner(sandbox: &Sandbox, args: &[&str]) -> Finished {
    let finished = sandbox.runner(args);
    for text in [&finished.stdout, &finished.stderr] {
        let found = acts_on_terminal(text);
        let around = found.map(|at| &text[text.floor_char_boundary(at.saturating_sub(60))..]);
        assert_eq!(around, None, "{args:?} prints control characters");
        // A log has as many lines as the program wrote, below a heading that says so.
        let is_log = args.starts_with(&["runs", "logs"]) || finished.code == Some(100);
        let is_forged = text.lines().any(|line| line == "error: forged");
        assert!(
            is_log || !is_forged,
            "{args:?} prints a forged message: {text}"
        );
    }
    finished
}

/// Like [`runner`], for a command that succeeds.
fn printed(sandbox: &Sandbox, args: &[&str]) -> String {
    let finished = runner(sandbox, args);
    assert_eq!(finished.code, Some(0), "{args:?}: {finished:?}");
    finished.stdout
}

#[test]
fn hostile_names_have_no_effect_anywhere() {
    let sandbox = ran();
    terminal(&sandbox);
    csv(&sandbox);
    latex(&sandbox);
    pictures(&sandbox);
    report(&sandbox);
    exports(&sandbox);
    #[cfg(target_os = "linux")]
    markup::served(&sandbox);
}

/// Exports stay in their folders.
fn exports(sandbox: &Sandbox) {
    let around = || fs::read_dir(sandbox.path("")).unwrap().count();
    let before = around();
    for (number, run) in ["latest", "latest~1", "latest~2"].iter().enumerate() {
        for format in ["tensorboard", "ro-crate"] {
            let folder = format!("exported/{format}/{number}");
            printed(
                sandbox,
                &["runs", "export", run, &folder, "--format", format],
            );
            let names: Vec<String> = contents(&sandbox.path(&folder)).into_keys().collect();
            assert!(names.len() > 3, "{names:?}");
            let acting = names.iter().find(|name| acts_on_terminal(name).is_some());
            assert_eq!(acting, None);
        }
    }
    assert_eq!(around(), before + 1);
}

fn terminal(sandbox: &Sandbox) {
    for args in [
        &["validate", "pipeline.yaml"] as &[&str],
        &["plan", "pipeline.yaml"],
        &["plan", "pipeline.yaml", "--json"],
        &["status", "pipeline.yaml"],
        &["status", "pipeline.yaml", "--json"],
        &["explain", "pipeline.yaml"],
        &["explain", "pipeline.yaml", "fail"],
        &["lineage", "pipeline.yaml", "say[+1].said"],
        &["lineage", "pipeline.yaml", "evaluate.metrics", "--json"],
        &["graph", "pipeline.yaml", "--format", "dot"],
        &["graph", "pipeline.yaml", "--format", "mermaid"],
        &["runs", "list"],
        &["runs", "list", "--trials", "--sort", "note"],
        &["runs", "list", "--json"],
        &["runs", "show", "latest"],
        &["runs", "show", "latest~1"],
        &["runs", "show", "latest", "--json"],
        &["runs", "logs", "latest~1"],
        &["runs", "logs", "latest~1", "--json"],
        &["metrics", "pipeline.yaml"],
        &["metrics", "--run", "latest~1", "--json"],
        &["table", "pipeline.yaml"],
        &["table", "pipeline.yaml", "--format", "md"],
        &["table", "pipeline.yaml", "--format", "json"],
        &["table", "sweep.yaml"],
        &["compare", "latest~2", "latest~1"],
        &["compare", "latest~2", "latest~1", "--md"],
        &["compare", "latest~2", "latest~1", "--json"],
        &["sweep", "plan", "sweep.yaml"],
        &["sweep", "show", "sweep.yaml"],
        &["sweep", "show", "sweep.yaml", "--format", "md"],
        &["artifacts", "ls"],
        &["artifacts", "show", "say[+1].said", "--pipeline", "hostile"],
        &[
            "artifacts",
            "show",
            "evaluate.metrics",
            "--pipeline",
            "hostile",
        ],
        &["cache", "verify"],
        &["cache", "gc"],
    ] {
        printed(sandbox, args);
    }
    // The texts are not lost.
    let all = printed(sandbox, &["metrics", "pipeline.yaml"]);
    for expected in [
        "<script>alert(1)</script>",
        "=cmd|' /C calc'!A0",
        "\\u202etxet",
        "one\\nerror: forged",
    ] {
        assert!(all.contains(expected), "{expected}: {all}");
    }
}

fn csv(sandbox: &Sandbox) {
    for args in [
        &[
            "table",
            "pipeline.yaml",
            "--table",
            "said",
            "--format",
            "csv",
        ] as &[&str],
        &[
            "table",
            "pipeline.yaml",
            "--table",
            "classes",
            "--format",
            "csv",
        ],
        &[
            "table",
            "pipeline.yaml",
            "--table",
            "expectations",
            "--format",
            "csv",
        ],
        &["table", "sweep.yaml", "--format", "csv"],
        &["metrics", "pipeline.yaml", "--csv"],
        &["runs", "list", "--csv"],
        &[
            "runs",
            "list",
            "--csv",
            "--columns",
            "options,say.@x,say.=cmd|' /C calc'!A0",
        ],
        &["runs", "list", "--trials", "--csv"],
        &["sweep", "show", "sweep.yaml", "--format", "csv"],
    ] {
        csv::check(args, &printed(sandbox, args));
    }
    let text = printed(sandbox, &["metrics", "pipeline.yaml", "--csv"]);
    assert!(text.contains(",'=cmd|' /C calc'!A0,"), "{text}");
    // A number stays a number.
    let text = printed(
        sandbox,
        &[
            "table",
            "pipeline.yaml",
            "--table",
            "said",
            "--format",
            "csv",
        ],
    );
    assert!(
        text.contains("\n+1,0.5,") && text.contains("\n'-x,0.5,"),
        "{text}"
    );
}

fn latex(sandbox: &Sandbox) {
    for args in [
        &["table", "pipeline.yaml", "--format", "latex"] as &[&str],
        &["table", "sweep.yaml", "--format", "latex"],
        &["sweep", "show", "sweep.yaml", "--format", "latex"],
    ] {
        latex::check(args, &printed(sandbox, args));
    }
    let text = printed(sandbox, &["table", "pipeline.yaml", "--format", "latex"]);
    assert!(text.contains("\\textbackslash{}input\\{x\\}"), "{text}");
}

fn pictures(sandbox: &Sandbox) {
    for args in [
        &["graph", "pipeline.yaml", "--format", "svg"] as &[&str],
        &["graph", "sweep.yaml", "--format", "svg", "--expand"],
    ] {
        markup::check(&args.join(" "), &printed(sandbox, args));
    }
    let junit = ["table", "pipeline.yaml", "--junit", "junit.xml"];
    printed(sandbox, &junit);
    let text = fs::read_to_string(sandbox.path("junit.xml")).unwrap();
    roxmltree::Document::parse(&text).unwrap();
}

fn report(sandbox: &Sandbox) {
    for args in [
        &["pipeline.yaml"] as &[&str],
        &["--run", "latest~1"],
        &["sweep.yaml"],
    ] {
        let args = [&["report"], args].concat();
        printed(sandbox, &args);
        // Reading a report checks it: it has no handler, no foreign link and only its own script.
        let report = Report::read(&sandbox.path("report.html"));
        markup::check(&args.join(" "), &report.text);
        if args.contains(&"--run") {
            let document = report.document();
            let all = text(document.root_element());
            for name in names() {
                let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
                assert!(all.contains(&name), "{name} is not in the report");
            }
        }
    }
}
