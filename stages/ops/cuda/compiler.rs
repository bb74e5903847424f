//! Compilation of kernels with NVRTC, and a cache of compiled kernels. NVRTC takes up to a second for a
//! kernel and every stage is a process of its own, so each kernel is compiled only once per GPU model and
//! user.
//!
//! Kernels are compiled to machine code for the GPU. If NVRTC does not know the GPU, they are compiled to PTX
//! for the closest older architecture that it knows, and the driver translates that to machine code.
//!
//! The cache is the folder `runner/kernels` in `$XDG_CACHE_HOME` or `~/.cache`. `RUNNER_KERNEL_CACHE` names
//! another folder, or disables the cache if it is empty. A cached file contains everything that the kernel
//! was compiled from, so code that was compiled from something else is never used.

use std::ffi::{CStr, CString, c_char, c_int};
use std::hash::{Hash, Hasher};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use contract::files;
use cudarc::nvrtc::sys::{self, nvrtcResult};

use super::functions::{nvrtcGetNumSupportedArchs, nvrtcGetSupportedArchs};

/// A file of kernels to compile.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Program {
    /// Name in messages.
    pub name: String,
    pub source: String,
    /// Compute capability of the GPU, major and minor.
    pub capability: (i32, i32),
}

/// A program that NVRTC failed to compile.
#[derive(Debug, thiserror::Error)]
#[error("kernels `{name}` do not compile for compute capability {major}.{minor}: {log}", major = .capability.0, minor = .capability.1)]
pub struct CompileError {
    name: String,
    capability: (i32, i32),
    log: String,
}

impl Program {
    /// Returns code that the driver can load. Takes it from the cache if possible. Errors of the cache are ignored,
    /// because they only cost time.
    ///
    /// # Errors
    /// If the compiler fails. The error contains its log.
    pub fn code(&self) -> Result<Vec<u8>, CompileError> {
        let version = version();
        let target = self.target();
        let options = options(target).join(" ");
        let made_from = format!("{version}\n{options}\n{}", self.source);
        let file = cache_folder().map(|folder| folder.join(file_name(&made_from)));
        if let Some(code) = file.as_deref().and_then(|file| read(file, &made_from)) {
            return Ok(code);
        }
        let code = self.compile(target)?;
        if let Some(file) = file {
            write(&file, &made_from, &code);
        }
        Ok(code)
    }

    fn target(&self) -> Target {
        let (major, minor) = self.capability;
        Target::of(10 * major + minor, &architectures())
    }

    fn compile(&self, target: Target) -> Result<Vec<u8>, CompileError> {
        let failed = |log: String| CompileError {
            name: self.name.clone(),
            capability: self.capability,
            log,
        };
        let text = |text: &str| CString::new(text).expect("a program without NUL characters");
        let (source, name) = (text(&self.source), text(&self.name));
        let options = options(target).map(|option| text(&option));
        let options: Vec<*const c_char> = options.iter().map(|option| option.as_ptr()).collect();
        let mut program = std::ptr::null_mut();
        // SAFETY: strings end in zeros and outlive the calls. The program is destroyed once, and the buffers
        // have the sizes that NVRTC returns.
        unsafe {
            let created = sys::nvrtcCreateProgram(
                &mut program,
                source.as_ptr(),
                name.as_ptr(),
                0,
                std::ptr::null(),
                std::ptr::null(),
            );
            if created != nvrtcResult::NVRTC_SUCCESS {
                return Err(failed(format!("{created:?}")));
            }
            let compiled =
                sys::nvrtcCompileProgram(program, options.len() as i32, options.as_ptr());
            let result = if compiled == nvrtcResult::NVRTC_SUCCESS {
                match target {
                    Target::MachineCode(_) => read_sized(
                        |size| sys::nvrtcGetCUBINSize(program, size),
                        |code| sys::nvrtcGetCUBIN(program, code),
                    ),
                    Target::Ptx(_) => read_sized(
                        |size| sys::nvrtcGetPTXSize(program, size),
                        |code| sys::nvrtcGetPTX(program, code),
                    ),
                }
                .map_err(|code| failed(format!("{code:?}")))
            } else {
                let log = read_sized(
                    |size| sys::nvrtcGetProgramLogSize(program, size),
                    |log| sys::nvrtcGetProgramLog(program, log),
                );
                let log = log.map(|log| {
                    let text = CStr::from_bytes_until_nul(&log).map(CStr::to_string_lossy);
                    text.map_or_else(|_| String::new(), |text| text.into_owned())
                });
                Err(failed(format!("{compiled:?}\n{}", log.unwrap_or_default())))
            };
            sys::nvrtcDestroyProgram(&mut program);
            result
        }
    }
}

/// Form that kernels are compiled to, with the architecture (90 for compute capability 9.0).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    MachineCode(c_int),
    Ptx(c_int),
}

impl Target {
    /// Returns the target for a GPU, given the architectures that NVRTC knows (empty if it does not list
    /// them).
    fn of(gpu: c_int, known: &[c_int]) -> Self {
        let older = known.iter().copied().filter(|&known| known < gpu).max();
        match older {
            Some(newest) if !known.contains(&gpu) => Self::Ptx(newest),
            _ => Self::MachineCode(gpu),
        }
    }
}

