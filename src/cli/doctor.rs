//! What this machine has to compute with, and whether it works.

use std::path::Path;

use bytesize::ByteSize;
use clap::Args;
use rustix::fs::{Access, access};
use serde::Serialize;
use stages::contract::Precision;
use stages::gpus::{self, Check, Gpu, Library};

use super::pipeline::StoreArgs;
use super::unwritten;
use crate::devices::{self, DeviceChoice, NoSuchDevice};
use crate::error::Error;
use crate::forecast::Machine;
use crate::report::{Console, wording};

/// Say what this machine has to compute with, and test its GPU against the CPU
#[derive(Debug, Args)]
pub struct Doctor {
    /// What must work: auto (whatever there is), cpu, cuda, cuda:0
    #[arg(long, value_name = "DEVICE", env = "RUNNER_DEVICE", default_value_t)]
    device: DeviceChoice,
    #[command(flatten)]
    store: StoreArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// All that was found.
#[derive(Serialize)]
struct Findings {
    runner: &'static str,
    devices: &'static [&'static str],
    cpu: Cpu,
    memory_bytes: Option<u64>,
    free_memory_bytes: Option<u64>,
    store: String,
    store_free_bytes: Option<u64>,
    store_is_writable: bool,
    cuda: Cuda,
    /// What is wrong and what to do, in words.
    problems: Vec<String>,
}

#[derive(Serialize)]
struct Cpu {
    model: Option<String>,
    /// That this process may use.
    cores: usize,
    /// The widest that loops are compiled for and that it has.
    vectors: &'static str,
}

#[derive(Serialize)]
struct Cuda {
    libraries: Vec<Found>,
    gpus: Vec<Seen>,
    default_precision: Precision,
    /// Number of the GPU that was tested.
    tested: Option<usize>,
    self_test: Vec<Agreement>,
}

#[derive(Serialize)]
struct Found {
    name: &'static str,
    version: Option<String>,
    file: Option<String>,
    why_not: Option<String>,
}

#[derive(Serialize)]
struct Seen {
    #[serde(flatten)]
    gpu: Gpu,
    free_memory: Option<u64>,
}

#[derive(Serialize)]
struct Agreement {
    operation: String,
    precision: Precision,
    error: f64,
    bound: f64,
    agrees: bool,
}

impl Doctor {
    pub fn execute(self, console: &Console) -> Result<(), Error> {
        let findings = self.look();
        let text = if self.json {
            serde_json::to_string(&findings).map_err(|e| Error::Internal(e.to_string()))?
        } else {
            findings.text()
        };
        console.result(&text).map_err(unwritten)?;
        match findings.problems.first() {
            None => Ok(()),
            Some(problem) => Err(Error::System(problem.clone())),
        }
    }

    fn look(&self) -> Findings {
        let folder = existing(self.store.folder());
        let machine = Machine::look(folder);
        let mut problems = Vec::new();
        let is_writable = access(folder, Access::WRITE_OK).is_ok();
        if !is_writable {
            problems.push(format!(
                "the store cannot be written: nothing may be made in `{}`; `--artifacts` says where it is",
                folder.display()
            ));
        }
        let cuda = self.cuda(&mut problems);
        Findings {
            runner: env!("CARGO_PKG_VERSION"),
            devices: stages::device::CLASSES,
            cpu: Cpu {
                model: cpu_model(),
                cores: std::thread::available_parallelism().map_or(1, usize::from),
                vectors: vectors(),
            },
            memory_bytes: machine.memory,
            free_memory_bytes: machine.free_memory,
            store: self.store.folder().display().to_string(),
            store_free_bytes: machine.disk,
            store_is_writable: is_writable,
            cuda,
            problems,
        }
    }

    fn cuda(&self, problems: &mut Vec<String>) -> Cuda {
        let libraries: Vec<Found> = gpus::libraries().into_iter().map(Found::from).collect();
        let mut cuda = Cuda {
            libraries,
            gpus: Vec::new(),
            default_precision: Precision::default(),
            tested: None,
            self_test: Vec::new(),
        };
        match self.device.resolve(Precision::default(), devices::gpus) {
            Err(error) => problems.push(format!("{error}; {}", error.hint())),
            Ok(chosen) => {
                let seen = |gpu: Gpu| Seen {
                    free_memory: gpus::free_memory(gpu.index).ok(),
                    gpu,
                };
                cuda.gpus = chosen.gpus.into_iter().map(seen).collect();
            }
        }
        let first = cuda.gpus.first().map(|seen| seen.gpu.index);
        let Some(first) = first else {
            return cuda;
        };
        let before = problems.len();
        for library in &cuda.libraries {
            if let Some(why) = &library.why_not {
                problems.push(format!(
                    "{} is needed to compute on a GPU: {why}; install the CUDA toolkit, or name the \
                     folder of its libraries in LD_LIBRARY_PATH",
                    library.name
                ));
            }
        }
        // A process computes on the first GPU that it sees: another one is not tested by this.
        if problems.len() > before || first != 0 {
            return cuda;
        }
        cuda.tested = Some(first);
        match gpus::self_test() {
            Err(failure) => problems.push(format!("the GPU does not compute: {failure}")),
            Ok(checks) => {
                cuda.self_test = checks.into_iter().map(Agreement::from).collect();
                let wrong = cuda.self_test.iter().filter(|check| !check.agrees);
                problems.extend(wrong.map(|check| {
                    format!(
                        "{} on the GPU ({}) differs from the CPU by {:.1e} of its largest value, \
                         more than {:.0e}: results of this machine are not to be trusted",
                        check.operation, check.precision, check.error, check.bound
                    )
                }));
            }
        }
        cuda
    }
}

