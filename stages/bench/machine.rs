//! Peak performance of the processor, an upper limit for every kernel.

use std::hint::black_box;
use std::time::Instant;

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;
use serde::Serialize;

/// Peak performance of the processor.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct PeakPerformance {
    /// Multiplications and additions in registers, by all threads, in 10⁹ per second.
    pub gflops: f64,
    /// Memory traffic of reading two arrays larger than the caches and writing a third, by all threads, in
    /// 10⁹ bytes per second.
    pub gigabytes_per_second: f64,
}

/// Measures the peak performance of the current pool's threads.
pub fn measure_machine() -> PeakPerformance {
    PeakPerformance {
        gflops: best(operations_per_second) / 1e9,
        gigabytes_per_second: best(triad()) / 1e9,
    }
}

/// Returns the best of several measurements, because a peak needs to be reached only once.
fn best(mut measure: impl FnMut() -> f64) -> f64 {
    const ROUNDS: usize = 5;
    (0..ROUNDS).map(|_| measure()).fold(0.0, f64::max)
}

fn operations_per_second() -> f64 {
    let started = Instant::now();
    let counts = rayon::broadcast(|_| Arch::new().dispatch(MultiplyAdd));
    counts.iter().sum::<f64>() / started.elapsed().as_secs_f64()
}

/// Returns a measurement of c = a + 3·b, in bytes per second, over arrays that are larger than most caches, as in
/// McCalpin's STREAM.
fn triad() -> impl FnMut() -> f64 {
    /// Number of values in an array, which has 128 MiB.
    const LEN: usize = 1 << 25;
    /// Values per piece of work.
    const PIECE: usize = 1 << 14;
    let (a, b) = (vec![1.0f32; LEN], vec![2.0f32; LEN]);
    let mut c = vec![0.0f32; LEN];
    move || {
        let started = Instant::now();
        let sources = a.par_chunks(PIECE).zip(b.par_chunks(PIECE));
        c.par_chunks_mut(PIECE)
            .zip(sources)
            .for_each(|(c, (a, b))| {
                Arch::new().dispatch(|| {
                    for ((c, a), b) in c.iter_mut().zip(a).zip(b) {
                        *c = a + 3.0 * b;
                    }
                });
            });
        black_box(&c);
        3.0 * size_of_val(a.as_slice()) as f64 / started.elapsed().as_secs_f64()
    }
}

/// Computes independent chains of multiply-adds, enough to keep every unit busy, and returns the number of
/// operations.
struct MultiplyAdd;

impl WithSimd for MultiplyAdd {
    type Output = f64;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> f64 {
        const CHAINS: usize = 12;
        const TIMES: usize = 10_000_000;
        let (factor, term) = (
            simd.splat_f32s(black_box(0.5)),
            simd.splat_f32s(black_box(1.0)),
        );
        let mut sums = [simd.splat_f32s(0.0); CHAINS];
        for _ in 0..TIMES {
            for sum in &mut sums {
                *sum = simd.mul_add_e_f32s(*sum, factor, term);
            }
        }
        black_box(sums.map(|sum| simd.reduce_sum_f32s(sum)));
        (2 * CHAINS * S::F32_LANES * TIMES) as f64
    }
}
