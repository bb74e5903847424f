use super::*;
use crate::scheduler::{Capacity, Entry, OnFailure, Slots};
use store::keys::Key;

fn started(name: &str) -> Event {
    Event::StageStarted {
        stage: name.to_owned(),
        reason: String::new(),
    }
}

fn ended(name: &str, outcome: Outcome) -> Event {
    let key: Key = "0".repeat(64).parse().unwrap();
    Event::StageEnded {
        stage: StageReport::not_executed(name, outcome, &key),
    }
}

/// Returns the state of a run after these events, one second after the other.
fn after(events: &[Event]) -> RunProgress {
    let mut progress = RunProgress::default();
    for (event, at) in events.iter().zip(0..) {
        progress.apply(event, f64::from(at));
    }
    progress
}

fn begins(stages: usize) -> Event {
    Event::RunStarted {
        run: "r".to_owned(),
        pipeline: "p".to_owned(),
        stages,
        cached: 0,
        device: None,
    }
}

/// A schedule of independent stages that take a minute each, or an unknown time.
fn scheduled(stages: &[(&str, bool)], later_trials: Option<usize>) -> Event {
    let entries: Vec<Entry> = stages
        .iter()
        .map(|_| Entry {
            upstream: Vec::new(),
            slots: Slots::cpus(1),
        })
        .collect();
    let names = stages
        .iter()
        .map(|(name, is_known)| ((*name).to_owned(), is_known.then_some(60.0)));
    let capacity = Capacity {
        cpus: 1,
        memory: None,
        gpus: Vec::new(),
        elsewhere: 0,
    };
    Event::Scheduled {
        schedule: Schedule::new(&entries, names, &capacity, OnFailure::Stop),
        later_trials,
    }
}

#[test]
fn a_stage_counts_as_stopped_even_if_it_ends_before_the_signal_is_announced() {
    let progress = after(&[
        started("a"),
        ended("a", Outcome::Cancelled),
        ended("b", Outcome::Cancelled),
        Event::Interrupted { signal: 15 },
    ]);
    let lines = progress.stopped_lines();
    assert_eq!(lines[0], "a: starts over, because it has no checkpoint");
    assert_eq!(lines.len(), 2, "`b` never ran: {lines:?}");
}

#[test]
fn a_stage_that_is_retried_keeps_its_checkpoint_unless_it_starts_over() {
    let stage = || "a".to_owned();
    let checkpoint = Event::StageCheckpoint {
        stage: stage(),
        position: Position::after(6),
        seconds: 0.1,
    };
    let retried = [started("a"), checkpoint, started("a")];
    let kept = after(&retried).running[0].resumes_after();
    assert_eq!(kept, Some(Position::after(6)));
    let why = "its checkpoint is damaged".to_owned();
    let starts_over = Event::StageStartsOver {
        stage: stage(),
        why,
    };
    let lost = after(&[&retried[..], &[starts_over]].concat());
    assert_eq!(lost.running[0].resumes_after(), None);
}

#[test]
fn the_time_of_a_stage_that_waits_for_a_machine_does_not_pass() {
    let place = |node: Option<&str>| Event::StagePlace {
        stage: "a".to_owned(),
        node: node.map(str::to_owned),
        text: "waits".to_owned(),
        outlives_run: true,
    };
    let queued = [
        begins(1),
        scheduled(&[("a", true)], None),
        started("a"),
        place(None),
    ];
    let left = |progress: &RunProgress| progress.left(40.0).seconds.unwrap();
    assert_eq!(left(&after(&queued)), 60.0);
    let running = [&queued[..], &[place(Some("lab1"))]].concat();
    assert_eq!(left(&after(&running)), 60.0 - (40.0 - 4.0));
}

#[test]
fn stages_that_were_cancelled_or_skipped_are_not_done() {
    let stopping = after(&[
        begins(5),
        ended("a", Outcome::Cached),
        started("b"),
        started("c"),
        Event::Interrupted { signal: 2 },
        ended("b", Outcome::Cancelled),
        ended("d", Outcome::Cancelled),
        ended("e", Outcome::Cancelled),
    ]);
    assert_eq!(
        stopping.line(10.0),
        "1 of 5 stages (3 cancelled), 1 running; stopping"
    );
    let failed = after(&[
        begins(4),
        started("a"),
        ended("a", Outcome::Failed),
        ended("b", Outcome::Skipped),
        ended("c", Outcome::Succeeded),
    ]);
    assert_eq!(
        failed.counts_text(),
        "2 of 4 stages (1 failed, 1 skipped), 0 running"
    );
}

#[test]
fn a_run_says_which_run_it_waits_for() {
    let waits = |stage: &str, runs: &[&str]| Event::StageWaits {
        stage: stage.to_owned(),
        runs: runs.iter().map(|run| (*run).to_owned()).collect(),
    };
    let text = |events: &[Event]| after(&[&[begins(3)], events].concat()).counts_text();
    assert_eq!(
        text(&[waits("a", &["other"])]),
        "0 of 3 stages, 1 waits for run other"
    );
    assert_eq!(
        text(&[waits("a", &[]), started("b")]),
        "0 of 3 stages, 1 running, 1 waits for another run"
    );
    assert_eq!(
        text(&[waits("a", &["x"]), waits("b", &["y", "x"])]),
        "0 of 3 stages, 2 wait for run x or y"
    );
    // The wait ends when the other run has ended: with its result, or without.
    for (end, expected) in [
        (started("a"), "0 of 3 stages, 1 running"),
        (ended("a", Outcome::Cached), "1 of 3 stages, 0 running"),
    ] {
        assert_eq!(text(&[waits("a", &["other"]), end]), expected);
    }
}

#[test]
fn the_time_left_is_that_of_the_round_and_says_what_may_follow() {
    let left = |later, known| {
        let stages = [("a", true), ("b", known)];
        after(&[begins(2), scheduled(&stages, later)]).left_text(1.0)
    };
    assert_eq!(left(None, true), "about 2 min left");
    assert_eq!(
        left(Some(7), true),
        "about 2 min left in round 1; 7 trials follow in later rounds"
    );
    assert_eq!(
        left(Some(1), false),
        "at least 60 s left in round 1: 1 stage has never finished here; 1 trial follows in later rounds"
    );
    assert_eq!(
        left(Some(0), true),
        "about 2 min left in round 1; later rounds may follow"
    );
}

#[test]
fn a_later_round_adds_its_stages() {
    let progress = after(&[
        begins(1),
        scheduled(&[("a", true)], Some(2)),
        started("a"),
        ended("a", Outcome::Succeeded),
        Event::RoundStarted {
            round: 2,
            stages: 3,
            cached: 1,
        },
        ended("a", Outcome::Cached),
        scheduled(&[("b", true), ("c", true)], Some(0)),
        started("b"),
    ]);
    assert_eq!(
        progress.line(7.0),
        "2 of 4 stages, 1 running; about 2 min left in round 2; later rounds may follow"
    );
}
