//! Chooses the device on which stages compute: resolves the requested device against the GPUs of the machine.

use std::fmt;
use std::str::FromStr;

use contract::{Device, Gpu, NoGpu, Precision};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Deserializer};

/// The device requested for the stages of a pipeline.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// GPUs if there are any, otherwise the CPU.
    #[default]
    Auto,
    Cpu,
    /// Any GPU, or the one with this index.
    Cuda(Option<usize>),
}

/// Function that returns the GPUs of a machine.
pub type FindGpus = fn() -> &'static Result<Vec<Gpu>, NoGpu>;

/// Result of resolving a [`DeviceChoice`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chosen {
    pub device: Device,
    /// GPUs that stages may use; empty on the CPU.
    pub gpus: Vec<Gpu>,
    /// The reason why there are no GPUs, if one would have been used.
    pub without: Option<NoGpu>,
}

impl Chosen {
    /// Returns the result of choosing the CPU.
    pub fn cpu() -> Self {
        Self {
            device: Device::Cpu,
            gpus: Vec::new(),
            without: None,
        }
    }

    /// Returns the result of choosing a GPU on another machine that has one.
    pub fn assumed_cuda(precision: Precision) -> Self {
        Self {
            device: Device::Cuda { precision },
            gpus: Vec::new(),
            without: None,
        }
    }
}

/// Reason why no GPU can be used as requested.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoSuchDevice {
    #[error("there is no GPU to compute on: {0}")]
    None(NoGpu),
    #[error("there is no GPU {wanted}; this machine has {}", numbered(.there))]
    Number { wanted: usize, there: Vec<Gpu> },
    #[error(
        "GPU {index} ({name}) has no TF32: its compute capability is {major}.{minor}, and TF32 requires 8.0",
        index = .0.index, name = .0.name, major = .0.compute_capability.0, minor = .0.compute_capability.1
    )]
    NoTf32(Gpu),
}

impl NoSuchDevice {
    /// Returns a hint on what to do.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::None(NoGpu::NotBuilt) => {
                "build with `cargo build --release --features cuda`, or use `--device cpu`"
            }
            Self::None(NoGpu::NoDriver(_)) => {
                "install NVIDIA's driver, or use `--device cpu`; `runner doctor` shows details"
            }
            Self::None(_) => "use `--device cpu`; `runner doctor` shows details",
            Self::Number { .. } => "`--device cuda` uses any of them",
            Self::NoTf32(_) => "use `--precision float32`",
        }
    }
}

impl DeviceChoice {
    /// Returns the device on this machine and the GPUs that may be used.
    ///
    /// # Errors
    /// If a GPU that was requested explicitly is not available, or if there are GPUs but
    /// none supports the precision.
    pub fn resolve(
        self,
        precision: Precision,
        find_gpus: FindGpus,
    ) -> Result<Chosen, NoSuchDevice> {
        let can = |gpu: &&Gpu| precision == Precision::Float32 || gpu.compute_capability.0 >= 8;
        let cuda = |gpus: &[Gpu]| {
            let able: Vec<Gpu> = gpus.iter().filter(can).cloned().collect();
            match gpus.first() {
                Some(gpu) if able.is_empty() => Err(NoSuchDevice::NoTf32(gpu.clone())),
                _ => Ok(Chosen {
                    device: Device::Cuda { precision },
                    gpus: able,
                    without: None,
                }),
            }
        };
        let cpu = |without| Chosen {
            without,
            ..Chosen::cpu()
        };
        match (self, self.depends_on_gpus().then(find_gpus)) {
            (_, None) => Ok(cpu(None)),
            (Self::Auto | Self::Cpu, Some(Err(why))) => Ok(cpu(Some(why.clone()))),
            (Self::Cuda(_), Some(Err(why))) => Err(NoSuchDevice::None(why.clone())),
            (Self::Cuda(Some(wanted)), Some(Ok(there))) => {
                match there.iter().find(|gpu| gpu.index == wanted) {
                    Some(gpu) => cuda(std::slice::from_ref(gpu)),
                    None => Err(NoSuchDevice::Number {
                        wanted,
                        there: there.clone(),
                    }),
                }
            }
            (_, Some(Ok(there))) => cuda(there),
        }
    }

    /// Returns whether [`Self::resolve`] has to look at the GPUs of the machine.
    fn depends_on_gpus(self) -> bool {
        self != Self::Cpu
    }
}

