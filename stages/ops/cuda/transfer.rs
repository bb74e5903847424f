//! Asynchronous copies of batches to the GPU and of results back.
//!
//! A batch is filled in page-locked memory and copied to the GPU by a stream of its own, while the default
//! stream, which runs everything else, still computes. The default stream then copies the batch into a tensor;
//! this copy takes almost no time. Results are copied to page-locked memory by the default stream, and an event
//! marks the end of the copy.

use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::Mutex;

use cudarc::driver::result::{self, DriverError, event, stream};
use cudarc::driver::sys::{self, CUdeviceptr, CUevent, CUresult, CUstream};
use cudarc::driver::{CudaSlice, DevicePtr};
use dfdx::shapes::{HasShape, Shape};
use dfdx::tensor::{CpuError, Cuda, CudaError, Storage, Tensor};

use super::memory::{Buffer, address, zeros};
use super::{context, lock};
use crate::{Memory, Nchw, Tensor4};

/// Places for batches of the same size: one is filled while the other is being copied.
const PLACES: usize = 2;

/// Maximum number of values that are read without waiting. Larger results are the states of networks, which are
/// needed at once.
const SMALL: usize = 1 << 16;

/// Stream and memory for transfers.
pub(super) struct Transfers {
    copies: Stream,
    /// Places that are not being filled, the longest unused first.
    places: Mutex<Vec<StagingBuffer>>,
    readings: Mutex<Vec<Landing>>,
}

impl Transfers {
    pub(super) fn new() -> Result<Self, DriverError> {
        Ok(Self {
            copies: Stream(stream::create(stream::StreamKind::NonBlocking)?),
            places: Mutex::default(),
            readings: Mutex::default(),
        })
    }
}

/// Memory for a batch, on the host and on the GPU.
pub struct StagingBuffer {
    host: PageLocked,
    device_buffer: CudaSlice<f32>,
    /// Marks that the batch has left the host's memory.
    uploaded: Event,
    /// Marks that a tensor has received the batch from the GPU's memory.
    taken: Event,
    /// Number of values in use.
    len: usize,
}

/// Host memory that a result is copied to.
struct Landing {
    host: PageLocked,
    landed: Event,
}

/// A result that is being read.
pub enum Reading {
    Pending {
        /// Taken out when the copy is complete.
        landing: Option<LandingGuard>,
        len: usize,
    },
    Ready(Vec<f32>),
}

/// A landing in use. When it is dropped, the landing is kept for reuse.
pub struct LandingGuard(Option<Landing>);

impl Drop for LandingGuard {
    fn drop(&mut self) {
        if let Some(landing) = self.0.take() {
            // The copy may still be in progress. It must not overwrite the next result in this memory.
            let _ = context().device.bind_to_thread();
            let _ = landing.landed.wait();
            lock(&context().transfers.readings).push(landing);
        }
    }
}

impl Memory for Cuda {
    type Staging = StagingBuffer;
    type Reading = Reading;

    fn staging(&self, len: usize) -> Result<StagingBuffer, CudaError> {
        let context = context();
        context.device.bind_to_thread()?;
        let capacity = len.next_power_of_two();
        let free = {
            let mut places = lock(&context.transfers.places);
            let fitting = |place: &StagingBuffer| place.host.len == capacity;
            let enough = places.iter().filter(|place| fitting(place)).count() >= PLACES;
            let found = places.iter().position(fitting).filter(|_| enough);
            found.map(|index| places.remove(index))
        };
        let mut place = match free {
            Some(place) => place,
            None => {
                // SAFETY: the memory is written before it is read.
                let device_buffer = unsafe { context.device.alloc(capacity) }?;
                // The memory is allocated in the order of the default stream, but another stream writes to it. So
                // wait for the default stream.
                context.device.synchronize()?;
                StagingBuffer {
                    host: PageLocked::new(capacity)?,
                    device_buffer,
                    uploaded: Event::new()?,
                    taken: Event::new()?,
                    len,
                }
            }
        };
        place.uploaded.wait()?;
        place.len = len;
        Ok(place)
    }

    fn upload(&self, place: StagingBuffer, shape: Nchw) -> Result<Tensor4<Cuda>, CudaError> {
        let transfers = &context().transfers;
        let (tensor, _) = zeros(self, shape)?;
        let (copies, compute) = (transfers.copies.0, stream::null());
        let (to, via): (CUdeviceptr, CUdeviceptr) =
            (address(&tensor), *place.device_buffer.device_ptr());
        // SAFETY: the host's memory is not touched before `uploaded`, nor the GPU's before `taken`, because
        // each side waits for the other's event. Tensor and place hold `len` values.
        unsafe {
            let wait = |stream, event: &Event| {
                let flags = sys::CUevent_wait_flags::CU_EVENT_WAIT_DEFAULT;
                stream::wait_event(stream, event.0, flags)
            };
            wait(copies, &place.taken)?;
            result::memcpy_htod_async(via, &place, copies)?;
            event::record(place.uploaded.0, copies)?;
            wait(compute, &place.uploaded)?;
            result::memcpy_dtod_async(to, via, size_of_val::<[f32]>(&place), compute)?;
            event::record(place.taken.0, compute)?;
        }
        lock(&transfers.places).push(place);
        Ok(tensor)
    }

