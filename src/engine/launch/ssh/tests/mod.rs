//! The driver talks with hosts that are honest, and with those that have another program.

mod hostile;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

use contract::{
    Artifact, Device, Folder, Position, Progress, Request, StageEvent, into_inner, lock,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::conversation::Conversation;
use super::fixtures::{Sent, blob, line};
use super::greeting::this_program;
use super::protocol::{Ended, FromHost, Hello, Listing};
use super::settings::SshHost;
use super::trouble::Trouble;
use crate::graph::Limits;
use crate::launch::{Kept, Launch, Placement, Usage, Work};
use store::keys::Key;
use store::{Blob, Deadline, Store};

/// A stage with one input, and the folders that the driver may write to.
struct Stage {
    root: TempDir,
    store: Store,
    request: Request,
    key: Key,
}

/// End of a conversation.
struct Held {
    result: Result<Ended, Trouble>,
    /// `true` if the host was found to have the right program.
    has_answered: bool,
    events: Vec<StageEvent>,
    /// Bytes that the driver sent.
    sent: Vec<u8>,
}

fn this() -> Hello {
    this_program("0.1.0 (aaa)".to_owned())
}

impl Stage {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let store = Store::open(&root.path().join("artifacts")).unwrap();
        let made = store.staging().unwrap();
        fs::write(made.path().join("data"), INPUT).unwrap();
        let tree = store.ingest(made.folder(), Path::new(""), &Deadline::NONE);
        let artifact = Artifact {
            label: "xrays.train".to_owned(),
            files: store.files_of(&tree.unwrap()),
            ..Artifact::default()
        };
        let staging = root.path().join("staging");
        fs::create_dir(&staging).unwrap();
        let request = Request {
            kind: "train-cnn".to_owned(),
            params: json!({ "epochs": 3 }),
            seed: 7,
            cpus: 2,
            device: Device::Cpu,
            gpus: vec!["GPU-of-the-driver".to_owned()],
            inputs: BTreeMap::from([("train".to_owned(), vec![artifact])]),
            staging,
            resume: None,
        };
        Self {
            root,
            store,
            request,
            key: Key::derive("test", b"stage"),
        }
    }

    /// Holds a conversation with a host that sends these bytes.
    fn hold(&self, script: &[u8]) -> Held {
        let checkpoints = self.store.checkpoints(&self.key).unwrap();
        let staging = Folder::open(&self.request.staging).unwrap();
        let launch = Launch {
            key: self.key,
            stage: "cnn",
            placement: &Placement::default(),
            store: &self.store,
            request: &self.request,
            staging: &staging,
            work: Work::BuiltIn(Some(Kept {
                checkpoints: &checkpoints,
                resume: true,
            })),
            limits: Limits::default(),
            log: &self.root.path().join("log"),
            on_linked: &|| {},
        };
        let (sent, events) = (Sent::default(), Mutex::new(Vec::new()));
        let has_answered = AtomicBool::default();
        let conversation = Conversation {
            host: "lab",
            settings: &SshHost::default(),
            launch: &launch,
            slot: 0,
            this: &this(),
            stopping: &AtomicBool::default(),
            is_running: &AtomicBool::default(),
            on_answer: &|| has_answered.store(true, Ordering::SeqCst),
            on_event: &|event| {
                if let StageEvent::Picture { file, .. } = &event {
                    let shown = fs::read(self.request.staging.join(file)).unwrap();
                    assert_eq!(shown.len(), 3);
                }
                lock(&events).push(event);
            },
        };
        let result = conversation.hold(&mut &*script, sent.clone());
        Held {
            result,
            has_answered: has_answered.into_inner(),
            events: into_inner(events),
            sent: sent.bytes(),
        }
    }

    /// Returns the paths of everything outside the store.
    fn files(&self) -> BTreeSet<PathBuf> {
        let mut found = BTreeSet::new();
        let mut open = vec![self.root.path().to_owned()];
        while let Some(folder) = open.pop() {
            for entry in fs::read_dir(&folder).unwrap() {
                let path = entry.unwrap().path();
                let relative = path.strip_prefix(self.root.path()).unwrap().to_owned();
                match path.is_dir() {
                    true if relative == Path::new("artifacts") => {}
                    true => open.push(path),
                    false => drop(found.insert(relative)),
                }
            }
        }
        found
    }
}

const INPUT: &[u8] = b"the bytes of the input";

fn hello() -> Vec<u8> {
    line(&FromHost::Hello(this()))
}

fn lacks(blobs: Vec<Blob>) -> Vec<u8> {
    line(&FromHost::Lacks { blobs })
}

fn event(event: StageEvent, picture: Option<&[u8]>) -> Vec<u8> {
    let bytes = picture.map(|picture| picture.len() as u64);
    let message = FromHost::Event {
        event,
        picture: bytes,
    };
    [line(&message), picture.unwrap_or_default().to_vec()].concat()
}

fn picture(file: &str) -> StageEvent {
    StageEvent::Picture {
        file: file.to_owned(),
        caption: "samples".to_owned(),
    }
}

