//! Checks that the inputs of a stage held the right bytes for as long as the stage could read them.
//!
//! Inputs are files of the store. A user's program may have permission to write to them, and may
//! restore the old bytes afterwards.
//!
//! | file of an input | how a change is noticed |
//! | --- | --- |
//! | a small one, for a program | the program reads a copy of its own (`stages/command/mounts.rs`) |
//! | one that can be [watched](WriteWatch) | opening it for writing is noticed, from before verification on |
//! | one that was opened for writing | its stamp, which includes the time of change, has changed |
//! | any other | its content has changed; it is read again only if its stamp has changed |
//!
//! A change goes unnoticed only if it is undone before the stage ends and the file is not watched: because
//! its file system has no leases, it belongs to another user, a process already has it open for writing, or
//! the stage has more than `MOST` input files.

use std::fs::{Metadata, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use contract::{Failure, PRIVATE_BYTES, lock};

use super::failure::store_failure;
use super::inputs::Inputs;
use store::{self, BLOB_MODE, Blob, Deadline, FileStamp, InputsCheck, Store, Tree, WriteWatch};

/// Maximum number of files that one stage watches. A watched file stays open, and open files are limited.
const MOST: usize = 64;
/// Longest time that a process which opens a watched file for writing is blocked.
const POLL: Duration = Duration::from_millis(20);

/// The code that reads the inputs of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    Worker,
    /// A user's program, which reads copies of small files.
    Program,
    /// A worker or a program on another machine. What it opens cannot be noticed here.
    Elsewhere,
}

/// The inputs of a running stage.
pub(super) struct Watched<'a> {
    store: &'a Store,
    inputs: Vec<Input<'a>>,
    reader: Reader,
    watches: Arc<Vec<Watch>>,
    /// Dropping it ends the thread that lets writers continue.
    _releasing: Option<Sender<()>>,
}

struct Input<'a> {
    role: &'a str,
    tree: &'a Tree,
    /// Index of the watch of each of the tree's files, if it has one.
    watches: Vec<Option<usize>>,
}

/// A watched file, and its stamp at the start of the stage.
struct Watch {
    file: WriteWatch,
    stamp: Mutex<Option<FileStamp>>,
}

impl<'a> Watched<'a> {
    /// Watches the inputs and verifies their content.
    pub(super) fn begin(
        inputs: &'a Inputs,
        store: &'a Store,
        reader: Reader,
        deadline: &Deadline<'_>,
    ) -> Result<Self, Failure> {
        let mut watches = Vec::new();
        let mut watch = |blob: &Blob| {
            let is_watched = match reader {
                Reader::Worker => true,
                Reader::Program => !is_small(blob),
                Reader::Elsewhere => false,
            };
            if watches.len() == MOST || !is_watched {
                return None;
            }
            watches.push(Watch {
                file: store.watch(&blob.digest)?,
                stamp: Mutex::default(),
            });
            Some(watches.len() - 1)
        };
        let mut watched = Vec::new();
        for (role, inputs) in inputs {
            for input in inputs {
                let tree: &Tree = &input.tree;
                watched.push(Input {
                    role,
                    tree,
                    watches: tree.files.values().map(&mut watch).collect(),
                });
            }
        }
        // From here on, changes are noticed.
        for input in &watched {
            store
                .verify_before(input.tree, deadline)
                .map_err(store_failure)?;
        }
        let watches = Arc::new(watches);
        Ok(Self {
            store,
            inputs: watched,
            reader,
            _releasing: release_writers(&watches),
            watches,
        })
    }

    /// Stores the stamps of the files. Call this after the stage has got its own links to them.
    pub(super) fn start(&self) {
        for watch in self.watches.iter() {
            *lock(&watch.stamp) = watch.reliable_stamp();
        }
    }

