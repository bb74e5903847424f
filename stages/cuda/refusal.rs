//! The last memory that the driver refused: its error says neither how much was asked for nor how
//! much was free.

use std::sync::Mutex;

use bytesize::ByteSize;
use cudarc::driver::result::mem_get_info;
use cudarc::driver::sys::CUresult;

/// Memory that was refused, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Refusal {
    asked: usize,
    /// Free on the GPU, and there in all.
    memory: Option<(usize, usize)>,
}

static LAST: Mutex<Option<Refusal>> = Mutex::new(None);

/// Takes note of an allocation that failed for want of memory.
pub(super) fn remember(result: CUresult, asked: usize) {
    if result == CUresult::CUDA_ERROR_OUT_OF_MEMORY {
        let memory = mem_get_info().ok();
        *LAST.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) =
            Some(Refusal { asked, memory });
    }
}

/// What was refused last in this process, in words. What libraries ask for is not told.
pub fn refused() -> String {
    let last = *LAST.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    last.map_or_else(
        || "the GPU has none left".to_owned(),
        |refusal| refusal.to_string(),
    )
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let size = |bytes: usize| ByteSize(bytes as u64).display().iec();
        write!(f, "{} were asked for on the GPU", size(self.asked))?;
        match self.memory {
            Some((free, total)) => write!(f, ", {} of {} are free", size(free), size(total)),
            None => Ok(()),
        }
    }
}
