//! What a stage asks for, as options of `sbatch`.
//!
//! | request | option | rounding |
//! | --- | --- | --- |
//! | `cpus` | `--ntasks=1 --cpus-per-task` | |
//! | `memory` (bytes), or else the site's `memory` | `--mem`, in MiB for the node | up |
//! | `seconds` | `--time`, in minutes, with the grace time and a minute more; at most the site's `time_limit` | up |
//! | `gpus` | `--gres=gpu:N` | |
//! | `gpu_memory` (bytes) | `--gres=gpu:TYPE:N` with the smallest type of the site that has enough | |

use serde::{Deserialize, Serialize};

use crate::{Error, Settings};

const MIB: u64 = 1 << 20;

/// Seconds by which Slurm may send the signal before the limit too early (sbatch(1), `--signal`).
const EARLY_SIGNAL: f64 = 60.0;

/// Resources of one stage. Jobs with equal resources become one array.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Resources {
    pub cpus: u32,
    /// Memory in bytes. `None` means the default of the settings, or else the site's.
    pub memory: Option<u64>,
    /// Longest time in seconds that the stage may take. `None` means the site's default.
    pub seconds: Option<f64>,
    pub gpus: u32,
    /// Memory that each GPU must have, in bytes.
    pub gpu_memory: Option<u64>,
}

/// Number of stages that share an allocation, and how many of them run at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pack {
    pub size: u32,
    pub at_once: u32,
}

impl Pack {
    /// Every stage has its own allocation.
    pub const NONE: Self = Self {
        size: 1,
        at_once: 1,
    };

    /// Returns the number of stages that run after each other.
    fn turns(self) -> u32 {
        self.size.div_ceil(self.at_once.max(1))
    }
}

impl Resources {
    /// Returns the options of `sbatch` for a pack of stages with these resources.
    ///
    /// # Errors
    /// If the request cannot be expressed.
    pub fn options(&self, pack: Pack, settings: &Settings) -> Result<Vec<String>, Error> {
        if self.cpus == 0 || pack.size == 0 || pack.at_once == 0 {
            return Err(too_little());
        }
        let all = |one: u32| {
            one.checked_mul(pack.at_once).ok_or_else(|| Error::Request {
                problem: format!("{one} times {} is more than any node has", pack.at_once),
                hint: "pack fewer stages".to_owned(),
            })
        };
        let mut options = vec![
            "--nodes=1".to_owned(),
            "--ntasks=1".to_owned(),
            format!("--cpus-per-task={}", all(self.cpus)?),
        ];
        // Slurm reads `--mem=0` as "all memory of the node".
        let asked = self.memory.map(|bytes| bytes.div_ceil(MIB).max(1));
        if let Some(mib) = asked.or(settings.memory) {
            options.push(format!(
                "--mem={}M",
                mib.saturating_mul(pack.at_once.into())
            ));
        }
        if let Some(minutes) = self.minutes(pack, settings) {
            options.push(format!("--time={minutes}"));
        }
        if self.gpus > 0 {
            let gpus = all(self.gpus)?;
            options.push(match self.gpu_type(settings)? {
                Some(name) => format!("--gres=gpu:{name}:{gpus}"),
                None => format!("--gres=gpu:{gpus}"),
            });
        } else if self.gpu_memory.is_some() {
            return Err(Error::Request {
                problem: "`gpu_memory` is given, but the stage asks for no GPU".to_owned(),
                hint: "add `gpus: 1` to the stage".to_owned(),
            });
        }
        Ok(options)
    }

    /// Returns the time limit of a job in minutes, rounded up: Slurm counts in minutes.
    fn minutes(&self, pack: Pack, settings: &Settings) -> Option<u64> {
        let asked = self.seconds.map(|seconds| {
            let seconds = seconds.max(0.0) * f64::from(pack.turns());
            let seconds = seconds + f64::from(settings.grace) + EARLY_SIGNAL;
            // 10 years, in minutes. A cast from a float saturates.
            ((seconds / 60.0).ceil() as u64).clamp(1, 5_256_000)
        });
        match (asked, settings.time_limit.map(u64::from)) {
            (Some(asked), Some(most)) => Some(asked.min(most)),
            (asked, most) => asked.or(most),
        }
    }

    /// Returns the smallest type of GPU of the site that has enough memory.
    fn gpu_type<'a>(&self, settings: &'a Settings) -> Result<Option<&'a str>, Error> {
        let Some(bytes) = self.gpu_memory else {
            return Ok(None);
        };
        let needed = bytes.div_ceil(MIB);
        if settings.gpu_types.is_empty() {
            return Err(Error::Request {
                problem: format!(
                    "the stage asks for {needed} MiB of GPU memory, which Slurm cannot ask for"
                ),
                hint: "list the GPU types of the site with their memory in `slurm.gpu_types`"
                    .to_owned(),
            });
        }
        let fitting = settings
            .gpu_types
            .iter()
            .filter(|kind| kind.memory >= needed);
        match fitting.min_by_key(|kind| kind.memory) {
            Some(kind) => Ok(Some(&kind.name)),
            None => {
                let most = settings.gpu_types.iter().map(|kind| kind.memory).max();
                Err(Error::Request {
                    problem: format!(
                        "the stage asks for {needed} MiB of GPU memory; the largest GPU in `slurm.gpu_types` has {} MiB",
                        most.unwrap_or_default()
                    ),
                    hint: "lower `gpu_memory`, or add the type of GPU to `slurm.gpu_types`"
                        .to_owned(),
                })
            }
        }
    }
}

