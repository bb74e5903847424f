//! Small files that claim to be large or expand to large data, and names that lead out of the store. They are
//! refused, or read with little memory.

mod images;
mod models;
mod npz;
mod pipelines;

use crate::sandbox::{Finished, Sandbox};

/// Maximum memory of a worker: somewhat more than it needs without images.
const MEMORY_LIMIT_MIB: f64 = 80.0;

fn dataset(sandbox: &Sandbox, source: &str) -> Finished {
    let source = format!("stages.xrays.params.source={source}");
    // If all images are the same, none can be set aside for validation.
    let validation = "stages.xrays.params.validation=0";
    sandbox.run_json(&["-S", &source, "-S", validation, "--until", "xrays"])
}

fn peak(run: &Finished) -> f64 {
    run.json()["stages"][0]["peak_memory_mib"].as_f64().unwrap()
}
