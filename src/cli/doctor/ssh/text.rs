//! Renders the facts about a host as the lines of a paragraph.

use contract::one_line;
use engine::launch::{HostFacts, HostGpu};
use engine::wording::counted;

use super::{Found, Ssh};
use crate::cli::doctor::Memory;
use crate::cli::doctor::text::{size, store};
use crate::config::hosts::full_name;

impl Ssh {
    /// The lines of the paragraph.
    pub(in crate::cli::doctor) fn lines(&self) -> Vec<String> {
        let Some(found) = &self.found else {
            return vec![format!("{} CANNOT be used", self.host)];
        };
        let Found { facts, .. } = found;
        let jobs = counted(usize::from(self.jobs), "stage");
        let mut lines = vec![
            format!(
                "{}, connected after {:.2} s, round trip {:.1} ms",
                self.host,
                found.seconds_to_connect,
                found.seconds_of_round_trip * 1000.0
            ),
            found.program(),
            self.cpu(facts),
            memory(facts),
            format!("store {}", one_line(&store(&facts.store))),
        ];
        lines.extend(facts.gpus.iter().map(|gpu| self.gpu(gpu)));
        lines.extend(
            facts
                .without_gpu
                .as_ref()
                .map(|why| format!("no GPU: {}", one_line(why))),
        );
        lines.push(format!(
            "{jobs} at once (`{}`)",
            full_name(&self.host, "jobs")
        ));
        lines.push(match &self.training {
            Some(training) => training.text(),
            None => "NO stage was run".to_owned(),
        });
        lines
    }

    fn cpu(&self, facts: &HostFacts) -> String {
        let model = facts.model.as_deref().unwrap_or("unknown");
        let kind = match (
            facts.processor == self.expected_processor,
            self.is_expected_here,
        ) {
            (false, _) => "",
            (true, true) => " as here, so both share results",
            (true, false) => ", unlike here: with `--match any`, both share results",
        };
        format!(
            "{}, {}, kind {}{kind}",
            one_line(model),
            counted(facts.cpus, "core"),
            one_line(&facts.processor)
        )
    }

    fn gpu(&self, gpu: &HostGpu) -> String {
        let name = one_line(&gpu.name);
        let unused = match self.expected_gpu {
            Some(_) => String::new(),
            None => format!(
                ", not used; to use it, set `{} = \"{name}\"`",
                full_name(&self.host, "gpu")
            ),
        };
        format!("GPU {name}, {}{unused}", size(Some(gpu.memory)))
    }
}

impl Found {
    /// The program on the host. It is another file than here only if the platform differs.
    fn program(&self) -> String {
        let here = format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH);
        let compared = match self.platform == here {
            true => ", as here".to_owned(),
            false => format!(", the version for another platform than here ({here})"),
        };
        format!("runner {}, {}{compared}", self.runner, self.platform)
    }
}

fn memory(facts: &HostFacts) -> String {
    let memory = Memory {
        bytes: facts.memory,
        free_bytes: facts.free_memory,
    };
    format!("memory {}", memory.text())
}

#[cfg(test)]
pub(super) mod tests {
    use engine::forecast::StoreFolder;

    use super::*;
    use crate::cli::doctor::ssh::trial::Trial;

    fn platform() -> String {
        format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH)
    }

    pub(in super::super) fn facts() -> HostFacts {
        HostFacts {
            processor: "x86-avx512".to_owned(),
            model: Some("Some CPU".to_owned()),
            cpus: 16,
            memory: Some(64 << 30),
            free_memory: Some(32 << 30),
            gpus: vec![HostGpu {
                name: "NVIDIA H200".to_owned(),
                memory: 139 << 30,
            }],
            without_gpu: None,
            store: StoreFolder {
                folder: "/home/me/.cache/runner/remote-store".to_owned(),
                is_there: true,
                free_bytes: Some(1 << 40),
                why_not_writable: None,
                links: Some(true),
            },
        }
    }

    pub(in super::super) fn ssh() -> Ssh {
        Ssh {
            host: "lab".to_owned(),
            found: Some(Found {
                runner: "0.1.0 (abc)".to_owned(),
                platform: platform(),
                seconds_to_connect: 0.414,
                seconds_of_round_trip: 0.0121,
                facts: facts(),
            }),
            expected_processor: "x86-avx512".to_owned(),
            expected_gpu: Some("NVIDIA H200".to_owned()),
            is_expected_here: true,
            jobs: 2,
            training: Some(Trial {
                seconds: 1.25,
                has_same_bytes: Some(true),
            }),
            problems: Vec::new(),
        }
    }

    #[test]
    fn a_host_is_described() {
        let expected = "\
lab, connected after 0.41 s, round trip 12.1 ms
runner 0.1.0 (abc), PLATFORM, as here
Some CPU, 16 cores, kind x86-avx512 as here, so both share results
memory 64.0 GiB, 32.0 GiB free
store /home/me/.cache/runner/remote-store, 1.0 TiB free, can be written, links work
GPU NVIDIA H200, 139.0 GiB
2 stages at once (`ssh.lab.jobs`)
a small model was trained within 1.2 s, to the same bytes as here";
        let expected = expected.replace("PLATFORM", &platform());
        assert_eq!(ssh().lines().join("\n"), expected);
    }

    #[test]
    fn what_differs_and_what_is_missing_is_said() {
        let mut found = ssh();
        found.is_expected_here = false;
        found.expected_gpu = None;
        let hint =
            "GPU NVIDIA H200, 139.0 GiB, not used; to use it, set `ssh.lab.gpu = \"NVIDIA H200\"`";
        assert!(found.lines().iter().any(|line| line == hint));
        found.training = None;
        let host = found.found.as_mut().unwrap();
        host.platform = "other-cpu".to_owned();
        host.facts.gpus.clear();
        host.facts.without_gpu = Some("there is no NVIDIA driver".to_owned());
        let text = found.lines().join("\n");
        for part in [
            "kind x86-avx512, unlike here: with `--match any`",
            "other-cpu, the version for another platform than here (",
            "\nno GPU: there is no NVIDIA driver\n",
            "NO stage was run",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        found.found = None;
        assert_eq!(found.lines(), ["lab CANNOT be used"]);
    }
}
