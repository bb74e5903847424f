use std::fs;

use contract::{Position, Progress};

use super::*;
use crate::event::{BestTrial, Observer, StageReport, TrialResult};
use crate::run::event_log::EventLog;
use crate::scheduler::{Counts, Outcome};
use store::keys::Key;

fn progress(stage: &str, done: f64) -> Event {
    Event::StageProgress {
        stage: stage.to_owned(),
        progress: Progress {
            unit: "epoch".to_owned(),
            done,
            total: 4.0,
            figures: vec![("loss".to_owned(), 0.5)],
            measurement: None,
        },
    }
}

fn note(message: &str) -> Event {
    Event::StageNote {
        stage: "a".to_owned(),
        message: message.to_owned(),
    }
}

/// Returns one event of each kind.
fn one_of_each() -> Vec<Event> {
    let stage = || "cnn[\"a\\b\"]".to_owned();
    vec![
        Event::RunStarted {
            run: "r".to_owned(),
            pipeline: "p".to_owned(),
            stages: 2,
            cached: 1,
            device: None,
        },
        Event::StageStarted {
            stage: stage(),
            reason: "new".to_owned(),
        },
        Event::StageResumed {
            stage: stage(),
            from: Position::after(3),
        },
        Event::StageStartsOver {
            stage: stage(),
            why: "w".to_owned(),
        },
        progress("cnn", 1.5),
        Event::StageCheckpoint {
            stage: stage(),
            position: Position { epoch: 1, batch: 2 },
            seconds: 0.25,
        },
        Event::StageWarning {
            stage: stage(),
            message: "m".to_owned(),
            about_run_only: true,
        },
        Event::StageWarning {
            stage: stage(),
            message: "m".to_owned(),
            about_run_only: false,
        },
        note("n\n\u{1b}"),
        Event::StageEnded {
            stage: StageReport {
                seconds: Some(1.25),
                error: Some("e".to_owned()),
                ..StageReport::not_executed(
                    "a",
                    Outcome::Failed,
                    &"0".repeat(64).parse::<Key>().unwrap(),
                )
            },
        },
        Event::TrialJudged {
            trial: 1,
            values: "a=1".to_owned(),
            judgement: TrialResult::Reached {
                epochs: 3,
                value: 0.5,
            },
        },
        Event::RoundEnded {
            round: 1,
            trials: 2,
            best: Some(BestTrial {
                trial: 1,
                values: "a=1".to_owned(),
                objective: None,
            }),
        },
        Event::RoundStarted {
            round: 2,
            stages: 3,
            cached: 0,
        },
        Event::Interrupted { signal: 2 },
        Event::RunEnded {
            counts: Counts::default(),
            seconds: 1.5,
        },
    ]
}

fn read(folder: &Path, offset: u64) -> NewEvents {
    read_events(folder, offset, ProgressDetail::All).unwrap()
}

fn events(read: &NewEvents) -> Vec<Event> {
    read.events.iter().map(|read| read.event.clone()).collect()
}

#[test]
fn every_event_is_read_as_it_was_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let log = EventLog::create(folder.path()).unwrap();
    assert_eq!(read(folder.path(), 0), NewEvents::default());
    let recorded = one_of_each();
    recorded.iter().for_each(|event| log.observe(event));
    let all = read(folder.path(), 0);
    assert_eq!(events(&all), recorded);
    // Reading can continue after any event.
    for (index, event) in all.events.iter().enumerate() {
        let rest = read(folder.path(), event.end);
        assert_eq!(events(&rest), recorded[index + 1..]);
        assert_eq!((rest.offset, rest.has_more), (all.offset, false));
    }
}

