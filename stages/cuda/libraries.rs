//! NVIDIA's libraries, loaded when they are first needed; their functions are in `functions.rs`.

use std::ffi::c_void;
use std::path::PathBuf;
use std::sync::OnceLock;

use libloading::Library;

/// A library of NVIDIA's.
pub struct Shared {
    pub name: &'static str,
    /// File names that the loader is asked for, in turn.
    files: &'static [&'static str],
    loaded: OnceLock<Result<Library, String>>,
}

pub static DRIVER: Shared = Shared::new("driver", &["libcuda.so.1", "libcuda.so", "nvcuda.dll"]);

/// Compiles kernels.
pub static NVRTC: Shared = Shared::new(
    "NVRTC",
    &[
        "libnvrtc.so.13",
        "libnvrtc.so.12",
        "libnvrtc.so.11.2",
        "libnvrtc.so",
    ],
);

/// Multiplies matrices.
pub static CUBLAS: Shared = Shared::new(
    "cuBLAS",
    &[
        "libcublas.so.13",
        "libcublas.so.12",
        "libcublas.so.11",
        "libcublas.so",
    ],
);

/// Where the toolkit is installed, if the loader does not know.
const TOOLKIT_VARIABLES: [&str; 3] = ["CUDA_PATH", "CUDA_HOME", "CUDA_ROOT"];
const TOOLKIT_FOLDERS: [&str; 2] = ["/usr/local/cuda", "/opt/cuda"];

impl Shared {
    const fn new(name: &'static str, files: &'static [&'static str]) -> Self {
        Self {
            name,
            files,
            loaded: OnceLock::new(),
        }
    }

    /// Loads the library, unless it was.
    ///
    /// # Errors
    /// What was looked for, and what the loader said last.
    pub fn load(&self) -> Result<&Library, String> {
        let loaded = self.loaded.get_or_init(|| {
            let mut said = String::new();
            for file in self.candidates() {
                // SAFETY: loading runs the initializers of the user's CUDA installation, which is what
                // computing on a GPU means.
                match unsafe { Library::new(&file) } {
                    Ok(library) => return Ok(library),
                    // The first is about the name that is expected to be there.
                    Err(error) if said.is_empty() => {
                        let cause = std::error::Error::source(&error);
                        said = cause.map_or_else(|| error.to_string(), ToString::to_string);
                    }
                    Err(_) => {}
                }
            }
            Err(said)
        });
        loaded.as_ref().map_err(Clone::clone)
    }

    /// What to ask the loader for: plain names, then files of an installed toolkit.
    fn candidates(&self) -> impl Iterator<Item = PathBuf> {
        let variables = TOOLKIT_VARIABLES.iter().filter_map(std::env::var_os);
        let folders: Vec<PathBuf> = variables
            .map(PathBuf::from)
            .chain(TOOLKIT_FOLDERS.iter().map(PathBuf::from))
            .collect();
        let names = self.files.iter().map(PathBuf::from);
        let installed = folders.into_iter().flat_map(|folder| {
            self.files
                .iter()
                .flat_map(move |file| ["lib64", "lib"].map(|lib| folder.join(lib).join(file)))
                .collect::<Vec<_>>()
        });
        names.chain(installed)
    }

    /// The file that a function of this library came from.
    pub fn file(&self, function: &str) -> Option<PathBuf> {
        file_of(self.address(function)?)
    }

    pub(super) fn address(&self, function: &str) -> Option<usize> {
        let library = self.load().ok()?;
        // SAFETY: only its address is taken; whoever calls it gives it its type.
        let symbol = unsafe { library.get::<*mut c_void>(function.as_bytes()) }.ok()?;
        Some(*symbol as usize)
    }
}

/// The shared object that holds an address.
#[cfg(unix)]
fn file_of(address: usize) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: `dladdr` takes any address and fills `info` if it knows it.
    let info = unsafe {
        if libc::dladdr(address as *const c_void, info.as_mut_ptr()) == 0 {
            return None;
        }
        info.assume_init()
    };
    if info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: the loader keeps the name, ended by a zero, as long as the object is loaded: for ever.
    let name = unsafe { std::ffi::CStr::from_ptr(info.dli_fname) };
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(name.to_bytes())))
}

#[cfg(not(unix))]
fn file_of(_: usize) -> Option<PathBuf> {
    None
}
