//! Lists a folder of a source, without the entries that do not count.

use std::ffi::OsStr;
use std::fs::{self, FileType, Metadata, ReadDir};
use std::path::{Path, PathBuf};

use super::error::{Broken, Why, unreadable};
use super::rules::{IGNORE_FILE, Rules};
use super::store::is_store;
use crate::Invalid;
use crate::{ShowPath, files};

/// A folder of a source: the source itself, or a folder below it. Contains only entries that count.
#[derive(Debug)]
pub struct SourceFolder {
    pub path: PathBuf,
    /// Path in the source, with `/` between folders and at the end; empty for the source itself.
    pub name: String,
    /// Names of the files in this folder, sorted. Includes links to files.
    pub files: Vec<String>,
    /// Names of the folders in this folder, sorted. Includes links to folders, but no stores.
    pub folders: Vec<String>,
    /// Number of entries left out because their name starts with a dot, not counting `.runnerignore`.
    pub hidden: usize,
    /// Links among `files` and `folders`, each with its own metadata from before it was followed.
    pub(super) links: Vec<(String, Metadata)>,
    pub(super) rules: Rules,
    /// Entries whose names are not UTF-8; empty with [`Entries::Sound`].
    pub(super) unnamed: Vec<Unnamed>,
    /// Entries that cannot be used; empty with [`Entries::Sound`].
    pub(super) broken: Vec<Broken>,
    pub(super) entries: Entries,
}

/// Entries that a source may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entries {
    /// Files and folders that can be read, with names in UTF-8. Another entry is an error: it has no content or no name
    /// that a key could contain.
    Sound,
    /// Others are listed apart.
    Any,
}

/// An entry whose name is not UTF-8.
#[derive(Debug)]
pub struct Unnamed {
    pub path: PathBuf,
    pub is_folder: bool,
}

impl SourceFolder {
    /// Lists the source at `path`, which must be a folder.
    pub fn open(path: &Path) -> Result<Self, Invalid> {
        Self::open_with(path, Entries::Sound)
    }

    pub(super) fn open_with(path: &Path, entries: Entries) -> Result<Self, Invalid> {
        if is_store(path).map_err(|error| unreadable(path, &error))? {
            let message = format!(
                "`{}` is a runner store, which cannot be a source",
                path.shown()
            );
            let hint =
                "connect results of a pipeline as inputs instead: `inputs: { NAME: STAGE.PORT }`";
            return Err(Invalid::new(message).hint(hint));
        }
        let listed = fs::read_dir(path).map_err(|error| unreadable(path, &error))?;
        let name = String::new();
        Self::list(listed, path.to_owned(), name, &Rules::default(), entries)
    }

    /// Lists the folder `folder`, which must be one of `self.folders`.
    pub fn enter(&self, folder: &str) -> Result<Self, Invalid> {
        let path = self.path.join(folder);
        let listed = fs::read_dir(&path).map_err(|error| unreadable(&path, &error))?;
        self.enter_listed(folder, listed)
    }

    /// Like [`enter`](Self::enter), for a folder that is open already.
    pub(super) fn enter_listed(&self, folder: &str, listed: ReadDir) -> Result<Self, Invalid> {
        let name = format!("{}{folder}/", self.name);
        let path = self.path.join(folder);
        Self::list(listed, path, name, &self.rules, self.entries)
    }

