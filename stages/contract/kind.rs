//! [`KindInfo`]: the description of a stage kind and its ports.

use super::{Accepts, ArtifactType, MetricInfo};

/// An input port.
#[derive(Clone, Copy, Debug)]
pub struct Input {
    pub role: &'static str,
    pub accepts: Accepts,
    /// `true` if the port takes several artifacts (a fan-in), in the order in which the pipeline lists them.
    pub many: bool,
    pub optional: bool,
    pub usage: Usage,
    pub doc: &'static str,
}

/// Purpose for which a stage uses an input. From the usages of all inputs, the engine finds models that are
/// measured on images that they were trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Usage {
    /// Fits weights to these images.
    Trains,
    /// Selects something with these images, such as an epoch or a threshold.
    Selects,
    /// Measures a model on these images.
    Measures,
    /// Passes these images on, perhaps changed.
    Forwards,
    /// Builds on a model or generator, and so on the images that it was trained on.
    Inherits,
    /// Only compares these images with others.
    Compares,
}

/// An output port. If [`KindInfo::has_primary`], the first one of a kind is its *primary* output: a reference to a
/// stage by name alone means this port.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    pub port: &'static str,
    pub yields: ArtifactType,
    pub doc: &'static str,
    /// The metrics that it may contain, the most important ones first.
    pub metrics: &'static [MetricInfo],
}

/// Everything that the engine knows about a stage kind.
#[derive(Clone, Copy, Debug)]
pub struct KindInfo {
    pub name: &'static str,
    /// Increased whenever the same parameters and inputs give other results.
    pub version: u32,
    pub doc: &'static str,
    pub inputs: &'static [Input],
    pub outputs: &'static [Output],
    /// `true` if a reference to a stage of this kind may omit the port. False where no output is the obvious one, as
    /// with a dataset's `train` and `test`.
    pub has_primary: bool,
    /// Parameters that take a list of layers, or the name of a model under `models:`.
    pub model_params: &'static [&'static str],
    /// Dotted paths of parameters that take text, as `source.folder.path`. A number or boolean at or below
    /// such a path reaches the stage as text with its original spelling (`3.10`, `+5`).
    pub text_params: &'static [&'static str],
    /// Parameter that names the positive class among the classes of the images that the stage measures on. If a stage
    /// does not set it, it gets the value of the pipeline's `positive`.
    pub positive_param: Option<&'static str>,
    /// Parameter that takes a [`Fold`](super::Fold), if stages of this kind can divide images into the parts of a
    /// cross-validation. If a stage does not set it, it gets the fold of its copy of the pipeline.
    pub fold_param: Option<&'static str>,
    /// `true` if each stage declares its ports itself: inputs of any role, which take any artifacts, and the outputs
    /// that [`Stage::outputs`](super::Stage::outputs) returns.
    pub declares_ports: bool,
    /// `true` if stages of this kind compute with tensors, on the CPU or on a GPU. The device is then part of their
    /// key.
    pub computes: bool,
}

/// An output port of a stage, declared by its kind or by the stage itself.
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
