//! An optimizer's state, as stored in a checkpoint.

use dfdx::tensor::Storage;

use super::{Optimizer, OptimizerConfig};
use crate::{Backend, device_failed};

/// Name of the entry with every parameter's number of updates.
const STEPS: &str = "steps";

impl OptimizerConfig {
    /// Names of the buffers that are kept for each parameter.
    pub(super) fn buffer_names(&self) -> &'static [&'static str] {
        match self {
            Self::Adam { .. } | Self::AdamW { .. } => &["first_moment", "second_moment"],
            Self::RmsProp { .. } => &["mean_square", "velocity"],
            Self::Sgd { .. } => &["velocity"],
        }
    }
}

/// A stored state that does not fit the optimizer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the optimizer's state has {found} values in `{name}` where {expected} are expected")]
pub struct StateMismatch {
    pub name: String,
    pub found: usize,
    pub expected: usize,
}

impl<B: Backend> Optimizer<B> {
    /// Returns the whole state of the optimizer: `steps`, the number of updates of every parameter (exact
    /// below 2²⁴), and for each parameter, by its index in the list, its buffers, such as `first_moment.0` and
    /// `second_moment.0`.
    ///
    /// # Panics
    /// If the device fails.
    pub fn state(&self) -> Vec<(String, Vec<f32>)> {
        let mut state = vec![(
            STEPS.to_owned(),
            self.moments
                .iter()
                .map(|moments| moments.steps as f32)
                .collect(),
        )];
        for (index, moments) in self.moments.iter().enumerate() {
            for (name, buffer) in self.config.buffer_names().iter().zip(&moments.buffers) {
                let read = |device: &B| {
                    device
                        .read(buffer)
                        .unwrap_or_else(device_failed("reading a state"))
                };
                state.push((
                    format!("{name}.{index}"),
                    self.device.as_ref().map(read).unwrap_or_default(),
                ));
            }
        }
        state
    }

    /// Restores a state that [`Optimizer::state`] returned. Unknown names are ignored.
    ///
    /// # Errors
    /// If an entry is missing or has another length. The optimizer is then unchanged.
    ///
    /// # Panics
    /// If the device fails.
    pub fn restore(&mut self, state: &[(String, Vec<f32>)]) -> Result<(), StateMismatch> {
        let Some(device) = &self.device else {
            return Ok(());
        };
        let find = |name: String, expected: usize| {
            let values = state
                .iter()
                .find(|(found, _)| *found == name)
                .map_or(&[][..], |(_, values)| values);
            if values.len() == expected {
                Ok(values)
            } else {
                Err(StateMismatch {
                    name,
                    found: values.len(),
                    expected,
                })
            }
        };
        let steps = find(STEPS.to_owned(), self.moments.len())?;
        let mut found = Vec::new();
        for (index, moments) in self.moments.iter().enumerate() {
            for (name, buffer) in self.config.buffer_names().iter().zip(&moments.buffers) {
                found.push(find(
                    format!("{name}.{index}"),
                    Storage::<f32>::len(device, buffer),
                )?);
            }
        }
        let buffers = self
            .moments
            .iter_mut()
            .flat_map(|moments| &mut moments.buffers);
        for (values, buffer) in found.into_iter().zip(buffers) {
            device
                .write(values, buffer)
                .unwrap_or_else(device_failed("restoring a state"));
        }
        for (moments, &steps) in self.moments.iter_mut().zip(steps) {
            moments.steps = steps as u32;
        }
        Ok(())
    }
}
