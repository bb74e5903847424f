//! `runner report`: what is on the page, for every kind of run.

mod best;
mod comparison;
pub(crate) mod document;
mod kinds;
mod places;

use document::Report;

use crate::sandbox::{Sandbox, TINY};

/// The tiny pipeline, with an evaluation of its two networks.
fn models() -> String {
    let (stages, tables) = TINY.split_once("tables:\n").unwrap();
    let evaluate = "  evaluate:
    kind: evaluate
    matrix: { width: \"${widths}\" }
    inputs: { model: cnn, images: xrays.test }
    params: { bootstrap: 0 }
";
    let column = "      - { title: AUC, metric: evaluate.roc_auc }\n";
    format!("{stages}{evaluate}tables:\n{tables}{column}")
}

/// Writes a report with `args` and reads it.
fn report(sandbox: &Sandbox, args: &[&str]) -> Report {
    let done = sandbox.runner(&[&["report"], args].concat());
    assert_eq!(done.code, Some(0), "{done:?}");
    assert!(done.stderr.contains("wrote report.html: run "), "{done:?}");
    Report::read(&sandbox.path("report.html"))
}
