//! Products of matrices, by cuBLAS.

use contract::Precision;
use cudarc::cublas::result::sgemm;
use cudarc::cublas::sys::{self, cublasMath_t, cublasOperation_t};
use cudarc::driver::sys::CUdeviceptr;
use dfdx::tensor::CudaError;

use super::{context, lock, precision};

/// A matrix on the GPU.
#[derive(Clone, Copy, Debug)]
pub struct Matrix {
    address: CUdeviceptr,
    /// Values from one row to the next, or from one column to the next if `transposed`.
    stride: usize,
    transposed: bool,
}

impl Matrix {
    /// Rows one after the other, of `columns` values each.
    pub fn rows(address: CUdeviceptr, columns: usize) -> Self {
        Self {
            address,
            stride: columns,
            transposed: false,
        }
    }

    /// Columns one after the other, of `rows` values each.
    pub fn columns(address: CUdeviceptr, rows: usize) -> Self {
        Self {
            address,
            stride: rows,
            transposed: true,
        }
    }
}

/// `to` (rows × columns, by rows) = `left` (rows × inner) · `right` (inner × columns), or is added to.
///
/// # Safety
/// The addresses lead to matrices of these sizes, and nothing else uses `to`.
pub unsafe fn product(
    [rows, inner, columns]: [usize; 3],
    left: Matrix,
    right: Matrix,
    to: CUdeviceptr,
    add: bool,
) -> Result<(), CudaError> {
    let size = |size: usize| i32::try_from(size).expect("fewer than 2³¹ rows in a matrix on a GPU");
    let operation = |matrix: Matrix| match matrix.transposed {
        true => cublasOperation_t::CUBLAS_OP_T,
        false => cublasOperation_t::CUBLAS_OP_N,
    };
    let mode = match precision() {
        Precision::Tf32 => cublasMath_t::CUBLAS_TF32_TENSOR_OP_MATH,
        Precision::Float32 => cublasMath_t::CUBLAS_DEFAULT_MATH,
    };
    let beta = if add { 1.0 } else { 0.0 };
    let context = context();
    context.device.bind_to_thread()?;
    let blas = lock(&context.blas);
    // cuBLAS thinks in columns, to which a matrix by rows is its transpose: to' = right' · left'.
    // SAFETY: what the caller promises.
    unsafe {
        sys::cublasSetMathMode(*blas.handle(), mode).result()?;
        sgemm(
            *blas.handle(),
            operation(right),
            operation(left),
            size(columns),
            size(rows),
            size(inner),
            &1.0,
            right.address as *const f32,
            size(right.stride),
            left.address as *const f32,
            size(left.stride),
            &beta,
            to as *mut f32,
            size(columns),
        )?;
    }
    Ok(())
}
