//! Parameters that are wrong, or name a source.

use std::path::{Path, PathBuf};

/// One piece of the path to a parameter: `model[3].conv.filters`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    Key(String),
    Index(usize),
}

/// A parameter that is wrong. `path` leads to it from the stage's `params`; the engine turns it into
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

    /// Adds a hint: what to do about it.
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

/// Bytes outside the store that a stage reads. In the fingerprint their digest stands in place of
/// the parameter that names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Path to the parameter, from the stage's canonical parameters.
    pub param: Vec<Segment>,
    /// The same in the parameters as they are written, for errors.
    pub written: Vec<Segment>,
    /// A file, or a folder that is read as a whole; relative to the working directory. Of a folder the
    /// stage may read what [`sources`](crate::sources) lists, and nothing else.
    pub path: PathBuf,
    /// Whether empty folders in it count, and are there for the stage.
    pub empty_folders: bool,
}

impl Source {
    /// A source that the parameters name at the same path before and after they are made canonical.
    pub fn new(param: Vec<Segment>, path: &Path) -> Self {
        Self {
            written: param.clone(),
            param,
            path: path.to_owned(),
            empty_folders: false,
        }
    }

    /// Lets its empty folders count.
    pub fn with_empty_folders(mut self) -> Self {
        self.empty_folders = true;
        self
    }

    /// Says where the parameter is written.
    pub fn written_at(mut self, written: Vec<Segment>) -> Self {
        self.written = written;
        self
    }
}
