//! Lists a folder of a source, without the entries that do not count.

use std::ffi::OsStr;
use std::fs::{self, FileType, Metadata};
use std::path::{Path, PathBuf};

use super::error::{no_file, unreadable};
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
    /// Entries whose names are not UTF-8; empty with [`Names::Utf8`].
    pub(super) unnamed: Vec<Unnamed>,
    pub(super) names: Names,
}

/// Names that entries of a source may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// Another name is an error: results that depend on the source name its files in UTF-8.
    Utf8,
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
        Self::open_with(path, Names::Utf8)
    }

    pub(super) fn open_with(path: &Path, names: Names) -> Result<Self, Invalid> {
        if is_store(path)? {
            let message = format!(
                "`{}` is a runner store, which cannot be a source",
                path.shown()
            );
            let hint =
                "connect results of a pipeline as inputs instead: `inputs: { NAME: STAGE.PORT }`";
            return Err(Invalid::new(message).hint(hint));
        }
        Self::list(path.to_owned(), String::new(), &Rules::default(), names)
    }

    /// Lists the folder `folder`, which must be one of `self.folders`.
    pub fn enter(&self, folder: &str) -> Result<Self, Invalid> {
        let name = format!("{}{folder}/", self.name);
        Self::list(self.path.join(folder), name, &self.rules, self.names)
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

    fn list(path: PathBuf, name: String, above: &Rules, names: Names) -> Result<Self, Invalid> {
        let mut entries = Vec::new();
        let mut unnamed = Vec::new();
        let mut has_rules = false;
        let mut hidden = 0;
        for entry in fs::read_dir(&path).map_err(|error| unreadable(&path, &error))? {
            let entry = entry.map_err(|error| unreadable(&path, &error))?;
            let entry_name = match (entry.file_name().into_string(), names) {
                (Ok(name), _) => name,
                (Err(_), Names::Utf8) => {
                    let message = format!("the name of `{}` is not UTF-8", entry.path().shown());
                    return Err(Invalid::new(message).hint("rename it"));
                }
                (Err(name), Names::Any) => {
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
            names,
        };
        for entry in unnamed {
            listed.add_unnamed(&entry)?;
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
    fn add_unnamed(&mut self, entry: &OsStr) -> Result<(), Invalid> {
        let path = self.path.join(entry);
        let is_folder = files::leads_to(&path, Metadata::is_dir);
        let is_folder = is_folder.map_err(|error| unreadable(&path, &error))?;
        let name = entry.to_string_lossy();
        if !name.starts_with('.') && !self.rules.ignore(&self.name, &name, is_folder) {
            self.unnamed.push(Unnamed { path, is_folder });
        }
        Ok(())
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
        let kind = kind.map_err(|error| unreadable(&path(), &error))?;
        if is_folder && is_store(&path())? {
            return Ok(());
        }
        if !is_folder && !kind.is_file() {
            return Err(no_file(&path()));
        }
        self.links.extend(link.map(|own| (entry.clone(), own)));
        match is_folder {
            true => self.folders.push(entry),
            false => self.files.push(entry),
        }
        Ok(())
    }
}
