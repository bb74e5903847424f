//! The driver talks with hosts that are damaged or hostile.

use contract::Failure;
use proptest::prelude::*;

use super::super::protocol::{LOG_PIECE, MOST_LOG, MOST_PICTURE};
use super::*;

#[test]
fn a_host_that_breaks_a_rule_is_refused_and_writes_nothing_elsewhere() {
    let start = [hello(), lacks(vec![])].concat();
    let with = |bytes: Vec<u8>| [start.clone(), bytes].concat();
    let failure = |text: &str| {
        line(&FromHost::Ended(Box::new(Ended {
            result: Err(Failure::Data(text.to_owned())),
            seconds: 0.0,
            usage: Usage::default(),
        })))
    };
    let place = StageEvent::Place {
        node: None,
        text: "at home".to_owned(),
        outlives_run: false,
    };
    let huge = Blob {
        bytes: u64::MAX,
        ..blob(b"x")
    };
    let mut cases = vec![
        ("banner", "word ".repeat(50_000).into_bytes()),
        ("lines", "a line\n".repeat(50_000).into_bytes()),
        (
            "torn hello",
            b"{\"message\":\"hello\",\"protocol\":true}\n".to_vec(),
        ),
        ("no JSON", with(b"what?\n".to_vec())),
        (
            "deep JSON",
            with([vec![b'['; 100_000], vec![b'\n']].concat()),
        ),
        (
            "not an input",
            [hello(), lacks(vec![blob(b"passwords")])].concat(),
        ),
        (
            "other size",
            [
                hello(),
                lacks(vec![Blob {
                    bytes: 3,
                    ..blob(INPUT)
                }]),
            ]
            .concat(),
        ),
        (
            "twice",
            [hello(), lacks(vec![blob(INPUT), blob(INPUT)])].concat(),
        ),
        ("order", [hello(), hello()].concat()),
        ("second lacks", with(lacks(vec![]))),
        ("place", with(event(place, None))),
        ("end", with(event(StageEvent::Succeeded, None))),
        (
            "checkpoints of the driver",
            with(event(StageEvent::NoCheckpoint, None)),
        ),
        ("facts", with(line(&FromHost::Pong))),
        ("no picture", with(event(picture("a.png"), None))),
        (
            "log piece",
            with(line(&FromHost::Log {
                bytes: LOG_PIECE + 1,
            })),
        ),
        (
            "many",
            with(
                event(
                    StageEvent::Note {
                        message: String::new(),
                    },
                    None,
                )
                .repeat(100_001),
            ),
        ),
        ("failure", with(failure(&"x".repeat(100_000)))),
        (
            "digest",
            with(ended(outputs(&["model/a"], blob(b"weights")), b"thieves")),
        ),
        ("size", with(ended(outputs(&["model/a"], huge), b"x"))),
        (
            "checkpoint",
            with(checkpoint("a", b"thieves", blob(b"weights"))),
        ),
        ("checkpoint size", with(checkpoint("a", b"x", huge))),
        ("in a folder", with(checkpoint("a/b", b"x", blob(b"x")))),
        (
            "both",
            with(ended(outputs(&["model", "model/a"], blob(b"x")), b"xx")),
        ),
    ];
    let long = serde_json::to_vec(&json!({
        "message": "event", "event": picture("a.png"), "picture": MOST_PICTURE + 1
    }));
    cases.push(("large picture", with([long.unwrap(), vec![b'\n']].concat())));
    let piece = [
        line(&FromHost::Log { bytes: LOG_PIECE }),
        vec![b'x'; LOG_PIECE as usize],
    ];
    let pieces = (MOST_LOG / LOG_PIECE + 1) as usize;
    cases.push(("long log", with(piece.concat().repeat(pieces))));
    for name in [
        "../x",
        "/tmp/x",
        "a/../../x",
        "",
        ".",
        "..",
        "a//b",
        "a\\b",
        "a\0b",
    ] {
        cases.push((name, with(ended(outputs(&[name], blob(b"x")), b"x"))));
        cases.push((name, with(checkpoint(name, b"x", blob(b"x")))));
        let folders = Listing {
            files: BTreeMap::new(),
            folders: BTreeSet::from([name.to_owned()]),
        };
        cases.push((name, with(ended(folders, b""))));
        if name.contains("..") || name.is_empty() || name.starts_with('/') {
            cases.push((name, with(event(picture(name), Some(b"png")))));
        }
    }
    for (name, script) in cases {
        let stage = Stage::new();
        let held = stage.hold(&script);
        match held.result {
            Err(Trouble::Peer(_)) => {}
            other => panic!("{name:?}: {other:?}"),
        }
        let sent = String::from_utf8_lossy(&held.sent);
        assert!(!sent.contains("the bytes of"), "{name:?}: {sent}");
        for file in stage.files() {
            let is_own = file.starts_with("staging") || file == Path::new("log");
            assert!(is_own, "{name:?}: {}", file.display());
        }
        assert!(stage.store.checkpoint_positions(&stage.key).is_empty());
    }
}

#[test]
fn a_connection_that_is_lost_anywhere_gives_no_result() {
    let script = honest();
    for length in (0..script.len()).step_by(7) {
        let held = Stage::new().hold(&script[..length]);
        match held.result {
            Err(Trouble::Stream(_)) => {}
            other => panic!("{length}: {other:?}"),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn properties_of_damaged_conversations(at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut script = honest();
        let at = at.index(script.len());
        script[at] = byte;
        let stage = Stage::new();
        let held = stage.hold(&script);
        let staging = &stage.request.staging;
        if let Ok(Ended { result: Ok(_), .. }) = held.result {
            for file in stage.files().iter().filter(|file| file.starts_with("staging")) {
                let content = fs::read(stage.root.path().join(file)).unwrap();
                prop_assert_eq!(content, b"weights");
            }
        }
        prop_assert!(fs::read_dir(stage.root.path()).unwrap().count() <= 3, "{}", staging.display());
    }
}
