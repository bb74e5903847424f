//! Starting and cancelling runs from the page.

use super::client::Served;
use crate::sandbox::{Sandbox, TINY, eventually, list};

/// A pipeline whose only stage takes longer than any test.
pub(super) const ENDLESS: &str = r#"
version: 1
name: endless
stages:
  wait:
    kind: command
    params:
      argv: [sh, -c, "while :; do echo line; sleep 0.1; done"]
      outputs: { o: o }
"#;

fn state(sandbox: &Sandbox) -> Option<String> {
    let folder = list(&sandbox.path("artifacts/v1/runs")).pop()?;
    let record = std::fs::read(folder.join("run.json")).ok()?;
    let record: serde_json::Value = serde_json::from_slice(&record).ok()?;
    Some(record["state"].as_str()?.to_owned())
}

#[test]
fn a_server_without_allow_run_changes_nothing() {
    let sandbox = Sandbox::new(TINY);
    let served = Served::start(&sandbox, &[]);
    let refused = served.request("POST", "/runs", "", "file=pipeline.yaml");
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("--allow-run"));
    assert_eq!(served.request("POST", "/runs/x/cancel", "", "").status, 403);
    assert!(!served.get("/").text().contains("<form class=\"start\""));
    assert_eq!(list(&sandbox.path("artifacts/v1/runs")).len(), 0);
}

#[test]
fn a_run_is_started_shown_and_cancelled_and_outlives_the_server() {
    let sandbox = Sandbox::new(ENDLESS);
    let served = Served::start(&sandbox, &["--allow-run"]);
    let started = served.request("POST", "/runs", "", "file=pipeline.yaml&profile=&sets=");
    assert_eq!(
        (
            started.status,
            started.head.contains("location: /starts/1\r\n")
        ),
        (303, true)
    );
    let run = eventually("started", || {
        let answer = served.get("/starts/1");
        let (_, rest) = answer.head.split_once("location: /runs/")?;
        Some(rest.split("\r\n").next()?.to_owned())
    });
    assert!(
        served
            .get(&format!("/runs/{run}"))
            .text()
            .contains("Cancel this run")
    );
    let port = served.port.to_string();
    assert_eq!(served.interrupt(), Some(0));
    assert_eq!(state(&sandbox).as_deref(), Some("running"));

    let served = Served::at(&sandbox, &port, &["--allow-run"]);
    // A run that is not running on a page that was open before: GET changes nothing.
    assert_eq!(served.get(&format!("/runs/{run}/cancel")).status, 405);
    assert_eq!(
        served
            .request("POST", &format!("/runs/{run}/cancel"), "", "")
            .status,
        303
    );
    eventually("cancelled", || {
        (state(&sandbox)? == "cancelled").then_some(())
    });
    let page = eventually("shown", || {
        let page = served.get(&format!("/runs/{run}")).text();
        (!page.contains("Cancel this run")).then_some(page)
    });
    assert!(page.contains("cancelled"), "{page}");
    assert!(!page.contains("; stopping"), "{page}");
    assert_eq!(
        served
            .request("POST", &format!("/runs/{run}/cancel"), "", "")
            .status,
        409
    );
    assert_eq!(
        served.request("POST", "/runs/none/cancel", "", "").status,
        404
    );
}

#[test]
fn a_start_that_fails_says_why() {
    let sandbox = Sandbox::new("version: 1\nname: <b>broken\nstages: {}\n");
    let served = Served::start(&sandbox, &["--allow-run"]);
    for form in [
        "",
        "file=",
        "file=..%2Fx",
        "file=%2Fetc%2Fpasswd",
        "file=none.yaml",
        "file=pipeline.yaml&x=y",
    ] {
        assert_eq!(
            served.request("POST", "/runs", "", form).status,
            400,
            "{form}"
        );
    }
    let form = "file=pipeline.yaml&sets=%3Cscript%3E%3D1";
    assert_eq!(served.request("POST", "/runs", "", form).status, 303);
    let page = eventually("failed", || {
        let page = served.get("/starts/1").text();
        page.contains("exit code 2").then_some(page)
    });
    assert!(
        page.contains("error") && page.contains("&lt;script&gt;"),
        "{page}"
    );
    assert!(!page.contains("<script>"));
}

