//! The protocol between the driver and a host, over the standard input and output of `runner node --ssh`.
//!
//! Every message is one line of JSON. After some messages, the bytes of files follow at once, without separators: their
//! number and order are in the message, or in the one that asked for them. One connection runs one stage.
//!
//! | | from | message | followed by |
//! | --- | --- | --- | --- |
//! | 1 | host | [`Hello`], after any text that its shell prints | |
//! | | driver | `ping` and `survey`, as often as it wants | |
//! | | host | `pong` and `facts` ([`HostFacts`]) as answers | |
//! | 2 | driver | `run`: the stage, its inputs by digest, its checkpoint | |
//! | 3 | host | `lacks`: blobs that its store does not have | |
//! | 4 | driver | `content` | these blobs, in the order of `lacks`; the files of the checkpoint |
//! | 5 | host | `event`, as often as there is one | the picture, if it is about one |
//! | | host | `log`: output of the stage | the output |
//! | | host | `checkpoint` | its files |
//! | | driver | `alive` every [`ALIVE`], `stop` after Ctrl-C | |
//! | 6 | host | `ended`: the outputs, or a failure | the files of the outputs |
//!
//! Then both close the connection. Each side ends when the other one does, or breaks a rule.
//!
//! Nothing from the other side is believed: lines, files and their number have limits, names are checked by
//! [`Tree::listed`], and a file is used only if its bytes have the announced digest.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, BufRead, Read, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::Duration;

use contract::{Failure, IndexEntry, Position, Request, StageEvent, lock};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::facts::HostFacts;
use crate::launch::{Usage, message};
use store::keys::Key;
use store::{Blob, Tree};

/// Version of the protocol.
pub(in crate::launch) const PROTOCOL: u32 = 2;
/// Interval between two signs of life from the driver.
pub(in crate::launch) const ALIVE: Duration = Duration::from_secs(15);
/// Time without a sign of life after which the host gives the driver up.
pub(in crate::launch) const SILENCE: Duration = Duration::from_secs(120);
/// Longest line, in bytes. A list of a million files takes 120 MB.
const MOST_LINE: u64 = 256 << 20;
/// Most files of one message, and most bytes of them.
const MOST_FILES: usize = 2_000_000;
const MOST_BYTES: u64 = 1 << 40;
/// Most bytes of a log.
pub(in crate::launch) const MOST_LOG: u64 = 32 << 20;
/// Most bytes of a piece of a log.
pub(in crate::launch) const LOG_PIECE: u64 = 1 << 20;
/// Most bytes of a picture.
pub(in crate::launch) const MOST_PICTURE: u64 = 16 << 20;
/// Most text before the first message, in bytes.
const MOST_BANNER: usize = 64 << 10;
/// Beginning of the first message, by which it is found in other text.
const FIRST: &str = r#"{"message":"hello","#;

/// A message from the host.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "kebab-case")]
pub(in crate::launch) enum FromHost {
    Hello(Hello),
    Pong,
    Facts(Box<HostFacts>),
    Lacks {
        blobs: Vec<Blob>,
    },
    Event {
        event: StageEvent,
        /// Size of the picture.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        picture: Option<u64>,
    },
    Log {
        bytes: u64,
    },
    Checkpoint {
        position: Position,
        seconds: f64,
        files: Files,
    },
    Ended(Box<Ended>),
}

/// A message from the driver.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "kebab-case")]
pub(in crate::launch) enum FromDriver {
    Ping,
    Survey {
        /// The host's store, if it is not at its default place.
        store: Option<String>,
    },
    Run(Box<HostWork>),
    Content,
    Alive,
    Stop,
}

/// Files by name, with `/` between folders.
pub(in crate::launch) type Files = BTreeMap<String, Blob>;

/// Facts about the program on the host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::launch) struct Hello {
    pub protocol: u32,
    /// Version of the program.
    pub version: String,
    /// Version of the format of artifacts.
    pub format: u32,
    /// Operating system and instruction set that it was built for.
    pub platform: String,
    /// Version with the beginning of the digest of its file.
    pub build: String,
}

/// The end of a stage.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::launch) struct Ended {
    /// Content of the folder with the outputs.
    pub result: Result<Listing, Failure>,
    pub seconds: f64,
    pub usage: Usage,
}

/// Content of a folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::launch) struct Listing {
    pub files: Files,
    /// Empty folders.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub folders: BTreeSet<String>,
}

/// A stage to run on a host.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::launch) struct HostWork {
    /// Action key of the stage.
    pub key: Key,
    /// Name of the stage instance.
    pub stage: String,
    /// The host's store, if it is not at its default place.
    pub store: Option<String>,
    /// Number from 0 among the stages that may run on the host at once. It selects GPUs.
    pub slot: usize,
    /// Its `inputs`, `staging`, `gpus` and `resume` are set by the host.
    pub request: Request,
    pub inputs: BTreeMap<String, Vec<HostInput>>,
    /// `true` if the stage keeps checkpoints.
    pub keeps_checkpoints: bool,
    /// Files of the furthest checkpoint.
    pub checkpoint: Option<Files>,
    pub timeout: Option<Duration>,
    pub memory: Option<u64>,
    /// Number of GPUs.
    pub gpus: usize,
    /// Kind of processor that the stage needs. `None` if it does not compute.
    pub processor: Option<String>,
    /// Path of the log on the driver's machine, for messages.
    pub log: PathBuf,
}

