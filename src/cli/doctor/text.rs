//! Renders the findings as text: a paragraph per subject, with the name of the subject in front.

use bytesize::ByteSize;
use contract::NoGpu;
use engine::forecast::StoreFolder;
use engine::wording;

use super::cpu::Cpu;
use super::cuda::{Agreement, Cuda, Library, VisibleGpu, remedy};
use super::{Findings, Memory};

/// Lines at the end of a log that are shown.
const SHOWN: usize = 5;

impl Findings {
    pub(super) fn text(&self) -> String {
        let built = if self.is_built_with_cuda {
            "with"
        } else {
            "without"
        };
        let mut text = [
            paragraph("runner", [format!("{}, built {built} CUDA", self.runner)]),
            paragraph("cpu", [self.cpu.text()]),
            paragraph("memory", [self.memory.text()]),
            paragraph("store", [store(&self.store)]),
            paragraph("cuda", self.cuda.lines()),
        ]
        .join("\n");
        if let Some(remote) = &self.remote {
            text += &format!("\n{}", paragraph("remote", [remote.text()]));
        }
        if let Some(slurm) = &self.slurm {
            text += &format!("\n{}", paragraph("slurm", slurm.lines()));
        }
        if let Some(ssh) = &self.ssh {
            text += &format!("\n{}", paragraph("ssh", ssh.lines()));
        }
        // The first problem is printed as the error that ends the command.
        for problem in self.problems.iter().skip(1) {
            text += &format!("\nproblem: {problem}");
        }
        text
    }
}

fn paragraph(name: &str, lines: impl IntoIterator<Item = String>) -> String {
    let indented = lines.into_iter().enumerate().map(|(index, line)| {
        let name = if index == 0 { name } else { "" };
        format!("{name:8}{line}")
    });
    indented.collect::<Vec<_>>().join("\n")
}

impl Cpu {
    fn text(&self) -> String {
        let unknown = || "unknown".to_owned();
        let cores = |count| wording::counted(count, "core");
        format!(
            "{}, {}, {} used, kind {}",
            self.model.clone().unwrap_or_else(unknown),
            self.cores.map_or_else(|| "cores unknown".to_owned(), cores),
            wording::counted(self.threads, "thread"),
            self.kind,
        )
    }
}

impl Memory {
    pub(super) fn text(&self) -> String {
        format!("{}, {} free", size(self.bytes), size(self.free_bytes))
    }
}

pub(super) fn store(folder: &StoreFolder) -> String {
    let made = if folder.is_there {
        ""
    } else {
        ", not created yet"
    };
    let can = match (&folder.why_not_writable, folder.links) {
        (Some(_), _) => "CANNOT be written",
        (None, Some(true)) => "can be written, links work",
        (None, _) => "can be written, no links: `latest` gets copies",
    };
    let free = size(folder.free_bytes);
    format!("{}{made}, {free} free, {can}", folder.folder)
}

impl Cuda {
    fn lines(&self) -> Vec<String> {
        // If the driver is missing, the line about missing GPUs already says so.
        let is_shown = |found: &&Library| match (&self.without, &found.why_not) {
            (Some(NoGpu::NoDriver(shown)), Some(why)) => shown == why,
            _ => false,
        };
        let mut lines: Vec<String> = self
            .libraries
            .iter()
            .filter(|found| !is_shown(found))
            .map(Library::text)
            .collect();
        lines.extend(self.gpus.iter().map(VisibleGpu::text));
        match &self.without {
            Some(why) => lines.push(format!("{why}; {}", remedy(why))),
            None => lines.push(format!("default precision {}", self.default_precision)),
        }
        if let (Some(index), false) = (self.chosen, self.test.self_test.is_empty()) {
            lines.push(format!(
                "operations on GPU {index}, with the largest difference divided by the largest value:"
            ));
        }
        lines.extend(self.test.self_test.iter().map(Agreement::text));
        lines
    }
}

impl Library {
    fn text(&self) -> String {
        match &self.why_not {
            Some(why) => format!("{} not found: {why}", self.name),
            None => format!(
                "{} {}, {}",
                self.name,
                self.version.as_deref().unwrap_or_default(),
                self.file.as_deref().unwrap_or_default()
            ),
        }
    }
}

impl VisibleGpu {
    fn text(&self) -> String {
        let (major, minor) = self.gpu.compute_capability;
        format!(
            "GPU {}: {}, compute capability {major}.{minor}, {}, {} free, {}",
            self.gpu.index,
            self.gpu.name,
            size(Some(self.gpu.memory)),
            size(self.free_memory),
            self.gpu.uuid
        )
    }
}

impl Agreement {
    fn text(&self) -> String {
        let verdict = if self.agrees {
            "agrees with the CPU to"
        } else {
            "DIFFERS from the CPU by"
        };
        format!(
            "{verdict} {} (bound {:.0e}): {}, {}",
            self.difference(),
            self.bound,
            self.operation,
            self.precision
        )
    }
}

/// The last lines of a log, which are those with the error, each on a line of its own.
pub(super) fn last_lines(log: &str) -> String {
    let lines = log.lines().filter(|line| !line.trim().is_empty());
    let lines: Vec<&str> = lines.collect();
    let last = lines[lines.len().saturating_sub(SHOWN)..].iter();
    last.map(|line| format!("\n  {}", contract::one_line(line)))
        .collect()
}

pub(super) fn size(bytes: Option<u64>) -> String {
    let iec = |bytes| ByteSize(bytes).display().iec().to_string();
    bytes.map_or_else(|| "unknown".to_owned(), iec)
}