fn checkpoint(name: &str, content: &[u8], announced: Blob) -> Vec<u8> {
    let message = FromHost::Checkpoint {
        position: Position::after(2),
        seconds: 0.5,
        files: BTreeMap::from([(name.to_owned(), announced)]),
    };
    [line(&message), content.to_vec()].concat()
}

fn ended(listing: Listing, content: &[u8]) -> Vec<u8> {
    let message = FromHost::Ended(Box::new(Ended {
        result: Ok(listing),
        seconds: 3.0,
        usage: Usage {
            cpu_seconds: 2.0,
            peak_memory_mib: 10.0,
        },
    }));
    [line(&message), content.to_vec()].concat()
}

fn outputs(names: &[&str], announced: Blob) -> Listing {
    Listing {
        files: names
            .iter()
            .map(|name| ((*name).to_owned(), announced))
            .collect(),
        folders: BTreeSet::new(),
    }
}

fn honest() -> Vec<u8> {
    let listing = Listing {
        folders: BTreeSet::from(["model/empty".to_owned()]),
        ..outputs(&["model/deep/a", "model/b"], blob(b"weights"))
    };
    let progress = StageEvent::Progress(Progress {
        unit: "epoch".to_owned(),
        done: 1.0,
        total: 3.0,
        ..Progress::default()
    });
    [
        b"Welcome to lab!\nno end of line: ".to_vec(),
        hello(),
        lacks(vec![blob(INPUT)]),
        event(progress, None),
        event(picture("model/b"), Some(b"png")),
        line(&FromHost::Log { bytes: 4 }),
        b"log\n".to_vec(),
        checkpoint("state", b"state", blob(b"state")),
        ended(listing, b"weightsweights"),
    ]
    .concat()
}

#[test]
fn an_honest_host_gets_the_inputs_and_its_outputs_are_taken() {
    let stage = Stage::new();
    let held = stage.hold(&honest());
    let ended = held.result.unwrap();
    ended.result.unwrap();
    assert_eq!((ended.seconds, ended.usage.cpu_seconds), (3.0, 2.0));
    let mut sent = held.sent.split(|byte| *byte == b'\n');
    let run: Value = serde_json::from_slice(sent.next().unwrap()).unwrap();
    assert_eq!(run["request"]["gpus"], json!([]), "{run}");
    let text = run.to_string();
    let root = stage.store.root().to_str().unwrap();
    assert!(
        !text.contains(root),
        "no path of this machine is sent: {text}"
    );
    assert_eq!(sent.next().unwrap(), br#"{"message":"content"}"#);
    assert!(sent.next().unwrap().starts_with(INPUT));
    let staging = &stage.request.staging;
    assert_eq!(fs::read(staging.join("model/deep/a")).unwrap(), b"weights");
    assert_eq!(fs::read(staging.join("model/b")).unwrap(), b"weights");
    assert!(staging.join("model/empty").is_dir());
    assert_eq!(fs::read(stage.root.path().join("log")).unwrap(), b"log\n");
    let kept = stage.store.checkpoint_positions(&stage.key);
    assert_eq!(kept, [Position::after(2)]);
    assert!(held.has_answered);
    assert_eq!(held.events[0], StageEvent::NoCheckpoint);
    assert_eq!(held.events.len(), 6, "{:?}", held.events);

    // The checkpoint goes along with the next attempt.
    let again = stage.hold(&[hello(), lacks(vec![])].concat());
    assert!(!again.events.contains(&StageEvent::NoCheckpoint));
    assert!(matches!(again.result, Err(Trouble::Stream(_))));
    assert!(again.sent.ends_with(b"{\"message\":\"content\"}\nstate"));
}

#[test]
fn another_build_is_refused_unless_it_is_for_another_platform() {
    let with = |change: &dyn Fn(&mut Hello)| {
        let mut hello = this();
        change(&mut hello);
        let script = [line(&FromHost::Hello(hello)), lacks(vec![])].concat();
        Stage::new().hold(&script)
    };
    let refused = |change: &dyn Fn(&mut Hello)| {
        let held = with(change);
        assert!(held.sent.is_empty(), "nothing is sent to another version");
        assert!(!held.has_answered);
        match held.result {
            Err(Trouble::Refused(why)) => why,
            other => panic!("{other:?}"),
        }
    };
    refused(&|hello| hello.protocol += 1);
    refused(&|hello| hello.format += 1);
    refused(&|hello| hello.version = "9".to_owned());
    let why = refused(&|hello| hello.build = "0.1.0 (bbb)\u{1b}[2J".to_owned());
    let expected = "`runner` on `lab` is runner 0.1.0 (bbb)\\u001b[2J for";
    assert!(why.starts_with(expected), "{why}");
    let other = with(&|hello| {
        hello.build = "0.1.0 (bbb)".to_owned();
        hello.platform = "macos-aarch64".to_owned();
    });
    assert!(
        matches!(other.result, Err(Trouble::Stream(_))),
        "{:?}",
        other.result
    );
}
