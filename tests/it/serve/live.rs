//! Pages that follow a run.

use std::process::Child;

use rustix::process::Signal;
use serde_json::Value;

use super::client::{Event, Events, Served};
use super::control::ENDLESS;
use crate::sandbox::{Sandbox, TINY, eventually, list, signal};

/// Starts a run that goes on until it is stopped, and waits for its record.
pub(super) fn start(sandbox: &Sandbox, args: &[&str]) -> (Child, String) {
    let child = sandbox.start(&[&["run", "pipeline.yaml", "-q"], args].concat());
    let id = eventually("recorded", || {
        let folder = list(&sandbox.path("artifacts/v1/runs")).pop()?;
        folder.join("run.json").exists().then_some(())?;
        Some(folder.file_name()?.to_str()?.to_owned())
    });
    (child, id)
}

pub(super) fn stop(mut child: Child) {
    signal(child.id(), Signal::TERM).unwrap();
    child.wait().unwrap();
}

/// The HTML of a part in an event.
pub(super) fn part(event: &Event, id: &str) -> Option<String> {
    let data: Value = serde_json::from_str(&event.data).unwrap();
    let parts = data["parts"].as_array().unwrap().iter();
    let mut found = parts.filter(|part| part[0] == id);
    Some(found.next()?[1].as_str().unwrap().to_owned())
}

/// Waits for an event with a curve, and returns the number of characters of the curve and the event's id.
fn curve(events: &mut Events, at_least: usize) -> (usize, String) {
    loop {
        let event = events.named("parts");
        let running = part(&event, "running").unwrap_or_default();
        let Some((_, svg)) = running.split_once("<svg") else {
            continue;
        };
        let points = svg
            .split(" d=\"")
            .skip(1)
            .map(|rest| rest.find('"').unwrap());
        let points = points.chain(
            svg.split(" points=\"")
                .skip(1)
                .map(|rest| rest.find('"').unwrap()),
        );
        let length = points.sum();
        if length > at_least {
            return (length, event.id);
        }
    }
}

#[test]
fn the_curve_of_a_training_grows_for_every_browser_and_after_a_restart() {
    let sandbox = Sandbox::new(TINY);
    let served = Served::start(&sandbox, &[]);
    let (child, run) = start(
        &sandbox,
        &["-S", "epochs=10000", "-S", "widths=[4]", "-S", "images=400"],
    );
    let path = format!("/runs/{run}/events");
    let mut first = served.events(&path, "");
    let (length, _) = curve(&mut first, 0);
    let (_, id) = curve(&mut first, length);
    // A second browser begins with the state of now.
    let mut second = served.events(&path, "");
    curve(&mut second, length);
    let page = served.get(&format!("/runs/{run}")).text();
    assert!(
        page.contains("<svg") && page.contains("cnn[width=4]") || page.contains("cnn[4]"),
        "{page}"
    );

    let port = served.port.to_string();
    assert_eq!(served.interrupt(), Some(0));
    while first.next().is_some() {}
    let served = Served::at(&sandbox, &port, &[]);
    let mut again = served.events(&path, &format!("Last-Event-ID: {id}\r\n"));
    let event = again.named("parts");
    // Only what changed since: the row of the dataset, which has ended before, is not sent again.
    assert!(event.id.parse::<u64>().unwrap() >= id.parse::<u64>().unwrap());
    assert_eq!(part(&event, "row-stage-xrays"), None);
    let mut whole = served.events(&path, "");
    assert!(
        part(&whole.named("parts"), "row-stage-xrays")
            .unwrap()
            .contains("succeeded")
    );

    stop(child);
    let ended = loop {
        let event = again.named("parts");
        if part(&event, "summary").is_some_and(|summary| summary.contains("cancelled")) {
            break event;
        }
    };
    assert!(part(&ended, "running").is_some_and(|running| !running.contains("<svg")));
    again.named("reload");
    assert_eq!(again.next(), None);
}

#[test]
fn a_run_that_is_killed_is_shown_as_killed() {
    let sandbox = Sandbox::new(ENDLESS);
    let served = Served::start(&sandbox, &[]);
    let (mut child, run) = start(&sandbox, &[]);
    let mut events = served.events(&format!("/runs/{run}/events"), "");
    let mut list = served.events("/events", "");
    assert!(
        part(&list.named("parts"), "list")
            .unwrap()
            .contains("running")
    );
    child.kill().unwrap();
    child.wait().unwrap();
    loop {
        let summary = part(&events.named("parts"), "summary");
        if summary.is_some_and(|summary| summary.contains("killed")) {
            break;
        }
    }
    events.named("reload");
    while !part(&list.named("parts"), "list")
        .unwrap()
        .contains("state killed")
    {}
}

