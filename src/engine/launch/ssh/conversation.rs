//! The driver's part of a conversation with a host.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, Read, Write};
use std::path::{Component, Path};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use contract::{Artifact, FORMAT_VERSION, Failure, Position, StageEvent, files};

use super::protocol::{
    self, ALIVE, Ended, Files, FromDriver, FromHost, Hello, HostInput, HostWork, LOG_PIECE,
    Listing, MOST_LOG, MOST_PICTURE, Outgoing, PROTOCOL, check_checkpoint, copy_exactly, invalid,
};
use super::settings::SshHost;
use super::trouble::Trouble;
use crate::launch::{Kept, Launch, Work};
use store::keys::Digest;
use store::{Blob, Checkpoints, Store, digest_open, receive_file};

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
    pub(super) on_event: &'a dyn Fn(StageEvent),
}

/// What the driver sends after its request.
struct Content {
    /// Blobs of the inputs.
    blobs: BTreeMap<Digest, Blob>,
    /// The furthest checkpoint.
    checkpoint: Option<(Artifact, Files)>,
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
        self.greet(from)?;
        let (work, content) = self.request()?;
        let run = FromDriver::Run(Box::new(work));
        to.send(&run).map_err(Trouble::of)?;
        let lacks = match self.next(from)? {
            FromHost::Lacks { blobs } => blobs,
            FromHost::Ended(ended) => return self.end(*ended, from),
            _ => return Err(Trouble::Peer("an answer is out of order".to_owned())),
        };
        self.send_content(&lacks, &content, to)?;
        self.is_running.store(true, Ordering::SeqCst);
        (self.on_event)(StageEvent::Place {
            node: Some(self.host.to_owned()),
            text: format!("runs on {}", self.host),
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

    /// Reads the first message, and compares both programs.
    fn greet(&self, from: &mut dyn BufRead) -> Result<(), Trouble> {
        let hello = protocol::read_hello(from).map_err(Trouble::of)?;
        let this = self.this;
        let is_same = hello.protocol == this.protocol
            && hello.version == this.version
            && hello.format == this.format
            // Programs for different platforms have different files.
            && (hello.build == this.build || hello.platform != this.platform);
        if is_same {
            return Ok(());
        }
        let (host, binary) = (self.host, &self.settings.binary);
        let text = |hello: &Hello| format!("{} for {}", hello.build, hello.platform);
        Err(Trouble::Refused(format!(
            "`{binary}` on `{host}` is runner {}, and this is runner {}: both must be the same; copy this one there",
            contract::one_line(&text(&hello)),
            text(this)
        )))
    }

    /// Describes the stage.
    fn request(&self) -> Result<(HostWork, Content), Trouble> {
        let launch = self.launch;
        let (checkpoints, resume) = match launch.work {
            Work::BuiltIn(None) => (None, false),
            Work::BuiltIn(Some(Kept {
                checkpoints,
                resume,
            })) => (Some(checkpoints), resume),
            Work::Program(_) => {
                return Err(Trouble::Refused(format!(
                    "programs cannot run on `{}`, which does not have their files; set `executor: local` for this stage",
                    self.host
                )));
            }
        };
        let mut content = Content {
            blobs: BTreeMap::new(),
            checkpoint: checkpoints
                .map(|checkpoints| furthest(checkpoints, resume))
                .transpose()?
                .flatten(),
        };
        let mut inputs = BTreeMap::new();
        for (role, artifacts) in &launch.request.inputs {
            let artifacts = artifacts.iter();
            let list = artifacts.map(|artifact| input(launch.store, artifact));
            let list = list.collect::<Result<Vec<_>, _>>()?;
            let files = list.iter().flat_map(|input| input.content.files.values());
            content.blobs.extend(files.map(|blob| (blob.digest, *blob)));
            inputs.insert(role.clone(), list);
        }
        let mut request = launch.request.clone();
        request.inputs.clear();
        request.staging.clear();
        request.gpus.clear();
        let work = HostWork {
            key: launch.key,
            stage: launch.stage.to_owned(),
            store: self.settings.store.clone(),
            slot: self.slot,
            request,
            inputs,
            keeps_checkpoints: checkpoints.is_some(),
            checkpoint: content.checkpoint.as_ref().map(|(_, files)| files.clone()),
            timeout: launch.limits.timeout,
            memory: launch.limits.memory,
            gpus: launch.placement.gpus,
            processor: launch.placement.processor.clone(),
            log: launch.log.to_owned(),
        };
        Ok((work, content))
    }

    fn send_content<W: Write>(
        &self,
        lacks: &[Blob],
        content: &Content,
        to: &Outgoing<W>,
    ) -> Result<(), Trouble> {
        let store = self.launch.store;
        if let Some(blob) = lacks
            .iter()
            .find(|blob| content.blobs.get(&blob.digest) != Some(*blob))
        {
            let digest = blob.digest.short();
            let why = format!("it asks for the blob `{digest}`, which is not an input");
            return Err(Trouble::Peer(why));
        }
        let bytes: u64 = lacks.iter().map(|blob| blob.bytes).sum();
        if bytes > 0 {
            (self.on_event)(StageEvent::Place {
                node: None,
                text: format!(
                    "sends {} to {}",
                    bytesize::ByteSize::b(bytes).display().iec(),
                    self.host
                ),
            });
        }
        let mut local = None;
        let sent = to.send_with(&FromDriver::Content, |to| {
            let mut send = |file: io::Result<File>, bytes| {
                let mut to = Stoppable {
                    to: &mut *to,
                    stopping: self.stopping,
                };
                // An error of a local file must not look like one of the connection.
                let mut file = LocalFile::of(file, &mut local)?;
                copy_exactly(&mut file, bytes, &mut to)
            };
            for blob in lacks {
                let file = store.open_blob(&blob.digest);
                let file = file.and_then(|file| file.ok_or(io::ErrorKind::NotFound.into()));
                send(file, blob.bytes)?;
            }
            if let Some((artifact, files)) = &content.checkpoint {
                for (name, blob) in files {
                    send(files::open(&artifact.files[name]), blob.bytes)?;
                }
            }
            Ok(())
        });
        match (sent, local) {
            (Ok(()), _) => Ok(()),
            (Err(_), Some(error)) => {
                let why = format!("failed to read an input while it was sent: {error}");
                Err(Trouble::Here(why))
            }
            (Err(_), None) if self.is_stopping() => Err(Trouble::Cancelled),
            (Err(error), None) => Err(Trouble::Stream(error)),
        }
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
                FromHost::Hello(_) | FromHost::Lacks { .. } => {
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

/// Returns the facts about this program. `build` names its file.
pub(in crate::launch) fn this_program(build: String) -> Hello {
    Hello {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        format: FORMAT_VERSION,
        platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        build,
    }
}

/// Describes an input by the digests of its files.
fn input(store: &Store, artifact: &Artifact) -> Result<HostInput, Trouble> {
    let mut files = Files::new();
    for (name, path) in &artifact.files {
        let blob = store.blob_at(path).ok_or_else(|| {
            let label = &artifact.label;
            Trouble::Here(format!(
                "the file `{name}` of `{label}` is not in the store"
            ))
        })?;
        files.insert(name.clone(), blob);
    }
    Ok(HostInput {
        label: artifact.label.clone(),
        content: Listing {
            files,
            folders: artifact.folders.iter().cloned().collect(),
        },
        entry: artifact.entry.clone(),
    })
}

/// Returns the furthest checkpoint with the digests of its files, or removes all of them.
fn furthest(
    checkpoints: &Checkpoints<'_>,
    resume: bool,
) -> Result<Option<(Artifact, Files)>, Trouble> {
    let failed = |error: store::Error| Trouble::Here(error.to_string());
    if !resume {
        checkpoints.discard_all().map_err(failed)?;
        return Ok(None);
    }
    let found = checkpoints.furthest_first().map_err(failed)?;
    let Some(artifact) = found.into_iter().next() else {
        return Ok(None);
    };
    let mut files = Files::new();
    for (name, path) in &artifact.files {
        let digested = files::open(path).and_then(|file| {
            let bytes = file.metadata()?.len();
            digest_open(&file, bytes)
        });
        let (digest, bytes) = digested.map_err(here("read", path))?;
        files.insert(name.clone(), Blob { digest, bytes });
    }
    Ok(Some((artifact, files)))
}

/// Converts an error of a local file for `map_err`.
fn here(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Trouble {
    move |error| Trouble::Here(Failure::io(what, path, error).to_string())
}

/// A local file that is sent. Its errors are kept aside.
struct LocalFile<'a> {
    file: File,
    error: &'a mut Option<io::Error>,
}

impl<'a> LocalFile<'a> {
    fn of(file: io::Result<File>, error: &'a mut Option<io::Error>) -> io::Result<Self> {
        match file {
            Ok(file) => Ok(Self { file, error }),
            Err(why) => {
                *error = Some(why);
                Err(io::ErrorKind::Other.into())
            }
        }
    }
}

impl Read for LocalFile<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.file.read(buffer) {
            Ok(read) => Ok(read),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Err(error),
            Err(error) => {
                *self.error = Some(error);
                Err(io::ErrorKind::Other.into())
            }
        }
    }
}

/// A stream that fails once a stop was requested.
struct Stoppable<'a> {
    to: &'a mut dyn Write,
    stopping: &'a AtomicBool,
}

impl Write for Stoppable<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stopping.load(Ordering::SeqCst) {
            return Err(io::Error::other("stopped"));
        }
        self.to.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}
