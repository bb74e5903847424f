//! Changes of a tensor's shape. Values keep their order and are not copied.

use dfdx::shapes::HasShape;
use dfdx::tensor::Tape;
use dfdx::tensor_ops::{Device, ReshapeTo};

use super::Tensor4;

/// Turns the values of every image into its features: (n, c·h·w, 1, 1).
pub fn flatten<B: Device<f32>, T: Tape<f32, B>>(x: Tensor4<B, T>) -> Tensor4<B, T> {
    let (n, c, h, w) = *x.shape();
    x.reshape_like(&(n, c * h * w, 1, 1))
}

/// Reshapes every image to these numbers of channels, rows and columns.
///
/// # Panics
/// If the number of values in an image changes.
pub fn reshape<B: Device<f32>, T: Tape<f32, B>>(
    x: Tensor4<B, T>,
    (channels, height, width): (usize, usize, usize),
) -> Tensor4<B, T> {
    let images = x.shape().0;
    x.reshape_like(&(images, channels, height, width))
}

#[cfg(test)]
mod tests {
    use dfdx::shapes::HasShape;

    use super::{flatten, reshape};
    use crate::check::{backward, close, on_every_device};
    use crate::{Backend, from_host};

    on_every_device!(values_and_gradients_keep_their_order);

    fn values_and_gradients_keep_their_order<B: Backend>(device: &B) {
        let x = [from_host(
            device,
            (0..12).map(|i| i as f32).collect(),
            (2, 3, 1, 2),
        )];
        let coefficients: Vec<f32> = (0..12).map(|i| (i * i) as f32).collect();
        let (y, found) = backward(&x, &coefficients, |x, _| {
            let flat = flatten(x);
            assert_eq!(*flat.shape(), (2, 6, 1, 1));
            reshape(flat, (1, 2, 3))
        });
        close(&y, &(0..12).map(|i| i as f32).collect::<Vec<_>>());
        close(&found[0], &coefficients);
    }
}
