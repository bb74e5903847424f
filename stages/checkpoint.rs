//! The checkpoint format of all stages that train: a JSON file with the state of the training, and a file with
//! the named tensors of networks and optimizers.
//!
//! Random numbers need no state: every stream is a function of seed, purpose, epoch and step.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use contract::{Artifact, Context, Failure, Position, files, json};
use dfdx::shapes::{HasShape, Shape};
use ops::optimizer::Optimizer;
use ops::{self, Backend};
use safetensors::tensor::{Dtype, SafeTensors, View};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::nets::Network;

const STATE_FILE: &str = "training.json";
const TENSORS_FILE: &str = "tensors.safetensors";

/// Resumes from the furthest checkpoint of the context that `resume` accepts, and reports its position. If
/// `resume` rejects every checkpoint, reports why it rejected the first.
pub(crate) fn resume_furthest<T>(
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
pub(crate) fn read<S: DeserializeOwned>(checkpoint: &Artifact) -> Result<(S, Tensors), String> {
    let read = || {
        let state = json::read(checkpoint.file(STATE_FILE)?)?;
        Ok((state, Tensors::read(checkpoint.file(TENSORS_FILE)?)?))
    };
    read().map_err(|failure: Failure| failure.to_string())
}

/// Writes the state of a training and its tensors into `folder`.
pub(crate) fn write<S: Serialize>(
    state: &S,
    tensors: &Tensors,
    folder: &Path,
) -> Result<(), Failure> {
    tensors.write(&folder.join(TENSORS_FILE))?;
    json::write(&folder.join(STATE_FILE), state)
}

/// Returns an error if `position` is after the last of `epochs` epochs.
pub(crate) fn check_reach(position: Position, epochs: usize) -> Result<(), String> {
    if position > Position::after(epochs) {
        return Err(format!(
            "the checkpoint is from {position}, but `epochs` is {epochs}"
        ));
    }
    Ok(())
}

/// Named lists of numbers. A name begins with its owner: `network.0.conv.weight`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Tensors(BTreeMap<String, Vec<f32>>);

/// Error for a checkpoint that does not fit the network or optimizer.
#[derive(Debug, thiserror::Error)]
#[error("the checkpoint does not match this training: {0}")]
pub(crate) struct Unfit(String);

impl Tensors {
    /// Adds a list as `name`.
    pub(crate) fn insert(&mut self, name: &str, values: Vec<f32>) {
        self.0.insert(name.to_owned(), values);
    }

    /// Removes the list `name` and returns it.
    pub(crate) fn take(&mut self, name: &str) -> Result<Vec<f32>, Unfit> {
        self.0
            .remove(name)
            .ok_or_else(|| Unfit(format!("`{name}` is missing")))
    }

    /// Removes the list `name`, which must have `len` values, and returns it.
    pub(crate) fn take_len(&mut self, name: &str, len: usize) -> Result<Vec<f32>, Unfit> {
        let values = self.take(name)?;
        if values.len() == len {
            return Ok(values);
        }
        Err(Unfit(format!(
            "`{name}` has {} values instead of {len}",
            values.len()
        )))
    }

    /// Adds everything that training changes in `network`, under `owner`.
    pub(crate) fn insert_network<B: Backend>(&mut self, owner: &str, network: &Network<B>) {
        for (name, tensor) in network.state() {
            self.insert(&format!("{owner}.{name}"), ops::to_host(tensor));
        }
    }

    /// Adds the state of `optimizer`, under `owner`.
    pub(crate) fn insert_optimizer<B: Backend>(&mut self, owner: &str, optimizer: &Optimizer<B>) {
        for (name, values) in optimizer.state() {
            self.insert(&format!("{owner}.{name}"), values);
        }
    }

    /// Sets `network` to the state that is stored under `owner`. This replaces its parameter tensors, so an
    /// optimizer for it must be created afterwards.
    ///
    /// # Errors
    /// If a list is missing or has another size. In this case, `network` is unchanged.
    pub(crate) fn restore_network<B: Backend>(
        &mut self,
        owner: &str,
        network: &mut Network<B>,
    ) -> Result<(), Unfit> {
        let mut found = Vec::new();
        for (name, tensor) in network.state() {
            let len = tensor.shape().num_elements();
            found.push(self.take_len(&format!("{owner}.{name}"), len)?);
        }
        network.set_state(found);
        Ok(())
    }

    /// Sets `optimizer` to the state that is stored under `owner`.
    ///
    /// # Errors
    /// If a list is missing or has another size. In this case, `optimizer` is unchanged.
    pub(crate) fn restore_optimizer<B: Backend>(
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

    /// Writes all lists to `path`, as safetensors.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Failure> {
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
    pub(crate) fn read(path: &Path) -> Result<Self, Failure> {
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

/// A list in the form that safetensors expects.
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
