//! [`Folder`]: objects as files in a folder that several machines can reach.
//!
//! A file is written below `v1/tmp` and flushed, and then gets its name by a link (to create) or a rename (to replace),
//! so that readers see all of it or nothing. Folders are created as needed, except the remote's own folder: if it is
//! missing, a file system is probably not mounted.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use contract::{ShowPath, files};
use rustix::fs::{Timespec, Timestamps, UTIME_NOW};
use tempfile::NamedTempFile;

use super::body::is_local;
use super::{Body, Entry, How, Objects, Page, Put, Sink, Stat, local_now};
use crate::counters::Counters;
use crate::fault::{Fault, FaultKind};
use crate::names::TEMPORARY;

/// Bytes read or written at once.
const PIECE: usize = 1 << 17;

pub(super) struct Folder {
    root: PathBuf,
    counters: Arc<Counters>,
    /// The file server's clock minus this machine's, in seconds.
    ahead: OnceLock<i64>,
}

impl Folder {
    pub(super) fn new(root: &Path, counters: &Arc<Counters>) -> Self {
        Self {
            root: root.to_owned(),
            counters: Arc::clone(counters),
            ahead: OnceLock::new(),
        }
    }

    /// Opens an object. Does not follow links, and does not block on a pipe.
    fn open(&self, name: &str) -> Result<Option<File>, Fault> {
        self.counters.requests.add(1);
        let path = self.root.join(name);
        match files::open_unlinked(&path) {
            Ok(file) => Ok(Some(file)),
            Err(error) if files::is_absence(&error) => {
                self.check_root()?;
                Ok(None)
            }
            Err(error) if files::is_unfit(&error) => Err(Fault::new(
                FaultKind::Damaged,
                format!("`{}` is not a regular file", path.shown()),
            )),
            Err(error) => Err(refused("read", &path, &error)),
        }
    }

    /// Returns an error if the remote's own folder is missing.
    fn check_root(&self) -> Result<(), Fault> {
        match files::leads_to(&self.root, Metadata::is_dir) {
            Ok(true) => Ok(()),
            Ok(false) => Err(Fault::new(
                FaultKind::Refused,
                format!(
                    "the folder `{}` of the remote does not exist; mount its file system, or create the folder",
                    self.root.shown()
                ),
            )),
            Err(error) => Err(refused("access", &self.root, &error)),
        }
    }

    /// Creates a file below `v1/tmp`.
    fn fresh(&self) -> Result<NamedTempFile, Fault> {
        self.check_root()?;
        let tmp = self.root.join(TEMPORARY);
        files::create_folders(&tmp).map_err(|error| refused("create", &tmp, &error))?;
        let mut builder = tempfile::Builder::new();
        // The umask decides who may read it, as for other files of a shared folder.
        let file = builder
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(&tmp);
        file.map_err(|error| refused("write to", &tmp, &error))
    }

    fn fill(&self, file: &File, body: &Body<'_>, path: &Path) -> Result<(), Fault> {
        let mut reader = body.reader();
        let mut buffer = vec![0; PIECE];
        let mut written = 0;
        loop {
            let read = match reader.read(&mut buffer) {
                Ok(0) => break,
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) if is_local(&error) => {
                    return Err(Fault::local("upload a file", &error));
                }
                Err(error) => return Err(Fault::local("read a file to upload", &error)),
            };
            let piece = &buffer[..read];
            file.write_all_at(piece, written)
                .map_err(|error| refused("write", path, &error))?;
            written += read as u64;
            self.counters.sent.add(read);
        }
        file.sync_all()
            .map_err(|error| refused("write", path, &error))
    }
}

impl Objects for Folder {
    fn identity(&self) -> String {
        format!("file://{}", self.root.shown())
    }

