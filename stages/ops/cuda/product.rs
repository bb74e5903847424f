//! Products of matrices, with cuBLAS.

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
    /// Distance between rows, or between columns if `transposed`, in values.
    stride: usize,
    transposed: bool,
}

impl Matrix {
    /// A matrix stored row by row, with `columns` values per row.
    pub fn rows(address: CUdeviceptr, columns: usize) -> Self {
        Self {
            address,
            stride: columns,
            transposed: false,
        }
    }

    /// A matrix stored column by column, with `rows` values per column.
    pub fn columns(address: CUdeviceptr, rows: usize) -> Self {
        Self {
            address,
            stride: rows,
            transposed: true,
        }
    }
}

/// Computes `to` = `left` (rows × inner) · `right` (inner × columns) or, if `add`, `to` += `left` · `right`.
/// `to` is rows × columns, stored row by row.
///
/// # Safety
/// The addresses must point to matrices of these sizes, and nothing else may access `to` during the call.
pub unsafe fn product(
    [rows, inner, columns]: [usize; 3],
    left: Matrix,
    right: Matrix,
    to: CUdeviceptr,
    add: bool,
) -> Result<(), CudaError> {
    let size = |size: usize| i32::try_from(size).expect("sizes of a matrix on a GPU are below 2³¹");
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
    // cuBLAS expects column-major matrices and reads a row-major one as its transpose: to' = right' · left'.
    // SAFETY: the caller upholds the contract above.
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
