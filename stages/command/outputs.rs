//! What a program made.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::{METRICS_PORT, metrics};
use crate::contract::{Failure, METRICS_FILE};
use crate::json;

/// Where metrics are put as tables want them: nothing that the program made is called that, or it would
/// be undeclared.
const METRICS_FOLDER: &str = ".metrics";

/// Undeclared files that an error names.
const NAMED: usize = 3;

/// What a program is to make.
pub struct Outputs<'a> {
    /// By port.
    pub paths: &'a BTreeMap<String, PathBuf>,
    pub metrics: Option<&'a Path>,
    /// Names that do not count.
    pub ignore: &'a BTreeSet<String>,
}

impl Outputs<'_> {
    /// Where every output is: as the program left it, or the metrics as tables want them.
    pub fn gather(
        &self,
        scratch: &Path,
        mounted: &BTreeSet<PathBuf>,
    ) -> Result<BTreeMap<String, PathBuf>, Failure> {
        let found = |path: &Path| fs::symlink_metadata(scratch.join(path));
        if let Some(link) = self
            .declared()
            .find(|path| found(path).is_ok_and(|found| found.is_symlink()))
        {
            return Err(Failure::Data(format!(
                "its output `{}` is a symbolic link; let the program copy what it leads to",
                link.display()
            )));
        }
        let missing: Vec<String> = self
            .declared()
            .filter(|path| found(path).is_err())
            .map(|path| format!("`{}`", path.display()))
            .collect();
        if !missing.is_empty() {
            return Err(Failure::Data(format!(
                "the program did not make {}, which the pipeline declares as its output",
                missing.join(", ")
            )));
        }
        let mut undeclared = Vec::new();
        self.find_undeclared(scratch, Path::new(""), mounted, &mut undeclared)?;
        if !undeclared.is_empty() {
            return Err(Failure::Data(wording(&undeclared)));
        }
        let places = self.paths.iter();
        let places = places.map(|(port, path)| (port.clone(), scratch.join(path)));
        let mut made: BTreeMap<String, PathBuf> = places.collect();
        if let Some(path) = self.metrics {
            let measured = metrics::read(&scratch.join(path), path)?;
            let folder = scratch.join(METRICS_FOLDER);
            fs::create_dir(&folder).map_err(|e| Failure::io("create", &folder, e))?;
            let file = folder.join(METRICS_FILE);
            json::write(&file, &measured)?;
            made.insert(METRICS_PORT.to_owned(), file);
        }
        Ok(made)
    }

    fn declared(&self) -> impl Iterator<Item = &Path> {
        self.paths
            .values()
            .map(PathBuf::as_path)
            .chain(self.metrics)
    }

    /// Adds every file below `at` that was neither there before nor is declared.
    fn find_undeclared(
        &self,
        scratch: &Path,
        at: &Path,
        mounted: &BTreeSet<PathBuf>,
        undeclared: &mut Vec<PathBuf>,
    ) -> Result<(), Failure> {
        let folder = scratch.join(at);
        let unread = |e| Failure::io("read", &folder, e);
        for entry in fs::read_dir(&folder).map_err(unread)? {
            let entry = entry.map_err(unread)?;
            let name = entry.file_name();
            let path = at.join(&name);
            let is_ignored = name.to_str().is_some_and(|name| self.ignore.contains(name));
            let same = |declared: &Path| declared.components().eq(path.components());
            if is_ignored || mounted.contains(&path) || self.declared().any(same) {
                continue;
            }
            if entry.file_type().map_err(unread)?.is_dir() {
                self.find_undeclared(scratch, &path, mounted, undeclared)?;
            } else {
                undeclared.push(path);
            }
        }
        Ok(())
    }
}

fn wording(undeclared: &[PathBuf]) -> String {
    let mut names: Vec<String> = undeclared
        .iter()
        .map(|path| format!("`{}`", path.display()))
        .collect();
    names.sort();
    let more = match names.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    names.truncate(NAMED);
    format!(
        "the program made {}{more}, which the pipeline does not declare; declare it under `outputs`, or \
         under `ignore` if nobody needs it",
        names.join(", ")
    )
}
