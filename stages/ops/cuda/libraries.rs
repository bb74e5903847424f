//! NVIDIA's libraries, which are loaded when first needed. Their functions are in `functions`.

use std::ffi::{c_int, c_void};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use cudarc::driver::sys::cuDriverGetVersion;
use libloading::Library;

/// One of NVIDIA's libraries.
pub(super) struct Shared {
    pub name: &'static str,
    /// File names to try, and the major version of CUDA that each belongs to.
    files: &'static [(&'static str, c_int)],
    /// Start of the file name of another library that this library loads by name. It is in the same folder, where
    /// the loader does not search.
    companion: Option<&'static str>,
    loaded: OnceLock<Result<Library, String>>,
}

pub(super) static DRIVER: Shared = Shared::new(
    "driver",
    &[
        ("libcuda.so.1", ANY),
        ("libcuda.so", ANY),
        ("nvcuda.dll", ANY),
    ],
    None,
);

/// The library that compiles kernels.
pub(super) static NVRTC: Shared = Shared::new(
    "NVRTC",
    &[
        ("libnvrtc.so.13", 13),
        ("libnvrtc.so.12", 12),
        ("libnvrtc.so.11.2", 11),
        ("libnvrtc.so", ANY),
    ],
    Some("libnvrtc-builtins.so"),
);

/// The library that multiplies matrices.
pub(super) static CUBLAS: Shared = Shared::new(
    "cuBLAS",
    &[
        ("libcublas.so.13", 13),
        ("libcublas.so.12", 12),
        ("libcublas.so.11", 11),
        ("libcublas.so", ANY),
    ],
    Some("libcublasLt.so"),
);

/// Stands for any version of CUDA.
const ANY: c_int = 0;

/// Folders to look for the toolkit in if the loader does not find it.
const TOOLKIT_VARIABLES: [&str; 3] = ["CUDA_PATH", "CUDA_HOME", "CUDA_ROOT"];
const TOOLKIT_FOLDERS: [&str; 2] = ["/usr/local/cuda", "/opt/cuda"];

