//! Heat maps: which places of an image speak for a class, according to a classifier.
//!
//! A [`Method`] is what a pipeline declares; with the layers of a model, it becomes a [`Technique`]. The methods are
//! Grad-CAM (`grad_cam`), which needs one backward pass, and occlusion (`occlusion`), which needs many forward passes
//! and no gradients. They have nothing in common but the network, so one can check the other. [`overlay`] draws a
//! [`HeatMap`] on an image.
//!
//! Both measure the *logit* of a class: the network's output before sigmoid or softmax, and before calibration. With
//! one output unit, the logit of the second class is the output z, and that of the first class is −z.

mod grad_cam;
mod method;
mod occlusion;
mod overlay;
mod resample;
#[cfg(test)]
mod tests;

use contract::{Failure, ImageShape};
use ops::{Backend, Staged};

use crate::data::{Scale, planar};
use crate::nets::{Classifier, Feature, Head, Network};

pub use method::{LayerChoice, Method, Technique};
pub(crate) use overlay::colored;
pub use overlay::{MOST_OPACITY, Overlay, overlay};

/// A question to a classifier: which places of this image speak for this class?
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Height × width × channels bytes, of the shape that the model takes.
    pub image: &'a [u8],
    /// Index of the class.
    pub class: usize,
}

/// How much each place of an image speaks for a class, in units of the class's logit.
#[derive(Clone, Debug, PartialEq)]
pub struct HeatMap {
    /// Size in pixels: that of the images that the model takes.
    pub height: usize,
    pub width: usize,
    /// Row by row. Grad-CAM gives values of at least 0. Occlusion gives the drop of the logit if the place is hidden,
    /// so a place that speaks against the class has a negative value.
    pub values: Vec<f32>,
    /// Index of the class.
    pub class: usize,
    pub technique: Technique,
}

impl HeatMap {
    /// Returns the largest value, or 0 if no place speaks for the class.
    pub fn maximum(&self) -> f32 {
        self.values.iter().copied().fold(0.0, f32::max)
    }
}

impl<B: Backend> Classifier<B> {
    /// Computes heat maps, in the order of `targets`. At most `batch_size` images are computed at a time. `check` is
    /// called between batches.
    ///
    /// # Errors
    /// If the method does not fit the model, an image does not have the model's shape, a class does not exist, values
    /// are not finite, or `check` returns an error.
    pub fn heat_maps(
        &mut self,
        targets: &[Target<'_>],
        method: Method,
        batch_size: usize,
        check: &dyn Fn() -> Result<(), Failure>,
    ) -> Result<Vec<HeatMap>, Failure> {
        let (network, head) = self.parts();
        let technique = method.for_network(network.architecture());
        let technique = technique.map_err(|e| {
            let hint = e.hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            Failure::Data(format!("no heat map can be made: {}{hint}", e.message))
        })?;
        heat_maps(network, head, targets, technique, batch_size, check)
    }
}

/// Computes heat maps of a network, as [`Classifier::heat_maps`] does.
pub(crate) fn heat_maps<B: Backend>(
    network: &mut Network<B>,
    head: Head,
    targets: &[Target<'_>],
    technique: Technique,
    batch_size: usize,
    check: &dyn Fn() -> Result<(), Failure>,
) -> Result<Vec<HeatMap>, Failure> {
    let input = network.architecture().input;
    for target in targets {
        if target.image.len() != input.len() || target.class >= head.classes() {
            return Err(Failure::Internal(format!(
                "an image of {} bytes and class {} do not fit a model of {} classes for images of {input}",
                target.image.len(),
                target.class,
                head.classes()
            )));
        }
    }
    let mut maps = Vec::with_capacity(targets.len());
    for batch in targets.chunks(batch_size.max(1)) {
        let values = match technique {
            Technique::GradCam { layer } => {
                check()?;
                grad_cam::maps(network, head, batch, layer)
            }
            Technique::Occlusion { size, stride } => {
                let patches = occlusion::Patches { size, stride };
                let map =
                    |target| occlusion::map(network, head, target, patches, batch_size, check);
                batch.iter().map(map).collect::<Result<_, _>>()?
            }
        };
        maps.extend(
            values
                .into_iter()
                .zip(batch)
                .map(|(values, target)| HeatMap {
                    height: input.height,
                    width: input.width,
                    values,
                    class: target.class,
                    technique,
                }),
        );
    }
    let is_finite = |map: &HeatMap| map.values.iter().all(|value| value.is_finite());
    match maps.iter().position(|map| !is_finite(map)) {
        Some(at) => Err(Failure::Data(format!(
            "heat map {} of {} has values that are not finite: the model's weights are unusable",
            at + 1,
            maps.len()
        ))),
        None => Ok(maps),
    }
}

/// Returns the derivatives of the logit of `class` with respect to the network's outputs.
fn logit_weights(head: Head, class: usize) -> Vec<f32> {
    match head {
        Head::Sigmoid => vec![if class == 1 { 1.0 } else { -1.0 }],
        Head::Softmax(classes) => (0..classes)
            .map(|c| f32::from(u8::from(c == class)))
            .collect(),
    }
}

/// Returns the logit of `class`, given the network's outputs for an image.
fn logit(head: Head, class: usize, outputs: &[f32]) -> f32 {
    match head {
        Head::Sigmoid if class == 1 => outputs[0],
        Head::Sigmoid => -outputs[0],
        Head::Softmax(_) => outputs[class],
    }
}

/// Returns memory for a batch of images of a network's input.
fn staged<B: Backend>(device: &B, images: usize, input: Feature) -> Staged<B> {
    Staged::new(device, (images, input.channels, input.height, input.width))
}

/// Converts the bytes of an image to a network's input, as in training.
fn fill(image: &[u8], channels: usize, to: &mut [f32]) {
    planar(image, channels, Scale::Unit, to);
}

/// Returns the shape of the images that a network takes.
fn image_shape(input: Feature) -> ImageShape {
    ImageShape {
        height: input.height,
        width: input.width,
        channels: input.channels,
    }
}
