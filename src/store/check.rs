//! Checks everything in the store, and sets aside what is bad.

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::files::{self, Found};
use super::inventory::{Entry, Inventory, Reading, Unread, entries};
use super::sealed::unseal;
use super::{Error, Store, checkpoints, packed};
use crate::keys::Digest;

/// Something in the store that is not as it was written, or does not belong there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub path: PathBuf,
    /// Description of the fault, as a fragment that follows the path.
    pub what: String,
    /// `true` if the system refused to read it. It may be sound, and stays where it is.
    pub is_unread: bool,
}

impl Finding {
    /// Returns a finding about something damaged or foreign.
    pub fn bad(path: &Path, what: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            what: what.into(),
            is_unread: false,
        }
    }
}

impl From<&Unread> for Finding {
    fn from(unread: &Unread) -> Self {
        Self {
            path: unread.path.clone(),
            what: unread.why.clone(),
            is_unread: true,
        }
    }
}

/// Result of [`Store::check`].
#[derive(Debug, Default)]
pub struct Check {
    /// Number of files read.
    pub files: usize,
    /// Number of bytes read.
    pub bytes: u64,
    pub findings: Vec<Finding>,
}

impl Check {
    fn found(&mut self, path: &Path, what: impl Into<String>) {
        self.findings.push(Finding::bad(path, what));
    }

    fn refused(&mut self, unread: &Unread) {
        self.findings.push(unread.into());
    }

    fn count(&mut self, entry: &Entry) {
        self.files += 1;
        self.bytes += entry.bytes;
    }
}

impl Store {
    /// Reads the whole store and lists what is bad. Runs may be in progress. Changes nothing, except that it
    /// counts the verification if it found all blobs right.
    pub fn check(&self) -> Result<Check, Error> {
        let _guard = self.guard()?;
        let inventory = self.inventory()?;
        let mut check = Check::default();
        for entry in &inventory.foreign {
            check.found(&entry.path, "does not belong here");
        }
        let findings = check.findings.len();
        let sound = check_blobs(&inventory, &mut check);
        if check.findings.len() == findings
            && let Err(error) = self.count_verification()
        {
            // For example in a read-only store. The results stay in doubt.
            tracing::debug!(%error, "failed to count the verification");
        }
        let mut complete = HashSet::new();
        for (digest, (entry, tree)) in &inventory.trees {
            check.count(entry);
            let tree = match tree {
                Reading::Sound(tree) => tree,
                Reading::Damaged => {
                    check.found(&entry.path, "does not match its name");
                    continue;
                }
                Reading::Refused(unread) => {
                    check.refused(unread);
                    // Records that name it are not reported.
                    complete.insert(*digest);
                    continue;
                }
            };
            let lost = tree.files.iter().find(|(_, blob)| {
                !sound.contains(&blob.digest) || inventory.blobs[&blob.digest].bytes != blob.bytes
            });
            match lost {
                None => {
                    complete.insert(*digest);
                }
                Some((name, _)) => {
                    check.found(
                        &entry.path,
                        format!("lists `{name}`, which is missing or damaged"),
                    );
                }
            }
        }
        for found in &inventory.records {
            check.count(&found.entry);
            let record = match &found.record {
                Reading::Sound(record) => record,
                Reading::Damaged => {
                    check.found(&found.entry.path, "is a damaged record");
                    continue;
                }
                Reading::Refused(unread) => {
                    check.refused(unread);
                    continue;
                }
            };
            if found.is_remote {
                continue;
            }
            if let Some((port, _)) = record.outputs.iter().find(|(_, t)| !complete.contains(t)) {
                let what = format!("is a record whose output `{port}` is missing or damaged");
                check.found(&found.entry.path, what);
            }
        }
        self.check_checkpoints(&inventory, &mut check)?;
        for folder in ["last", "metrics", "sources"] {
            check_memos(&self.home.join(folder), &mut check)?;
        }
        self.check_latest(&sound, &mut check)?;
        check.findings.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(check)
    }

