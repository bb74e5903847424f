//! Errors in parameters, and parameters that name a source.

use std::path::{Path, PathBuf};

/// One segment of a path to a parameter. The path `model[3].conv.filters` has four.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    Key(String),
    Index(usize),
}

/// An error in a parameter. `path` leads to the parameter from the stage's `params`; the engine turns it into
/// a place in the file. `message` is a lowercase fragment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    pub path: Vec<Segment>,
    pub message: String,
    pub hint: Option<String>,
}

impl Invalid {
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            path: Vec::new(),
            message: message.into(),
            hint: None,
        }
    }

    /// Adds a hint that says what to do.
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Puts a key in front of the path.
    pub fn under(mut self, key: &str) -> Self {
        self.path.insert(0, Segment::Key(key.to_owned()));
        self
    }

    /// Puts an index in front of the path.
    pub fn at(mut self, index: usize) -> Self {
        self.path.insert(0, Segment::Index(index));
        self
    }
}

/// Bytes outside the store that a stage reads. In the fingerprint, their digest replaces the parameter that
/// names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Path to the parameter in the stage's canonical parameters.
    pub param: Vec<Segment>,
    /// Path to the parameter as it is written in the pipeline, for errors.
    pub written: Vec<Segment>,
    /// A file, or a folder that is read as a whole; relative to the working directory. In a folder, the stage may
    /// read only the files that [`sources`](crate::sources) lists.
    pub path: PathBuf,
    /// `true` if empty folders in the source are part of the key and visible to the stage.
    pub empty_folders: bool,
}

impl Source {
    /// Creates a source whose parameter has the same path before and after it is made canonical.
    pub fn new(param: Vec<Segment>, path: &Path) -> Self {
        Self {
            written: param.clone(),
            param,
            path: path.to_owned(),
            empty_folders: false,
        }
    }

    /// Makes empty folders part of the key and visible to the stage.
    pub fn with_empty_folders(mut self) -> Self {
        self.empty_folders = true;
        self
    }

    /// Sets the path of the parameter as it is written.
    pub fn written_at(mut self, written: Vec<Segment>) -> Self {
        self.written = written;
        self
    }
}
