//! Weights of other models, from which a training starts.

mod file;
mod load;
mod names;
#[cfg(test)]
mod tests;

use std::path::PathBuf;

use contract::{Accepts, ArtifactType, Input, Invalid, Segment, Source, Text, Usage};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::nets::LayerNumbers;

pub(crate) use load::{LOADED_FILE, Loaded, load};
pub(crate) use names::Rename;

/// Role of the input with the weights to start from, and name of the parameter about them.
pub(crate) const INITIAL: &str = "initial";

pub(crate) const INPUT: Input = Input {
    role: INITIAL,
    accepts: Accepts(&[
        ArtifactType::Model,
        ArtifactType::Weights,
        ArtifactType::Files,
    ]),
    many: false,
    optional: true,
    usage: Usage::Inherits,
    doc: "weights from which training starts: a model or a discriminator of another stage, or one safetensors or ONNX file \
          of a program",
};

/// The weights from which the training of a network starts.
pub(crate) struct Start<'a> {
    /// Role of the input with the weights, and name of the parameter about them.
    pub name: &'static str,
    pub params: Option<&'a Initial>,
    /// The classes that the network distinguishes, if it is a classifier.
    pub classes: Option<&'a [String]>,
}

/// The weights from which training starts, and how they are found.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(inline)]
pub struct Initial {
    /// Safetensors file, ONNX file, or folder that `runner export` wrote, in place of the input of the same name; relative
    /// to the working directory. Pickles (`.pth`, `.pt`) are refused, because they can contain programs.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub path: Option<PathBuf>,
    /// Rules that turn the names of tensors in the file into those of this network, as in docs/fine-tuning.md. Each name is
    /// changed by the first rule that fits it. The names of PyTorch's parts, such as `running_mean`, need no rules.
    #[serde(default)]
    pub names: Vec<Rename>,
    /// Layers that start with new weights. All others must be in the file, with the same shapes.
    #[serde(default)]
    pub fresh: LayerNumbers,
}

impl Initial {
    /// Checks the rules, and the layers against a network of so many layers. `name` is that of the parameter and of the
    /// input in whose place it can be.
    pub fn check(&self, name: &str, layers: usize, has_input: bool) -> Result<(), Invalid> {
        self.check_parts(name, layers, has_input)
            .map_err(|error| error.under(name))
    }

    fn check_parts(&self, name: &str, layers: usize, has_input: bool) -> Result<(), Invalid> {
        if self.path.is_some() && has_input {
            return Err(Invalid::new(format!(
                "both the input `{name}` and `path` give weights to start from"
            ))
            .hint("remove one of them")
            .under("path"));
        }
        if self.path.is_none() && !has_input {
            return Err(
                Invalid::new("there are no weights to start from").hint(format!(
                    "connect the input `{name}`, or set `path` to a file"
                )),
            );
        }
        for (index, rename) in self.names.iter().enumerate() {
            let checked = rename.rule();
            checked.map_err(|error| error.at(index).under("names"))?;
        }
        self.fresh.check(layers).map_err(|e| e.under("fresh"))
    }
    /// Returns the file or folder that the parameter `name` gives.
    pub fn source(&self, name: &str) -> Option<Source> {
        let place = [name, "path"].map(|key| Segment::Key(key.to_owned()));
        let path = self.path.as_ref()?;
        Some(Source::new(place.to_vec(), path))
    }
}