fn too_little() -> Error {
    Error::Request {
        problem: "a job needs at least one CPU and one stage".to_owned(),
        hint: "use `cpus: 1` and `pack: 1` or more".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::GpuType;

    fn resources() -> Resources {
        Resources {
            cpus: 2,
            memory: None,
            seconds: None,
            gpus: 0,
            gpu_memory: None,
        }
    }

    fn site() -> Settings {
        let gpu = |name: &str, memory| GpuType {
            name: name.to_owned(),
            memory,
        };
        Settings {
            gpu_types: vec![gpu("h100", 81920), gpu("t4", 15360), gpu("a100", 40960)],
            grace: 60,
            ..Settings::default()
        }
    }

    fn options(resources: &Resources, pack: Pack, settings: &Settings) -> String {
        resources.options(pack, settings).unwrap()[2..].join(" ")
    }

    #[test]
    fn limits_are_rounded_up() {
        let one = |memory, seconds| {
            let asked = Resources {
                memory,
                seconds,
                ..resources()
            };
            options(&asked, Pack::NONE, &site())
        };
        assert_eq!(one(None, None), "--cpus-per-task=2");
        assert_eq!(one(Some(0), None), "--cpus-per-task=2 --mem=1M");
        assert_eq!(one(Some(MIB + 1), None), "--cpus-per-task=2 --mem=2M");
        assert_eq!(one(None, Some(0.0)), "--cpus-per-task=2 --time=2");
        assert_eq!(one(None, Some(0.5)), "--cpus-per-task=2 --time=3");
        assert_eq!(one(None, Some(120.0)), "--cpus-per-task=2 --time=4");
        assert_eq!(
            one(None, Some(f64::INFINITY)),
            "--cpus-per-task=2 --time=5256000"
        );
    }

    #[test]
    fn the_site_limits_the_time() {
        let site = Settings {
            time_limit: Some(30),
            ..site()
        };
        for (seconds, minutes) in [(None, 30), (Some(600.0), 12), (Some(1e6), 30)] {
            let asked = Resources {
                seconds,
                ..resources()
            };
            let expected = format!("--cpus-per-task=2 --time={minutes}");
            assert_eq!(options(&asked, Pack::NONE, &site), expected);
        }
    }

    #[test]
    fn the_settings_have_a_default_for_memory() {
        let site = Settings {
            memory: Some(2048),
            ..site()
        };
        let one = |memory| {
            let asked = Resources {
                memory,
                ..resources()
            };
            options(&asked, Pack::NONE, &site)
        };
        assert_eq!(one(None), "--cpus-per-task=2 --mem=2048M");
        assert_eq!(one(Some(MIB)), "--cpus-per-task=2 --mem=1M");
    }

    #[test]
    fn a_pack_asks_for_what_runs_at_once() {
        let asked = Resources {
            memory: Some(100 * MIB),
            seconds: Some(60.0),
            gpus: 1,
            ..resources()
        };
        let pack = Pack {
            size: 20,
            at_once: 3,
        };
        let expected = "--cpus-per-task=6 --mem=300M --time=9 --gres=gpu:3";
        assert_eq!(options(&asked, pack, &site()), expected);
    }

    #[test]
    fn the_smallest_gpu_with_enough_memory_is_chosen() {
        let asked = |gib: u64| Resources {
            gpus: 1,
            gpu_memory: Some(gib << 30),
            ..resources()
        };
        let chosen = |gib| options(&asked(gib), Pack::NONE, &site());
        assert!(chosen(1).ends_with("--gres=gpu:t4:1"));
        assert!(chosen(16).ends_with("--gres=gpu:a100:1"));
        assert!(chosen(80).ends_with("--gres=gpu:h100:1"));
        let refused = |asked: Resources, site: &Settings| {
            let error = asked.options(Pack::NONE, site).unwrap_err();
            assert!(error.hint().is_some());
            error.to_string()
        };
        assert!(refused(asked(81), &site()).contains("has 81920 MiB"));
        assert!(refused(asked(1), &Settings::default()).contains("Slurm cannot ask for"));
        let without = Resources {
            gpus: 0,
            ..asked(1)
        };
        assert!(refused(without, &site()).contains("no GPU"));
        let none = Resources {
            cpus: 0,
            ..asked(1)
        };
        assert!(refused(none, &site()).contains("at least one CPU"));
    }
}
