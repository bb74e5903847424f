//! CPU implementation of dense layers.

use dfdx::shapes::HasShape;
use dfdx::tensor::{Cpu, CpuError, TensorFromVec};
use rayon::prelude::*;

use super::Dense;
use crate::cpu::activation::{before_activation, in_place};
use crate::cpu::pieces;
use crate::cpu::product::{Matrix, Store, product};
use crate::cpu::values::values;
use crate::{Layer, LayerBackward, Tensor4};

/// Units (rows of the weight) per piece of work.
const UNITS: usize = 32;

/// Features (columns of the weight) per piece of work.
const FEATURES: usize = 1024;

/// The weight is large and the batch is small, so every product reads the weight only once, in pieces.
impl Layer<Dense> for Cpu {
    type Kept = ();

    fn forward(
        &self,
        op: Dense,
        input: &Tensor4<Cpu>,
        weight: &Tensor4<Cpu>,
        bias: &Tensor4<Cpu>,
    ) -> Result<(Tensor4<Cpu>, ()), CpuError> {
        let ((images, features, ..), units) = (*input.shape(), weight.shape().0);
        let (x, bias) = (values(input), values(bias));
        let mut by_unit = vec![0.0; units * images];
        let pieces = by_unit
            .par_chunks_mut(UNITS * images)
            .zip(values(weight).par_chunks(UNITS * features));
        pieces.for_each(|(out, weight)| {
            let size = [out.len() / images, features, images];
            product(
                size,
                Matrix::rows(weight, features),
                Matrix::columns(x, features),
                out,
                images,
                Store::Overwrite,
            );
        });
        by_unit
            .par_chunks_mut(images)
            .zip(bias)
            .with_min_len(pieces::at_least(images))
            .for_each(|(outputs, &bias)| {
                in_place(op.activation, bias, outputs);
            });
        let output =
            self.try_tensor_from_vec(pieces::transpose(&by_unit, units), (images, units, 1, 1))?;
        Ok((output, ()))
    }

    fn backward(&self, op: Dense, (): (), call: LayerBackward<'_, Cpu>) -> Result<(), CpuError> {
        let ((images, features, ..), units) = (*call.input.shape(), call.weight.shape().0);
        let mut incoming = call.incoming;
        let bias = before_activation(
            op.activation,
            values(call.output),
            &mut incoming,
            *call.output.shape(),
        );
        let gradient = Gradient {
            values: &incoming,
            images,
            units,
            features,
        };
        let (x, weight) = (values(call.input), values(call.weight));
        if let Some((to_weight, to_bias)) = call.to_parameters {
            pieces::add(to_bias, &bias);
            gradient.add_to_weight(x, to_weight);
        }
        if let Some(to_input) = call.to_input {
            gradient.add_to_input(weight, to_input);
        }
        Ok(())
    }
}

/// The gradient of the outputs before their activation: images × units.
#[derive(Clone, Copy)]
struct Gradient<'a> {
    values: &'a [f32],
    images: usize,
    units: usize,
    features: usize,
}

impl Gradient<'_> {
    fn add_to_weight(self, x: &[f32], weight: &mut [f32]) {
        let Self {
            values,
            images,
            units,
            features,
        } = self;
        weight
            .par_chunks_mut(UNITS * features)
            .enumerate()
            .for_each(|(piece, to)| {
                product(
                    [to.len() / features, images, features],
                    Matrix::columns(&values[piece * UNITS..], units),
                    Matrix::rows(x, features),
                    to,
                    features,
                    Store::Add,
                );
            });
    }

    fn add_to_input(self, weight: &[f32], input: &mut [f32]) {
        let Self {
            values,
            images,
            units,
            features,
        } = self;
        let firsts: Vec<usize> = (0..features).step_by(FEATURES).collect();
        let column_blocks = firsts.par_iter().map(|&first| {
            let columns = FEATURES.min(features - first);
            let mut block = vec![0.0; images * columns];
            product(
                [images, units, columns],
                Matrix::rows(values, units),
                Matrix::rows(&weight[first..], features),
                &mut block,
                columns,
                Store::Overwrite,
            );
            block
        });
        let column_blocks: Vec<Vec<f32>> = column_blocks.collect();
        input
            .par_chunks_mut(features)
            .enumerate()
            .for_each(|(image, to)| {
                for (to, block) in to.chunks_mut(FEATURES).zip(&column_blocks) {
                    let columns = to.len();
                    to.iter_mut()
                        .zip(&block[image * columns..][..columns])
                        .for_each(|(to, from)| *to += from);
                }
            });
    }
}
