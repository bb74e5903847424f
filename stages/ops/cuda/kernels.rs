//! Kernels, which are compiled at their first call and launched on dfdx's stream.

use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::sync::Mutex;

use contract::{Failure, lock};
use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys;

use super::compiler::Program;
use crate::unwind;

/// Code that every kernel may use.
const PRELUDE: &str = include_str!("prelude.cuh");

/// A file of kernels.
#[derive(Clone, Copy, Debug)]
pub struct Source {
    /// Name in messages, for example `batch_norm`. It must be unique, because compiled kernels are kept by it.
    pub name: &'static str,
    pub code: &'static str,
}

/// A macro that a file of kernels is compiled with. Values that are known before a launch, such as the shapes
/// of a layer, should be constants rather than arguments.
pub type Constant = (&'static str, i64);

/// Threads of a launch: blocks in three dimensions, and threads per block.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    pub blocks: (usize, usize, usize),
    pub threads: usize,
}

/// An argument of a kernel.
#[derive(Clone, Copy, Debug)]
pub enum Argument {
    Pointer(sys::CUdeviceptr),
    Int(i32),
    Long(i64),
    Float(f32),
}

/// The compiled kernels of one GPU.
pub(super) struct Kernels {
    capability: (i32, i32),
    modules: Mutex<HashMap<(&'static str, Vec<Constant>), Module>>,
}

struct Module {
    module: sys::CUmodule,
    functions: HashMap<&'static str, sys::CUfunction>,
}

// SAFETY: modules and functions belong to the GPU's context, which any thread may use.
unsafe impl Send for Module {}

impl Grid {
    /// Returns a grid with enough blocks of 256 threads for `count` elements, but no more blocks than keep a large
    /// GPU busy: kernels loop in strides of the whole grid.
    pub fn over(count: usize) -> Self {
        const THREADS: usize = 256;
        const MOST_BLOCKS: usize = 1 << 14;
        Self {
            blocks: (count.div_ceil(THREADS).clamp(1, MOST_BLOCKS), 1, 1),
            threads: THREADS,
        }
    }
}

impl Source {
    /// Returns the complete program for these constants.
    pub fn program(&self, constants: &[Constant], capability: (i32, i32)) -> Program {
        let mut source = String::new();
        for (name, value) in constants {
            source += &format!("#define {name} ({value})\n");
        }
        source += PRELUDE;
        source += self.code;
        Program {
            name: format!("{}.cu", self.name),
            source,
            capability,
        }
    }
}

impl Kernels {
    pub(super) fn new(capability: (i32, i32)) -> Self {
        Self {
            capability,
            modules: Mutex::default(),
        }
    }

    /// Launches `function` of a file of kernels, compiled with `constants`.
    ///
    /// If the kernel does not compile, the stack unwinds as if the device had failed.
    ///
    /// # Safety
    /// The arguments must be those of the kernel, in order. Every pointer must lead to as much memory as the
    /// kernel uses, and nothing that it writes to may be shared.
    pub(super) unsafe fn launch(
        &self,
        source: &Source,
        function: &'static str,
        constants: &[Constant],
        grid: Grid,
        arguments: &[Argument],
    ) -> Result<(), DriverError> {
        let function = self.function(source, function, constants)?;
        let mut parameters: Vec<*mut c_void> = arguments.iter().map(Argument::place).collect();
        let size = |count: usize| u32::try_from(count).expect("a grid that CUDA allows");
        let (x, y, z) = grid.blocks;
        // SAFETY: the caller upholds the contract above. The stream is the default one, like dfdx's.
        unsafe {
            result::launch_kernel(
                function,
                (size(x), size(y), size(z)),
                (size(grid.threads), 1, 1),
                0,
                std::ptr::null_mut(),
                &mut parameters,
            )
        }
    }

    fn function(
        &self,
        source: &Source,
        function: &'static str,
        constants: &[Constant],
    ) -> Result<sys::CUfunction, DriverError> {
        let mut modules = lock(&self.modules);
        let key = (source.name, constants.to_vec());
        if !modules.contains_key(&key) {
            let program = source.program(constants, self.capability);
            let code = program
                .code()
                .unwrap_or_else(|error| unwind(Failure::System(error.to_string())));
            // SAFETY: the code is complete, and compiled for this GPU.
            let module = unsafe { result::module::load_data(code.as_ptr().cast()) }?;
            let functions = HashMap::new();
            modules.insert(key.clone(), Module { module, functions });
        }
        let module = modules.get_mut(&key).expect("just inserted");
        if let Some(&function) = module.functions.get(function) {
            return Ok(function);
        }
        let name = CString::new(function).expect("a name without NUL characters");
        // SAFETY: the module stays loaded as long as the process lives.
        let found = unsafe { result::module::get_function(module.module, name) }?;
        module.functions.insert(function, found);
        Ok(found)
    }
}

impl Argument {
    /// Returns the address of the value, as the driver expects it.
    fn place(&self) -> *mut c_void {
        match self {
            Self::Pointer(value) => std::ptr::from_ref(value).cast_mut().cast(),
            Self::Int(value) => std::ptr::from_ref(value).cast_mut().cast(),
            Self::Long(value) => std::ptr::from_ref(value).cast_mut().cast(),
            Self::Float(value) => std::ptr::from_ref(value).cast_mut().cast(),
        }
    }
}

impl From<f32> for Argument {
    fn from(value: f32) -> Self {
        Self::Float(value)
    }
}

/// Converts a count or a size. Kernels index with 32 bits.
impl From<usize> for Argument {
    /// # Panics
    /// If the value is not below 2³¹.
    fn from(value: usize) -> Self {
        Self::Int(i32::try_from(value).expect("fewer than 2³¹ values in a tensor on a GPU"))
    }
}
