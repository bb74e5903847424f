//! Reads and writes weights as safetensors files. docs/models.md describes the format for other programs.

use std::path::Path;

use contract::{Failure, files};
use dfdx::shapes::HasShape;
use ops::{self, Backend};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::architecture::Architecture;
use super::network::Network;
use super::parameters::StateTensor;

/// Writes the whole state of `network` to `path`.
pub fn write_weights<B: Backend>(network: &Network<B>, path: &Path) -> Result<(), Failure> {
    let state = network.state().into_iter();
    let contents: Vec<Vec<u8>> = state
        .map(|(_, tensor)| {
            let values = ops::to_host(tensor);
            values.iter().flat_map(|v| v.to_le_bytes()).collect()
        })
        .collect();
    let described = network.architecture().state();
    let views = described.iter().zip(&contents).map(|(tensor, bytes)| {
        let view = TensorView::new(Dtype::F32, tensor.dimensions.clone(), bytes);
        (
            tensor.name.as_str(),
            view.expect("each value has four bytes"),
        )
    });
    let bytes = safetensors::serialize(views, None).map_err(|e| Failure::io("write", path, e))?;
    std::fs::write(path, bytes).map_err(|e| Failure::io("write", path, e))
}

/// Checks that the file at `path` is large enough for the weights of `architecture`, before any memory is
/// allocated for them.
pub(super) fn check_size(architecture: &Architecture, path: &Path) -> Result<(), Failure> {
    let bytes = std::fs::metadata(path)
        .map_err(|e| Failure::io("read", path, e))?
        .len();
    let numbers = architecture.state_len();
    if bytes / 4 < numbers {
        let message = format!("{bytes} bytes are too few for the {numbers} weights of its layers");
        return Err(Failure::io("use", path, message));
    }
    Ok(())
}

/// Reads the file at `path`, which must contain exactly the tensors of `architecture`, with finite values. Returns the
/// values of each tensor, in the order of [`Architecture::state`].
pub fn read_tensors(
    architecture: &Architecture,
    path: &Path,
) -> Result<Vec<(StateTensor, Vec<f32>)>, Failure> {
    let unusable = |why: &dyn std::fmt::Display| Failure::io("use", path, why);
    check_size(architecture, path)?;
    let bytes = files::read(path, files::MOST_TENSORS).map_err(|e| Failure::io("read", path, e))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| Failure::io("read", path, e))?;
    let state = architecture.state();
    if file.len() != state.len() {
        let message = format!(
            "it has {} tensors, but the architecture has {}",
            file.len(),
            state.len()
        );
        return Err(unusable(&message));
    }
    let read = |tensor: StateTensor| {
        let StateTensor { name, dimensions } = &tensor;
        let stored = file.tensor(name).map_err(|e| unusable(&e))?;
        if stored.dtype() != Dtype::F32 || stored.shape() != dimensions {
            let message = format!(
                "tensor `{name}` is {:?} with shape {:?}, not F32 with shape {dimensions:?}",
                stored.dtype(),
                stored.shape()
            );
            return Err(unusable(&message));
        }
        let values = stored.data().as_chunks().0.iter();
        let values: Vec<f32> = values.map(|&bytes| f32::from_le_bytes(bytes)).collect();
        if let Some(place) = values.iter().position(|value| !value.is_finite()) {
            let message = format!("value {place} of tensor `{name}` is {}", values[place]);
            return Err(unusable(&message));
        }
        Ok((tensor, values))
    };
    state.into_iter().map(read).collect()
}

/// Fills `network` from the file at `path`, which must contain exactly its state.
pub fn read_weights<B: Backend>(network: &mut Network<B>, path: &Path) -> Result<(), Failure> {
    let tensors = read_tensors(network.architecture(), path)?;
    let device = network.device().clone();
    for ((_, tensor), (_, values)) in network.state_mut().into_iter().zip(tensors) {
        *tensor = ops::from_host(&device, values, *tensor.shape());
    }
    Ok(())
}
