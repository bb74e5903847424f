//! Finds CUDA libraries and GPUs, and tests whether a GPU computes correctly.

use contract::{Gpu, GpuCheck, GpuLibrary, NoGpu, Precision};
use engine::devices::{DeviceChoice, NoSuchDevice};
use engine::launch::{VISIBLE_GPUS, own_binary};
use serde::{Deserialize, Serialize};
use stages::gpus;

#[derive(Debug, Serialize)]
pub(super) struct Cuda {
    pub libraries: Vec<Library>,
    pub gpus: Vec<VisibleGpu>,
    /// The reason why there are no GPUs; `None` if there are some.
    #[serde(serialize_with = "as_text")]
    pub without: Option<NoGpu>,
    pub default_precision: Precision,
    /// The requested precision.
    pub precision: Precision,
    /// Number of the GPU that would be used, and that is therefore tested.
    pub chosen: Option<usize>,
    #[serde(flatten)]
    pub test: SelfTest,
    /// Set if the requested device does not exist.
    #[serde(skip)]
    pub missing: Option<NoSuchDevice>,
}

/// A library with its version and file, or the reason why it was not found.
#[derive(Debug, Serialize)]
pub(super) struct Library {
    pub name: &'static str,
    pub version: Option<String>,
    pub file: Option<String>,
    pub why_not: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct VisibleGpu {
    #[serde(flatten)]
    pub gpu: Gpu,
    /// In bytes.
    pub free_memory: Option<u64>,
}

/// Result of the test of all operations.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct SelfTest {
    pub self_test: Vec<Agreement>,
    /// The reason why the test was not finished; `None` if it was.
    pub failure: Option<String>,
}

/// An operation on the GPU, compared with the same operation on the CPU.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Agreement {
    pub operation: String,
    pub precision: Precision,
    /// The largest difference divided by the largest value; `None` if it is not finite.
    pub error: Option<f64>,
    /// Largest `error` that is accepted.
    pub bound: f64,
    pub agrees: bool,
}

/// The part of the output of `runner doctor --json` that its parent process reads.
#[derive(Deserialize)]
struct DoctorOutput {
    cuda: SelfTest,
}

impl Cuda {
    /// Finds libraries and GPUs, and tests the first GPU that `choice` selects.
    pub(super) fn detect(choice: DeviceChoice, precision: Precision) -> Self {
        let visible = |gpu: &Gpu| VisibleGpu {
            free_memory: gpus::free_memory(gpu.index).ok(),
            gpu: gpu.clone(),
        };
        let chosen = choice.resolve(precision, gpus::survey);
        let there = gpus::survey();
        let mut cuda = Self {
            libraries: gpus::libraries().into_iter().map(Library::from).collect(),
            gpus: there.iter().flatten().map(visible).collect(),
            without: there.as_ref().err().cloned(),
            default_precision: Precision::default(),
            precision,
            chosen: None,
            test: SelfTest::default(),
            missing: chosen.as_ref().err().cloned(),
        };
        let gpu = chosen
            .ok()
            .and_then(|chosen| chosen.gpus.into_iter().next());
        if let Some(gpu) = gpu {
            cuda.chosen = Some(gpu.index);
            if cuda.libraries.iter().all(|found| found.why_not.is_none()) {
                cuda.test = SelfTest::of(&gpu, precision);
            }
        }
        cuda
    }

    /// Describes what is wrong and what to do.
    pub(super) fn problems(&self) -> Vec<String> {
        if let Some(missing) = &self.missing {
            let what_to_do = match missing {
                NoSuchDevice::None(why) => remedy(why),
                NoSuchDevice::Number { .. } | NoSuchDevice::NoTf32(_) => missing.hint(),
            };
            return vec![format!("{missing}; {what_to_do}")];
        }
        let Some(index) = self.chosen else {
            return Vec::new();
        };
        let mut problems = Vec::new();
        for library in &self.libraries {
            if let Some(why) = &library.why_not {
                problems.push(format!(
                    "{} is needed to compute on a GPU: {why}; install the CUDA toolkit, or add the \
                     folder of its libraries to `LD_LIBRARY_PATH`",
                    library.name
                ));
            }
        }
        if let Some(why) = &self.test.failure {
            problems.push(format!("GPU {index} failed its test: {why}"));
        }
        let wrong = self.test.self_test.iter().filter(|check| !check.agrees);
        problems.extend(wrong.map(|check| {
            format!(
                "{} on GPU {index} ({}) differs from the CPU by {} relative to the largest value; the \
                 bound is {:.0e}; do not trust results of this machine",
                check.operation,
                check.precision,
                check.difference(),
                check.bound
            )
        }));
        problems
    }
}