#[test]
fn the_log_of_a_running_stage_grows_and_continues() {
    let sandbox = Sandbox::new(&ENDLESS.replace("echo line", "echo '<b>&\\u001b[31mline'"));
    let served = Served::start(&sandbox, &[]);
    let (child, run) = start(&sandbox, &[]);
    let path = format!("/runs/{run}/stages/stage-wait");
    let log = |event: &Event| {
        let data: Value = serde_json::from_str(&event.data).unwrap();
        data["log"].as_str().unwrap_or_default().to_owned()
    };
    let mut events = served.events(&format!("{path}/events"), "");
    let with_log = |events: &mut Events| loop {
        let event = events.named("parts");
        if !log(&event).is_empty() {
            break event;
        }
    };
    let first = with_log(&mut events);
    assert!(
        log(&first).lines().all(|line| line.starts_with("<b>&")),
        "{first:?}"
    );
    assert!(!log(&first).contains('\u{1b}'));
    let (_, offset) = first.id.split_once('.').unwrap();
    let file = list(&sandbox.path("artifacts/v1/runs"))
        .pop()
        .unwrap()
        .join("wait.log");
    let whole = std::fs::read(&file).unwrap();
    assert!(whole.len() >= offset.parse().unwrap());
    // A browser that lost the connection gets the lines after those that it has.
    let mut again = served.events(
        &format!("{path}/events"),
        &format!("Last-Event-ID: {}\r\n", first.id),
    );
    let second = with_log(&mut again);
    let (_, end) = second.id.split_once('.').unwrap();
    let length = end.parse::<u64>().unwrap() - offset.parse::<u64>().unwrap();
    let line = whole.iter().position(|&byte| byte == b'\n').unwrap() as u64 + 1;
    assert_eq!(log(&second).lines().count() as u64, length / line);
    let page = served.get(&path).text();
    assert!(
        page.contains("&lt;b&gt;&amp;") && !page.contains("<b>&"),
        "{page}"
    );
    let log = served.get(&format!("{path}/log"));
    assert!(log.head.contains("content-type: text/plain") && log.head.contains("sandbox"));
    stop(child);
}

#[test]
fn the_card_of_a_running_program_shows_the_end_of_its_log() {
    let program = "i=0; while :; do i=$((i+1)); echo '<b>'$i; sleep 0.1; done";
    let sandbox = Sandbox::new(&ENDLESS.replace("while :; do echo line; sleep 0.1; done", program));
    let served = Served::start(&sandbox, &[]);
    let (child, run) = start(&sandbox, &[]);
    let lines = |html: &str| -> Option<Vec<String>> {
        let (_, rest) = html.split_once("aria-label=\"End of the log of wait\">")?;
        let (text, _) = rest.split_once("</pre>")?;
        Some(text.lines().map(str::to_owned).collect())
    };
    let shown = eventually("five lines", || {
        let page = served.get(&format!("/runs/{run}")).text();
        lines(&page).filter(|lines| lines.len() == 5)
    });
    assert!(
        shown.iter().all(|line| line.starts_with("&lt;b&gt;")),
        "{shown:?}"
    );
    // It grows although the run records nothing.
    let mut events = served.events(&format!("/runs/{run}/events"), "");
    loop {
        let log = part(&events.named("parts"), "log-stage-wait");
        let log = log.map(|html| lines(&html).unwrap());
        if log.is_some_and(|log| log.len() == 5 && log[0] != shown[0]) {
            break;
        }
    }
    stop(child);
}

#[test]
fn a_run_that_starts_later_appears_in_the_list() {
    let sandbox = Sandbox::new(TINY);
    let served = Served::start(&sandbox, &[]);
    let mut list = served.events("/events", "");
    assert!(
        part(&list.named("parts"), "list")
            .unwrap()
            .contains("no runs yet")
    );
    assert_eq!(sandbox.run_json(&[]).code, Some(0));
    while !part(&list.named("parts"), "list")
        .unwrap()
        .contains("succeeded")
    {}
    // Nothing is sent to HEAD.
    let head = served.request("HEAD", "/events", "", "");
    assert_eq!((head.status, head.body.len()), (200, 0));
}