    /// Checks that the inputs are unchanged. Call this after the stage has run.
    ///
    /// # Errors
    /// If one was written to or is missing. A damaged input is set aside, so that the next run makes it again.
    pub(super) fn check(&self, deadline: &Deadline<'_>) -> Result<InputsCheck, Failure> {
        self.watches.iter().for_each(Watch::restore_mode);
        let mut is_sure = true;
        for input in &self.inputs {
            let mut is_written = false;
            for (blob, watch) in input.blobs() {
                match watch.map(|index| &self.watches[index]) {
                    Some(watch) => is_written |= watch.is_written(),
                    None if self.store.is_known(blob) => {}
                    None => is_sure &= self.is_copied(blob),
                }
            }
            // Reads again the blobs that are not known to be sound.
            let mut is_missing = false;
            match self.store.verify_before(input.tree, deadline) {
                Err(store::Error::Blob { damaged: false, .. }) => is_missing = true,
                Err(store::Error::Blob { damaged: true, .. }) => is_written = true,
                Err(error) => return Err(store_failure(error)),
                Ok(()) => {}
            }
            if is_written {
                return Err(self.written(input));
            }
            if is_missing {
                return Err(self.missing(input));
            }
        }
        Ok(if is_sure {
            InputsCheck::Sure
        } else {
            InputsCheck::Unsure {
                verifications: self.store.verifications().map_err(store_failure)?,
            }
        })
    }

    /// Returns the failure for an input that was written to. Only a user's program writes to inputs of its stage.
    fn written(&self, input: &Input<'_>) -> Failure {
        let role = input.role;
        Failure::Data(match self.reader {
            Reader::Program => format!(
                "the program changed its input `{role}`; to change an input, have the program copy it first"
            ),
            Reader::Worker => {
                format!("another process changed its input `{role}` while the stage ran; run again")
            }
            Reader::Elsewhere => format!(
                "the program or another process changed its input `{role}` while the stage ran; run again"
            ),
        })
    }

    /// Returns the failure for an input that is not in the store any more, because it was removed, or was changed and
    /// then set aside by another stage.
    fn missing(&self, input: &Input<'_>) -> Failure {
        let role = input.role;
        let who = match self.reader {
            Reader::Program | Reader::Elsewhere => "the program or another process",
            Reader::Worker => "another process",
        };
        Failure::Data(format!(
            "its input `{role}` is no longer in the store: {who} removed or changed it while the stage ran; run again"
        ))
    }

    /// Returns whether the stage reads a copy of its own instead of the store's file.
    fn is_copied(&self, blob: &Blob) -> bool {
        self.reader == Reader::Program && is_small(blob)
    }

    /// Ends the watch. Call this after the stage's own links to its inputs are removed. Removing a link changes a
    /// file's stamp, but a file that was watched all the time need not be read again.
    pub(super) fn end(self) {
        for (blob, watch) in self.inputs.iter().flat_map(Input::blobs) {
            if let Some(index) = watch {
                self.store.remember_watched(blob, &self.watches[index].file);
            }
        }
    }
}

fn is_small(blob: &Blob) -> bool {
    blob.bytes <= PRIVATE_BYTES
}

impl Input<'_> {
    fn blobs(&self) -> impl Iterator<Item = (&Blob, Option<usize>)> {
        self.tree.files.values().zip(self.watches.iter().copied())
    }
}

impl Watch {
    fn now(&self) -> Option<FileStamp> {
        let metadata = self.file.file().metadata().ok()?;
        Some(FileStamp::of(&metadata))
    }

    /// Restores the mode of a blob, which is read-only. A program may have changed it through its own link,
    /// because all links share the mode.
    fn restore_mode(&self) {
        let file = self.file.file();
        let is_right = |metadata: Metadata| metadata.permissions().mode() & 0o7777 == BLOB_MODE;
        if !file.metadata().is_ok_and(is_right) {
            let restored = file.set_permissions(Permissions::from_mode(BLOB_MODE));
            tracing::debug!(?restored, "the mode of an input was changed");
        }
    }

    /// Waits until any later write would change the file's stamp, and returns the stamp. Returns `None` if
    /// that takes too long. The wait is needed because a new link may just have changed the file's times.
    fn reliable_stamp(&self) -> Option<FileStamp> {
        self.now().filter(FileStamp::wait_until_reliable)
    }

    /// Returns whether the file may have been written to since the start.
    fn is_written(&self) -> bool {
        if self.file.is_unwritten() {
            return false;
        }
        // It was opened for writing. As long as nothing was written, its times have not moved.
        let before = *lock(&self.stamp);
        before.is_none() || before != self.now()
    }
}