/// Short form, shown when a run begins.
impl fmt::Display for Chosen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.device, &self.without) {
            (Device::Cpu, None) => f.write_str("cpu"),
            (Device::Cpu, Some(why)) => write!(f, "cpu ({why})"),
            (Device::Cuda { precision }, _) if self.gpus.is_empty() => {
                write!(f, "cuda, {precision}")
            }
            (Device::Cuda { precision }, _) => {
                write!(f, "cuda, {}, {precision}", numbered(&self.gpus))
            }
        }
    }
}

/// Lists GPUs with index and name.
fn numbered(gpus: &[Gpu]) -> String {
    let names: Vec<String> = gpus
        .iter()
        .map(|gpu| format!("GPU {} ({})", gpu.index, gpu.name))
        .collect();
    names.join(", ")
}

impl fmt::Display for DeviceChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Auto => f.write_str("auto"),
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(None) => f.write_str("cuda"),
            Self::Cuda(Some(index)) => write!(f, "cuda:{index}"),
        }
    }
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.strip_prefix("cuda:").map(str::parse);
        match (text, number) {
            ("auto", _) => Ok(Self::Auto),
            ("cpu", _) => Ok(Self::Cpu),
            ("cuda", _) => Ok(Self::Cuda(None)),
            (_, Some(Ok(index))) => Ok(Self::Cuda(Some(index))),
            _ => Err(format!(
                "`{text}` is not a device; use `auto`, `cpu`, `cuda`, or one GPU, such as `cuda:0`"
            )),
        }
    }
}

impl<'de> Deserialize<'de> for DeviceChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for DeviceChoice {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Device".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": "^(auto|cpu|cuda(:[0-9]+)?)$" })
    }
}

#[cfg(test)]
pub mod fake;

#[cfg(test)]
mod tests {
    use std::sync::OnceLock;

    use super::fake::{gpu, never, none, two};
    use super::*;

    fn resolved(choice: &str, find_gpus: FindGpus) -> Result<Chosen, NoSuchDevice> {
        let choice: DeviceChoice = choice.parse().unwrap();
        choice.resolve(Precision::Tf32, find_gpus)
    }

    #[test]
    fn names_are_read_and_written() {
        for name in ["auto", "cpu", "cuda", "cuda:0", "cuda:12"] {
            assert_eq!(name.parse::<DeviceChoice>().unwrap().to_string(), name);
        }
        for name in ["", "gpu", "cuda:", "cuda:-1", "cuda:x", "CUDA"] {
            assert!(name.parse::<DeviceChoice>().is_err(), "{name}");
        }
    }

    #[test]
    fn auto_uses_gpus_if_there_are_any() {
        let tf32 = Device::Cuda {
            precision: Precision::Tf32,
        };
        let chosen = resolved("auto", two).unwrap();
        assert_eq!((chosen.device, chosen.gpus.len()), (tf32, 2));
        assert_eq!(chosen.to_string(), "cuda, GPU 0 (H100), GPU 1 (H100), tf32");
        let chosen = resolved("auto", none).unwrap();
        assert_eq!((chosen.device, chosen.gpus.len()), (Device::Cpu, 0));
        assert_eq!(chosen.to_string(), "cpu (the NVIDIA driver sees no GPU)");
    }

    #[test]
    fn tf32_is_used_only_on_gpus_that_have_it() {
        fn turing() -> &'static Result<Vec<Gpu>, NoGpu> {
            static OLD: OnceLock<Result<Vec<Gpu>, NoGpu>> = OnceLock::new();
            OLD.get_or_init(|| {
                Ok(vec![Gpu {
                    compute_capability: (7, 5),
                    ..gpu(0)
                }])
            })
        }
        let error = resolved("auto", turing).unwrap_err();
        assert!(
            error.to_string().contains("compute capability is 7.5"),
            "{error}"
        );
        let float32 = DeviceChoice::Auto.resolve(Precision::Float32, turing);
        assert_eq!(float32.unwrap().gpus.len(), 1);
    }

    #[test]
    fn the_cpu_needs_no_driver() {
        assert_eq!(resolved("cpu", never).unwrap().to_string(), "cpu");
    }

    #[test]
    fn a_gpu_that_is_requested_explicitly_is_found_or_an_error() {
        assert_eq!(resolved("cuda:1", two).unwrap().gpus, [gpu(1)]);
        assert_eq!(
            resolved("cuda:2", two).unwrap_err().to_string(),
            "there is no GPU 2; this machine has GPU 0 (H100), GPU 1 (H100)"
        );
        assert!(resolved("cuda", none).is_err());
    }
}
