//! Fake GPUs for tests.

use std::sync::OnceLock;

use contract::{Gpu, NoGpu};

pub fn gpu(index: usize) -> Gpu {
    Gpu {
        index,
        name: "H100".to_owned(),
        uuid: format!("GPU-{index}"),
        compute_capability: (9, 0),
        memory: 80 << 30,
    }
}

pub fn none() -> &'static Result<Vec<Gpu>, NoGpu> {
    static NONE: Result<Vec<Gpu>, NoGpu> = Err(NoGpu::NoDevice);
    &NONE
}

pub fn one() -> &'static Result<Vec<Gpu>, NoGpu> {
    static ONE: OnceLock<Result<Vec<Gpu>, NoGpu>> = OnceLock::new();
    ONE.get_or_init(|| Ok(vec![gpu(0)]))
}

pub fn two() -> &'static Result<Vec<Gpu>, NoGpu> {
    static TWO: OnceLock<Result<Vec<Gpu>, NoGpu>> = OnceLock::new();
    TWO.get_or_init(|| Ok(vec![gpu(0), gpu(1)]))
}

pub fn never() -> &'static Result<Vec<Gpu>, NoGpu> {
    panic!("this test must not look for GPUs")
}