    fn get(&self, name: &str, from: u64, sink: &mut Sink<'_>) -> Result<bool, Fault> {
        let Some(file) = self.open(name)? else {
            return Ok(false);
        };
        let mut buffer = vec![0; PIECE];
        let mut at = from;
        loop {
            match file.read_at(&mut buffer, at) {
                Ok(0) => return Ok(true),
                Ok(read) => {
                    self.counters.received.add(read);
                    sink(&buffer[..read])?;
                    at += read as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(refused("read", &self.root.join(name), &error)),
            }
        }
    }

    fn stat(&self, name: &str) -> Result<Option<Stat>, Fault> {
        self.counters.requests.add(1);
        let path = self.root.join(name);
        match fs::symlink_metadata(&path) {
            Ok(found) if found.is_file() => Ok(Some(Stat {
                bytes: found.len(),
                modified: Some(found.mtime()),
            })),
            // Anything else is replaced by a write.
            Ok(_) => Ok(None),
            Err(error) if files::is_absence(&error) => {
                self.check_root()?;
                Ok(None)
            }
            Err(error) => Err(refused("access", &path, &error)),
        }
    }

    fn put(&self, name: &str, body: &Body<'_>, how: How) -> Result<Put, Fault> {
        self.counters.requests.add(1);
        let path = self.root.join(name);
        let fresh = self.fresh()?;
        self.fill(fresh.as_file(), body, &path)?;
        let folder = path.parent().unwrap_or(&self.root);
        files::create_folders(folder).map_err(|error| refused("create", folder, &error))?;
        let named = match how {
            How::Replace => fresh.persist(&path),
            How::Create => fresh.persist_noclobber(&path),
        };
        match named {
            Ok(_) => {}
            Err(error) if error.error.kind() == io::ErrorKind::AlreadyExists => {
                return Ok(Put::Exists);
            }
            Err(error) => return Err(refused("write", &path, &error.error)),
        }
        files::sync(folder).map_err(|error| refused("flush", folder, &error))?;
        Ok(Put::Written)
    }

    fn touch(&self, name: &str) -> Result<bool, Fault> {
        let Some(file) = self.open(name)? else {
            return Ok(false);
        };
        // The file server's time, not this machine's: a collection compares it with the file server's clock.
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_NOW,
        };
        let times = Timestamps {
            last_access: now,
            last_modification: now,
        };
        // This needs the permission to write. Without it, the file is written again.
        Ok(rustix::fs::futimens(&file, &times).is_ok())
    }

    fn list(&self, folder: &str, page: &mut Page<'_>) -> Result<(), Fault> {
        self.counters.requests.add(1);
        self.check_root()?;
        let mut waiting = vec![(self.root.join(folder), folder.to_owned())];
        while let Some((path, name)) = waiting.pop() {
            let entries = match fs::read_dir(&path) {
                Ok(entries) => entries,
                Err(error) if files::is_absence(&error) => continue,
                Err(error) => return Err(refused("read", &path, &error)),
            };
            let mut listed = Vec::new();
            for entry in entries {
                let entry = entry.map_err(|error| refused("read", &path, &error))?;
                let Some(file) = entry.file_name().to_str().map(str::to_owned) else {
                    continue;
                };
                let found = match entry.metadata() {
                    Ok(found) => found,
                    Err(error) if files::is_absence(&error) => continue,
                    Err(error) => return Err(refused("access", &entry.path(), &error)),
                };
                let name = format!("{name}/{file}");
                if found.is_dir() {
                    waiting.push((entry.path(), name));
                } else if found.is_file() {
                    listed.push(Entry {
                        name,
                        bytes: found.len(),
                        modified: found.mtime(),
                    });
                }
            }
            page(listed)?;
        }
        Ok(())
    }

    fn delete(&self, name: &str) -> Result<(), Fault> {
        self.counters.requests.add(1);
        let path = self.root.join(name);
        match fs::remove_file(&path) {
            Err(error) if !files::is_absence(&error) => Err(refused("delete", &path, &error)),
            _ => Ok(()),
        }
    }

    fn now(&self) -> Result<i64, Fault> {
        if let Some(ahead) = self.ahead.get() {
            return Ok(local_now() + ahead);
        }
        let mut fresh = self.fresh()?;
        // The file server sets the time when data is written.
        let written = fresh
            .write_all(b"now")
            .and_then(|()| fresh.as_file().sync_all());
        let found = written.and_then(|()| fresh.as_file().metadata());
        let found = found.map_err(|error| refused("write", fresh.path(), &error))?;
        let ahead = found.mtime() - local_now();
        Ok(local_now() + self.ahead.get_or_init(|| ahead))
    }
}

/// Converts an error of the shared file system. A broken mount is a connection problem; everything else is refused.
fn refused(what: &str, path: &Path, error: &io::Error) -> Fault {
    let kind = match error
        .raw_os_error()
        .map(rustix::io::Errno::from_raw_os_error)
    {
        Some(
            rustix::io::Errno::STALE
            | rustix::io::Errno::IO
            | rustix::io::Errno::TIMEDOUT
            | rustix::io::Errno::HOSTDOWN
            | rustix::io::Errno::NOTCONN,
        ) => FaultKind::Connection,
        _ => FaultKind::Refused,
    };
    let hint = match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; `runner cache gc --remote` makes space"
        }
        io::ErrorKind::ReadOnlyFilesystem => "; use the mode `read`",
        io::ErrorKind::PermissionDenied => {
            "; users can share a folder if it has the set-group-ID bit and all of them have the umask 002"
        }
        _ => "",
    };
    Fault::new(
        kind,
        format!("failed to {what} `{}`: {error}{hint}", path.shown()),
    )
}