/// Lets processes that wait to write to a watched file continue, until the sender is dropped.
fn release_writers(watches: &Arc<Vec<Watch>>) -> Option<Sender<()>> {
    if watches.is_empty() {
        return None;
    }
    let (ended, end) = channel();
    let watches = Arc::clone(watches);
    let release = move || {
        while end.recv_timeout(POLL) == Err(RecvTimeoutError::Timeout) {
            watches.iter().for_each(|watch| watch.file.release());
        }
    };
    // Without the thread, writers wait until the stage has ended, or for 45 seconds.
    let started = thread::Builder::new()
        .name("inputs".to_owned())
        .spawn(release);
    started.is_ok().then_some(ended)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};
    use std::time::SystemTime;

    use super::*;
    use crate::executor::inputs::Input;

    #[test]
    fn after_an_unwatched_file_is_touched_only_a_stage_that_reads_copies_is_sure() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(&folder.path().join("artifacts")).unwrap();
        let staging = store.staging().unwrap();
        for i in 0..=MOST {
            fs::write(staging.path().join(format!("{i:03}")), i.to_string()).unwrap();
        }
        let tree = store.ingest(staging.folder(), Path::new(""), &Deadline::NONE);
        let tree = tree.unwrap();
        let beyond = store.files_of(&tree)[&format!("{MOST:03}")].clone();
        let inputs = Inputs::from([("in".to_owned(), vec![Input::of(tree)])]);
        for reader in [Reader::Worker, Reader::Program, Reader::Elsewhere] {
            let watched = Watched::begin(&inputs, &store, reader, &Deadline::NONE).unwrap();
            watched.start();
            let times = fs::FileTimes::new().set_modified(SystemTime::UNIX_EPOCH);
            let file = contract::files::open(&beyond).unwrap();
            file.set_times(times).unwrap();
            let check = watched.check(&Deadline::NONE).unwrap();
            let is_sure = reader == Reader::Program;
            assert_eq!(matches!(check, InputsCheck::Sure), is_sure, "{reader:?}");
            watched.end();
        }
    }

    /// A store, an input with one file, and the path of that file.
    fn one_file(folder: &Path) -> (Store, Inputs, PathBuf) {
        let store = Store::open(&folder.join("artifacts")).unwrap();
        let staging = store.staging().unwrap();
        fs::write(staging.path().join("data"), "as it was made").unwrap();
        let tree = store.ingest(staging.folder(), Path::new(""), &Deadline::NONE);
        let tree = tree.unwrap();
        let file = store.files_of(&tree)["data"].clone();
        let inputs = Inputs::from([("train".to_owned(), vec![Input::of(tree)])]);
        (store, inputs, file)
    }

    /// The message after `change` was done to the file of an input while the stage ran.
    fn message(reader: Reader, change: impl Fn(&Path)) -> String {
        let folder = tempfile::tempdir().unwrap();
        let (store, inputs, file) = one_file(folder.path());
        let watched = Watched::begin(&inputs, &store, reader, &Deadline::NONE).unwrap();
        watched.start();
        change(&file);
        watched.check(&Deadline::NONE).unwrap_err().to_string()
    }

    #[test]
    fn only_a_program_is_blamed_for_a_changed_input() {
        let change = |file: &Path| {
            fs::set_permissions(file, Permissions::from_mode(0o644)).unwrap();
            fs::write(file, "other").unwrap();
        };
        assert_eq!(
            message(Reader::Program, change),
            "the program changed its input `train`; to change an input, have the program copy it first"
        );
        assert_eq!(
            message(Reader::Worker, change),
            "another process changed its input `train` while the stage ran; run again"
        );
    }

    #[test]
    fn an_input_that_vanishes_with_the_store_was_not_changed_by_the_stage() {
        let remove = |file: &Path| fs::remove_file(file).unwrap();
        let move_store = |file: &Path| {
            let artifacts = file.ancestors().find(|path| path.ends_with("artifacts"));
            let artifacts = artifacts.unwrap();
            fs::rename(artifacts, artifacts.with_file_name("gone")).unwrap();
        };
        let missing = |who: &str| {
            format!(
                "its input `train` is no longer in the store: {who} removed or changed it while the stage ran; run again"
            )
        };
        let another = missing("another process");
        assert_eq!(message(Reader::Worker, remove), another);
        assert_eq!(message(Reader::Worker, move_store), another);
        let program = missing("the program or another process");
        assert_eq!(message(Reader::Program, remove), program);
    }
}
