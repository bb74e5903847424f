//! Benchmarks of what stages spend their time on. They run the same code as the stages.

mod data;
mod depthwise;
mod gan;
mod machine;
mod train;

use std::time::{Duration, Instant};

use serde::Serialize;

pub use data::{AugmentBench, DecodeBench};
pub use depthwise::{DepthwiseBench, Pass};
pub use gan::GanBench;
pub use machine::{PeakPerformance, measure_machine};
pub use train::TrainBench;

/// Result of a benchmark.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Throughput {
    /// Images per second in the median step.
    pub images_per_second: f64,
}

/// Number of steps before the measured ones. They allocate memory and fill the caches.
const WARM_UP: usize = 2;

/// Times `steps` calls of `step`, which gets the step's index and processes `images` images.
fn throughput(images: usize, steps: usize, mut step: impl FnMut(u64)) -> Throughput {
    median_throughput(images, steps, |index| {
        let started = Instant::now();
        step(index);
        started.elapsed()
    })
}

/// Like [`throughput`], with steps that return their time.
fn median_throughput(
    images: usize,
    steps: usize,
    mut step: impl FnMut(u64) -> Duration,
) -> Throughput {
    let mut seconds = Vec::with_capacity(steps);
    for index in 0..steps + WARM_UP {
        let time = step(index as u64);
        if index >= WARM_UP {
            seconds.push(time.as_secs_f64());
        }
    }
    seconds.sort_by(f64::total_cmp);
    Throughput {
        images_per_second: images as f64 / seconds[seconds.len() / 2],
    }
}

/// Returns a step that keeps the device busy, as training does: it calls `launch`, and only then calls `finish`
/// for the launch of the previous step.
fn overlapping<T, R>(mut launch: impl FnMut(u64) -> T, finish: impl Fn(T) -> R) -> impl FnMut(u64) {
    let mut waiting = None;
    move |step| {
        if let Some(before) = waiting.replace(launch(step)) {
            finish(before);
        }
    }
}
