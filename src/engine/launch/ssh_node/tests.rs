//! The host talks with drivers that are damaged or hostile.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::Path;

use contract::{Device, Failure, Position, Request, StageEvent};
use serde_json::{Value, json};

use super::*;
use crate::launch::ssh::fixtures::{Sent, blob, line};
use crate::launch::ssh::protocol::Files;
use store::keys::Key;

fn catalogue() -> Catalogue {
    Catalogue {
        kinds: &[],
        parse: |_, _| unreachable!("no stage starts in these tests"),
        gpus: crate::devices::fake::none,
        processor: || "test",
    }
}

fn work(files: Files) -> HostWork {
    let input = HostInput {
        label: "xrays.train".to_owned(),
        content: Listing {
            files,
            folders: BTreeSet::new(),
        },
        entry: None,
    };
    HostWork {
        key: Key::derive("test", b"stage"),
        stage: "cnn".to_owned(),
        store: None,
        slot: 0,
        request: Request {
            kind: "train-cnn".to_owned(),
            params: json!({}),
            seed: 7,
            cpus: 1,
            device: Device::Cpu,
            gpus: Vec::new(),
            inputs: BTreeMap::new(),
            staging: PathBuf::new(),
            resume: None,
        },
        inputs: BTreeMap::from([("train".to_owned(), vec![input])]),
        keeps_checkpoints: true,
        checkpoint: None,
        timeout: None,
        memory: None,
        gpus: 0,
        processor: None,
        log: PathBuf::from("/driver/cnn.log"),
    }
}

fn run(work: HostWork) -> Vec<u8> {
    line(&FromDriver::Run(Box::new(work)))
}

/// Holds a conversation with a driver that sends these bytes. Returns the messages of the host.
fn hold(home: &Path, script: Vec<u8>) -> (io::Result<()>, Vec<Value>) {
    let places = Places {
        home: Some(home.to_owned()),
        cache: None,
    };
    let sent = Sent::default();
    let result = converse(io::Cursor::new(script), sent.clone(), &catalogue(), &places);
    let sent = sent.bytes();
    let lines = sent
        .split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty());
    let messages = lines.map(|line| serde_json::from_slice(line).unwrap());
    (result, messages.collect())
}

/// Returns the failure that ends a conversation.
fn failure(home: &Path, work: HostWork) -> String {
    let (result, messages) = hold(home, run(work));
    result.unwrap();
    let ended = messages.last().unwrap();
    assert_eq!(ended["message"], "ended", "{ended}");
    let failure: Failure = serde_json::from_value(ended["result"]["Err"].clone()).unwrap();
    assert!(!failure.is_transient(), "{failure}");
    failure.to_string()
}

#[test]
fn a_driver_that_hangs_up_after_the_greeting_is_no_error() {
    let home = tempfile::tempdir().unwrap();
    let (result, messages) = hold(home.path(), Vec::new());
    result.unwrap();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0]["message"], "hello");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);
}

#[test]
fn a_driver_may_ask_for_facts_before_it_runs_a_stage() {
    let home = tempfile::tempdir().unwrap();
    let survey = line(&FromDriver::Survey { store: None });
    let script = [line(&FromDriver::Ping), survey.clone(), survey].concat();
    let (result, messages) = hold(home.path(), script);
    result.unwrap();
    assert_eq!(messages.len(), 4);
    assert_eq!(messages[1]["message"], "pong");
    let facts = &messages[2];
    assert_eq!(facts["message"], "facts");
    assert_eq!(facts["processor"], "test");
    assert!(facts["cpus"].as_u64().unwrap() > 0, "{facts}");
    assert_eq!(facts["without_gpu"], "the NVIDIA driver sees no GPU");
    let store = &facts["store"];
    let folder = home.path().join(".cache/runner/remote-store");
    assert_eq!(store["folder"], folder.to_str().unwrap());
    assert_eq!(
        (&store["is_there"], &store["why_not_writable"]),
        (&json!(false), &Value::Null)
    );
    assert!(store["free_bytes"].is_u64(), "{facts}");
    assert_eq!(fs::read_dir(home.path()).unwrap().count(), 0);

    fs::write(home.path().join("file"), "").unwrap();
    let store = Some("~/file/store".to_owned());
    let (_, messages) = hold(home.path(), line(&FromDriver::Survey { store }));
    assert!(
        messages[1]["store"]["why_not_writable"].is_string(),
        "{messages:?}"
    );
}

#[test]
fn only_the_content_of_missing_blobs_is_asked_for_and_it_is_verified() {
    let home = tempfile::tempdir().unwrap();
    let files = Files::from([
        ("a".to_owned(), blob(b"one")),
        ("b".to_owned(), blob(b"two")),
    ]);
    let asked = |content: &[u8]| {
        let script = [
            run(work(files.clone())),
            line(&FromDriver::Content),
            content.to_vec(),
        ];
        let (result, messages) = hold(home.path(), script.concat());
        let lacks = messages[1]["blobs"].as_array().unwrap();
        let asked = lacks
            .iter()
            .map(|blob| blob["digest"].as_str().unwrap().to_owned());
        (result, asked.collect::<Vec<_>>())
    };
    let (mut one, mut two) = (&b"one"[..], &b"two"[..]);
    if blob(one).digest > blob(two).digest {
        std::mem::swap(&mut one, &mut two);
    }
    // The first blob is right, the second one is not.
    let (result, digests) = asked(&[one, b"..."].concat());
    result.unwrap_err();
    let digest = |content: &[u8]| blob(content).digest.to_string();
    assert_eq!(digests, [digest(one), digest(two)]);
    // The first one need not be sent again.
    let (result, digests) = asked(b"tw");
    result.unwrap_err();
    assert_eq!(digests, [digest(two)]);
    assert!(home.path().join(".cache/runner/remote-store/v1").is_dir());
}

