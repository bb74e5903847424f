//! What the checkpoints of all trainings have in common: a JSON file that says where the training
//! stands, and the states of networks and optimizers by name, in one file.
//!
//! Random numbers need no state: every stream is a function of seed, purpose, epoch and step.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use contract::{Artifact, Context, Failure, Position, files, json};
use dfdx::shapes::{HasShape, Shape};
use safetensors::tensor::{Dtype, SafeTensors, View};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::nets::Network;
use crate::ops::optimizer::Optimizer;
use crate::ops::{self, Backend};

/// The files of a checkpoint.
const STANDING: &str = "training.json";
const TENSORS: &str = "tensors.safetensors";

/// Goes on from the furthest of the context's checkpoints that `resume` can use, and says so; says why
/// if there are some and none is of use.
pub fn resume_furthest<T>(
    context: &Context<'_>,
    mut resume: impl FnMut(&Artifact) -> Result<(Position, T), String>,
) -> Option<T> {
    let mut unfit = None;
    for checkpoint in context.checkpoints() {
        match resume(checkpoint) {
            Ok((position, resumed)) => {
                context.resumed(position);
                return Some(resumed);
            }
            Err(why) => {
                unfit.get_or_insert(why);
            }
        }
    }
    if let Some(why) = unfit {
        context.starts_over(why);
    }
    None
}

/// Reads a checkpoint that [`write`] wrote.
pub fn read<S: DeserializeOwned>(checkpoint: &Artifact) -> Result<(S, Tensors), String> {
    let read = || {
        let standing = json::read(checkpoint.file(STANDING)?)?;
        Ok((standing, Tensors::read(checkpoint.file(TENSORS)?)?))
    };
    read().map_err(|failure: Failure| failure.to_string())
}

/// Writes where a training stands, and the tensors that go with it, into `folder`.
pub fn write<S: Serialize>(standing: &S, tensors: &Tensors, folder: &Path) -> Result<(), Failure> {
    tensors.write(&folder.join(TENSORS))?;
    json::write(&folder.join(STANDING), standing)
}

/// Refuses a checkpoint at `position` for a training of fewer epochs.
pub fn check_reach(position: Position, epochs: usize) -> Result<(), String> {
    if position > Position::after(epochs) {
        return Err(format!(
            "the checkpoint is of {position}, past the {epochs} asked for"
        ));
    }
    Ok(())
}

/// Named lists of numbers; a name begins with what it belongs to: `network.0.conv.weight`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tensors(BTreeMap<String, Vec<f32>>);

/// A checkpoint that does not fit the network or optimizer that it is for.
#[derive(Debug, thiserror::Error)]
#[error("the checkpoint does not fit: {0}")]
pub struct Unfit(String);

impl Tensors {
    /// Adds a list as `name`.
    pub fn insert(&mut self, name: &str, values: Vec<f32>) {
        self.0.insert(name.to_owned(), values);
    }

    /// Takes out the list `name`.
    pub fn take(&mut self, name: &str) -> Result<Vec<f32>, Unfit> {
        self.0
            .remove(name)
            .ok_or_else(|| Unfit(format!("there is no `{name}`")))
    }

    /// Adds everything that training changes in `network`, under `owner`.
    pub fn insert_network<B: Backend>(&mut self, owner: &str, network: &Network<B>) {
        for (name, tensor) in network.state() {
            self.insert(&format!("{owner}.{name}"), ops::to_host(tensor));
        }
    }

    /// Adds what `optimizer` remembers, under `owner`.
    pub fn insert_optimizer<B: Backend>(&mut self, owner: &str, optimizer: &Optimizer<B>) {
        for (name, values) in optimizer.state() {
            self.insert(&format!("{owner}.{name}"), values);
        }
    }

    /// Puts `network` into the state kept under `owner`. Its parameters are other tensors afterwards:
    /// an optimizer for it is made anew.
    ///
    /// # Errors
    /// If something is missing or of another size; then nothing was changed.
    pub fn restore_network<B: Backend>(
        &mut self,
        owner: &str,
        network: &mut Network<B>,
    ) -> Result<(), Unfit> {
        let mut found = Vec::new();
        for (name, tensor) in network.state() {
            let values = self.take(&format!("{owner}.{name}"))?;
            let expected = tensor.shape().num_elements();
            if values.len() != expected {
                return Err(Unfit(format!(
                    "`{owner}.{name}` has {} values where {expected} are expected",
                    values.len()
                )));
            }
            found.push(values);
        }
        network.set_state(found);
        Ok(())
    }

    /// Puts `optimizer` into the state kept under `owner`.
    ///
    /// # Errors
    /// As [`Tensors::restore_network`].
    pub fn restore_optimizer<B: Backend>(
        &self,
        owner: &str,
        optimizer: &mut Optimizer<B>,
    ) -> Result<(), Unfit> {
        let state: Vec<(String, Vec<f32>)> = self
            .0
            .iter()
            .filter_map(|(name, values)| {
                let name = name.strip_prefix(owner)?.strip_prefix('.')?;
                Some((name.to_owned(), values.clone()))
            })
            .collect();
        optimizer.restore(&state).map_err(|e| Unfit(e.to_string()))
    }

    /// Writes all to `path`, as safetensors.
    pub fn write(&self, path: &Path) -> Result<(), Failure> {
        let views = self.0.iter().map(|(name, values)| {
            let list = List {
                values,
                shape: [values.len()],
            };
            (name, list)
        });
        safetensors::tensor::serialize_to_file(views, None, path)
            .map_err(|e| Failure::io("write", path, e))
    }

    /// Reads what [`Tensors::write`] wrote.
    pub fn read(path: &Path) -> Result<Self, Failure> {
        let bytes =
            files::read(path, files::MOST_TENSORS).map_err(|e| Failure::io("read", path, e))?;
        let file = SafeTensors::deserialize(&bytes).map_err(|e| Failure::io("read", path, e))?;
        let lists = file.iter().map(|(name, tensor)| {
            let values = tensor.data().as_chunks().0.iter();
            let values = values.map(|&bytes| f32::from_le_bytes(bytes)).collect();
            (name.to_owned(), values)
        });
        Ok(Self(lists.collect()))
    }
}

/// A list as safetensors sees it.
struct List<'a> {
    values: &'a [f32],
    shape: [usize; 1],
}

impl View for List<'_> {
    fn dtype(&self) -> Dtype {
        Dtype::F32
    }

    fn shape(&self) -> &[usize] {
        &self.shape
    }

    fn data(&self) -> Cow<'_, [u8]> {
        if cfg!(target_endian = "little") {
            Cow::Borrowed(bytemuck::cast_slice(self.values))
        } else {
            Cow::Owned(
                self.values
                    .iter()
                    .flat_map(|value| value.to_le_bytes())
                    .collect(),
            )
        }
    }

    fn data_len(&self) -> usize {
        size_of_val(self.values)
    }
}
