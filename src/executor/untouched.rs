//! Whether an input was written to while a stage read it. Inputs are files of the store, and a program of
//! the user's may have the right to write to them, or another one that runs at the same time.

use stages::contract::Failure;

use super::inputs::Inputs;
use super::local::refused;
use crate::store::{self, Stamp, Store, Tree};

/// How the files of a stage's inputs were when their content was found right.
pub(super) struct Untouched<'a> {
    inputs: Vec<Noted<'a>>,
}

struct Noted<'a> {
    role: &'a str,
    tree: &'a Tree,
    stamps: Vec<Option<Stamp>>,
}

impl<'a> Untouched<'a> {
    /// Of inputs that are verified.
    pub fn note(inputs: &'a Inputs, store: &Store) -> Self {
        let inputs = inputs.iter().flat_map(|(role, inputs)| {
            inputs.iter().map(move |input| Noted {
                role,
                tree: &input.tree,
                stamps: store.verified_stamps(&input.tree),
            })
        });
        Self {
            inputs: inputs.collect(),
        }
    }

    /// # Errors
    /// If one was written to. What is damaged now is set aside, so that the next run makes it again.
    pub fn check(&self, store: &Store) -> Result<(), Failure> {
        for Noted { role, tree, stamps } in &self.inputs {
            if *stamps == store.stamps(tree) {
                continue;
            }
            if let Err(error @ store::Error::Io { .. }) = store.verify(tree) {
                return Err(refused(error));
            }
            return Err(Failure::Data(format!(
                "its input `{role}` was written to while it ran; a program that wants to change what it \
                 reads has to copy it first"
            )));
        }
        Ok(())
    }
}