#[test]
fn a_request_that_breaks_a_rule_is_refused() {
    let home = tempfile::tempdir().unwrap();
    for name in ["../a", "/a", "", "a/../b", "a\nb"] {
        let files = Files::from([(name.to_owned(), blob(b"x"))]);
        let why = failure(home.path(), work(files.clone()));
        assert!(why.contains("leads out of its folder"), "{why}");
        let resumed = HostWork {
            checkpoint: Some(files),
            ..work(Files::new())
        };
        failure(home.path(), resumed);
    }
    let huge = Blob {
        bytes: u64::MAX,
        ..blob(b"x")
    };
    let files = Files::from([("a".to_owned(), huge)]);
    let why = failure(home.path(), work(files));
    assert!(why.contains("too large"), "{why}");
    for script in [
        b"GET / HTTP/1.1\n".to_vec(),
        line(&FromDriver::Stop),
        [run(work(Files::new())), line(&FromDriver::Alive)].concat(),
    ] {
        hold(home.path(), script).0.unwrap_err();
    }
}

#[test]
fn a_stage_for_another_kind_of_processor_is_refused() {
    let home = tempfile::tempdir().unwrap();
    let other = HostWork {
        processor: Some("x86-avx2".to_owned()),
        ..work(Files::new())
    };
    let why = failure(home.path(), other);
    let expected = "the processor of the host is of the kind test, and the result is for x86-avx2";
    assert!(why.starts_with(expected), "{why}");
    let gpu = HostWork {
        gpus: 1,
        ..work(Files::new())
    };
    let why = failure(home.path(), gpu);
    assert!(why.starts_with("no GPU on the host"), "{why}");
    assert_eq!(
        fs::read_dir(home.path().join(".cache/runner/remote-store/v1/cas"))
            .unwrap()
            .count(),
        0
    );
}

#[test]
fn the_store_is_in_the_cache_folder_unless_it_is_set() {
    let places = Places {
        home: Some(PathBuf::from("/home/me")),
        cache: Some(PathBuf::from("relative")),
    };
    let store = |setting| places.store(setting).unwrap();
    assert_eq!(
        store(None),
        Path::new("/home/me/.cache/runner/remote-store")
    );
    assert_eq!(store(Some("~/s")), Path::new("/home/me/s"));
    assert_eq!(store(Some("s")), Path::new("/home/me/s"));
    assert_eq!(store(Some("/scratch/s")), Path::new("/scratch/s"));
    let places = Places {
        home: None,
        cache: Some(PathBuf::from("/cache")),
    };
    let store = |setting| places.store(setting);
    assert_eq!(
        store(None).unwrap(),
        Path::new("/cache/runner/remote-store")
    );
    assert!(store(Some("~/s")).is_err());
}

#[test]
fn checkpoints_the_log_and_pictures_are_sent_whole() {
    let root = tempfile::tempdir().unwrap();
    let checkpoints = root.path().join("checkpoints");
    let staging = root.path().join("staging");
    fs::create_dir_all(checkpoints.join("c-1")).unwrap();
    fs::create_dir_all(staging.join("figure")).unwrap();
    fs::write(checkpoints.join("c-1/state"), "state").unwrap();
    fs::write(checkpoints.join("c-1/head"), "head").unwrap();
    fs::write(staging.join("figure/a.png"), "png").unwrap();
    let log = root.path().join("log");
    fs::write(&log, "written").unwrap();
    let sent = Sent::default();
    let to = Outgoing::new(sent.clone());
    let reports = Reports {
        to: &to,
        staging: &Folder::open(&staging).unwrap(),
        checkpoints: &checkpoints,
        log: &log,
    };
    thread::scope(|scope| {
        let reporter = reports.start(scope).unwrap();
        reporter.event(StageEvent::Picture {
            file: "figure/a.png".to_owned(),
            caption: "samples".to_owned(),
        });
        for outside in ["../log", "figure/none.png"] {
            reporter.event(StageEvent::Picture {
                file: outside.to_owned(),
                caption: "samples".to_owned(),
            });
        }
        reporter.event(StageEvent::Checkpoint {
            folder: "c-1".to_owned(),
            position: Position::after(1),
            seconds: 0.0,
        });
    });
    let sent = String::from_utf8(sent.bytes()).unwrap();
    assert!(sent.contains("\"picture\":3}\npng"), "{sent}");
    assert_eq!(sent.matches("\"picture\"").count(), 2, "{sent}");
    assert!(sent.contains("\"bytes\":7}\nwritten"), "{sent}");
    // In the order of their names.
    assert!(sent.contains("}}}\nheadstate"), "{sent}");
    assert!(!checkpoints.join("c-1").exists());
}
