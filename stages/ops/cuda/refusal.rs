//! The last allocation that the driver refused. The driver's error says neither how much memory was requested nor
//! how much was free.

use std::sync::Mutex;

use bytesize::ByteSize;
use contract::lock;
use cudarc::driver::result::mem_get_info;
use cudarc::driver::sys::CUresult;

/// A refused allocation; sizes are in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refusal {
    asked: usize,
    /// Free and total memory of the GPU.
    memory: Option<(usize, usize)>,
}

static LAST: Mutex<Option<Refusal>> = Mutex::new(None);

/// Remembers an allocation if it failed for lack of memory.
pub(super) fn remember(result: CUresult, asked: usize) {
    if result == CUresult::CUDA_ERROR_OUT_OF_MEMORY {
        let memory = mem_get_info().ok();
        *lock(&LAST) = Some(Refusal { asked, memory });
    }
}

/// Describes the allocation that was refused last in this process. Allocations inside NVIDIA's libraries are
/// unknown.
pub fn last_refusal() -> String {
    let last = *lock(&LAST);
    last.map_or_else(
        || "the GPU has no memory left".to_owned(),
        |refusal| refusal.to_string(),
    )
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let size = |bytes: usize| ByteSize(bytes as u64).display().iec();
        write!(f, "{} were requested on the GPU", size(self.asked))?;
        match self.memory {
            Some((free, total)) => write!(f, ", {} of {} are free", size(free), size(total)),
            None => Ok(()),
        }
    }
}
