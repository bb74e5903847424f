//! Reads the tensors of files that other programs wrote: safetensors and ONNX. Formats that can contain programs, such
//! as Python's pickle, are never opened.

use std::path::Path;

use contract::files;
use half::{bf16, f16};
use prost::Message;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

/// A tensor of a file.
#[derive(Debug, PartialEq)]
pub(super) struct Stored {
    pub name: String,
    pub dimensions: Vec<usize>,
    /// The values, or the reason why they cannot be used as weights.
    pub values: Result<Vec<f32>, String>,
}

/// Reads all tensors of the file at `path`.
///
/// # Errors
/// If the file cannot be read, is damaged or has another format.
pub(super) fn read(path: &Path) -> Result<Vec<Stored>, String> {
    let bytes = files::read(path, files::MOST_TENSORS).map_err(|error| error.to_string())?;
    if is_pickle(&bytes) {
        return Err(
            "it is a pickle or a ZIP archive, such as PyTorch writes. It could run programs, so it is not opened: \
             save the tensors as safetensors (docs/fine-tuning.md shows how)"
                .to_owned(),
        );
    }
    match has_safetensors_header(&bytes) {
        true => safetensors(&bytes),
        false => onnx(&bytes),
    }
}

/// Returns whether a file begins like a pickle of protocol 2 to 5, or like a ZIP archive.
fn is_pickle(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || matches!(bytes, [0x80, 2..=5, ..])
}

/// Returns whether a file begins with a length and a JSON object, as safetensors do.
fn has_safetensors_header(bytes: &[u8]) -> bool {
    matches!(bytes, [_, _, _, _, _, _, 0, 0, b'{', ..])
}

fn safetensors(bytes: &[u8]) -> Result<Vec<Stored>, String> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|error| format!("it is damaged, or no safetensors file: {error}"))?;
    let tensors = file.tensors().into_iter();
    let mut stored: Vec<Stored> = tensors
        .map(|(name, view)| Stored {
            name,
            dimensions: view.shape().to_vec(),
            values: floats(&view),
        })
        .collect();
    // The crate lists tensors in the order of a hash map.
    stored.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(stored)
}

fn floats(view: &TensorView<'_>) -> Result<Vec<f32>, String> {
    let bytes = view.data();
    match view.dtype() {
        Dtype::F32 => Ok(values(bytes, f32::from_le_bytes)),
        Dtype::F64 => Ok(values(bytes, |bytes| f64::from_le_bytes(bytes) as f32)),
        Dtype::F16 => Ok(values(bytes, |bytes| f16::from_le_bytes(bytes).to_f32())),
        Dtype::BF16 => Ok(values(bytes, |bytes| bf16::from_le_bytes(bytes).to_f32())),
        other => Err(format!("its values are {other:?}")),
    }
}

fn values<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|&bytes| value(bytes))
        .collect()
}

/// The parts of an ONNX file that have weights. Numbers of the fields are those of `onnx.proto3`.
#[derive(Clone, PartialEq, Message)]
struct Model {
    #[prost(int64, tag = "1")]
    ir_version: i64,
    #[prost(message, optional, tag = "7")]
    graph: Option<Graph>,
}

#[derive(Clone, PartialEq, Message)]
struct Graph {
    /// Each is a [`Tensor`]. They are decoded one by one, because an empty one takes two bytes in the file and a hundred
    /// in memory.
    #[prost(bytes = "vec", repeated, tag = "5")]
    initializer: Vec<Vec<u8>>,
}

#[derive(Clone, PartialEq, Message)]
struct Tensor {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(float, repeated, tag = "4")]
    float_data: Vec<f32>,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(bytes = "vec", tag = "9")]
    raw_data: Vec<u8>,
    #[prost(double, repeated, tag = "10")]
    double_data: Vec<f64>,
    /// 1 if the values are in another file.
    #[prost(int32, tag = "14")]
    data_location: i32,
}

fn onnx(bytes: &[u8]) -> Result<Vec<Stored>, String> {
    let other = "it is no safetensors file and no ONNX file, or it is damaged";
    let model = Model::decode(bytes).map_err(|_| other.to_owned())?;
    let graph = model.graph.filter(|_| model.ir_version > 0);
    let tensors = graph.ok_or(other)?.initializer;
    let mut stored = Vec::with_capacity(tensors.len());
    for bytes in tensors {
        let tensor =
            Tensor::decode(bytes.as_slice()).map_err(|error| format!("it is damaged: {error}"))?;
        stored.push(tensor.stored()?);
    }
    Ok(stored)
}

impl Tensor {
    fn stored(self) -> Result<Stored, String> {
        let dims = self.dims.iter().map(|&dim| usize::try_from(dim));
        let dimensions: Vec<usize> = dims
            .collect::<Result<_, _>>()
            .map_err(|_| format!("the tensor `{}` has a negative dimension", self.name))?;
        let len = dimensions
            .iter()
            .try_fold(1_usize, |len, &dim| len.checked_mul(dim));
        let values = self.values();
        match &values {
            Ok(values) if Some(values.len()) != len => Err(format!(
                "the tensor `{}` has {} values, which do not fit its dimensions {dimensions:?}",
                self.name,
                values.len()
            )),
            _ => Ok(Stored {
                name: self.name,
                dimensions,
                values,
            }),
        }
    }

    fn values(&self) -> Result<Vec<f32>, String> {
        let raw = self.raw_data.as_slice();
        match self.data_type {
            _ if self.data_location == 1 => Err("its values are in another file".to_owned()),
            1 if raw.is_empty() => Ok(self.float_data.clone()),
            1 => Ok(values(raw, f32::from_le_bytes)),
            11 if raw.is_empty() => Ok(self.double_data.iter().map(|&v| v as f32).collect()),
            11 => Ok(values(raw, |bytes| f64::from_le_bytes(bytes) as f32)),
            10 if !raw.is_empty() => Ok(values(raw, |bytes| f16::from_le_bytes(bytes).to_f32())),
            16 if !raw.is_empty() => Ok(values(raw, |bytes| bf16::from_le_bytes(bytes).to_f32())),
            other => Err(format!("its values are of ONNX's type {other}")),
        }
    }
}