impl From<Library> for Found {
    fn from(library: Library) -> Self {
        let (found, why_not) = match library.found {
            Ok(found) => (Some(found), None),
            Err(why) => (None, Some(why)),
        };
        let (version, file) = found.unzip();
        Self {
            name: library.name,
            version,
            file: file.map(|file| file.display().to_string()),
            why_not,
        }
    }
}

impl From<Check> for Agreement {
    fn from(check: Check) -> Self {
        let Check {
            operation,
            precision,
            error,
            bound,
        } = check;
        Self {
            operation,
            precision,
            agrees: error <= bound,
            error,
            bound,
        }
    }
}

impl Findings {
    fn text(&self) -> String {
        let size = |bytes: Option<u64>| bytes.map_or("unknown".to_owned(), iec);
        let mut text = format!(
            "runner  {}, computes on {}\n",
            self.runner,
            self.devices.join(" and ")
        );
        text += &format!(
            "cpu     {}, {}, {}\n",
            self.cpu.model.as_deref().unwrap_or("unknown"),
            wording::counted(self.cpu.cores, "core"),
            self.cpu.vectors
        );
        text += &format!(
            "memory  {}, {} free\n",
            size(self.memory_bytes),
            size(self.free_memory_bytes)
        );
        text += &format!(
            "store   {}, {} free{}\n",
            self.store,
            size(self.store_free_bytes),
            match self.store_is_writable {
                true => "",
                false => ", not writable",
            }
        );
        text += &self.cuda.text(self.devices);
        // The first is told as the error that ends this.
        for problem in self.problems.iter().skip(1) {
            text += &format!("\nproblem: {problem}");
        }
        text
    }
}

impl Cuda {
    fn text(&self, devices: &[&str]) -> String {
        if !devices.contains(&"cuda") {
            let without = NoSuchDevice::None(gpus::NoGpu::NotBuilt);
            return format!("cuda    {}; {}", gpus::NoGpu::NotBuilt, without.hint());
        }
        let mut lines = Vec::new();
        for library in &self.libraries {
            lines.push(match (&library.version, &library.why_not) {
                (Some(version), _) => format!(
                    "{} {version}, {}",
                    library.name,
                    library.file.as_deref().unwrap_or_default()
                ),
                (None, why) => format!(
                    "{} not found: {}",
                    library.name,
                    why.as_deref().unwrap_or("unknown")
                ),
            });
        }
        for Seen { gpu, free_memory } in &self.gpus {
            let (major, minor) = gpu.compute_capability;
            let free = free_memory.map(|bytes| format!(", {} free", iec(bytes)));
            lines.push(format!(
                "GPU {}: {}, compute capability {major}.{minor}, {}{}, {}",
                gpu.index,
                gpu.name,
                iec(gpu.memory),
                free.unwrap_or_default(),
                gpu.uuid
            ));
        }
        match devices::gpus() {
            Err(why) if self.gpus.is_empty() => {
                let without = NoSuchDevice::None(why.clone());
                lines.push(format!("{why}; {}", without.hint()));
            }
            _ => lines.push(format!("default precision {}", self.default_precision)),
        }
        let untested = |seen: &&Seen| self.tested != Some(seen.gpu.index);
        for Seen { gpu, .. } in self.gpus.iter().filter(untested) {
            lines.push(format!(
                "GPU {} is not tested; `CUDA_VISIBLE_DEVICES={} runner doctor` does",
                gpu.index, gpu.uuid
            ));
        }
        for check in &self.self_test {
            let verdict = if check.agrees { "agrees" } else { "DIFFERS" };
            lines.push(format!(
                "{verdict} with the CPU to {:.1e} (bound {:.0e}): {}, {}",
                check.error, check.bound, check.operation, check.precision
            ));
        }
        let indented: Vec<String> = lines
            .iter()
            .enumerate()
            .map(|(index, line)| format!("{:8}{line}", if index == 0 { "cuda" } else { "" }))
            .collect();
        indented.join("\n")
    }
}

fn iec(bytes: u64) -> String {
    ByteSize(bytes).display().iec().to_string()
}

/// The folder, or what there is of it.
fn existing(folder: &Path) -> &Path {
    let mut there = folder.ancestors().filter(|folder| folder.is_dir());
    there.next().unwrap_or(Path::new("."))
}

/// The processor's name; Linux tells.
fn cpu_model() -> Option<String> {
    let text = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// The widest vectors that training has loops for.
fn vectors() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            return "AVX-512";
        }
        if is_x86_feature_detected!("avx2") {
            return "AVX2";
        }
    }
    if cfg!(target_arch = "aarch64") {
        "NEON"
    } else {
        "no wide vectors"
    }
}
