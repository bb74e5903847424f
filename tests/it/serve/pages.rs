//! Contents of the pages.

use std::fs;

use serde_json::{Value, json};

use super::client::Served;
use crate::sandbox::{Sandbox, TINY, list};

/// Writes the record of a run that has ended.
fn record(sandbox: &Sandbox, id: &str, number: usize, pipeline: &str, stages: usize) {
    let folder = sandbox.path(&format!("artifacts/v1/runs/{id}"));
    fs::create_dir_all(&folder).unwrap();
    let entries = (0..stages).map(|stage| {
        json!({
            "name": format!("s[{stage}]"),
            "outcome": "succeeded",
            "key": format!("{stage:064x}"),
            "seconds": 1.5,
            "cpu_seconds": 1.5,
            "peak_memory_mib": 20.0,
        })
    });
    let state = ["succeeded", "failed"][number % 2];
    let counts =
        json!({ "cached": 0, "succeeded": stages, "failed": 0, "skipped": 0, "cancelled": 0 });
    let record = json!({
        "run": id,
        "number": number,
        "pipeline": pipeline,
        "file": format!("{pipeline}.yaml"),
        "profile": null,
        "sets": [format!("epochs={number}")],
        "runner": "0.1.0",
        "started": "2026-11-23T08:15:00Z",
        "finished": "2026-11-23T08:16:00Z",
        "seconds": number as f64 + 0.5,
        "state": state,
        "counts": counts,
        "stages": entries.collect::<Vec<Value>>(),
    });
    let text = record.to_string();
    fs::write(folder.join("run.json"), text).unwrap();
    fs::write(folder.join("plan.json"), "[]").unwrap();
    fs::write(folder.join("events.jsonl"), "").unwrap();
}

#[test]
fn a_thousand_runs_are_paged_filtered_and_sorted() {
    let sandbox = Sandbox::new("");
    for number in 1..=1000 {
        let pipeline = ["alpha", "beta"][number % 2];
        record(&sandbox, &format!("run-{number:04}"), number, pipeline, 10);
    }
    let served = Served::start(&sandbox, &[]);
    let rows = |query: &str| -> Vec<String> {
        let page = served.get(&format!("/?{query}")).text();
        let rows = page.split("href=\"/runs/run-").skip(1);
        rows.map(|row| row[..4].to_owned()).collect()
    };
    let first = rows("");
    assert_eq!(
        (first.len(), first[0].as_str(), first[49].as_str()),
        (50, "1000", "0951")
    );
    assert_eq!(rows("page=20").last().unwrap(), "0001");
    assert_eq!(rows("page=9999"), rows("page=20"));
    assert_eq!(rows("pipeline=beta&page=10").last().unwrap(), "0001");
    assert_eq!(rows("state=failed&pipeline=alpha"), Vec::<String>::new());
    assert_eq!(rows("q=epochs%3D77").len(), 11);
    assert_eq!(rows("sort=took&descending=false")[..2], ["0001", "0002"]);
    assert_eq!(rows("sort=run&descending=true")[0], "1000");
    let page = served.get("/").text();
    assert!(page.contains("1000 runs; page 1 of 20") && page.contains("aria-sort=\"descending\""));
    // Long options wrap.
    let options = "<td class=\"wide\">epochs=<wbr/>1000</td>";
    assert!(page.contains(options), "{page}");
}

#[test]
fn a_run_with_ten_thousand_stages_is_paged_and_searched() {
    let sandbox = Sandbox::new("");
    record(&sandbox, "large", 2, "p", 10_000);
    let served = Served::start(&sandbox, &[]);
    let rows = |query: &str| {
        let page = served.get(&format!("/runs/large?{query}")).text();
        page.matches("<tr id=\"row-").count()
    };
    assert_eq!((rows(""), rows("page=100"), rows("q=9999")), (100, 100, 1));
    assert_eq!(rows("state=failed"), 0);
    let page = served.get("/runs/large?page=101").text();
    assert!(page.contains("10000 stages; page 100 of 100"), "{page}");
    assert_eq!(served.get("/runs/large/stages/stage-s-9999").status, 200);
    assert_eq!(served.get("/runs/large/stages/stage-s-10000").status, 404);
}

#[test]
fn damaged_and_vanished_records_are_explained() {
    let sandbox = Sandbox::new("");
    record(&sandbox, "good", 2, "p", 1);
    for (id, text) in [("cut", "{\"run\":"), ("binary", "\u{0}\u{1}"), ("link", "")] {
        let folder = sandbox.path(&format!("artifacts/v1/runs/{id}"));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("run.json"), text).unwrap();
    }
    let folder = sandbox.path("artifacts/v1/runs/link");
    fs::remove_file(folder.join("run.json")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.join("run.json")).unwrap();
    let lost = sandbox.path("artifacts/v1/runs/lost");
    fs::create_dir_all(&lost).unwrap();
    fs::write(lost.join("events.jsonl"), "{}\n").unwrap();
    fs::create_dir_all(sandbox.path("artifacts/v1/runs/begun")).unwrap();
    fs::create_dir_all(sandbox.path("artifacts/v1/runs/<b>\"onload=\n")).unwrap();

    let served = Served::start(&sandbox, &[]);
    let page = served.get("/").text();
    assert_eq!(page.matches("unreadable").count(), 4, "{page}");
    for (id, expected) in [
        ("cut", "is damaged"),
        ("binary", "is damaged"),
        ("link", "not a regular file"),
        ("lost", "is missing"),
        ("begun", "has no record yet"),
        ("%3Cb%3E%22onload=%0A", "has no record yet"),
    ] {
        let page = served.get(&format!("/runs/{id}"));
        assert!(
            page.status == 200 && page.text().contains(expected),
            "{id}: {}",
            page.text()
        );
        assert!(!page.text().contains("<b>"));
    }
    // Removed while the server knows it.
    assert_eq!(served.get("/runs/good").status, 200);
    fs::remove_dir_all(sandbox.path("artifacts/v1/runs/good")).unwrap();
    std::thread::sleep(std::time::Duration::from_millis(600));
    assert_eq!(served.get("/runs/good").status, 404);
    assert_eq!(served.get("/runs/good/stages/stage-s-0").status, 404);
    assert!(!served.get("/").text().contains("/runs/good"));
}

