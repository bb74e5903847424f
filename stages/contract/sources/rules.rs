//! Reads `.runnerignore` files and applies their patterns.

use std::fs::Metadata;
use std::io;
use std::path::Path;
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::error::unreadable;
use crate::ShowPath;
use crate::{Invalid, files};

/// Size limit of a file of patterns, in bytes.
const MOST_RULES: u64 = 16 << 20;

/// Name of the files that list what to leave out of a source.
pub const IGNORE_FILE: &str = ".runnerignore";

/// The rules that apply in a folder: its own and those of the folders above it. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    /// Rule files that apply, outermost first.
    files: Vec<Arc<RuleFile>>,
}

#[derive(Debug)]
struct RuleFile {
    patterns: Gitignore,
    /// Length of the path (in the source) of the file's folder. The patterns apply to the rest of a path.
    depth: usize,
    metadata: Metadata,
}

impl Rules {
    /// Returns these rules and those in `file`. `depth` is the length of the path, in the source, of the folder
    /// that contains `file`.
    pub(super) fn and(&self, file: &Path, depth: usize) -> Result<Self, Invalid> {
        let mut rules = self.clone();
        rules.files.push(Arc::new(RuleFile::read(file, depth)?));
        Ok(rules)
    }

    /// Returns whether to leave out `entry` of `folder` (a path in the source that ends with `/`, or is empty). As with
    /// `.gitignore`, the innermost file with a matching pattern decides.
    pub(super) fn ignore(&self, folder: &str, entry: &str, is_folder: bool) -> bool {
        if self.files.is_empty() {
            return false;
        }
        let name = format!("{folder}{entry}");
        for file in self.files.iter().rev() {
            match file.patterns.matched(&name[file.depth..], is_folder) {
                Match::None => {}
                Match::Ignore(_) => return true,
                Match::Whitelist(_) => return false,
            }
        }
        false
    }

    /// Returns the metadata of the rule file in the folder whose path in the source is `depth` long, if there is
    /// one. The metadata is from before the file was read.
    pub(super) fn own(&self, depth: usize) -> Option<&Metadata> {
        let innermost = self.files.last().filter(|file| file.depth == depth)?;
        Some(&innermost.metadata)
    }
}

impl RuleFile {
    fn read(path: &Path, depth: usize) -> Result<Self, Invalid> {
        let read = || -> io::Result<_> {
            let file = files::open(path)?;
            let metadata = file.metadata()?;
            let text = String::from_utf8(files::read_open(&file, MOST_RULES)?);
            let text = text.map_err(|error| io::Error::other(error.utf8_error()))?;
            Ok((metadata, text))
        };
        let (metadata, text) = read().map_err(|error| unreadable(path, &error))?;
        let mut builder = GitignoreBuilder::new("");
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        for (number, line) in (1..).zip(text.lines()) {
            builder.add_line(None, line).map_err(|error| {
                Invalid::new(format!("`{}`, line {number}: {error}", path.shown()))
                    .hint("patterns have the syntax of a `.gitignore`")
            })?;
        }
        let patterns = builder
            .build()
            .map_err(|error| Invalid::new(format!("`{}`: {error}", path.shown())))?;
        Ok(Self {
            patterns,
            depth,
            metadata,
        })
    }
}
