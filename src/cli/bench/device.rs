use std::fmt;
use std::str::FromStr;

use clap::Args;
use stages::contract::{Device, Precision};
use stages::gpus::gpus;

use crate::error::Error;

/// What a training is measured on.
#[derive(Clone, Copy, Debug, Args)]
pub struct On {
    /// `cpu`, `cuda` (the first GPU) or `cuda:N` (the GPU of this number)
    #[arg(long, value_name = "DEVICE", default_value_t = Place::Cpu)]
    device: Place,
    /// How a GPU multiplies: `tf32` or `float32`
    #[arg(long, value_name = "PRECISION", default_value_t = Precision::Tf32)]
    precision: Precision,
}

/// A processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Cpu,
    /// Of this number in the driver's order.
    Cuda(usize),
}

impl On {
    pub fn device(self) -> Device {
        match self.device {
            Place::Cpu => Device::Cpu,
            Place::Cuda(_) => Device::Cuda {
                precision: self.precision,
            },
        }
    }

    /// What of the environment shows a process this GPU alone.
    ///
    /// # Errors
    /// If there is none, or none of this number.
    pub fn visible(self) -> Result<Option<(&'static str, String)>, Error> {
        let Place::Cuda(index) = self.device else {
            return Ok(None);
        };
        let gpus = gpus().map_err(|no_gpu| {
            Error::Usage(format!(
                "there is no GPU to measure: {no_gpu}; leave out `--device`"
            ))
        })?;
        match gpus.get(index) {
            Some(gpu) => Ok(Some(("CUDA_VISIBLE_DEVICES", gpu.uuid.clone()))),
            None => Err(Error::Usage(format!(
                "there is no GPU {index}; there are {}, counted from 0",
                gpus.len()
            ))),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(index) => write!(f, "cuda:{index}"),
        }
    }
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "cpu" => Ok(Self::Cpu),
            "cuda" => Ok(Self::Cuda(0)),
            _ => text
                .strip_prefix("cuda:")
                .and_then(|index| index.parse().ok())
                .map(Self::Cuda)
                .ok_or_else(|| "not `cpu`, `cuda` or `cuda:N`".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Place;

    #[test]
    fn devices_are_read_as_they_are_written() {
        assert_eq!("cuda".parse(), Ok(Place::Cuda(0)));
        for place in [Place::Cpu, Place::Cuda(3)] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        for text in ["gpu", "cuda:", "cuda:-1", "CPU"] {
            assert!(text.parse::<Place>().is_err(), "{text}");
        }
    }
}