#[test]
fn a_store_that_is_missing_is_an_error_unless_the_page_may_start_runs() {
    let sandbox = Sandbox::new(QUICK);
    let done = sandbox.runner(&["serve", "--port", "0"]);
    assert_eq!(done.code, Some(2), "{done:?}");
    let expected = "there is no store in `artifacts`; run a pipeline first, or give the folder of a store with";
    assert!(done.stderr.contains(expected), "{done:?}");
    assert!(!sandbox.path("artifacts").exists());

    let served = Served::start(&sandbox, &["--allow-run"]);
    assert_eq!(served.get("/").status, 200);
    let started = served.request("POST", "/runs", "", "file=pipeline.yaml");
    assert_eq!(started.status, 303);
    eventually("ended", || {
        state(&sandbox).filter(|state| state == "succeeded")
    });
}

/// A pipeline that ends at once.
pub(super) const QUICK: &str = r#"
version: 1
name: quick
stages:
  say:
    kind: command
    params: { argv: [touch, made], outputs: { made: made } }
"#;

#[test]
fn a_start_leads_to_the_page_of_its_run() {
    let sandbox = Sandbox::new(QUICK);
    let served = Served::start(&sandbox, &["--allow-run"]);
    // The second run finds everything in the store, so it ends at once.
    let mut seen = Vec::new();
    for number in 1..=2 {
        let started = served.request("POST", "/runs", "", "file=pipeline.yaml");
        let place = format!("location: /starts/{number}\r\n");
        assert!(started.head.contains(&place), "{started:?}");
        let answer = served.get(&format!("/starts/{number}"));
        assert_eq!(answer.status, 303, "{}", answer.text());
        let (_, rest) = answer.head.split_once("location: /runs/").unwrap();
        let run = rest.split("\r\n").next().unwrap();
        assert!(!seen.contains(&run.to_owned()), "{run}: {seen:?}");
        let folder = sandbox.path("artifacts/v1/runs").join(run);
        assert!(folder.join("run.json").exists(), "{run}");
        seen.push(run.to_owned());
        assert!(served.get("/").text().contains(run));
    }
}

#[test]
fn a_link_that_leads_outside_is_not_run_and_the_page_says_what_the_token_allows() {
    let outside = Sandbox::new(TINY);
    let sandbox = Sandbox::new(TINY);
    std::os::unix::fs::symlink(outside.path("pipeline.yaml"), sandbox.path("link.yaml")).unwrap();
    let served = Served::start(&sandbox, &["--allow-run"]);
    let refused = served.request("POST", "/runs", "", "file=link.yaml");
    assert_eq!(refused.status, 400);
    assert!(refused.text().contains("leads outside"));
    let page = served.get("/").text();
    assert!(page.contains("can run any program as the user"), "{page}");
    let help = sandbox.runner(&["serve", "--help"]);
    assert!(help.stdout.contains("any program as you"), "{help:?}");
}

#[test]
fn a_run_that_was_killed_at_its_start_is_not_loaded_again() {
    let sandbox = Sandbox::new(TINY);
    let served = Served::start(&sandbox, &[]);
    let folder = sandbox.path("artifacts/v1/runs/20200101-000000-abcdef");
    std::fs::create_dir_all(&folder).unwrap();
    let address = "/runs/20200101-000000-abcdef";
    // Its process may have just created the folder.
    let page = served.get(address).text();
    assert!(page.contains("This page loads again by itself"), "{page}");
    let past = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    let opened = std::fs::File::open(&folder).unwrap();
    opened.set_modified(past).unwrap();
    let page = served.get(address).text();
    assert!(page.contains("This run has no record"), "{page}");
    assert!(
        !page.contains("loads again") && !page.contains("http-equiv"),
        "{page}"
    );
}