    /// Sets aside what a check found bad; the next run makes again what it needs. What
    /// could not be read stays.
    pub fn repair(&self, check: &Check) -> Result<(), Error> {
        for Finding { path, .. } in check.findings.iter().filter(|found| !found.is_unread) {
            let name = path.file_name().unwrap_or_default();
            // Must come first: once the blob is gone, nothing looks for its readers.
            if let Ok(digest) = name.to_string_lossy().parse::<Digest>()
                && self.blob_path(&digest) == *path
            {
                self.set_aside_readers(&digest)?;
            }
            if files::exists(path).map_err(Error::io("access", path))? {
                self.set_aside(path)?;
            }
        }
        Ok(())
    }

    fn check_checkpoints(&self, inventory: &Inventory, check: &mut Check) -> Result<(), Error> {
        for key in &inventory.checkpoints {
            if let Some(unread) = &key.unread {
                check.refused(unread);
                continue;
            }
            for entry in entries(&key.path)? {
                if let Some(unread) = &entry.unread {
                    check.refused(unread);
                } else if entry.kind.is_dir() {
                    check.count(&entry);
                    match checkpoints::is_sound(&entry.path) {
                        Ok(true) => {}
                        // It was being replaced, and is gone.
                        Ok(false) => match files::exists(&entry.path) {
                            Ok(true) => check.found(&entry.path, "is a damaged checkpoint"),
                            Ok(false) => {}
                            Err(error) => check.refused(&Unread::new(&entry.path, &error)),
                        },
                        Err(unread) => check.refused(&unread),
                    }
                } else if !entry.path.ends_with(checkpoints::LOCK) {
                    check.found(&entry.path, "does not belong here");
                }
            }
        }
        Ok(())
    }

    /// Checks that every folder in `latest` shows the outputs in its mark.
    fn check_latest(&self, sound: &HashSet<Digest>, check: &mut Check) -> Result<(), Error> {
        for pipeline in entries(&self.root.join("latest"))? {
            for instance in entries(&pipeline.path)? {
                if !instance.kind.is_dir() {
                    continue;
                }
                match self.shows_exactly(&instance.path, sound) {
                    Ok(true) => {}
                    Ok(false) => check.found(&instance.path, "does not show the published outputs"),
                    Err(unread) => check.refused(&unread),
                }
            }
        }
        Ok(())
    }
}

/// Reads all blobs. Returns those whose content matches their names, and those that could not be read.
fn check_blobs(inventory: &Inventory, check: &mut Check) -> HashSet<Digest> {
    let read: Vec<(Digest, io::Result<bool>)> = inventory
        .blobs
        .par_iter()
        .map(|(digest, entry)| {
            let found = files::digest_plain(&entry.path);
            let is_sound = found.map(|found| found.is_some_and(|(found, _)| found == *digest));
            (*digest, is_sound)
        })
        .collect();
    let mut sound = HashSet::new();
    for (digest, is_sound) in read {
        let entry = &inventory.blobs[&digest];
        check.count(entry);
        match is_sound {
            Ok(true) => {
                sound.insert(digest);
            }
            Ok(false) => check.found(&entry.path, "does not match its name"),
            Err(error) => {
                check.refused(&Unread::new(&entry.path, &error));
                sound.insert(digest);
            }
        }
    }
    sound
}

/// Checks that every file below a folder of memos is sealed or packed.
fn check_memos(folder: &Path, check: &mut Check) -> Result<(), Error> {
    for entry in entries(folder)? {
        if entry.kind.is_dir() {
            check_memos(&entry.path, check)?;
            continue;
        }
        let is_sound = |bytes: Vec<u8>| match packed::is_packed(&entry.path) {
            true => packed::unpack(&bytes).is_ok(),
            false => unseal::<serde_json::Value>(&bytes).is_ok(),
        };
        match files::read(&entry.path) {
            Ok(Found::Foreign) => check.found(&entry.path, "does not belong here"),
            // It was rewritten or removed meanwhile.
            Ok(Found::Missing) => {}
            Ok(Found::Bytes(bytes)) => {
                check.count(&entry);
                if !is_sound(bytes) {
                    check.found(&entry.path, "is a damaged memo");
                }
            }
            Err(error) => check.refused(&Unread::new(&entry.path, &error)),
        }
    }
    Ok(())
}
