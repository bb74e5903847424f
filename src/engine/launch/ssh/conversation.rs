//! The driver's part of a conversation with a host.

use std::fs::File;
use std::io::{self, BufRead, Write};
use std::path::{Component, Path};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use contract::{Failure, Position, StageEvent, files};

use super::greeting::greet;
use super::protocol::{
    self, ALIVE, Ended, Files, FromDriver, FromHost, Hello, LOG_PIECE, Listing, MOST_LOG,
    MOST_PICTURE, Outgoing, check_checkpoint, copy_exactly, invalid,
};
use super::request::request;
use super::settings::SshHost;
use super::trouble::{Trouble, here};
use crate::launch::{Kept, Launch, Work};
use store::receive_file;

/// Interval between looks at the request to stop.
const POLL: Duration = Duration::from_millis(100);
/// Most warnings, notes and pictures of a stage.
const MOST_MESSAGES: usize = 100_000;
/// Longest message of a failure, in bytes.
const MOST_FAILURE: usize = 64 << 10;

/// A stage that is to run on a host, and what its conversation needs.
pub(super) struct Conversation<'a> {
    pub(super) host: &'a str,
    pub(super) settings: &'a SshHost,
    pub(super) launch: &'a Launch<'a>,
    /// Number of the stage among those that run on the host.
    pub(super) slot: usize,
    /// The facts about this program that those of the host must equal.
    pub(super) this: &'a Hello,
    /// Set when the stage is to save a checkpoint and stop.
    pub(super) stopping: &'a AtomicBool,
    /// Set by the conversation once the host understands a request to stop.
    pub(super) is_running: &'a AtomicBool,
    /// Called when the host has answered with the right program.
    pub(super) on_answer: &'a dyn Fn(),
    pub(super) on_event: &'a dyn Fn(StageEvent),
}

