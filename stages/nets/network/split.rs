//! Runs the first or the last layers of a network, to see or to change what is between them.

use dfdx::tensor::Tape;
use ops::{self, Backend, Tensor4, Wanted};

use super::module::Op;
use super::{Mode, Network};
use crate::nets::Feature;

/// The place after a layer.
struct Cut {
    /// Number of modules that are completely before it.
    before: usize,
    /// The convolution and the pooling of the next module, if the place is between them.
    inside: Option<ops::ConvPool2d>,
}

impl<B: Backend> Network<B> {
    /// Runs a batch through the layers up to the one at index `layer`, as [`Mode::Predict`] does, and returns that
    /// layer's output.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn forward_to(&mut self, x: Tensor4<B>, layer: usize) -> Tensor4<B> {
        let cut = self.cut(layer);
        let x = self.run(x, 0..cut.before, Mode::Predict);
        let Some(op) = cut.inside else {
            return x;
        };
        let parameters = &self.parameters[self.modules[cut.before].parameters.clone()];
        let wanted = Wanted {
            input: false,
            parameters: false,
        };
        ops::conv2d(x, &parameters[0], &parameters[1], op.parts().0, wanted)
    }

    /// Runs images through the first layers that are frozen, and returns the output of the last of these: the images
    /// themselves if there are none. It stays the same while other layers are trained.
    pub fn forward_frozen(&mut self, x: Tensor4<B>) -> Tensor4<B> {
        match self.frozen_layers() {
            0 => x,
            layers => self.forward_to(x, layers - 1),
        }
    }

    /// Runs the output of [`Network::forward_frozen`] through the other layers.
    pub fn forward_rest<T: Tape<f32, B>>(&mut self, x: Tensor4<B, T>, mode: Mode) -> Tensor4<B, T> {
        match self.frozen_layers() {
            0 => self.forward(x, mode),
            layers => self.forward_from(x, layers - 1, mode),
        }
    }

    /// Returns the shape of the output of [`Network::forward_frozen`].
    pub fn frozen_output(&self) -> Feature {
        let inputs = self.architecture.layer_inputs();
        let rest = inputs.get(self.frozen_layers()).copied();
        rest.unwrap_or_else(|| self.architecture.output())
    }

    /// Runs the output of the layer at index `layer` through the layers after it.
    ///
    /// # Panics
    /// If there is no such layer.
    pub fn forward_from<T: Tape<f32, B>>(
        &mut self,
        x: Tensor4<B, T>,
        layer: usize,
        mode: Mode,
    ) -> Tensor4<B, T> {
        let cut = self.cut(layer);
        let (x, after) = match cut.inside {
            Some(op) => (ops::max_pool2d(x, op.parts().1), cut.before + 1),
            None => (x, cut.before),
        };
        self.run(x, after..self.modules.len(), mode)
    }

    fn cut(&self, layer: usize) -> Cut {
        let layers = self.architecture.layers.len();
        assert!(layer < layers, "there is no layer {layer} of {layers}");
        let before = self.modules.partition_point(|m| m.layer <= layer);
        // The last module of a layer has its index. If there is none, a module computes the layer and the one after it.
        let is_computed = before > 0 && self.modules[before - 1].layer == layer;
        let inside = self
            .modules
            .get(before)
            .and_then(|module| match &module.op {
                Op::ConvPool(op) if !is_computed => Some(*op),
                _ => None,
            });
        Cut { before, inside }
    }
}
