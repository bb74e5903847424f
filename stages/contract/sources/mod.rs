//! Determines which files of a source folder count. The engine and the stages share one rule: the engine
//! computes the key from the files that [`walk`](walk()) finds, and a stage lists files with [`SourceFolder`] or
//! `walk`, so a stage sees no file that is not in its key.
//!
//! The following are left out: names that start with a dot (`.DS_Store`, `._x.jpeg`), files that Python
//! writes beside code (folders `__pycache__`, and `m.pyc` beside `m.py`), and everything that a
//! `.runnerignore` file names. A `.runnerignore` file has the syntax of `.gitignore`. It can be in the source's
//! folder or in any folder below, and applies to its own folder and all folders below. If a folder is left out,
//! so is everything in it. Symbolic links are followed wherever they lead: a link counts as its target, under the
//! link's own name. A dangling link, a FIFO or a folder without permission is an error, unless a `.runnerignore` names
//! it: it has no content that a key could contain.
//!
//! A store of runner is never part of a source: otherwise a run would change its own source by writing to the
//! store.

mod error;
mod folder;
mod rules;
mod store;
#[cfg(test)]
mod tests;
mod walk;

pub use error::Broken;
pub use folder::{SourceFolder, Unnamed};
pub use rules::IGNORE_FILE;
pub use walk::{Found, walk, walk_any};
