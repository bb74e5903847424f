//! Pipelines, data and names full of texts that would do something if they were not escaped.

use std::fs;

use image::{GrayImage, Luma};
use serde_json::json;

use super::runner;
use crate::sandbox::{Sandbox, acts_on_terminal};

/// Texts that would do something if they were not escaped.
pub(super) const TEXTS: [&str; 18] = [
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

/// The texts that can be names of classes, without control characters and slashes.
pub(super) fn names() -> Vec<String> {
    let texts = TEXTS.iter().filter(|text| acts_on_terminal(text).is_none());
    let texts = texts.filter(|text| !text.contains(['\n', '\t']));
    texts.map(|text| text.replace('/', "_")).collect()
}

/// The texts that can also be names of files in outputs.
pub(super) fn file_names() -> Vec<String> {
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
