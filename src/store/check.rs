//! Reading everything, and what to do about what is bad.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use super::inventory::{Entry, Inventory, entries};
use super::sealed::unseal;
use super::{Digest, Error, Store, checkpoints, files, packed};

/// Something in the store that is not as it was written, or not the store's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    pub path: PathBuf,
    /// A fragment that follows the path.
    pub what: String,
}

/// What [`Store::check`] came to.
#[derive(Debug, Default)]
pub struct Check {
    /// Files read.
    pub files: usize,
    /// Bytes read.
    pub bytes: u64,
    pub findings: Vec<Finding>,
}

impl Check {
    fn found(&mut self, path: &Path, what: impl Into<String>) {
        self.findings.push(Finding {
            path: path.to_owned(),
            what: what.into(),
        });
    }

    fn count(&mut self, entry: &Entry) {
        self.files += 1;
        self.bytes += entry.bytes;
    }
}

impl Store {
    /// Reads all of the store and lists what is bad, and may be asked while runs go on. Changes nothing,
    /// but for counting that all blobs were found right.
    pub fn check(&self) -> Result<Check, Error> {
        let _guard = self.guard()?;
        let inventory = self.inventory()?;
        let mut check = Check::default();
        for entry in &inventory.foreign {
            check.found(&entry.path, "does not belong here");
        }
        let sound = check_blobs(&inventory, &mut check);
        if sound.len() == inventory.blobs.len()
            && let Err(error) = self.count_verification()
        {
            // A store that is read-only, for one. The results stay in doubt.
            tracing::debug!(%error, "the verification was not counted");
        }
        let mut whole = HashSet::new();
        for (digest, (entry, tree)) in &inventory.trees {
            check.count(entry);
            let Some(tree) = tree else {
                check.found(&entry.path, "is not what its name says");
                continue;
            };
            let lost = tree.files.iter().find(|(_, blob)| {
                !sound.contains(&blob.digest) || inventory.blobs[&blob.digest].bytes != blob.bytes
            });
            match lost {
                None => {
                    whole.insert(*digest);
                }
                Some((name, _)) => {
                    check.found(&entry.path, format!("lists `{name}`, which is not there"));
                }
            }
        }
        for found in &inventory.records {
            check.count(&found.entry);
            let Some(record) = &found.record else {
                check.found(&found.entry.path, "is a damaged record");
                continue;
            };
            if let Some((port, _)) = record.outputs.iter().find(|(_, t)| !whole.contains(t)) {
                let what = format!("is a record whose output `{port}` is not there");
                check.found(&found.entry.path, what);
            }
        }
        self.check_checkpoints(&inventory, &mut check)?;
        for folder in ["last", "sources"] {
            check_memos(&self.home.join(folder), &mut check)?;
        }
        self.check_latest(&sound, &mut check)?;
        check.findings.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(check)
    }

    /// Sets aside what a check found; the next run makes anew what it needs of it.
    pub fn repair(&self, check: &Check) -> Result<(), Error> {
        for finding in &check.findings {
            if fs::symlink_metadata(&finding.path).is_ok() {
                self.set_aside(&finding.path)?;
            }
            let name = finding.path.file_name().unwrap_or_default();
            if let Ok(digest) = name.to_string_lossy().parse::<Digest>()
                && self.blob_path(&digest) == finding.path
            {
                self.doubt_readers(&digest)?;
            }
        }
        Ok(())
    }

    fn check_checkpoints(&self, inventory: &Inventory, check: &mut Check) -> Result<(), Error> {
        for key in &inventory.checkpoints {
            for entry in entries(&key.path)? {
                if entry.path.is_dir() {
                    check.count(&entry);
                    // One that is being replaced is gone.
                    if !checkpoints::is_sound(&entry.path) && entry.path.exists() {
                        check.found(&entry.path, "is a damaged checkpoint");
                    }
                } else if !entry.path.ends_with(checkpoints::LOCK) {
                    check.found(&entry.path, "does not belong here");
                }
            }
        }
        Ok(())
    }

    /// Every folder of `latest` must show what its mark says.
    fn check_latest(&self, sound: &HashSet<Digest>, check: &mut Check) -> Result<(), Error> {
        for pipeline in entries(&self.root.join("latest"))? {
            for instance in entries(&pipeline.path)? {
                if instance.path.is_dir() && !self.shows_truly(&instance.path, sound) {
                    check.found(&instance.path, "shows something else than was made");
                }
            }
        }
        Ok(())
    }
}

/// Reads all blobs; those that are what their names say.
fn check_blobs(inventory: &Inventory, check: &mut Check) -> HashSet<Digest> {
    let read: Vec<(Digest, bool)> = inventory
        .blobs
        .par_iter()
        .map(|(digest, entry)| {
            let there = files::digest_plain(&entry.path).ok();
            (*digest, there.is_some_and(|(there, _)| there == *digest))
        })
        .collect();
    let mut sound = HashSet::new();
    for (digest, is_sound) in read {
        let entry = &inventory.blobs[&digest];
        check.count(entry);
        if is_sound {
            sound.insert(digest);
        } else {
            check.found(&entry.path, "is not what its name says");
        }
    }
    sound
}

/// All files below a folder of memos must be sealed.
fn check_memos(folder: &Path, check: &mut Check) -> Result<(), Error> {
    for entry in entries(folder)? {
        let kind = fs::symlink_metadata(&entry.path).map(|metadata| metadata.file_type());
        match kind {
            Ok(kind) if kind.is_dir() => check_memos(&entry.path, check)?,
            Ok(kind) if kind.is_file() => {
                check.count(&entry);
                let memo = fs::read(&entry.path).ok();
                let is_sound = |bytes: Vec<u8>| match packed::is_packed(&entry.path) {
                    true => packed::unpack(&bytes).is_ok(),
                    false => unseal::<serde_json::Value>(&bytes).is_ok(),
                };
                if !memo.is_some_and(is_sound) {
                    check.found(&entry.path, "is a damaged memo");
                }
            }
            _ => check.found(&entry.path, "does not belong here"),
        }
    }
    Ok(())
}