fn options(target: Target) -> [String; 3] {
    let architecture = match target {
        Target::MachineCode(architecture) => format!("sm_{architecture}"),
        Target::Ptx(architecture) => format!("compute_{architecture}"),
    };
    [
        format!("--gpu-architecture={architecture}"),
        "--std=c++17".to_owned(),
        // Multiplications and additions are fused, as in the CPU's products of matrices. All other operations follow
        // IEEE 754.
        "--fmad=true".to_owned(),
    ]
}

/// Returns the architectures that NVRTC knows, or an empty list if it does not list them.
fn architectures() -> Vec<c_int> {
    let mut count = 0;
    // SAFETY: the function writes one number to `count`.
    let counted = unsafe { nvrtcGetNumSupportedArchs(&mut count) };
    let Ok(len @ 1..) = usize::try_from(count) else {
        return Vec::new();
    };
    let mut known = vec![0; len];
    // SAFETY: the function writes as many numbers as were counted above.
    let listed = unsafe { nvrtcGetSupportedArchs(known.as_mut_ptr()) };
    match (counted, listed) {
        (nvrtcResult::NVRTC_SUCCESS, nvrtcResult::NVRTC_SUCCESS) => known,
        _ => Vec::new(),
    }
}

/// Calls two functions of NVRTC, one that returns a size and one that fills a buffer of this size.
fn read_sized(
    size: impl FnOnce(&mut usize) -> nvrtcResult,
    fill: impl FnOnce(*mut c_char) -> nvrtcResult,
) -> Result<Vec<u8>, nvrtcResult> {
    let done = |code| match code {
        nvrtcResult::NVRTC_SUCCESS => Ok(()),
        code => Err(code),
    };
    let mut len = 0;
    done(size(&mut len))?;
    let mut bytes = vec![0u8; len];
    done(fill(bytes.as_mut_ptr().cast()))?;
    Ok(bytes)
}

fn version() -> String {
    let (mut major, mut minor) = (0, 0);
    // SAFETY: the function writes one number to each argument.
    let code = unsafe { sys::nvrtcVersion(&mut major, &mut minor) };
    format!("NVRTC {major}.{minor} {code:?}")
}

fn cache_folder() -> Option<PathBuf> {
    if let Some(folder) = std::env::var_os("RUNNER_KERNEL_CACHE") {
        return (!folder.is_empty()).then(|| PathBuf::from(folder));
    }
    let set = |name| std::env::var_os(name).filter(|value| !value.is_empty());
    let cache = set("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(set("HOME")?).join(".cache")))?;
    Some(cache.join("runner").join("kernels"))
}

/// Returns the name of a cached file. If two programs get the same name, one of them is only compiled again,
/// because a file contains what it was made from.
fn file_name(made_from: &str) -> String {
    let mut hasher = std::hash::DefaultHasher::new();
    made_from.hash(&mut hasher);
    format!("{:016x}", hasher.finish())
}

/// Reads the code in a cached file, if it was made from `made_from`. The file has the length of what it was
/// made from (8 bytes, little-endian), that text, the length of the code (same format), and the code.
fn read(file: &Path, made_from: &str) -> Option<Vec<u8>> {
    let bytes = files::read(file, files::MOST_TEXT).ok()?;
    let (from, rest) = part(&bytes)?;
    let (code, rest) = part(rest)?;
    (from == made_from.as_bytes() && rest.is_empty()).then(|| code.to_vec())
}

fn part(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.split_at_checked(usize::try_from(u64::from_le_bytes(*len)).ok()?)
}

/// Writes a cached file atomically: other processes see all of it or nothing.
fn write(file: &Path, made_from: &str, code: &[u8]) {
    let Some(folder) = file.parent() else {
        return;
    };
    let written = || -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let mut temporary = tempfile::Builder::new()
            // Users may share a cache, so its files are as readable as the umask allows.
            .permissions(std::fs::Permissions::from_mode(0o666))
            .tempfile_in(folder)?;
        for part in [made_from.as_bytes(), code] {
            temporary.write_all(&(part.len() as u64).to_le_bytes())?;
            temporary.write_all(part)?;
        }
        temporary.persist(file)?;
        Ok(())
    };
    // If this fails, the kernel is compiled again next time.
    let _ = written();
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cached_code_is_found_by_its_source() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("deeper").join("kernel");
        assert_eq!(read(&file, "this"), None);
        write(&file, "this", b"code");
        assert_eq!(read(&file, "this").as_deref(), Some(&b"code"[..]));
        assert_eq!(read(&file, "that"), None);
    }

    #[test]
    fn a_gpu_that_is_newer_than_the_compiler_gets_ptx_of_the_newest_architecture_before_it() {
        let known = [75, 80, 90, 120];
        assert_eq!(Target::of(90, &known), Target::MachineCode(90));
        assert_eq!(Target::of(130, &known), Target::Ptx(120));
        assert_eq!(Target::of(103, &known), Target::Ptx(90));
        // This GPU is too old. The compiler itself reports that.
        assert_eq!(Target::of(70, &known), Target::MachineCode(70));
        assert_eq!(Target::of(130, &[]), Target::MachineCode(130));
        assert_eq!(
            options(Target::Ptx(120))[0],
            "--gpu-architecture=compute_120"
        );
    }

    #[test]
    fn a_truncated_file_is_not_used() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("kernel");
        write(&file, "this", b"code");
        let bytes = std::fs::read(&file).expect("written");
        for len in 0..bytes.len() {
            std::fs::write(&file, &bytes[..len]).expect("cut");
            assert_eq!(read(&file, "this"), None, "{len} bytes");
        }
    }
}
