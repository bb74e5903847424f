//! Detection of GPUs and of NVIDIA's libraries.

use std::ffi::{CStr, c_int};

use contract::{Gpu, GpuLibrary, NoGpu, ShowPath};
use cudarc::cublas::sys as cublas;
use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys;
use cudarc::nvrtc::sys as nvrtc;

use super::libraries::{CUBLAS, DRIVER, NVRTC, Shared, driver_version};

/// Returns the GPUs that the driver shows to this process, in the driver's order; at least one.
///
/// # Errors
/// If there is none. The error says why.
pub fn gpus() -> Result<Vec<Gpu>, NoGpu> {
    start()?;
    let driver = |error: DriverError| NoGpu::Driver(describe(error));
    let count = result::device::get_count().map_err(driver)?;
    if count == 0 {
        return Err(NoGpu::NoDevice);
    }
    (0..count).map(|index| gpu(index).map_err(driver)).collect()
}

/// Loads and initializes the driver. `cudarc` would panic if this failed.
pub(super) fn start() -> Result<(), NoGpu> {
    DRIVER.load().map_err(NoGpu::NoDriver)?;
    match result::init() {
        Ok(()) => Ok(()),
        Err(DriverError(sys::CUresult::CUDA_ERROR_NO_DEVICE)) => Err(NoGpu::NoDevice),
        Err(error) => Err(NoGpu::Driver(describe(error))),
    }
}

/// Returns the free memory of a GPU, in bytes.
///
/// # Errors
/// If the driver fails. The error is the driver's message.
pub fn free_memory(index: usize) -> Result<u64, String> {
    start().map_err(|no_gpu| no_gpu.to_string())?;
    let memory = || {
        let device = result::device::get(index as c_int)?;
        // SAFETY: the device was just found. Its context is released below, when nothing uses it anymore.
        let context = unsafe { result::primary_ctx::retain(device) }?;
        // SAFETY: the context is alive.
        unsafe { result::ctx::set_current(context) }?;
        let memory = result::mem_get_info();
        // SAFETY: the context was retained above.
        unsafe { result::primary_ctx::release(device) }?;
        memory
    };
    let (free, _) = memory().map_err(describe)?;
    Ok(free as u64)
}

fn gpu(index: c_int) -> Result<Gpu, DriverError> {
    use sys::CUdevice_attribute as Attribute;
    let device = result::device::get(index)?;
    let mut name = [0; 256];
    let mut uuid = sys::CUuuid { bytes: [0; 16] };
    // SAFETY: both functions write only to the given memory, within its size.
    let name = unsafe {
        sys::cuDeviceGetName(name.as_mut_ptr(), name.len() as c_int - 1, device).result()?;
        sys::cuDeviceGetUuid_v2(&mut uuid, device).result()?;
        CStr::from_ptr(name.as_ptr())
    };
    // SAFETY: the device was just found.
    let (attribute, memory) = unsafe {
        let attribute = |attribute| result::device::get_attribute(device, attribute);
        (attribute, result::device::total_mem(device)?)
    };
    let name = name.to_string_lossy().into_owned();
    Ok(Gpu {
        index: index as usize,
        uuid: uuid_text(&name, uuid.bytes.map(|byte| byte as u8)),
        name,
        compute_capability: (
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
            attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
        ),
        memory: memory as u64,
    })
}

/// Returns a UUID as `nvidia-smi -L` prints it and `CUDA_VISIBLE_DEVICES` expects it. A part of a GPU (MIG)
/// has "MIG" in its name, and a UUID of its own.
fn uuid_text(name: &str, bytes: [u8; 16]) -> String {
    let part = name.split(' ').any(|word| word == "MIG");
    let mut text = if part { "MIG" } else { "GPU" }.to_owned();
    for (index, byte) in bytes.iter().enumerate() {
        if [0, 4, 6, 8, 10].contains(&index) {
            text.push('-');
        }
        text += &format!("{byte:02x}");
    }
    text
}

/// Returns the driver, NVRTC and cuBLAS, each with version and file, or with the reason why it cannot be
/// loaded.
pub fn libraries() -> Vec<GpuLibrary> {
    vec![
        library(&DRIVER, "cuDriverGetVersion", || {
            driver_version().map(|(major, minor)| format!("CUDA {major}.{minor}"))
        }),
        library(&NVRTC, "nvrtcVersion", nvrtc_version),
        library(&CUBLAS, "cublasGetProperty", cublas_version),
    ]
}

fn library(
    shared: &Shared,
    function: &str,
    version: impl FnOnce() -> Option<String>,
) -> GpuLibrary {
    let found = shared.load().and_then(|_| {
        let file = shared.file(function).unwrap_or_default();
        let version =
            version().ok_or_else(|| format!("{} does not report its version", file.shown()))?;
        Ok((version, file))
    });
    GpuLibrary {
        name: shared.name,
        found,
    }
}

fn nvrtc_version() -> Option<String> {
    let (mut major, mut minor) = (0, 0);
    // SAFETY: the function writes one number to each argument.
    unsafe { nvrtc::nvrtcVersion(&mut major, &mut minor) }
        .result()
        .ok()?;
    Some(format!("{major}.{minor}"))
}

fn cublas_version() -> Option<String> {
    use cublas::libraryPropertyType_t::{MAJOR_VERSION, MINOR_VERSION};
    let property = |property| {
        let mut value = 0;
        // SAFETY: the function writes one number to `value`, and needs neither a handle nor a GPU.
        unsafe { cublas::cublasGetProperty(property, &mut value) }
            .result()
            .ok()?;
        Some(value)
    };
    Some(format!(
        "{}.{}",
        property(MAJOR_VERSION)?,
        property(MINOR_VERSION)?
    ))
}

/// Describes an error of the driver.
pub(super) fn describe(error: DriverError) -> String {
    let words = error
        .error_string()
        .ok()
        .map(|words| words.to_string_lossy().into_owned());
    words.unwrap_or_else(|| format!("{:?}", error.0))
}

#[cfg(test)]
mod tests {
    #[test]
    fn uuids_are_written_as_the_driver_writes_them() {
        let bytes = std::array::from_fn(|index| index as u8 * 17);
        assert_eq!(
            super::uuid_text("NVIDIA H100 80GB HBM3", bytes),
            "GPU-00112233-4455-6677-8899-aabbccddeeff"
        );
        assert_eq!(
            super::uuid_text("NVIDIA H100 80GB HBM3 MIG 1g.10gb", bytes),
            "MIG-00112233-4455-6677-8899-aabbccddeeff"
        );
    }
}