/// An artifact on an input port.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::launch) struct HostInput {
    pub label: String,
    #[serde(flatten)]
    pub content: Listing,
    pub entry: Option<IndexEntry>,
}

impl Listing {
    /// Checks names, number and sizes.
    ///
    /// # Errors
    /// If they break a rule.
    pub(in crate::launch) fn into_tree(self) -> io::Result<Tree> {
        check_sizes(self.files.values())?;
        Tree::listed(self.files, self.folders).map_err(invalid)
    }
}

/// Checks the files of a checkpoint, which are all in one folder.
///
/// # Errors
/// If they break a rule.
pub(in crate::launch) fn check_checkpoint(files: &Files) -> io::Result<()> {
    check_sizes(files.values())?;
    if files.keys().any(|name| name.contains('/')) {
        return Err(invalid("a file of a checkpoint is in a folder"));
    }
    let checked = Tree::listed(files.clone(), BTreeSet::new());
    checked.map(drop).map_err(invalid)
}

/// Checks the number and the sizes of files.
///
/// # Errors
/// If there are too many, or if they are too large.
pub(in crate::launch) fn check_sizes<'a>(files: impl Iterator<Item = &'a Blob>) -> io::Result<()> {
    let mut bytes = 0_u64;
    for (index, file) in files.enumerate() {
        bytes = bytes.saturating_add(file.bytes);
        if index == MOST_FILES || bytes > MOST_BYTES {
            return Err(invalid("a list of files is too large"));
        }
    }
    Ok(())
}

/// The error for a message that breaks a rule.
pub(in crate::launch) fn invalid(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}

/// Reads the next message. Returns `None` if the connection was closed after the last one.
///
/// # Errors
/// If the connection fails, or with the kind `InvalidData` if the message breaks a rule.
pub(in crate::launch) fn read<T: DeserializeOwned>(
    from: &mut dyn BufRead,
) -> io::Result<Option<T>> {
    let Some(line) = read_line(from, MOST_LINE)? else {
        return Ok(None);
    };
    match message::read(&line) {
        Ok(message) => Ok(Some(message)),
        Err(error) => Err(invalid(format!("a message cannot be read: {error}"))),
    }
}

/// Reads the first message of a host. Skips text that its shell printed.
///
/// # Errors
/// As for [`read`]. The error about too much other text quotes its end.
pub(in crate::launch) fn read_hello(from: &mut dyn BufRead) -> io::Result<Hello> {
    let mut skipped = 0;
    loop {
        let line = read_line(from, MOST_BANNER as u64)?.ok_or(io::ErrorKind::UnexpectedEof)?;
        let text = String::from_utf8_lossy(&line);
        if let Some(start) = text.find(FIRST) {
            return match message::read(&text.as_bytes()[start..]) {
                Ok(FromHost::Hello(hello)) => Ok(hello),
                _ => Err(invalid("its first message cannot be read")),
            };
        }
        skipped += line.len();
        if skipped > MOST_BANNER {
            return Err(invalid("it sends a lot of text before the first message"));
        }
    }
}

/// Reads a line of at most `most` bytes, without its end. Returns `None` at the end of the stream.
fn read_line(from: &mut dyn BufRead, most: u64) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    from.take(most).read_until(b'\n', &mut line)?;
    match line.pop() {
        None => Ok(None),
        Some(b'\n') => Ok(Some(line)),
        Some(_) if line.len() as u64 + 1 >= most => Err(invalid("a message is too long")),
        Some(_) => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Sends messages. Several threads may share it: a message and the bytes after it stay together.
pub(in crate::launch) struct Outgoing<W>(Mutex<W>);

impl<W: Write> Outgoing<W> {
    pub(in crate::launch) fn new(to: W) -> Self {
        Self(Mutex::new(to))
    }

    pub(in crate::launch) fn send(&self, message: &impl Serialize) -> io::Result<()> {
        self.send_with(message, |_| Ok(()))
    }

    /// Sends a message and the bytes that `content` writes.
    pub(in crate::launch) fn send_with(
        &self,
        message: &impl Serialize,
        content: impl FnOnce(&mut dyn Write) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut line = serde_json::to_vec(message)?;
        line.push(b'\n');
        let mut to = lock(&self.0);
        to.write_all(&line)?;
        content(&mut *to)?;
        to.flush()
    }
}

/// Copies exactly as many bytes as were announced.
///
/// # Errors
/// If there are fewer, or if reading or writing fails.
pub(in crate::launch) fn copy_exactly(
    from: &mut dyn Read,
    bytes: u64,
    to: &mut dyn Write,
) -> io::Result<()> {
    match io::copy(&mut from.take(bytes), to)? {
        copied if copied == bytes => Ok(()),
        _ => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}