impl Shared {
    const fn new(
        name: &'static str,
        files: &'static [(&'static str, c_int)],
        companion: Option<&'static str>,
    ) -> Self {
        Self {
            name,
            files,
            companion,
            loaded: OnceLock::new(),
        }
    }

    /// Loads the library, unless it is loaded already.
    ///
    /// # Errors
    /// If no file can be loaded. The error is the loader's message about the first file.
    pub(super) fn load(&self) -> Result<&Library, String> {
        let loaded = self.loaded.get_or_init(|| {
            let mut said = String::new();
            for file in self.candidates() {
                self.load_companions(&file);
                match load(&file) {
                    Ok(library) => return Ok(library),
                    // The first error is about the name that is most likely to exist.
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

    /// Returns the files to try: for each name, the name alone, then the file in the folders of an installed
    /// toolkit. A library that the driver can run comes before one that is too new, wherever they are.
    fn candidates(&self) -> Vec<PathBuf> {
        let variables = TOOLKIT_VARIABLES.iter().filter_map(std::env::var_os);
        let folders: Vec<PathBuf> = variables
            .map(PathBuf::from)
            .chain(TOOLKIT_FOLDERS.iter().map(PathBuf::from))
            .collect();
        let asks = self.files.iter().any(|(_, cuda)| *cuda != ANY);
        let newest = asks.then(driver_version).flatten().map(|(major, _)| major);
        places(&names(self.files, newest), &folders)
    }

    /// Loads the libraries that the library at `file` loads by name, and never unloads them. Failures are ignored:
    /// if they matter, loading the library itself fails.
    fn load_companions(&self, file: &Path) {
        let folder = file.parent().filter(|folder| folder.is_absolute());
        let (Some(companion), Some(folder)) = (self.companion, folder) else {
            return;
        };
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(companion))
            .map(|entry| entry.path())
            .collect();
        files.sort();
        for file in files {
            let _ = load(&file).map(std::mem::forget);
        }
    }

    /// Returns the file that a function of this library was loaded from.
    pub(super) fn file(&self, function: &str) -> Option<PathBuf> {
        file_of(self.address(function)?)
    }

    pub(super) fn address(&self, function: &str) -> Option<usize> {
        let library = self.load().ok()?;
        // SAFETY: only the address is taken. The caller gives the function its type.
        let symbol = unsafe { library.get::<*mut c_void>(function.as_bytes()) }.ok()?;
        Some(*symbol as usize)
    }
}

/// Returns the file names. `newest` is the newest major version of CUDA that the driver supports. If it is known,
/// libraries that the driver can run come first.
fn names(files: &[(&'static str, c_int)], newest: Option<c_int>) -> Vec<&'static str> {
    let mut files = files.to_vec();
    if let Some(newest) = newest {
        files.sort_by_key(|(_, cuda)| *cuda > newest);
    }
    files.into_iter().map(|(name, _)| name).collect()
}

/// Returns each name alone, followed by its paths in the folders of installed toolkits.
fn places(names: &[&str], toolkits: &[PathBuf]) -> Vec<PathBuf> {
    let in_toolkits = |name: &str| {
        let libs = toolkits.iter();
        let libs = libs.flat_map(|folder| ["lib64", "lib"].map(|lib| folder.join(lib)));
        let files = libs.map(|lib| lib.join(name));
        files.collect::<Vec<_>>()
    };
    let names = names.iter();
    names
        .flat_map(|name| std::iter::once(PathBuf::from(name)).chain(in_toolkits(name)))
        .collect()
}

/// Returns the newest CUDA version that the driver supports (major and minor), or `None` if there is no
/// driver.
pub(super) fn driver_version() -> Option<(c_int, c_int)> {
    let mut version = 0;
    // SAFETY: the function writes one number to `version`, and needs no initialization.
    unsafe { cuDriverGetVersion(&mut version) }.result().ok()?;
    Some((version / 1000, version % 1000 / 10))
}

fn load(file: &Path) -> Result<Library, libloading::Error> {
    // SAFETY: loading runs the initializers of the user's CUDA installation, which computing on a GPU
    // requires.
    unsafe { Library::new(file) }
}

/// Returns the shared object that contains an address.
#[cfg(unix)]
fn file_of(address: usize) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStrExt;
    let mut info = std::mem::MaybeUninit::<libc::Dl_info>::zeroed();
    // SAFETY: `dladdr` accepts any address, and fills `info` if it finds the address.
    let info = unsafe {
        if libc::dladdr(address as *const c_void, info.as_mut_ptr()) == 0 {
            return None;
        }
        info.assume_init()
    };
    if info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: the loader keeps the zero-terminated name as long as the object is loaded, and the object is never
    // unloaded.
    let name = unsafe { std::ffi::CStr::from_ptr(info.dli_fname) };
    Some(PathBuf::from(std::ffi::OsStr::from_bytes(name.to_bytes())))
}

#[cfg(not(unix))]
fn file_of(_: usize) -> Option<PathBuf> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_that_the_driver_can_run_come_before_newer_ones() {
        let toolkit = [PathBuf::from("/cuda")];
        let first = |newest| places(&names(CUBLAS.files, newest), &toolkit);
        let position = |of: &[PathBuf], file: &str| of.iter().position(|at| at == Path::new(file));
        let order = first(Some(12));
        assert_eq!(order[0], Path::new("libcublas.so.12"));
        assert!(
            position(&order, "/cuda/lib64/libcublas.so.12") < position(&order, "libcublas.so.13"),
            "{order:?}"
        );
        assert_eq!(first(Some(13))[0], Path::new("libcublas.so.13"));
        assert_eq!(first(None).len(), CUBLAS.files.len() * 3);
    }
}
