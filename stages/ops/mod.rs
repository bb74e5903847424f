//! Differentiable operations for dfdx tensors.
