//! Several runs, several browsers, and commands from other terminals at the same time.

use std::process::Child;

use super::client::{Events, Served};
use super::control::ENDLESS;
use super::live::{part, start, stop};
use crate::sandbox::{Sandbox, TINY, eventually, list};

/// Starts a run while others go on, and waits until it is recorded.
fn start_another(sandbox: &Sandbox, pipeline: &str) -> (Child, String) {
    let before = list(&sandbox.path("artifacts/v1/runs"));
    let child = sandbox.start(&["run", pipeline, "-q"]);
    let id = eventually("recorded", || {
        let runs = list(&sandbox.path("artifacts/v1/runs"));
        let folder = runs.into_iter().find(|run| !before.contains(run))?;
        folder.join("events.jsonl").exists().then_some(())?;
        folder.join("run.json").exists().then_some(())?;
        Some(folder.file_name()?.to_str()?.to_owned())
    });
    (child, id)
}

/// Waits for a summary that contains a text.
fn summary_with(events: &mut Events, text: &str) {
    while !part(&events.named("parts"), "summary").is_some_and(|summary| summary.contains(text)) {}
}

#[test]
fn several_runs_are_followed_and_one_is_cancelled_from_another_terminal() {
    let sandbox = Sandbox::new(ENDLESS);
    let names = ["first", "second", "third"];
    for name in names {
        let pipeline = ENDLESS.replace("echo line", &format!("echo {name}"));
        let pipeline = pipeline.replace("endless", name);
        std::fs::write(sandbox.path(&format!("{name}.yaml")), pipeline).unwrap();
    }
    let served = Served::start(&sandbox, &[]);
    let started = names.map(|name| start_another(&sandbox, &format!("{name}.yaml")));
    let [(first, one), (mut second, two), (third, three)] = started;
    let page = served.get("/?state=running").text();
    for (name, run) in names.iter().zip([&one, &two, &three]) {
        assert!(
            page.contains(&format!("<td>{name}</td>")) && page.contains(run),
            "{page}"
        );
    }
    let events = |run: &str| served.events(&format!("/runs/{run}/events"), "");
    let mut pages = [&one, &two, &three].map(|run| events(run));
    for page in &mut pages {
        summary_with(page, "running");
    }
    let mut open = served.events("/events?state=running", "");
    open.named("parts");

    let done = sandbox.runner(&["runs", "cancel", &two]);
    assert_eq!(done.code, Some(0), "{done:?}");
    summary_with(&mut pages[1], "state cancelled");
    pages[1].named("reload");
    assert_eq!(pages[1].next(), None);
    second.wait().unwrap();
    let rows = loop {
        let rows = part(&open.named("parts"), "list").unwrap();
        if !rows.contains(&two) {
            break rows;
        }
    };
    assert!(rows.contains(&one) && rows.contains(&three), "{rows}");
    let page = served.run_page(&two, "");
    assert!(page.contains("state cancelled"), "{page}");
    // The other pages go on.
    let log = |run: &str| {
        served
            .get(&format!("/runs/{run}/stages/stage-wait/log"))
            .text()
    };
    assert!(log(&one).contains("first") && log(&three).contains("third"));
    for run in [&one, &three] {
        assert!(
            served
                .get(&format!("/runs/{run}"))
                .text()
                .contains("Running now")
        );
    }
    stop(first);
    stop(third);
    summary_with(&mut pages[0], "state cancelled");
    summary_with(&mut pages[2], "state cancelled");
}

#[test]
fn two_browsers_continue_after_the_server_restarts_and_the_run_ended_meanwhile() {
    let sandbox = Sandbox::new(TINY);
    let served = Served::start(&sandbox, &[]);
    let (child, run) = start(&sandbox, &["-S", "epochs=100000", "-S", "widths=[4]"]);
    let path = format!("/runs/{run}/events");
    let stage = format!("/runs/{run}/stages/stage-cnn-4/events");
    let mut browsers = [served.events(&path, ""), served.events(&stage, "")];
    let ids = browsers.each_mut().map(|events| events.named("parts").id);
    let port = served.port.to_string();
    assert_eq!(served.interrupt(), Some(0));
    for events in &mut browsers {
        while events.next().is_some() {}
    }
    let served = Served::at(&sandbox, &port, &[]);
    let header = |id: &String| format!("Last-Event-ID: {id}\r\n");
    let mut first = served.events(&path, &header(&ids[0]));
    let mut second = served.events(&stage, &header(&ids[1]));
    let position = |id: &str| -> u64 { id.split('.').next().unwrap().parse().unwrap() };
    assert!(position(&first.named("parts").id) >= position(&ids[0]));
    assert!(position(&second.named("parts").id) >= position(&ids[1]));
    assert_eq!(served.interrupt(), Some(0));

    stop(child);
    let served = Served::at(&sandbox, &port, &[]);
    // The new server has read no events, so the whole page is loaded again.
    let mut first = served.events(&path, &header(&ids[0]));
    first.named("reload");
    assert!(served.run_page(&run, "").contains("state cancelled"));
    let mut second = served.events(&stage, &header(&ids[1]));
    second.named("reload");
}