/// Steps to get a usable GPU.
pub(super) fn remedy(why: &NoGpu) -> &'static str {
    match why {
        NoGpu::NotBuilt => {
            "to compute on NVIDIA GPUs, build with `cargo build --release --features cuda`"
        }
        NoGpu::NoDriver(_) => "to compute on NVIDIA GPUs, install NVIDIA's driver",
        NoGpu::NoDevice => {
            "if this machine has one, check whether `nvidia-smi` lists it, and whether \
             `CUDA_VISIBLE_DEVICES` hides it"
        }
        NoGpu::Driver(_) => {
            "check the output of `nvidia-smi`; after an update of the driver, restart the machine"
        }
    }
}

fn as_text<S: serde::Serializer>(why: &Option<NoGpu>, to: S) -> Result<S::Ok, S::Error> {
    why.as_ref().map(NoGpu::to_string).serialize(to)
}

impl SelfTest {
    /// Tests a GPU. A process can only test the first GPU that it sees, so any other GPU is tested by a new
    /// doctor process that sees only that GPU.
    fn of(gpu: &Gpu, precision: Precision) -> Self {
        let tested = if gpu.index == 0 {
            Self::here(precision)
        } else {
            Self::in_child_process(gpu, precision)
        };
        tested.unwrap_or_else(|why| Self {
            self_test: Vec::new(),
            failure: Some(why),
        })
    }

    fn here(precision: Precision) -> Result<Self, String> {
        let checks = gpus::self_test(precision).map_err(|failure| failure.to_string())?;
        Ok(Self {
            self_test: checks.into_iter().map(Agreement::from).collect(),
            failure: None,
        })
    }

    fn in_child_process(gpu: &Gpu, precision: Precision) -> Result<Self, String> {
        let doctor = own_binary().and_then(|mut command| {
            command
                .args(["doctor", "--device", "cuda", "--json", "--precision"])
                .arg(precision.to_string())
                .env(VISIBLE_GPUS, &gpu.uuid)
                .output()
        });
        let output = doctor.map_err(|error| format!("failed to start a process: {error}"))?;
        let doctor: DoctorOutput = serde_json::from_slice(&output.stdout).map_err(|_| {
            let stderr = String::from_utf8_lossy(&output.stderr);
            format!(
                "the process that tests it ended with {}: {}",
                output.status,
                stderr.trim()
            )
        })?;
        match doctor.cuda {
            Self {
                self_test,
                failure: None,
            } if self_test.is_empty() => {
                let stderr = String::from_utf8_lossy(&output.stderr);
                Err(format!(
                    "a process that may see only this GPU does not see it: {}",
                    stderr.trim()
                ))
            }
            test => Ok(test),
        }
    }
}

impl From<GpuLibrary> for Library {
    fn from(library: GpuLibrary) -> Self {
        let (found, why_not) = match library.found {
            Ok(found) => (Some(found), None),
            Err(why) => (None, Some(why)),
        };
        let (version, file) = found.unzip();
        Self {
            name: library.name,
            version,
            file: file.map(|file| file.to_string_lossy().into_owned()),
            why_not,
        }
    }
}

impl From<GpuCheck> for Agreement {
    fn from(check: GpuCheck) -> Self {
        Self {
            agrees: check.error <= check.bound,
            error: check.error.is_finite().then_some(check.error),
            operation: check.operation,
            precision: check.precision,
            bound: check.bound,
        }
    }
}

impl Agreement {
    /// The error as text.
    pub(super) fn difference(&self) -> String {
        self.error.map_or_else(
            || "infinity or NaN".to_owned(),
            |error| format!("{error:.1e}"),
        )
    }
}
