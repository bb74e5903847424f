//! Finds out which files of a source folder count. The engine and the stages share one rule: the engine makes
//! a key of what [`walk`] finds, and a stage lists files with [`SourceFolder`] or [`walk`], so it sees no
//! file that is not in its key.
//!
//! The following are left out: names that start with a dot (`.DS_Store`, `._x.jpeg`), files that Python
//! writes beside its code (folders `__pycache__`, and `m.pyc` beside `m.py`), and everything that a
//! `.runnerignore` file names. Such a file has the syntax of `.gitignore`, can be in the source's folder or
//! below it, and applies to everything beside and below it. A folder is left out with everything in it.
//! Symbolic links are followed wherever they lead: a link counts as its target, under the link's own name.
//!
//! A store of runner is never part of a source, because what a run writes there would change what it reads.

mod error;
mod folder;
mod rules;
mod store;
#[cfg(test)]
mod tests;
mod walk;

pub use folder::SourceFolder;
pub use rules::IGNORE_FILE;
pub use walk::{Found, walk};