#[test]
fn events_of_a_run_that_vanishes_end() {
    let sandbox = Sandbox::new(ENDLESS);
    let served = Served::start(&sandbox, &[]);
    let (child, run) = start(&sandbox, &[]);
    let mut events = served.events(&format!("/runs/{run}/events"), "");
    events.named("parts");
    stop(child);
    std::fs::remove_dir_all(sandbox.path(&format!("artifacts/v1/runs/{run}"))).unwrap();
    events.named("reload");
    assert_eq!(served.get(&format!("/runs/{run}")).status, 404);
    assert!(served.get("/").text().contains("no runs yet"));
    let mut none = served.events("/runs/none/events", "");
    none.named("reload");
}

#[test]
fn validation_is_shown_after_every_epoch() {
    let sandbox = Sandbox::new(TINY);
    let served = Served::start(&sandbox, &[]);
    let (child, run) = start(&sandbox, &["-S", "epochs=100000", "-S", "widths=[4]"]);
    let mut events = served.events(&format!("/runs/{run}/events"), "");
    let card = loop {
        let card = part(&events.named("parts"), "running").unwrap_or_default();
        // Two epochs make a curve.
        if card.contains(">validation</text>") {
            break card;
        }
    };
    for expected in [
        ">after epoch ",
        "validation_loss ",
        "validation_accuracy ",
        ">loss by epoch<",
        ">accuracy by epoch<",
    ] {
        assert!(card.contains(expected), "{expected}: {card}");
    }
    let stage = served
        .get(&format!("/runs/{run}/stages/stage-cnn-4"))
        .text();
    assert!(stage.contains(">auc by epoch<"), "{stage}");
    let shown = sandbox.runner(&["runs", "show", "latest"]);
    assert!(shown.stdout.contains("; after epoch "), "{shown:?}");
    let shown = sandbox.runner(&["runs", "show", "latest", "--json"]).json();
    let measured = &shown["progress"]["running"][0]["progress"]["measured"];
    assert!(measured["figures"]["validation_loss"].is_f64(), "{shown}");
    stop(child);
}

const GAN: &str = r#"
version: 1
name: gan
stages:
  xrays:
    kind: dataset
    params: { source: { phantom: { images: 40, test_images: 20 } }, image_size: 16 }
  gan:
    kind: train-gan
    inputs: { images: xrays.train }
    params:
      class: NORMAL
      latent: 4
      epochs: 10000
      batch_size: 8
      sample_every: 3
      generator: [{ conv_transpose: { filters: 1, kernel: 16, stride: 1, padding: valid, activation: tanh } }]
      discriminator: [flatten, { dense: { units: 1 } }]
"#;

#[test]
fn a_gan_shows_its_newest_samples_while_it_trains() {
    let sandbox = Sandbox::new(GAN);
    let served = Served::start(&sandbox, &[]);
    let (child, run) = start(&sandbox, &[]);
    let mut events = served.events(&format!("/runs/{run}/events"), "");
    let mut seen = Vec::new();
    while seen.len() < 2 {
        let card = part(&events.named("parts"), "running").unwrap_or_default();
        let Some((_, picture)) = card.split_once("<img src=\"") else {
            continue;
        };
        let (address, rest) = picture.split_once('"').unwrap();
        assert!(rest.contains("samples after epoch "), "{card}");
        let answer = served.get(address);
        assert!(answer.body.starts_with(b"\x89PNG"), "{address}: {answer:?}");
        assert!(answer.head.contains("sandbox"), "{answer:?}");
        if !seen.contains(&address.to_owned()) {
            seen.push(address.to_owned());
        }
    }
    assert!(seen[0].starts_with(&format!("/runs/{run}/stages/stage-gan/picture?at=")));
    // Not a file of somebody who can write into the folder of the run.
    stop(child);
    let picture = sandbox.path(&format!("artifacts/v1/runs/{run}/gan.png"));
    std::fs::write(&picture, "<script>").unwrap();
    assert_eq!(served.get(&seen[0]).status, 404);
    std::fs::remove_file(&picture).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", &picture).unwrap();
    assert_eq!(served.get(&seen[0]).status, 404);
}
