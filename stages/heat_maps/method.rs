//! [`Method`]: how heat maps are computed, as a pipeline declares it.

use std::fmt;

use contract::{ImageShape, Invalid, bare_name, ranges};
use schemars::JsonSchema;
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize, Serializer};

use super::image_shape;
use crate::nets::Architecture;

/// Most layers, or pixels on a side, that parameters can express.
const LARGEST: usize = 1 << 20;

/// Number of patches that fit side by side along the shorter side of an image, by default.
const PATCHES: usize = 8;

/// Method by which heat maps are computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[schemars(rename = "HeatMapMethod", transform = bare_name::allow)]
pub enum Method {
    /// Grad-CAM (Selvaraju et al., 2017): the channels of a convolutional layer's output, weighted by the mean
    /// gradient of the class's logit, without negative sums.
    GradCam {
        /// The layer: its position in the list of layers, from 1, or `last` for the last convolutional one.
        #[serde(default)]
        layer: LayerChoice,
    },
    /// Occlusion (Zeiler and Fergus, 2014): the drop of the class's logit if a square patch is painted with the
    /// image's mean color. A pixel gets the mean over all patches that cover it.
    Occlusion {
        /// Side of the patch. By default, an eighth of the image's shorter side.
        #[serde(default)]
        #[schemars(range(min = 1, max = LARGEST), extend("x-unit" = "pixels"))]
        size: Option<usize>,
        /// Distance between patches; at most `size`. By default, half of `size`.
        #[serde(default)]
        #[schemars(range(min = 1, max = LARGEST), extend("x-unit" = "pixels"))]
        stride: Option<usize>,
    },
}

impl Default for Method {
    fn default() -> Self {
        Self::GradCam {
            layer: LayerChoice::Last,
        }
    }
}

/// A convolutional layer of a model.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[schemars(untagged, inline)]
pub enum LayerChoice {
    /// The last convolutional layer whose output has more than one pixel.
    #[default]
    #[schemars(extend("type" = "string", "const" = "last"))]
    Last,
    /// The layer at this position, from 1.
    Number(#[schemars(range(min = 1, max = LARGEST))] usize),
}

/// A method that fits a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Technique {
    /// `layer` is the number of a convolutional layer, from 1.
    GradCam { layer: usize },
    /// Side of the patch, and distance between patches, in pixels.
    Occlusion { size: usize, stride: usize },
}

impl fmt::Display for Technique {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::GradCam { layer } => write!(f, "Grad-CAM of layer {layer}"),
            Self::Occlusion { size, stride } => {
                write!(
                    f,
                    "occlusion by patches of {size}×{size} pixels, {stride} apart"
                )
            }
        }
    }
}

impl Method {
    /// Checks the parameters without a model. The path of an error starts at the name of the method.
    pub fn check(self) -> Result<(), Invalid> {
        let Self::Occlusion { size, stride } = self else {
            return Ok(());
        };
        for (name, value) in [("size", size), ("stride", stride)] {
            let value = value.unwrap_or(1);
            ranges::whole(name, value, 1, LARGEST).map_err(|e| e.under("occlusion"))?;
        }
        Ok(())
    }

    /// Returns the method for a network.
    ///
    /// # Errors
    /// See [`Method::for_model`].
    pub fn for_network(self, network: &Architecture) -> Result<Technique, Invalid> {
        let image = image_shape(network.input);
        self.for_model(image, network.layers.len(), &network.convolutions())
    }

    /// Returns the method for a model that takes images of shape `image` and has this number of layers. `convolutions`
    /// are the numbers, from 1 and in order, of the convolutional layers whose output has more than one pixel.
    ///
    /// # Errors
    /// If the layer does not exist or is not one of `convolutions`, or a patch does not fit the image. The path of the
    /// error starts at the name of the method.
    pub fn for_model(
        self,
        image: ImageShape,
        layers: usize,
        convolutions: &[usize],
    ) -> Result<Technique, Invalid> {
        match self {
            Self::GradCam { layer } => layer
                .find(layers, convolutions)
                .map(|layer| Technique::GradCam { layer })
                .map_err(|e| e.under("grad_cam")),
            Self::Occlusion { size, stride } => {
                patches(size, stride, image).map_err(|e| e.under("occlusion"))
            }
        }
    }
}

impl LayerChoice {
    /// Returns the number of the layer.
    fn find(self, layers: usize, convolutions: &[usize]) -> Result<usize, Invalid> {
        let Some(&last) = convolutions.last() else {
            return Err(Invalid::new(
                "Grad-CAM needs a convolutional layer whose output has more than one pixel, and the model has none",
            )
            .hint("use the method `occlusion`"));
        };
        let number = match self {
            Self::Last => return Ok(last),
            Self::Number(number) if convolutions.contains(&number) => return Ok(number),
            Self::Number(number) => number,
        };
        let message = if (1..=layers).contains(&number) {
            format!(
                "layer {number} of the model is not a convolutional layer whose output has more than one pixel"
            )
        } else {
            format!(
                "`layer` is {number}, but the layers of the model have the numbers 1 to {layers}"
            )
        };
        let numbers: Vec<String> = convolutions.iter().map(usize::to_string).collect();
        Err(Invalid::new(message)
            .hint(format!(
                "use `last`, or one of these layers: {}",
                numbers.join(", ")
            ))
            .under("layer"))
    }
}

/// Fills in the defaults of occlusion, and checks that patches fit the image and leave no gaps.
fn patches(
    size: Option<usize>,
    stride: Option<usize>,
    image: ImageShape,
) -> Result<Technique, Invalid> {
    let shorter = image.height.min(image.width);
    let size = size.unwrap_or_else(|| (shorter / PATCHES).max(1));
    if !(1..=shorter).contains(&size) {
        return Err(Invalid::new(format!(
            "`size` is {size}; it must be between 1 and {shorter}, the shorter side of the images"
        ))
        .under("size"));
    }
    let stride = stride.unwrap_or_else(|| (size / 2).max(1));
    if !(1..=size).contains(&stride) {
        return Err(Invalid::new(format!(
            "`stride` is {stride}; it must be between 1 and {size}, the size of a patch"
        ))
        .hint("a larger stride would leave gaps between the patches")
        .under("stride"));
    }
    Ok(Technique::Occlusion { size, stride })
}

impl Serialize for LayerChoice {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Last => serializer.serialize_str("last"),
            Self::Number(number) => serializer.serialize_u64(*number as u64),
        }
    }
}

impl<'de> Deserialize<'de> for LayerChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Read;

        impl Visitor<'_> for Read {
            type Value = LayerChoice;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`last` or the number of a layer, from 1")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<LayerChoice, E> {
                match text {
                    "last" => Ok(LayerChoice::Last),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_u64<E: de::Error>(self, number: u64) -> Result<LayerChoice, E> {
                match usize::try_from(number) {
                    Ok(number @ 1..=LARGEST) => Ok(LayerChoice::Number(number)),
                    _ => Err(E::invalid_value(de::Unexpected::Unsigned(number), &self)),
                }
            }
        }

        deserializer.deserialize_any(Read)
    }
}
