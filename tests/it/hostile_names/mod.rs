//! Hostile names, values, logs and metrics in everything that is shown: terminal, CSV, LaTeX, Markdown, JSON, diagrams,
//! reports and served pages.

mod csv;
mod latex;
mod markup;

use std::fs;

use image::{GrayImage, Luma};
use serde_json::json;

pub(crate) use csv::parsed;

use crate::exporting::contents;
use crate::report::document::{Report, text};
use crate::sandbox::{Finished, Sandbox, acts_on_terminal};

/// Texts that would do something if they were not escaped.
const TEXTS: [&str; 18] = [
    "<script>alert(1)</script>",
    "\" onload=\"alert(1)",
    "' onmouseover='alert(1)",
    "javascript:alert(1)",
    "]]>&lt;<!--",
    "</pre><b>",
    "=cmd|' /C calc'!A0",
    "+1+2",
    "-1+2",
    "@x",
    "\t=1+2",
    "\u{1b}[2J\u{1b}]0;pwned\u{7}",
    "\u{9b}31m",
    "\u{202e}txet",
    "\\input{x}",
    "$x^2$ {a&b%c#d_e~f",
    "[x](javascript:a)|*b*`",
    "one\nerror: forged",
];

/// Checks that CSV is one table without formulas.
pub(crate) fn check_csv(text: &str) {
    csv::check(&[], text);
}

/// The texts that can be names of classes, without control characters and slashes.
fn names() -> Vec<String> {
    let texts = TEXTS.iter().filter(|text| acts_on_terminal(text).is_none());
    let texts = texts.filter(|text| !text.contains(['\n', '\t']));
    texts.map(|text| text.replace('/', "_")).collect()
}

/// The texts that can also be names of files in outputs.
fn file_names() -> Vec<String> {
    let names = names().into_iter();
    names.filter(|name| !name.contains('\\')).collect()
}

/// Programs with the texts in their parameters, logs, metrics and files, and a network that tells classes with such
/// names apart.
fn pipeline() -> String {
    let argv = |script: &str| {
        let all = ["sh", "-c", script, "sh"].into_iter().chain(TEXTS);
        json!(all.collect::<Vec<_>>()).to_string()
    };
    let say = argv(
        "printf '%s\\n' \"$@\"; printf '%s\\n' \"$@\" >&2; mkdir said; cp -r files/. said; cp metrics.json m.json",
    );
    let fail = argv("printf '%s\\n' \"$@\" >&2; exit 3");
    let columns: String = TEXTS
        .iter()
        .map(|title| {
            let metric = json!(format!("say.{title}"));
            format!("      - {{ title: {}, metric: {metric} }}\n", json!(title))
        })
        .collect();
    let classes: String = names()
        .iter()
        .map(|class| {
            let metric = json!(format!("evaluate.recall[{class}]"));
            format!("      - {{ metric: {metric} }}\n")
        })
        .collect();
    let expected = json!(format!("say[+1].{}", TEXTS[0]));
    format!(
        r#"
version: 1
name: hostile
vars: {{ note: plain }}
stages:
  images:
    kind: dataset
    params: {{ source: {{ folder: {{ path: data }} }}, image_size: 16, validation: 0.25 }}
  cnn:
    kind: train-cnn
    inputs: {{ train: images.train, validation: images.validation }}
    params: {{ model: [{{ max_pool: 4 }}, flatten, {{ dense: {{ units: {count} }} }}], epochs: 1 }}
  evaluate:
    kind: evaluate
    inputs: {{ model: cnn, images: images.test }}
    params: {{ bootstrap: 0, positive: {positive} }}
  say:
    kind: command
    matrix: {{ v: ["+1", "-x"] }}
    params:
      argv: {say}
      env: ["NOTE=${{note}}", "V=${{matrix.v}}"]
      code: [metrics.json, files]
      outputs: {{ said: said }}
      metrics: m.json
  fail:
    kind: command
    inputs: {{ said: "say.said" }}
    params: {{ argv: {fail}, outputs: {{ made: made }} }}
tables:
  said:
    title: {title}
    rows: v
    columns:
{columns}
  classes:
    columns:
      - {{ title: {title}, metric: {of_class} }}
{classes}
expect:
  {expected}: {{ at_least: 2 }}
  evaluate.accuracy: {{ at_least: 1 }}
"#,
        count = names().len(),
        positive = json!(names()[0]),
        title = json!(TEXTS.join(" ")),
        of_class = json!(format!("evaluate.recall[{}]", names()[0])),
    )
}

/// A sweep over the texts.
fn sweep() -> String {
    let texts: Vec<&str> = TEXTS
        .iter()
        .copied()
        .filter(|text| !text.contains('\t'))
        .collect();
    let choice: serde_json::Map<String, serde_json::Value> = (0..)
        .zip(texts)
        .map(|(number, text)| (format!("c{number}"), json!(text)))
        .collect();
    format!(
        r#"
version: 1
name: search
vars: {{ note: plain }}
stages:
  say:
    kind: command
    params:
      argv: [sh, -c, 'echo "$1" >&2; n=$(printf %s "$1" | wc -c); test $n -ne 2 || exit 1; echo "{{\"=score\": $n}}" > m.json', sh, "${{note}}"]
      metrics: m.json
sweep:
  axes:
    note: {{ choice: {} }}
  objective: {{ metric: "say.=score", direction: maximize }}
"#,
        json!(choice)
    )
}

/// A sandbox with both pipelines and their files, after their runs.
pub(crate) fn ran() -> Sandbox {
    let sandbox = Sandbox::new(&pipeline());
    fs::write(sandbox.path("sweep.yaml"), sweep()).unwrap();
    let values = (0..).zip(TEXTS);
    let metrics: serde_json::Map<String, serde_json::Value> = values
        .map(|(number, text)| (text.to_owned(), json!(f64::from(number) + 0.5)))
        .collect();
    fs::write(sandbox.path("metrics.json"), json!(metrics).to_string()).unwrap();
    fs::create_dir(sandbox.path("files")).unwrap();
    for name in file_names() {
        fs::write(sandbox.path("files").join(name), "x").unwrap();
    }
    for (shade, class) in (0_u8..).zip(names()) {
        for (split, count) in [("train", 6_u8), ("test", 3)] {
            let folder = sandbox.path("data").join(split).join(&class);
            fs::create_dir_all(&folder).unwrap();
            for number in 0..count {
                let pixel = |x, y| {
                    let noise = (x as u8 * 7 + y as u8 * 3).wrapping_add(number * 13 + count);
                    Luma([noise.wrapping_add(shade * 16)])
                };
                let image = GrayImage::from_fn(16, 16, pixel);
                image
                    .save(folder.join(format!("{class}{number}.png")))
                    .unwrap();
            }
        }
    }
    let run = runner(&sandbox, &["run", "pipeline.yaml", "-k", "-v"]);
    assert_eq!(run.code, Some(100), "{run:?}");
    // The run with another note changes stages, so that there is something to compare and explain.
    let set = format!("note={}", json!(TEXTS.join(" ")));
    let run = runner(&sandbox, &["run", "pipeline.yaml", "-k", "-S", &set]);
    assert_eq!(run.code, Some(100), "{run:?}");
    let run = runner(&sandbox, &["run", "sweep.yaml"]);
    assert_eq!(run.code, Some(100), "{run:?}");
    sandbox
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
