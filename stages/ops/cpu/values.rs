//! Access to the values of a tensor on the CPU as a slice.
//!
//! dfdx 0.13 offers no such access: it copies the values, or returns one element by index. Copying every
//! activation would cost a pass over memory per operation.

use dfdx::shapes::{HasShape, Shape};
use dfdx::tensor::{Cpu, Tensor};

use crate::{Nchw, Tensor4};

/// Returns the values of a tensor in row-major order.
pub fn values<T>(tensor: &Tensor<Nchw, f32, Cpu, T>) -> &[f32] {
    let len = checked_len(tensor);
    if len == 0 {
        return &[];
    }
    let first: *const f32 = &tensor[[0; 4]];
    // SAFETY: dfdx keeps a CPU tensor in one `Vec<f32>`, of which this is the first element; the
    // tensor is contiguous and its last element is `len - 1` further on (`checked_len`), so `len`
    // elements from `first` are initialized and inside that allocation. The borrow of the tensor keeps
    // it alive and unchanged: dfdx writes through `&mut` alone.
    unsafe { std::slice::from_raw_parts(first, len) }
}

/// Returns the values of a tensor, to be changed in place. Values that are shared with another tensor are copied
/// first, as in dfdx.
pub fn values_mut(tensor: &mut Tensor4<Cpu>) -> &mut [f32] {
    let len = checked_len(tensor);
    if len == 0 {
        return &mut [];
    }
    let first: *mut f32 = &mut tensor[[0; 4]];
    // SAFETY: as for `values`; indexing mutably has made this tensor the only owner of its `Vec`, and
    // the mutable borrow of the tensor lasts as long as the slice.
    unsafe { std::slice::from_raw_parts_mut(first, len) }
}

/// Returns the number of values.
///
/// # Panics
/// If the values are not contiguous in memory. No operation here makes such a tensor; dfdx's `permute` and
/// `broadcast` do.
fn checked_len<T>(tensor: &Tensor<Nchw, f32, Cpu, T>) -> usize {
    let shape = tensor.shape().concrete();
    let len = tensor.shape().num_elements();
    if len > 0 {
        let origin: *const f32 = &tensor[[0; 4]];
        let mut stride = 1;
        for axis in (0..4).rev() {
            if shape[axis] > 1 {
                let mut index = [0; 4];
                index[axis] = shape[axis] - 1;
                let end: *const f32 = &tensor[index];
                let distance = end.addr() - origin.addr();
                assert_eq!(
                    distance,
                    (shape[axis] - 1) * stride * size_of::<f32>(),
                    "a contiguous tensor"
                );
            }
            stride *= shape[axis];
        }
    }
    len
}

#[cfg(test)]
mod tests {
    use dfdx::shapes::Axes4;
    use dfdx::tensor::{Cpu, ZerosTensor};
    use dfdx::tensor_ops::PermuteTo;

    use super::*;
    use crate::from_host;

    #[test]
    fn values_are_those_of_the_tensor() {
        let cpu = Cpu::default();
        let mut tensor = from_host(&cpu, (0..24).map(|i| i as f32).collect(), (2, 3, 2, 2));
        assert_eq!(values(&tensor)[23], 23.0);
        let shared = tensor.clone();
        values_mut(&mut tensor)[23] = -1.0;
        assert_eq!(tensor[[1, 2, 1, 1]], -1.0);
        assert_eq!(shared[[1, 2, 1, 1]], 23.0);
        assert!(values(&cpu.zeros_like(&(0, 3, 2, 2))).is_empty());
    }

    #[test]
    #[should_panic(expected = "a contiguous tensor")]
    fn a_permuted_tensor_is_refused() {
        let tensor = from_host(&Cpu::default(), vec![0.0; 6], (1, 1, 2, 3));
        values(&tensor.permute::<(usize, usize, usize, usize), Axes4<0, 1, 3, 2>>());
    }
}
