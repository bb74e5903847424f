//! [`HostFacts`]: the processors, memory and store of a host, as it describes itself.

use serde::{Deserialize, Serialize};

use crate::forecast::StoreFolder;
use crate::graph::gpu_models;

/// Longest text and most GPUs that are believed.
const LONGEST: usize = 4096;
const MOST_GPUS: usize = 1024;

/// Facts about a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostFacts {
    /// Kind of its CPUs, as in the keys of stages that compute.
    pub processor: String,
    pub model: Option<String>,
    /// Cores that a process may use.
    pub cpus: usize,
    /// Memory with swap, in bytes, that all processes together can have, and the part that is free.
    pub memory: Option<u64>,
    pub free_memory: Option<u64>,
    pub gpus: Vec<HostGpu>,
    /// The reason why there are no GPUs.
    pub without_gpu: Option<String>,
    /// The place where it keeps inputs and outputs.
    pub store: StoreFolder,
}

/// A GPU of a host.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostGpu {
    pub name: String,
    /// Memory in bytes.
    pub memory: u64,
}

impl HostFacts {
    /// Returns `true` if all its GPUs are of this model.
    pub fn has_gpu(&self, model: &str) -> bool {
        let names = self.gpus.iter().map(|gpu| &*gpu.name);
        gpu_models(names) == gpu_models(std::iter::once(model))
    }

    /// Returns `true` if all parts have a size that can be shown.
    pub(super) fn is_sound(&self) -> bool {
        let names = self.gpus.iter().map(|gpu| &gpu.name);
        let texts = [&self.processor, &self.store.folder].into_iter();
        let texts = texts.chain(names).chain(&self.model);
        let mut texts = texts
            .chain(&self.without_gpu)
            .chain(&self.store.why_not_writable);
        self.gpus.len() <= MOST_GPUS && texts.all(|text| text.len() <= LONGEST)
    }
}
