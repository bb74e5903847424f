//! The processor that stages compute on.

use std::collections::BTreeSet;

use contract::files::system_text;
use serde::Serialize;

/// Properties of the processor. Model and cores are known on Linux only.
#[derive(Debug, Serialize)]
pub(super) struct Cpu {
    pub model: Option<String>,
    /// Cores of the machine. A core that runs several threads counts once.
    pub cores: Option<usize>,
    /// Threads that a run uses by default: as many as this process may have.
    pub threads: usize,
    /// Kind of processor, as in the keys of stages that compute: `x86-avx512`, for example.
    pub kind: &'static str,
}

impl Cpu {
    pub(super) fn detect() -> Self {
        let cpuinfo = system_text("/proc/cpuinfo").unwrap_or_default();
        Self {
            model: field(&cpuinfo, "model name").next().map(str::to_owned),
            cores: cores(&cpuinfo),
            threads: std::thread::available_parallelism().map_or(1, usize::from),
            kind: stages::device::processor(),
        }
    }
}

/// The values of a field of `/proc/cpuinfo`, which has a paragraph for each hardware thread.
fn field<'a>(cpuinfo: &'a str, name: &'a str) -> impl Iterator<Item = &'a str> {
    cpuinfo.lines().filter_map(move |line| {
        let (found, value) = line.split_once(':')?;
        (found.trim() == name && !value.trim().is_empty()).then(|| value.trim())
    })
}

/// Counts the distinct pairs of socket and core number. If these are missing, counts one core per `processor` field.
fn cores(cpuinfo: &str) -> Option<usize> {
    let numbers = field(cpuinfo, "physical id").zip(field(cpuinfo, "core id"));
    let count = match numbers.collect::<BTreeSet<_>>().len() {
        0 => field(cpuinfo, "processor").count(),
        numbered => numbered,
    };
    (count > 0).then_some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_threads_of_a_core_are_one_core() {
        let thread = |number: usize, socket: usize, core: usize| {
            format!(
                "processor\t: {number}\nmodel name\t: Some CPU @ 2.00GHz\nphysical id\t: {socket}\n\
                 core id\t\t: {core}\n\n"
            )
        };
        let cpuinfo: String = [(0, 0, 0), (1, 0, 0), (2, 0, 1), (3, 1, 0)]
            .map(|(number, socket, core)| thread(number, socket, core))
            .concat();
        assert_eq!(cores(&cpuinfo), Some(3));
        let model = field(&cpuinfo, "model name").next();
        assert_eq!(model, Some("Some CPU @ 2.00GHz"));
    }

    #[test]
    fn missing_fields_are_none() {
        let arm = "processor\t: 0\nBogoMIPS\t: 50.00\n\nprocessor\t: 1\nBogoMIPS\t: 50.00\n";
        assert_eq!(cores(arm), Some(2));
        assert_eq!(field(arm, "model name").next(), None);
        assert_eq!(cores(""), None);
    }
}
