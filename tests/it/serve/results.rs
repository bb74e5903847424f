//! Results on the page of a run.

use std::fs;

use serde_json::{Value, json};

use super::client::Served;
use crate::sandbox::{Sandbox, TINY, list};

fn only_run(sandbox: &Sandbox) -> String {
    let run = list(&sandbox.path("artifacts/v1/runs")).pop().unwrap();
    run.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn the_page_of_a_run_has_its_warnings() {
    let sandbox = Sandbox::new(TINY);
    let done = sandbox.run_json(&["-S", "stages.xrays.params.validation=0"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let served = Served::start(&sandbox, &[]);
    let page = served.run_page(&only_run(&sandbox), "");
    let (_, warnings) = page.split_once("<h2 id=\"warnings\">").unwrap();
    let (warnings, _) = warnings.split_once("</section>").unwrap();
    assert!(warnings.contains("has no images"), "{warnings}");
    assert!(warnings.contains("/stages/stage-cnn-4"), "{warnings}");

    let without = Sandbox::new(super::control::QUICK);
    assert_eq!(without.run_json(&[]).code, Some(0));
    let served = Served::start(&without, &[]);
    let page = served.run_page(&only_run(&without), "");
    assert!(!page.contains("id=\"warnings\""), "{page}");
}

const SCORE: &str = r#"
version: 1
name: large
stages:
  score:
    kind: command
    params: { argv: [sh, -c, 'echo "{\"f1\": 0.625}" > m.json'], metrics: m.json }
tables:
  scores: { columns: [{ metric: score.f1 }] }
"#;

/// A run of 1,200 stages. All names but one have no result.
#[test]
fn the_page_of_a_large_run_shows_the_results_of_the_stages_that_it_lists() {
    let sandbox = Sandbox::new(SCORE);
    assert_eq!(sandbox.run_json(&[]).code, Some(0));
    let folder = list(&sandbox.path("artifacts/v1/runs")).pop().unwrap();
    let text = fs::read_to_string(folder.join("run.json")).unwrap();
    let mut record: Value = serde_json::from_str(&text).unwrap();
    let made = record["stages"][0]["key"].clone();
    let stages = (0..1200).map(|stage| {
        let key = match stage {
            1150 => made.clone(),
            _ => json!(format!("{stage:064x}")),
        };
        json!({ "name": format!("s[{stage}]"), "outcome": "succeeded", "key": key })
    });
    record["run"] = json!("large");
    record["stages"] = stages.collect();
    record["counts"]["succeeded"] = json!(1200);
    record.as_object_mut().unwrap().remove("checksum");
    let large = sandbox.path("artifacts/v1/runs/large");
    fs::create_dir(&large).unwrap();
    fs::write(large.join("run.json"), record.to_string()).unwrap();
    fs::write(large.join("plan.json"), "[]").unwrap();
    fs::write(large.join("events.jsonl"), "").unwrap();

    let served = Served::start(&sandbox, &[]);
    for (query, is_there) in [
        ("", false),
        ("page=12", true),
        ("q=115", true),
        ("q=116", false),
    ] {
        let page = served.run_page("large", query);
        assert!(page.contains("This run has very many stages"), "{page}");
        assert_eq!(
            page.contains("Metrics of programs"),
            is_there,
            "{query}: {page}"
        );
        assert_eq!(page.contains("0.625"), is_there, "{query}: {page}");
        // The graph shows all stages.
        assert!(page.contains("succeeded: 1200"), "{page}");
    }
    let small = served.run_page(folder.file_name().unwrap().to_str().unwrap(), "");
    assert!(!small.contains("very many stages") && small.contains("0.625"));
}

#[test]
fn results_of_a_run_that_is_missing_are_not_waited_for() {
    let sandbox = Sandbox::new(TINY);
    let served = Served::start(&sandbox, &[]);
    assert_eq!(served.get("/runs/none/results").status, 404);
}

#[test]
fn a_failure_is_shown_once_and_with_the_end_of_the_output() {
    let sandbox = Sandbox::new(
        "version: 1\nname: failing\nstages:\n  say:\n    kind: command\n    params: { argv: [sh, -c, 'seq 100 150; exit 3'], outputs: { o: o } }\n",
    );
    assert_eq!(sandbox.run_json(&[]).code, Some(100));
    let run = only_run(&sandbox);
    let served = Served::start(&sandbox, &[]);
    let page = served.run_page(&run, "");
    let (_, summary) = page.split_once("id=\"summary\"").unwrap();
    let (summary, _) = summary.split_once("</section>").unwrap();
    assert!(
        summary.contains(">145\n146\n147\n148\n149\n150</pre>"),
        "{summary}"
    );
    let stage = served.get(&format!("/runs/{run}/stages/stage-say")).text();
    assert_eq!(stage.matches("exit code 3").count(), 1, "{stage}");
    assert_eq!(stage.matches("149\n").count(), 1, "{stage}");
}
