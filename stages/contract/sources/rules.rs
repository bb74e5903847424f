//! What `.runnerignore` files leave out.

use std::fs::Metadata;
use std::io;
use std::path::Path;
use std::sync::Arc;

use ignore::Match;
use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::folder::unreadable;
use crate::{Invalid, files};

/// Most bytes of a file of patterns.
const MOST_RULES: u64 = 16 << 20;

/// The name of the files that say what of a source does not count.
pub const IGNORE_FILE: &str = ".runnerignore";

/// The rules that hold in a folder: its own, and those of the folders it is in. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Rules {
    /// Outermost first.
    files: Vec<Arc<RuleFile>>,
}

#[derive(Debug)]
struct RuleFile {
    patterns: Gitignore,
    /// Length of the path in the source of the folder it is in: its patterns are about the rest.
    depth: usize,
    metadata: Metadata,
}

impl Rules {
    /// These rules and those in `file`. `depth` is the length of its folder's path in the source.
    pub fn and(&self, file: &Path, depth: usize) -> Result<Self, Invalid> {
        let mut rules = self.clone();
        rules.files.push(Arc::new(RuleFile::read(file, depth)?));
        Ok(rules)
    }

    /// Whether to leave out `entry` of `folder` (a path in the source that ends with `/`, or is empty).
    /// The innermost file that says something about it decides, as with `.gitignore`.
    pub fn ignore(&self, folder: &str, entry: &str, is_folder: bool) -> bool {
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

    /// The metadata of the innermost file from before it was read, if it is in a folder whose path in
    /// the source is `depth` long.
    pub fn own(&self, depth: usize) -> Option<&Metadata> {
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
                Invalid::new(format!("`{}`, line {number}: {error}", path.display()))
                    .hint("a pattern is written as in a `.gitignore`")
            })?;
        }
        let patterns = builder
            .build()
            .map_err(|error| Invalid::new(format!("`{}`: {error}", path.display())))?;
        Ok(Self {
            patterns,
            depth,
            metadata,
        })
    }
}