    fn read_later<S: Shape>(&self, tensor: &Tensor<S, f32, Cuda>) -> Result<Reading, CudaError> {
        let len = tensor.shape().num_elements();
        let context = context();
        context.device.bind_to_thread()?;
        if len > SMALL {
            let mut values = vec![0.0; len];
            // SAFETY: both hold `len` values. The call waits for everything on the default stream.
            unsafe { result::memcpy_dtoh_sync(&mut values, address(tensor)) }?;
            return Ok(Reading::Ready(values));
        }
        let free = {
            let mut readings = lock(&context.transfers.readings);
            let fitting = readings.iter().position(|landing| landing.host.len >= len);
            fitting.map(|index| readings.swap_remove(index))
        };
        let mut landing = match free {
            Some(landing) => landing,
            None => Landing {
                host: PageLocked::new(len.next_power_of_two())?,
                landed: Event::new()?,
            },
        };
        // SAFETY: the landing lives, and is not read, until the event. Only the default stream uses the
        // tensor's memory, so nothing overwrites it before the copy.
        unsafe {
            let to = &mut landing.host.values_mut()[..len];
            result::memcpy_dtoh_async(to, address(tensor), stream::null())?;
            event::record(landing.landed.0, stream::null())?;
        }
        Ok(Reading::Pending {
            landing: Some(LandingGuard(Some(landing))),
            len,
        })
    }

    fn finish(&self, reading: Reading) -> Result<Vec<f32>, CudaError> {
        match reading {
            Reading::Ready(values) => Ok(values),
            Reading::Pending { landing, len } => {
                context().device.bind_to_thread()?;
                let landing = landing.and_then(|mut landed| landed.0.take());
                let landing = landing.expect("a reading that was not finished before");
                landing.landed.wait()?;
                let values = landing.host.values()[..len].to_vec();
                lock(&context().transfers.readings).push(landing);
                Ok(values)
            }
        }
    }

    fn read(&self, buffer: &Buffer) -> Result<Vec<f32>, CudaError> {
        let mut values = vec![0.0; Storage::<f32>::len(self, buffer)];
        buffer
            .device()
            .dtoh_sync_copy_into(&**buffer, &mut values)?;
        Ok(values)
    }

    fn write(&self, values: &[f32], buffer: &mut Buffer) -> Result<(), CudaError> {
        let device = buffer.device();
        Ok(device.htod_sync_copy_into(values, &mut **buffer)?)
    }

    fn fill_if_empty(&self, buffer: &mut Buffer, len: usize) -> Result<(), CudaError> {
        if Storage::<f32>::len(self, buffer) == 0 {
            *buffer = self.try_alloc_len(len)?;
        }
        Ok(())
    }
}

impl Deref for StagingBuffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.host.values()[..self.len]
    }
}

impl DerefMut for StagingBuffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        let len = self.len;
        &mut self.host.values_mut()[..len]
    }
}

/// Page-locked memory of the host.
struct PageLocked {
    first: NonNull<f32>,
    len: usize,
}

// SAFETY: this is owned memory like any other.
unsafe impl Send for PageLocked {}
// SAFETY: as above.
unsafe impl Sync for PageLocked {}

impl PageLocked {
    /// Allocates `len` zeros.
    fn new(len: usize) -> Result<Self, CudaError> {
        let mut pointer = std::ptr::null_mut();
        let bytes = len.max(1) * size_of::<f32>();
        // SAFETY: the function writes a pointer to this many bytes, which are aligned to pages and then set to
        // zero.
        let first = unsafe {
            match sys::cuMemHostAlloc(&mut pointer, bytes, 0).result() {
                // The system is out of memory, not the GPU.
                Err(DriverError(CUresult::CUDA_ERROR_OUT_OF_MEMORY)) => {
                    return Err(CudaError::Cpu(CpuError::OutOfMemory));
                }
                done => done?,
            }
            pointer.cast::<u8>().write_bytes(0, bytes);
            NonNull::new(pointer.cast())
        };
        let first = first.expect("a successful allocation returns memory");
        Ok(Self { first, len })
    }

    fn values(&self) -> &[f32] {
        // SAFETY: this owns `len` initialized values.
        unsafe { std::slice::from_raw_parts(self.first.as_ptr(), self.len) }
    }

    fn values_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above, borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.first.as_ptr(), self.len) }
    }
}

impl Drop for PageLocked {
    fn drop(&mut self) {
        // SAFETY: allocated by `cuMemHostAlloc`, freed once. At the end of the process the driver may be
        // gone, and the memory with it.
        let _ = unsafe { sys::cuMemFreeHost(self.first.as_ptr().cast()) };
    }
}

/// An event to wait for. An event that was never recorded counts as complete.
struct Event(CUevent);

// SAFETY: the driver accepts handles from any thread.
unsafe impl Send for Event {}
// SAFETY: as above.
unsafe impl Sync for Event {}

impl Event {
    fn new() -> Result<Self, DriverError> {
        use sys::CUevent_flags::{CU_EVENT_BLOCKING_SYNC, CU_EVENT_DISABLE_TIMING};
        // Waiting threads sleep, so that the core is free for those that prepare the next batch.
        let flags = CU_EVENT_DISABLE_TIMING as u32 | CU_EVENT_BLOCKING_SYNC as u32;
        let mut event = std::ptr::null_mut();
        // SAFETY: the function writes one handle to `event`.
        unsafe { sys::cuEventCreate(&mut event, flags) }.result()?;
        Ok(Self(event))
    }

    fn wait(&self) -> Result<(), DriverError> {
        // SAFETY: the event is alive.
        unsafe { sys::cuEventSynchronize(self.0) }.result()
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: created once, destroyed once; the driver may be gone at the end of the process.
        let _ = unsafe { event::destroy(self.0) };
    }
}

struct Stream(CUstream);

// SAFETY: the driver accepts handles from any thread.
unsafe impl Send for Stream {}
// SAFETY: as above.
unsafe impl Sync for Stream {}