#[test]
fn a_line_is_read_once_it_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let log = EventLog::create(folder.path()).unwrap();
    log.observe(&note("one"));
    log.observe(&note("two"));
    let file = folder.path().join(EVENTS_FILE);
    let whole = fs::read(&file).unwrap();
    let first = whole.iter().position(|&byte| byte == b'\n').unwrap() + 1;
    for cut in 0..=whole.len() {
        fs::write(&file, &whole[..cut]).unwrap();
        let found = read(folder.path(), 0);
        let complete = usize::from(cut >= first) + usize::from(cut == whole.len());
        assert_eq!(found.events.len(), complete, "cut at {cut}");
        fs::write(&file, &whole).unwrap();
        let rest = read(folder.path(), found.offset);
        assert_eq!(found.events.len() + rest.events.len(), 2);
    }
}

#[test]
fn unknown_events_fields_and_damaged_lines_are_skipped() {
    let folder = tempfile::tempdir().unwrap();
    let time = r#""time":"2026-11-23T08:15:00Z""#;
    let text = format!(
        "{{{time},\"event\":\"from-the-future\",\"stage\":1}}\nnot json\n\u{0}\n\n\
         {{{time},\"event\":\"stage-note\",\"stage\":\"a\",\"message\":\"m\",\"more\":[1]}}\n\
         {{{time},\"event\":\"stage-progress\",\"stage\":\"a\",\"progress\":{{\"unit\":\"epoch\",\"done\":1,\"total\":2,\"figures\":[[\"loss\",null]]}}}}\n"
    );
    fs::write(folder.path().join(EVENTS_FILE), &text).unwrap();
    let found = read(folder.path(), 0);
    assert_eq!(found.offset, text.len() as u64);
    let found = events(&found);
    assert_eq!(found[0], note("m"));
    let Event::StageProgress { progress, .. } = &found[1] else {
        panic!("{found:?}");
    };
    assert!(progress.figures[0].1.is_nan());
}

#[test]
fn of_progress_only_the_last_of_each_stage_is_read_if_asked() {
    let folder = tempfile::tempdir().unwrap();
    let names = ["a", "a\"b", "a\\"];
    let mut text = String::new();
    let mut line = |event: &Event| {
        let event = serde_json::to_string(event).unwrap();
        let event = event.strip_prefix('{').unwrap();
        text += &format!("{{\"time\":\"2026-11-23T08:15:00Z\",{event}\n");
    };
    for done in 0..4 {
        for name in names {
            line(&progress(name, f64::from(done)));
        }
        line(&note("n"));
    }
    fs::write(folder.path().join(EVENTS_FILE), &text).unwrap();
    let last = read_events(folder.path(), 0, ProgressDetail::Last).unwrap();
    let mut expected = vec![note("n"); 3];
    expected.extend(names.map(|name| progress(name, 3.0)));
    expected.push(note("n"));
    assert_eq!(events(&last), expected);
    assert_eq!(last.offset, text.len() as u64);
    assert_eq!(events(&read(folder.path(), 0)).len(), 16);
}

#[test]
fn a_large_file_and_a_long_line_are_read_piece_by_piece() {
    let folder = tempfile::tempdir().unwrap();
    let log = EventLog::create(folder.path()).unwrap();
    let long = "x".repeat(CHUNK as usize + 1);
    let texts = ["first", &long, "y", &long, "last"];
    texts.iter().for_each(|text| log.observe(&note(text)));
    let (mut offset, mut found, mut calls) = (0, Vec::new(), 0);
    loop {
        let new = read(folder.path(), offset);
        offset = new.offset;
        found.extend(events(&new));
        calls += 1;
        if !new.has_more {
            break;
        }
    }
    assert_eq!(found, texts.map(note));
    assert!(calls > 1);
}

#[test]
fn a_file_that_is_removed_or_replaced_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let again = |offset| read_events(folder.path(), offset, ProgressDetail::All);
    assert!(matches!(again(0), Err(FollowError::Missing { .. })));
    let log = EventLog::create(folder.path()).unwrap();
    log.observe(&note("n"));
    let offset = again(0).unwrap().offset;
    EventLog::create(folder.path()).unwrap();
    assert!(matches!(again(offset), Err(FollowError::Replaced { .. })));
    let file = folder.path().join(EVENTS_FILE);
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    assert!(matches!(again(0), Err(FollowError::Io { .. })));
}
