//! Protects files from commands that write to a path of the user. The path may be a mistake: `-o pipeline.yaml`.

use std::fs::Metadata;
use std::io::Read;
use std::path::{Path, PathBuf};

use contract::{ShowPath, files};
use engine::error::Error;

use super::output_path;

/// Files that a command writes.
pub(super) struct OutputKind {
    /// With an article: `a report`.
    pub(super) what: &'static str,
    /// The option that takes the path: `-o`.
    pub(super) option: &'static str,
    /// Every file of this kind begins with one of these.
    pub(super) beginnings: &'static [&'static [u8]],
    /// The first line of every file of this kind ends with one of these; with any text if there are none.
    pub(super) first_line_ends: &'static [&'static [u8]],
}

pub(super) const REPORT: OutputKind = OutputKind {
    what: "a report",
    option: "-o",
    beginnings: &[b"<!DOCTYPE html>\n<html lang=\"en\" xmlns="],
    first_line_ends: &[],
};

pub(super) const JUNIT: OutputKind = OutputKind {
    what: "a JUnit file",
    option: "--junit",
    beginnings: &[b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites "],
    first_line_ends: &[],
};

pub(super) const PLAN: OutputKind = OutputKind {
    what: "a saved plan",
    option: "--out",
    beginnings: &[b"{\"checksum\":\""],
    first_line_ends: &[],
};

pub(super) const DRAWING: OutputKind = OutputKind {
    what: "a drawing of a pipeline",
    option: "-o",
    beginnings: &[
        b"---\ntitle: \"",
        b"digraph \"",
        b"<svg ",
        b"{\"pipeline\":\"",
    ],
    first_line_ends: &[],
};

/// Predictions for test images, whose classes are known.
pub(super) const TESTED: OutputKind = OutputKind {
    what: "a table of predictions",
    option: "-o",
    beginnings: &[
        b"name,label,predicted,p_",
        b"name,label,predicted,\"p_",
        b"name,group,label,predicted,",
        b"name,fold,label,predicted,",
        b"name,group,fold,label,predicted,",
        b"seed,name,",
        b"instance,name,",
        b"instance,seed,name,",
        b"{\"images\":[",
    ],
    first_line_ends: &[],
};

pub(super) const FIGURE: OutputKind = OutputKind {
    what: "a PNG image",
    option: "--figures",
    beginnings: &[b"\x89PNG\r\n\x1a\n"],
    first_line_ends: &[],
};

pub(super) const PREDICTED: OutputKind = OutputKind {
    what: "a file of `predict`",
    option: "-o",
    beginnings: &[b"name,predicted,p_", b"name,predicted,\"p_"],
    first_line_ends: &[b",warnings", b",warnings,heat_map"],
};

/// Number of bytes that are read to recognize a file.
const MOST_READ: u64 = 1 << 16;

impl OutputKind {
    /// Returns `true` if `start` can be the start of a file of this kind.
    fn is_like(&self, start: &[u8]) -> bool {
        // A line break between quotes is part of a field.
        let mut is_quoted = false;
        let end = start.iter().position(|&byte| {
            is_quoted ^= byte == b'"';
            byte == b'\n' && !is_quoted
        });
        let first_line = &start[..end.unwrap_or(start.len())];
        let first_line = first_line.strip_suffix(b"\r").unwrap_or(first_line);
        let mut ends = self.first_line_ends.iter();
        let has_end = self.first_line_ends.is_empty() || ends.any(|end| first_line.ends_with(end));
        has_end && self.beginnings.iter().any(|is| start.starts_with(is))
    }

    /// Checks that a file of this kind may be written to `path`: it is in a folder that exists, and there is no file yet,
    /// or an empty one, or one of the same kind. Devices and pipes are accepted, because they store no data.
    ///
    /// # Errors
    /// If another file or a folder is there, or the path cannot be accessed.
    pub(super) fn check(&self, path: &Path) -> Result<(), Error> {
        output_path::check_file(path, self.option)?;
        self.check_replaced(path)
    }

    /// Like [`check`](Self::check), and follows links to the file that the path means.
    ///
    /// # Errors
    /// Also if the path means a device or a pipe.
    pub(super) fn destination(&self, path: &Path) -> Result<PathBuf, Error> {
        output_path::check_file(path, self.option)?;
        let file = output_path::destination(path)?;
        self.check_replaced(&file)?;
        Ok(file)
    }

    /// Like [`check`](Self::check), for a path in a folder that may be created later.
    ///
    /// # Errors
    /// If another file is there, or the path cannot be accessed.
    pub(super) fn check_replaced(&self, path: &Path) -> Result<(), Error> {
        let keeps = files::leads_to(path, Metadata::is_file).map_err(Error::io("access", path))?;
        if !keeps {
            return Ok(());
        }
        let mut found = Vec::new();
        files::open(path)
            .and_then(|file| file.take(MOST_READ).read_to_end(&mut found))
            .map_err(Error::io("access", path))?;
        // Nothing is lost with an empty file.
        if found.is_empty() || self.is_like(&found) {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "`{}` exists and is not {}, so it is kept; give another file with `{}`, or remove this one",
            path.shown(),
            self.what,
            self.option
        )))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn only_files_of_the_same_kind_are_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let contents: [(&str, &[u8]); 5] = [
            ("pipeline", b"version: 1\nname: p\n"),
            ("short", b"<"),
            ("empty", b""),
            ("svg", b"<svg xmlns=\"http://www.w3.org/2000/svg\">"),
            ("plan", b"{\"checksum\":\"00\"}"),
        ];
        for (name, bytes) in contents {
            fs::write(at(name), bytes).unwrap();
        }
        symlink("pipeline", at("link")).unwrap();
        let refused = |kind: &OutputKind| {
            let names = ["pipeline", "short", "empty", "svg", "plan", "link", "new"];
            let mut names = names.to_vec();
            names.retain(|name| kind.check(&at(name)).is_err());
            names
        };
        assert_eq!(refused(&DRAWING), ["pipeline", "short", "plan", "link"]);
        for (header, is_ours) in [
            ("name,predicted,p_A,p_B,warnings\r\nx,A,1,0,\r\n", true),
            ("name,predicted,p_A,p_B,warnings,heat_map\n", true),
            ("name,predicted,p_A,p_B,warnings,diagnosis\n", false),
            ("name,predicted,p_A,radiologist\n", false),
            ("name,predicted,\"p_A\n\"\"B\",warnings\n", true),
        ] {
            assert_eq!(PREDICTED.is_like(header.as_bytes()), is_ours, "{header}");
        }
        assert_eq!(refused(&PLAN), ["pipeline", "short", "svg", "link"]);
        for kind in [&REPORT, &JUNIT, &FIGURE] {
            assert_eq!(refused(kind), ["pipeline", "short", "svg", "plan", "link"]);
        }
        DRAWING.check(Path::new("/dev/null")).unwrap();
        let message = PLAN.check(&at("pipeline")).unwrap_err().to_string();
        assert!(
            message.contains("is not a saved plan, so it is kept"),
            "{message}"
        );
    }
}
