//! Measures what stages spend their time on, through the very code that they run.

mod data;
mod gan;
mod machine;
mod train;

use std::time::Instant;

use serde::Serialize;

pub use data::{AugmentBench, DecodeBench};
pub use gan::GanBench;
pub use machine::{Roof, measure_machine};
pub use train::TrainBench;

/// What was measured.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Throughput {
    /// Of the median step.
    pub images_per_second: f64,
}

/// Steps before those that count: memory is laid out, caches are filled.
const WARM_UP: usize = 2;

/// Times `steps` calls of `step`, each given its number and working on `images` images.
fn throughput(images: usize, steps: usize, mut step: impl FnMut(u64)) -> Throughput {
    let mut seconds = Vec::with_capacity(steps);
    for index in 0..steps + WARM_UP {
        let started = Instant::now();
        step(index as u64);
        if index >= WARM_UP {
            seconds.push(started.elapsed().as_secs_f64());
        }
    }
    seconds.sort_by(f64::total_cmp);
    Throughput {
        images_per_second: images as f64 / seconds[seconds.len() / 2],
    }
}

/// A step that need not wait for the device: as in training, `finish` waits for what was launched once
/// the next is.
fn overlapping<T, R>(mut launch: impl FnMut(u64) -> T, finish: impl Fn(T) -> R) -> impl FnMut(u64) {
    let mut waiting = None;
    move |step| {
        if let Some(before) = waiting.replace(launch(step)) {
            finish(before);
        }
    }
}