impl Conversation<'_> {
    /// Runs the stage to its end. The outputs are in the staging folder afterwards.
    pub(super) fn hold<W: Write + Send>(
        &self,
        from: &mut dyn BufRead,
        to: W,
    ) -> Result<Ended, Trouble> {
        let to = Outgoing::new(to);
        let held = self.converse(from, &to);
        match held {
            Err(Trouble::Stream(_)) if self.is_stopping() => Err(Trouble::Cancelled),
            held => held,
        }
    }

    fn converse<W: Write + Send>(
        &self,
        from: &mut dyn BufRead,
        to: &Outgoing<W>,
    ) -> Result<Ended, Trouble> {
        greet(from, self.this, (self.host, &self.settings.binary))?;
        (self.on_answer)();
        let (work, content) = request(self.launch, self.host, self.settings, self.slot)?;
        if content.lacks_checkpoint() {
            (self.on_event)(StageEvent::NoCheckpoint);
        }
        let run = FromDriver::Run(Box::new(work));
        to.send(&run).map_err(Trouble::of)?;
        let lacks = match self.next(from)? {
            FromHost::Lacks { blobs } => blobs,
            FromHost::Ended(ended) => return self.end(*ended, from),
            _ => return Err(Trouble::Peer("an answer is out of order".to_owned())),
        };
        content.check(&lacks)?;
        let bytes: u64 = lacks.iter().map(|blob| blob.bytes).sum();
        if bytes > 0 {
            let size = bytesize::ByteSize::b(bytes).display().iec();
            (self.on_event)(StageEvent::Place {
                node: None,
                text: format!("sends {size} to {}", self.host),
                outlives_run: false,
            });
        }
        content.send(&lacks, self.launch.store, to, self.stopping)?;
        self.is_running.store(true, Ordering::SeqCst);
        (self.on_event)(StageEvent::Place {
            node: Some(self.host.to_owned()),
            text: format!("runs on {}", self.host),
            outlives_run: false,
        });
        thread::scope(|scope| {
            // Dropped at the end, which ends the thread.
            let (_ended, end) = channel::<()>();
            let stopping = self.stopping;
            let signs = move || give_signs(stopping, to, &end);
            let started = thread::Builder::new().spawn_scoped(scope, signs);
            started.map_err(|error| Trouble::Here(format!("failed to start a thread: {error}")))?;
            self.follow(from)
        })
    }

    /// Receives events until the stage ends.
    fn follow(&self, from: &mut dyn BufRead) -> Result<Ended, Trouble> {
        let (mut messages, mut logged) = (0, 0);
        loop {
            match self.next(from)? {
                FromHost::Event { event, picture } => {
                    messages += usize::from(!matches!(event, StageEvent::Progress(_)));
                    if messages > MOST_MESSAGES {
                        return Err(Trouble::Peer("it sends too many messages".to_owned()));
                    }
                    self.event(event, picture, from)?;
                }
                FromHost::Log { bytes } => {
                    logged += bytes;
                    if bytes > LOG_PIECE || logged > MOST_LOG {
                        return Err(Trouble::Peer("its log is too long".to_owned()));
                    }
                    self.log(bytes, from)?;
                }
                FromHost::Checkpoint {
                    position,
                    seconds,
                    files,
                } => self.checkpoint(position, seconds, &files, from)?,
                FromHost::Ended(ended) => return self.end(*ended, from),
                FromHost::Hello(_)
                | FromHost::Pong
                | FromHost::Facts(_)
                | FromHost::Lacks { .. } => {
                    return Err(Trouble::Peer("a message is out of order".to_owned()));
                }
            }
        }
    }

    fn event(
        &self,
        event: StageEvent,
        picture: Option<u64>,
        from: &mut dyn BufRead,
    ) -> Result<(), Trouble> {
        match event {
            StageEvent::Picture { ref file, .. } => {
                let bytes = picture.filter(|bytes| *bytes <= MOST_PICTURE);
                let bytes = bytes.ok_or_else(|| Trouble::Peer("a picture is too large".into()))?;
                let mut content = Vec::new();
                copy_exactly(from, bytes, &mut content).map_err(Trouble::of)?;
                let path = self.staged(file)?;
                std::fs::write(&path, content).map_err(here("write", &path))?;
                (self.on_event)(event);
                // The place must be free for the file of the output.
                std::fs::remove_file(&path).map_err(here("remove", &path))
            }
            StageEvent::Progress(_)
            | StageEvent::Warning { .. }
            | StageEvent::Note { .. }
            | StageEvent::Resumed { .. }
            | StageEvent::StartsOver { .. } => {
                (self.on_event)(event);
                Ok(())
            }
            StageEvent::Place { .. }
            | StageEvent::NoCheckpoint
            | StageEvent::Checkpoint { .. }
            | StageEvent::Succeeded
            | StageEvent::Failed { .. } => Err(Trouble::Peer("an event is out of order".into())),
        }
    }

    /// Appends to the log of the stage.
    fn log(&self, bytes: u64, from: &mut dyn BufRead) -> Result<(), Trouble> {
        let mut content = Vec::new();
        copy_exactly(from, bytes, &mut content).map_err(Trouble::of)?;
        let log = self.launch.log;
        let opened = files::open_with(log, File::options().create(true).append(true));
        if let Err(error) = opened.and_then(|mut log| log.write_all(&content)) {
            tracing::warn!("a log is not written: {error}");
        }
        Ok(())
    }

    /// Stores a checkpoint. As on this machine, a stage goes on without one that cannot be stored.
    fn checkpoint(
        &self,
        position: Position,
        seconds: f64,
        files: &Files,
        from: &mut dyn BufRead,
    ) -> Result<(), Trouble> {
        check_checkpoint(files).map_err(Trouble::of)?;
        let Work::BuiltIn(Some(Kept { checkpoints, .. })) = self.launch.work else {
            return Err(Trouble::Peer(
                "it sends a checkpoint of a stage without any".into(),
            ));
        };
        let fresh = checkpoints
            .staging()
            .map_err(|e| Trouble::Here(e.to_string()))?;
        let folder = fresh.path().join("checkpoint");
        std::fs::create_dir(&folder).map_err(here("create", &folder))?;
        for (name, blob) in files {
            receive_file(&folder.join(name), blob, from).map_err(Trouble::of)?;
        }
        if let Err(error) = checkpoints.keep(position, &folder) {
            tracing::warn!("the checkpoint after {position} was not stored: {error}");
            return Ok(());
        }
        (self.on_event)(StageEvent::Checkpoint {
            folder: "checkpoint".to_owned(),
            position,
            seconds,
        });
        Ok(())
    }

    /// Takes the outputs of a stage that succeeded.
    fn end(&self, mut ended: Ended, from: &mut dyn BufRead) -> Result<Ended, Trouble> {
        for number in [
            &mut ended.seconds,
            &mut ended.usage.cpu_seconds,
            &mut ended.usage.peak_memory_mib,
        ] {
            if !number.is_finite() || *number < 0.0 {
                *number = 0.0;
            }
        }
        ended.result = match ended.result {
            Ok(listing) => {
                let (folders, tree) = (listing.folders.clone(), listing.into_tree());
                let tree = tree.map_err(Trouble::of)?;
                for folder in &folders {
                    let path = self.launch.request.staging.join(folder);
                    files::create_folders(&path).map_err(here("create", &path))?;
                }
                for (name, blob) in &tree.files {
                    receive_file(&self.staged(name)?, blob, from).map_err(Trouble::of)?;
                }
                Ok(Listing::default())
            }
            Err(Failure::Cancelled) if !self.is_stopping() => Err(Failure::System(format!(
                "`{}` stopped the stage on its own",
                self.host
            ))),
            Err(failure) if failure.to_string().len() > MOST_FAILURE => {
                return Err(Trouble::Peer("the message of a failure is too long".into()));
            }
            Err(failure) => Err(failure),
        };
        Ok(ended)
    }

    /// Returns the path of a file in the staging folder, and creates the folders above it.
    fn staged(&self, name: &str) -> Result<std::path::PathBuf, Trouble> {
        let mut parts = Path::new(name).components();
        if name.is_empty() || !parts.all(|part| matches!(part, Component::Normal(_))) {
            return Err(Trouble::of(invalid(
                "a path leads out of the output folders",
            )));
        }
        let path = self.launch.request.staging.join(name);
        if let Some(parent) = path.parent() {
            files::create_folders(parent).map_err(here("create", parent))?;
        }
        Ok(path)
    }

    fn next(&self, from: &mut dyn BufRead) -> Result<FromHost, Trouble> {
        let message = protocol::read(from).map_err(Trouble::of)?;
        message.ok_or_else(|| Trouble::Stream(io::ErrorKind::UnexpectedEof.into()))
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }
}

/// Shows the host that the driver lives, and passes on a request to stop.
fn give_signs<W: Write>(stopping: &AtomicBool, to: &Outgoing<W>, end: &Receiver<()>) {
    let mut latest = Instant::now();
    let mut has_stopped = false;
    while end.recv_timeout(POLL) == Err(RecvTimeoutError::Timeout) {
        let message = match stopping.load(Ordering::SeqCst) && !has_stopped {
            true => FromDriver::Stop,
            false if latest.elapsed() >= ALIVE => FromDriver::Alive,
            false => continue,
        };
        has_stopped |= matches!(message, FromDriver::Stop);
        latest = Instant::now();
        if let Err(error) = to.send(&message) {
            // The other thread notices it, too.
            tracing::debug!(%error, "failed to send a sign of life");
            return;
        }
    }
}
