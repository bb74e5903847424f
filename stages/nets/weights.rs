//! Reads and writes weights as safetensors files.

use std::path::Path;

use contract::{Failure, files};
use dfdx::shapes::HasShape;
use ops::{self, Backend, Tensor4};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::architecture::Architecture;
use super::network::Network;

fn dimensions<B: Backend>(tensor: &Tensor4<B>) -> [usize; 4] {
    (*tensor.shape()).into()
}

/// Writes the whole state of `network` to `path`.
pub fn write_weights<B: Backend>(network: &Network<B>, path: &Path) -> Result<(), Failure> {
    let tensors: Vec<(String, [usize; 4], Vec<u8>)> = network
        .state()
        .into_iter()
        .map(|(name, tensor)| {
            let bytes = ops::to_host(tensor)
                .iter()
                .flat_map(|value| value.to_le_bytes())
                .collect();
            (name, dimensions(tensor), bytes)
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        let view =
            TensorView::new(Dtype::F32, shape.to_vec(), bytes).expect("each value has four bytes");
        (name.as_str(), view)
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

/// Fills `network` from the file at `path`, which must contain exactly its state.
pub fn read_weights<B: Backend>(network: &mut Network<B>, path: &Path) -> Result<(), Failure> {
    let bytes = files::read(path, files::MOST_TENSORS).map_err(|e| Failure::io("read", path, e))?;
    let file = SafeTensors::deserialize(&bytes).map_err(|e| Failure::io("read", path, e))?;
    let device = network.device().clone();
    let state = network.state_mut();
    if file.len() != state.len() {
        let message = format!(
            "it has {} tensors, but the architecture has {}",
            file.len(),
            state.len()
        );
        return Err(Failure::io("use", path, message));
    }
    for (name, tensor) in state {
        let stored = file
            .tensor(&name)
            .map_err(|e| Failure::io("use", path, e))?;
        let shape = dimensions(tensor);
        if stored.dtype() != Dtype::F32 || stored.shape() != shape {
            let message = format!(
                "tensor `{name}` is {:?} with shape {:?}, not F32 with shape {shape:?}",
                stored.dtype(),
                stored.shape()
            );
            return Err(Failure::io("use", path, message));
        }
        let values = stored
            .data()
            .as_chunks()
            .0
            .iter()
            .map(|&bytes| f32::from_le_bytes(bytes))
            .collect();
        *tensor = ops::from_host(&device, values, shape.into());
    }
    Ok(())
}