#[test]
fn the_pages_of_a_run_show_its_results_and_pictures() {
    let sandbox = Sandbox::new(TINY);
    assert_eq!(sandbox.run_json(&[]).code, Some(0));
    let served = Served::start(&sandbox, &[]);
    let run = list(&sandbox.path("artifacts/v1/runs")).pop().unwrap();
    let run = run.file_name().unwrap().to_str().unwrap();
    let page = served.run_page(run, "");
    for expected in [
        "losses",
        "3 stages: 3 ran",
        "<svg",
        "How to reproduce it",
        "/stages/stage-xrays",
    ] {
        assert!(page.contains(expected), "{expected}: {page}");
    }
    let pictures = page.split("src=\"/pictures/").skip(1);
    let pictures: Vec<String> = pictures
        .map(|rest| {
            format!(
                "/pictures/{}",
                rest.split('"').next().unwrap().replace("&amp;", "&")
            )
        })
        .collect();
    assert!(!pictures.is_empty());
    for picture in pictures {
        let answer = served.get(&picture);
        assert!(answer.body.starts_with(b"\x89PNG"), "{picture}: {answer:?}");
        assert!(answer.head.contains("immutable"));
    }
    // Every link of the page leads somewhere.
    let links = page
        .split("href=\"/")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap());
    let mut links: Vec<&str> = links.map(|link| link.split('#').next().unwrap()).collect();
    links.sort_unstable();
    links.dedup();
    assert!(links.len() >= 5, "{links:?}");
    for link in links {
        let answer = served.get(&format!("/{}", link.replace("&amp;", "&")));
        assert_eq!(answer.status, 200, "{link}");
    }
    let stage = served
        .get(&format!("/runs/{run}/stages/stage-xrays"))
        .text();
    assert!(
        stage.contains("Parameters and lineage") && stage.contains("image_size"),
        "{stage}"
    );
}

/// Names that would be active if a page did not escape them.
const HOSTILE: &str = r#"<script>alert(1)</script>"onload='x'"#;

#[test]
fn hostile_names_are_text_in_pages_and_events() {
    let program = r#"printf '<script>log</script>\n'; mkdir -p o; printf x > 'o/<script>.png'; printf '{"<script>m": 0.5}' > m.json; exit 3"#;
    let name = HOSTILE.replace('\'', "''");
    let pipeline = format!(
        "version: 1\nname: hostile\nstages:\n  a:\n    kind: command\n    matrix: {{ v: [a, b] }}\n    params:\n      argv: [sh, -c, {program:?}, '{name}']\n      outputs: {{ o: o }}\n      metrics: m.json\n"
    );
    let sandbox = Sandbox::new(&pipeline);
    assert_eq!(sandbox.run_json(&["-k"]).code, Some(100));
    record(&sandbox, "named", 9, HOSTILE, 1);
    let served = Served::start(&sandbox, &["--allow-run"]);
    let runs = list(&sandbox.path("artifacts/v1/runs"));
    let run = runs.iter().find(|run| !run.ends_with("named")).unwrap();
    let run = run.file_name().unwrap().to_str().unwrap();
    let page = served.run_page(run, "");
    let stages = page
        .split("/stages/")
        .skip(1)
        .map(|rest| rest.split(['"', '#']).next().unwrap());
    let stages: Vec<String> = stages
        .map(|id| format!("/runs/{run}/stages/{id}"))
        .collect();
    assert!(stages.len() >= 2);
    let mut paths = vec![
        "/".to_owned(),
        format!("/runs/{run}"),
        "/runs/named".to_owned(),
        "/?q=%3Cscript%3E%22onload%3D&pipeline=%22%3E%3Cscript%3E&state=%3Cscript%3E".to_owned(),
        format!("/runs/{run}?q=%3Cscript%3E%22onload%3D&state=%22%3E%3Cscript%3E"),
        "/nowhere/%3Cscript%3E".to_owned(),
        "/runs/%3Cscript%3E".to_owned(),
    ];
    paths.extend(stages);
    for path in paths {
        check(&path, &served.get(&path).text());
    }
    let mut events = served.events("/events", "");
    let data: Value = serde_json::from_str(&events.named("parts").data).unwrap();
    check("/events", data["parts"][0][1].as_str().unwrap());
}

/// Checks that a page has no element and no attribute that its templates do not have.
fn check(path: &str, page: &str) {
    for (at, _) in page.match_indices("<script") {
        let rest = &page[at..];
        let is_own = [
            "<script src=\"/page.js\" defer>",
            "<script src=\"/live.js\" defer>",
        ];
        assert!(
            is_own.iter().any(|own| rest.starts_with(own)),
            "{path}: {}",
            &rest[..80.min(rest.len())]
        );
    }
    // A quote in a name would be a reference, so `onload` after a quote means that an attribute was ended.
    assert!(!page.contains("\"onload"), "{path}");
}
