//! What the engine knows of a stage kind.

use super::ArtifactType;

/// An input port.
#[derive(Clone, Copy, Debug)]
pub struct Input {
    pub role: &'static str,
    pub accepts: ArtifactType,
    /// Whether the port takes more than one artifact (a fan-in), in the order they are written.
    pub many: bool,
    pub optional: bool,
    pub usage: Usage,
    pub doc: &'static str,
}

/// How a stage uses an input: what decides whether a model is measured on images that it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Fits weights to these images.
    Trains,
    /// Chooses by these images: an epoch, a threshold.
    Selects,
    /// Measures a model on these images.
    Measures,
    /// Gives these images out again, perhaps changed.
    Forwards,
    /// Builds on a model or generator, and so on whatever that was trained on.
    Inherits,
    /// Only compares these images with others.
    Compares,
}

/// An output port. The first of a kind is its *primary* one, meant where a stage is referred to by
/// its name alone.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    pub port: &'static str,
    pub yields: ArtifactType,
    pub doc: &'static str,
}

/// All that the engine knows of a stage kind.
#[derive(Clone, Copy, Debug)]
pub struct KindInfo {
    pub name: &'static str,
    /// Raised whenever the same parameters and inputs give other results.
    pub version: u32,
    pub doc: &'static str,
    pub inputs: &'static [Input],
    pub outputs: &'static [Output],
    /// Whether a stage of this kind may be named without a port (false where no output is the
    /// obvious one, as with a dataset's `train` and `test`).
    pub has_primary: bool,
    /// Parameters that take a list of layers, or the name of one under `models:`.
    pub model_params: &'static [&'static str],
    /// Parameters that take text, and all below them: a number or boolean that is written there reaches
    /// the stage as a text with its spelling (`3.10`, `+5`). A path is dotted, as `source.folder.path`.
    pub text_params: &'static [&'static str],
    /// Whether each stage declares its ports itself: inputs of any role, which take any artifacts, and
    /// the outputs that [`Stage::outputs`](super::Stage::outputs) names.
    pub declares_ports: bool,
    /// Whether stages of this kind compute with tensors, on the CPU or on a GPU: then the device is in
    /// their key.
    pub computes: bool,
}

/// An output port of a stage, as its kind or the stage itself has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Port {
    pub name: String,
    pub yields: ArtifactType,
}

impl From<&Output> for Port {
    fn from(output: &Output) -> Self {
        Self {
            name: output.port.to_owned(),
            yields: output.yields,
        }
    }
}
