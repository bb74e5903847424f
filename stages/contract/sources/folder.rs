//! Lists a folder of a source, without the entries that do not count.

use std::fs::{self, FileType, Metadata};
use std::path::{Path, PathBuf};

use super::error::{no_file, unreadable};
use super::rules::{IGNORE_FILE, Rules};
use super::store::is_store;
use crate::Invalid;
use crate::ShowPath;

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
}

impl SourceFolder {
    /// Lists the source at `path`, which must be a folder.
    pub fn open(path: &Path) -> Result<Self, Invalid> {
        if is_store(path)? {
            let message = format!(
                "`{}` is a runner store, which cannot be a source",
                path.shown()
            );
            let hint =
                "connect results of a pipeline as inputs instead: `inputs: { NAME: STAGE.PORT }`";
            return Err(Invalid::new(message).hint(hint));
        }
        Self::list(path.to_owned(), String::new(), &Rules::default())
    }

    /// Lists the folder `folder`, which must be one of `self.folders`.
    pub fn enter(&self, folder: &str) -> Result<Self, Invalid> {
        let name = format!("{}{folder}/", self.name);
        Self::list(self.path.join(folder), name, &self.rules)
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

    fn list(path: PathBuf, name: String, above: &Rules) -> Result<Self, Invalid> {
        let mut entries = Vec::new();
        let mut has_rules = false;
        let mut hidden = 0;
        for entry in fs::read_dir(&path).map_err(|error| unreadable(&path, &error))? {
            let entry = entry.map_err(|error| unreadable(&path, &error))?;
            let Ok(entry_name) = entry.file_name().into_string() else {
                let message = format!("the name of `{}` is not UTF-8", entry.path().shown());
                return Err(Invalid::new(message).hint("rename it"));
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
        };
        for (entry, kind) in entries {
            listed.add(entry, kind)?;
        }
        listed.files.sort_unstable();
        listed.leave_out_compiled();
        listed.folders.sort_unstable();
        listed.links.sort_unstable_by(|(a, _), (b, _)| a.cmp(b));
        Ok(listed)
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
