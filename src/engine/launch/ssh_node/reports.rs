//! Sends what a running stage reports: events, its log and its checkpoints.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::{self, Scope};
use std::time::Duration;

use contract::{Folder, Position, StageEvent, files};

use crate::launch::ssh::protocol::{
    Files, FromHost, LOG_PIECE, MOST_LOG, MOST_PICTURE, Outgoing, copy_exactly,
};
use crate::launch::this_node::Throttle;
use store::{Blob, digest_open};

/// Interval between looks at the log.
const LOOK: Duration = Duration::from_millis(500);

/// Where a stage's reports come from, and the stream that they are sent to.
pub(super) struct Reports<'a, W> {
    pub(super) to: &'a Outgoing<W>,
    /// Folder with the outputs.
    pub(super) staging: &'a Folder,
    /// Folder in which the stage writes checkpoints.
    pub(super) checkpoints: &'a Path,
    pub(super) log: &'a Path,
}

/// Receives the events of a stage. When it is dropped, the rest of the log and the newest checkpoint are sent.
pub(super) struct Reporter<'a, W> {
    reports: &'a Reports<'a, W>,
    throttle: Throttle,
    checkpoints: Sender<Checkpoint>,
    /// Its end ends the thread that sends the log.
    _log: Sender<()>,
}

/// A checkpoint in a folder of this name.
struct Checkpoint {
    folder: String,
    position: Position,
    seconds: f64,
}

impl<W: Write + Send> Reports<'_, W> {
    /// Starts the threads that send the log and the checkpoints.
    pub(super) fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
    ) -> io::Result<Reporter<'scope, W>> {
        let (checkpoints, queue) = channel();
        thread::Builder::new().spawn_scoped(scope, move || self.send_checkpoints(&queue))?;
        let (log, end) = channel();
        thread::Builder::new().spawn_scoped(scope, move || self.send_log(&end))?;
        Ok(Reporter {
            reports: self,
            throttle: Throttle::default(),
            checkpoints,
            _log: log,
        })
    }

    /// Sends checkpoints until the sender is dropped. If several wait, only the newest is sent.
    fn send_checkpoints(&self, queue: &Receiver<Checkpoint>) {
        while let Ok(mut newest) = queue.recv() {
            while let Ok(newer) = queue.try_recv() {
                self.remove(&newest);
                newest = newer;
            }
            if let Err(error) = self.send_checkpoint(&newest) {
                tracing::warn!(
                    "the checkpoint after {} was not sent: {error}",
                    newest.position
                );
            }
            self.remove(&newest);
        }
    }

    fn send_checkpoint(&self, checkpoint: &Checkpoint) -> io::Result<()> {
        let folder = Folder::open(&self.checkpoints.join(&checkpoint.folder))?;
        let mut opened = Vec::new();
        let mut files = Files::new();
        for (name, _) in folder.entries(Path::new(""))? {
            let file = folder.file(Path::new(&name))?;
            let (digest, bytes) = digest_open(&file, file.metadata()?.len())?;
            let name = name.into_string();
            let name = name.map_err(|_| io::Error::other("a name is not UTF-8"))?;
            files.insert(name.clone(), Blob { digest, bytes });
            opened.push((name, file, bytes));
        }
        opened.sort_by(|(a, ..), (b, ..)| a.cmp(b));
        let message = FromHost::Checkpoint {
            position: checkpoint.position,
            seconds: checkpoint.seconds,
            files,
        };
        self.to.send_with(&message, |to| {
            let mut files = opened.iter_mut();
            files.try_for_each(|(_, file, bytes)| {
                file.seek(SeekFrom::Start(0))?;
                copy_exactly(file, *bytes, to)
            })
        })
    }

    fn remove(&self, checkpoint: &Checkpoint) {
        let folder = self.checkpoints.join(&checkpoint.folder);
        if let Err(error) = store::remove(&folder) {
            tracing::debug!("a checkpoint is not removed: {error}");
        }
    }

    /// Sends the log as it grows, until the sender is dropped, and then the rest.
    fn send_log(&self, end: &Receiver<()>) {
        let mut sent = 0;
        loop {
            let is_over = end.recv_timeout(LOOK) != Err(RecvTimeoutError::Timeout);
            loop {
                match self.send_piece(sent) {
                    Ok(0) => break,
                    Ok(more) => sent += more,
                    Err(error) => {
                        tracing::debug!(%error, "a log is not sent");
                        return;
                    }
                }
            }
            if is_over {
                return;
            }
        }
    }

    /// Sends the next piece of the log, and returns its size.
    fn send_piece(&self, sent: u64) -> io::Result<u64> {
        let mut log = match files::open_unlinked(self.log) {
            Err(error) if files::is_absence(&error) => return Ok(0),
            opened => opened?,
        };
        log.seek(SeekFrom::Start(sent))?;
        let mut piece = Vec::new();
        let most = LOG_PIECE.min(MOST_LOG.saturating_sub(sent));
        log.take(most).read_to_end(&mut piece)?;
        let bytes = piece.len() as u64;
        if bytes > 0 {
            let message = FromHost::Log { bytes };
            self.to.send_with(&message, |to| to.write_all(&piece))?;
        }
        Ok(bytes)
    }

    fn send_picture(&self, event: StageEvent, file: &str) -> io::Result<()> {
        let file: File = self.staging.file(Path::new(file))?;
        let picture = files::read_open(&file, MOST_PICTURE)?;
        let message = FromHost::Event {
            event,
            picture: Some(picture.len() as u64),
        };
        self.to.send_with(&message, |to| to.write_all(&picture))
    }
}

impl<W: Write + Send> Reporter<'_, W> {
    /// Sends an event, unless the driver does not need it.
    pub(super) fn event(&self, event: StageEvent) {
        if !self.throttle.passes(&event) {
            return;
        }
        let sent = match event {
            StageEvent::Checkpoint {
                folder,
                position,
                seconds,
            } => {
                let checkpoint = Checkpoint {
                    folder,
                    position,
                    seconds,
                };
                return drop(self.checkpoints.send(checkpoint));
            }
            StageEvent::Picture { ref file, .. } => {
                let file = file.clone();
                self.reports.send_picture(event, &file)
            }
            StageEvent::Progress(_)
            | StageEvent::Warning { .. }
            | StageEvent::Note { .. }
            | StageEvent::Resumed { .. }
            | StageEvent::StartsOver { .. } => self.reports.to.send(&FromHost::Event {
                event,
                picture: None,
            }),
            // The driver knows where the checkpoints are.
            StageEvent::NoCheckpoint
            | StageEvent::Place { .. }
            | StageEvent::Succeeded
            | StageEvent::Failed { .. } => return,
        };
        if let Err(error) = sent {
            // If the connection is lost, the watch over it ends the stage.
            tracing::debug!(%error, "an event is not sent");
        }
    }
}
