//! Grad-CAM (Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization",
//! ICCV 2017).
//!
//! Let Aᵏ be channel k of a convolutional layer's output, after the layer's activation, with Z pixels, and y the logit
//! of a class. With αₖ = (1/Z) Σᵢⱼ ∂y/∂Aᵏᵢⱼ, the map is max(0, Σₖ αₖ Aᵏ), enlarged bilinearly to the image. As in
//! [`Mode::Predict`](crate::nets::Mode::Predict), batch normalization uses running statistics, so the maps of a batch
//! do not depend on each other.

use dfdx::shapes::HasShape;
use dfdx::tensor::Trace;
use ops::{Backend, to_host, vector_jacobian};
use rayon::prelude::*;

use super::resample::resample;
use super::{Target, fill, logit_weights, staged};
use crate::nets::{Head, Mode, Network};

/// Returns the maps of a batch, each of the size of the network's input. `layer` is the number of a layer, from 1.
pub(super) fn maps<B: Backend>(
    network: &mut Network<B>,
    head: Head,
    batch: &[Target<'_>],
    layer: usize,
) -> Vec<Vec<f32>> {
    let input = network.architecture().input;
    let mut images = staged(network.device(), batch.len(), input);
    images
        .par_chunks_exact_mut(input.len())
        .zip(batch)
        .for_each(|(to, target)| fill(target.image, input.channels, to));
    let output = network.forward_to(images.upload(), layer - 1);
    let logits = network.forward_from(output.leaky_trace(), layer - 1, Mode::Predict);
    let weights = batch
        .iter()
        .flat_map(|target| logit_weights(head, target.class));
    let gradients = vector_jacobian(logits, weights.collect());
    let (_, channels, height, width) = *output.shape();
    let (output, gradient) = (to_host(&output), to_host(&gradients.get(&output)));
    let of_image = channels * height * width;
    let images = output
        .par_chunks_exact(of_image)
        .zip(gradient.par_chunks_exact(of_image));
    images
        .map(|(output, gradient)| {
            let map = weighted(output, gradient, height * width);
            resample(&map, (height, width), (input.height, input.width))
        })
        .collect()
}

/// Returns max(0, Σₖ αₖ Aᵏ) of channels with `pixels` pixels each.
fn weighted(output: &[f32], gradient: &[f32], pixels: usize) -> Vec<f32> {
    let mut sums = vec![0.0; pixels];
    let channels = output
        .chunks_exact(pixels)
        .zip(gradient.chunks_exact(pixels));
    for (output, gradient) in channels {
        let sum: f64 = gradient.iter().copied().map(f64::from).sum();
        let weight = sum / pixels as f64;
        for (sum, &value) in sums.iter_mut().zip(output) {
            *sum += weight * f64::from(value);
        }
    }
    // `f64::max` would turn NaN into 0.
    let positive = |sum: f64| if sum < 0.0 { 0.0 } else { sum as f32 };
    sums.into_iter().map(positive).collect()
}