    /// Returns whether this folder contains a file, at any depth.
    pub fn holds_files(&self) -> Result<bool, Invalid> {
        if !self.files.is_empty() {
            return Ok(true);
        }
        for name in &self.folders {
            if self.enter(name)?.holds_files()? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn list(
        listed: ReadDir,
        path: PathBuf,
        name: String,
        above: &Rules,
        allowed: Entries,
    ) -> Result<Self, Invalid> {
        let mut entries = Vec::new();
        let mut unnamed = Vec::new();
        let mut has_rules = false;
        let mut hidden = 0;
        for entry in listed {
            let entry = entry.map_err(|error| unreadable(&path, &error))?;
            let entry_name = match (entry.file_name().into_string(), allowed) {
                (Ok(name), _) => name,
                (Err(_), Entries::Sound) => {
                    let message = format!("the name of `{}` is not UTF-8", entry.path().shown());
                    return Err(Invalid::new(message).hint("rename it"));
                }
                (Err(name), Entries::Any) => {
                    unnamed.push(name);
                    continue;
                }
            };
            if entry_name.starts_with('.') {
                let is_rules = entry_name == IGNORE_FILE;
                has_rules |= is_rules;
                hidden += usize::from(!is_rules);
                continue;
            }
            let kind = entry.file_type();
            let kind = kind.map_err(|error| unreadable(&entry.path(), &error))?;
            entries.push((entry_name, kind));
        }
        let rules = if has_rules {
            above.and(&path.join(IGNORE_FILE), name.len())?
        } else {
            above.clone()
        };

        let mut listed = Self {
            path,
            name,
            files: Vec::with_capacity(entries.len()),
            folders: Vec::new(),
            hidden,
            links: Vec::new(),
            rules,
            unnamed: Vec::new(),
            broken: Vec::new(),
            entries: allowed,
        };
        for entry in unnamed {
            listed.add_unnamed(&entry);
        }
        listed.unnamed.sort_unstable_by(|a, b| a.path.cmp(&b.path));
        for (entry, kind) in entries {
            listed.add(entry, kind)?;
        }
        listed.files.sort_unstable();
        listed.leave_out_compiled();
        listed.folders.sort_unstable();
        listed.links.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Ok(listed)
    }

    /// Adds an entry whose name is not UTF-8, unless it is hidden or ignored. For a rule, U+FFFD stands for what is not
    /// UTF-8.
    fn add_unnamed(&mut self, entry: &OsStr) {
        let path = self.path.join(entry);
        // An entry whose type cannot be read is listed as a file.
        let is_folder = files::leads_to(&path, Metadata::is_dir).unwrap_or(false);
        let name = entry.to_string_lossy();
        if !name.starts_with('.') && !self.rules.ignore(&self.name, &name, is_folder) {
            self.unnamed.push(Unnamed { path, is_folder });
        }
    }

    /// Removes the files that Python writes beside code: `__pycache__`, and `m.pyc` where there is an `m.py`.
    fn leave_out_compiled(&mut self) {
        self.folders.retain(|folder| folder != "__pycache__");
        let is_compiled = |file: &String| {
            let code = file.strip_suffix('c').filter(|code| code.ends_with(".py"));
            code.is_some_and(|code| {
                self.files
                    .binary_search_by(|f| f.as_str().cmp(code))
                    .is_ok()
            })
        };
        let compiled: Vec<String> = self
            .files
            .iter()
            .filter(|f| is_compiled(f))
            .cloned()
            .collect();
        // Sorted, because `files` is.
        let stays = |name: &String| compiled.binary_search(name).is_err();
        self.files.retain(stays);
        self.links
            .retain(|(link, _)| link != "__pycache__" && stays(link));
    }

    /// Adds an entry, unless it is ignored. A dangling link can be ignored too.
    fn add(&mut self, entry: String, kind: FileType) -> Result<(), Invalid> {
        let path = || self.path.join(&entry);
        let mut link = None;
        let kind = if kind.is_symlink() {
            let own = fs::symlink_metadata(path());
            link = Some(own.map_err(|error| unreadable(&path(), &error))?);
            fs::metadata(path()).map(|metadata| metadata.file_type())
        } else {
            Ok(kind)
        };
        let is_folder = kind.as_ref().is_ok_and(FileType::is_dir);
        if self.rules.ignore(&self.name, &entry, is_folder) {
            return Ok(());
        }
        let why = match (kind, is_folder) {
            (Ok(_), true) => match is_store(&path()) {
                Ok(true) => return Ok(()),
                Ok(false) => None,
                Err(error) => Some(Why::Unreadable(error)),
            },
            (Ok(kind), false) => (!kind.is_file()).then_some(Why::Special),
            (Err(error), _) => Some(Why::Unreadable(error)),
        };
        if let Some(why) = why {
            return self.add_broken(Broken { path: path(), why });
        }
        self.links.extend(link.map(|own| (entry.clone(), own)));
        match is_folder {
            true => self.folders.push(entry),
            false => self.files.push(entry),
        }
        Ok(())
    }

    fn add_broken(&mut self, broken: Broken) -> Result<(), Invalid> {
        match self.entries {
            Entries::Sound => Err(broken.invalid()),
            Entries::Any => {
                self.broken.push(broken);
                Ok(())
            }
        }
    }
}
