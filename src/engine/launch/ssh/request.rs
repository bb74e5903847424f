//! The request to a host, and the files that go along with it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use contract::{Artifact, files};

use super::protocol::{Files, FromDriver, HostInput, HostWork, Listing, Outgoing, copy_exactly};
use super::settings::SshHost;
use super::trouble::{Trouble, here};
use crate::launch::{Kept, Launch, Work};
use store::keys::Digest;
use store::{Blob, Checkpoints, Store, digest_open};

/// Blobs and checkpoint files that follow a request.
pub(super) struct Content {
    /// Blobs of the inputs.
    blobs: BTreeMap<Digest, Blob>,
    /// The furthest checkpoint.
    checkpoint: Option<(Artifact, Files)>,
    /// `true` if the stage was to resume.
    resumes: bool,
}

impl Content {
    /// Returns `true` if the stage was to resume, and there is no checkpoint.
    pub(super) fn lacks_checkpoint(&self) -> bool {
        self.resumes && self.checkpoint.is_none()
    }

    /// Checks that a host asks only for inputs.
    pub(super) fn check(&self, lacks: &[Blob]) -> Result<(), Trouble> {
        if lacks.len() > self.blobs.len() {
            return Err(Trouble::Peer("it asks for an input twice".to_owned()));
        }
        if let Some(blob) = lacks
            .iter()
            .find(|blob| self.blobs.get(&blob.digest) != Some(*blob))
        {
            let digest = blob.digest.short();
            let why = format!("it asks for the blob `{digest}`, which is not an input");
            return Err(Trouble::Peer(why));
        }
        Ok(())
    }

    /// Sends the blobs that a host lacks, and the checkpoint.
    pub(super) fn send<W: Write>(
        &self,
        lacks: &[Blob],
        store: &Store,
        to: &Outgoing<W>,
        stopping: &AtomicBool,
    ) -> Result<(), Trouble> {
        let mut local = None;
        let sent = to.send_with(&FromDriver::Content, |to| {
            let mut send = |file: io::Result<File>, bytes| {
                let mut to = Stoppable {
                    to: &mut *to,
                    stopping,
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
            if let Some((artifact, files)) = &self.checkpoint {
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
            (Err(_), None) if stopping.load(Ordering::SeqCst) => Err(Trouble::Cancelled),
            (Err(error), None) => Err(Trouble::Stream(error)),
        }
    }
}

/// Describes a stage, and collects what goes along with it.
pub(super) fn request(
    launch: &Launch<'_>,
    host: &str,
    settings: &SshHost,
    slot: usize,
) -> Result<(HostWork, Content), Trouble> {
    let (checkpoints, resume) = match launch.work {
        Work::BuiltIn(None) => (None, false),
        Work::BuiltIn(Some(Kept {
            checkpoints,
            resume,
        })) => (Some(checkpoints), resume),
        Work::Program(_) => {
            return Err(Trouble::Refused(format!(
                "programs cannot run on `{host}`, which does not have their files; set `executor: local` for this stage"
            )));
        }
    };
    let mut content = Content {
        blobs: BTreeMap::new(),
        checkpoint: checkpoints
            .map(|checkpoints| furthest(checkpoints, resume))
            .transpose()?
            .flatten(),
        resumes: resume,
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
        store: settings.store.clone(),
        slot,
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
