//! Folders as sources: what of them counts. One rule for both sides: the engine makes a key of what
//! [`walk`] finds, and a stage lists with [`SourceFolder`] or [`walk`], so it sees no file that is not
//! in its key.
//!
//! Left out are names that start with a dot (`.DS_Store`, `._x.jpeg`), what Python writes beside its code
//! (folders `__pycache__`, and `m.pyc` beside `m.py`), and what a `.runnerignore`
//! names: a file of the syntax of `.gitignore`, in the source's folder or one below it, that holds for
//! what is beside and below it. Whole folders are left out with all that is in them. Symbolic links are
//! followed wherever they lead: a link counts as what it leads to, under its own name.
//!
//! A store of runner is never part of a source: what a run writes there would change what it reads.

mod folder;
mod rules;
mod store;
#[cfg(test)]
mod tests;
mod walk;

pub use folder::SourceFolder;
pub use rules::IGNORE_FILE;
pub use walk::{Found, walk};
