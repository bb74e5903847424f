//! Compares the facts about a host with its settings.

use contract::one_line;
use engine::launch::HostFacts;

use super::Ssh;
use crate::config::hosts::full_name;

/// Describes what prevents every stage from running on the host.
pub(super) fn fixed_problems(host: &str, facts: &HostFacts) -> Vec<String> {
    let why = facts.store.why_not_writable.iter();
    let why = why.map(|why| {
        format!(
            "the store of `{host}` cannot be written: {}; set `{}` to another folder there",
            one_line(why),
            full_name(host, "store")
        )
    });
    why.collect()
}

/// Describes where the settings of the host and its processors differ, and what to set.
pub(super) fn disagreements(ssh: &Ssh, facts: &HostFacts) -> Vec<String> {
    let mut problems = Vec::new();
    let host = &ssh.host;
    if facts.processor != ssh.expected_processor {
        let kind = one_line(&facts.processor);
        problems.push(format!(
            "`{host}` has the kind of processor `{kind}`, but stages expect `{}`, so those that compute will be refused; \
             set `{} = \"{kind}\"`",
            ssh.expected_processor,
            full_name(host, "processor")
        ));
    }
    let Some(expected) = &ssh.expected_gpu else {
        return problems;
    };
    let key = full_name(host, "gpu");
    if let Some(why) = &facts.without_gpu {
        problems.push(format!(
            "`{host}` has no GPU, but `{key}` is `{expected}`: {}; remove this setting, or install what is missing there",
            one_line(why)
        ));
    } else if !facts.has_gpu(expected) {
        let names: Vec<_> = facts.gpus.iter().map(|gpu| one_line(&gpu.name)).collect();
        problems.push(format!(
            "`{host}` has the GPUs `{}`, but `{key}` is `{expected}`, so stages that compute on GPUs will be refused; set it \
             to the model that the host has",
            names.join("`, `")
        ));
    }
    problems
}

#[cfg(test)]
mod tests {
    use engine::forecast::StoreFolder;
    use engine::launch::HostGpu;

    use super::*;
    use crate::cli::doctor::ssh::text::tests::{facts, ssh};

    #[test]
    fn a_host_that_fits_its_settings_has_no_problems() {
        assert_eq!(disagreements(&ssh(), &facts()), Vec::<String>::new());
        assert_eq!(fixed_problems("lab", &facts()), Vec::<String>::new());
    }

    #[test]
    fn another_processor_gpu_or_store_is_a_problem_with_a_hint() {
        let other = HostFacts {
            processor: "arm-neon\n".to_owned(),
            gpus: vec![HostGpu {
                name: "NVIDIA L4".to_owned(),
                memory: 24 << 30,
            }],
            store: StoreFolder {
                why_not_writable: Some("no space".to_owned()),
                ..StoreFolder::default()
            },
            ..facts()
        };
        let found = disagreements(&ssh(), &other);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found[0].ends_with("; set `ssh.lab.processor = \"arm-neon\\n\"`"),
            "{found:?}"
        );
        assert!(
            found[1]
                .starts_with("`lab` has the GPUs `NVIDIA L4`, but `ssh.lab.gpu` is `NVIDIA H200`"),
            "{found:?}"
        );
        let [store] = fixed_problems("10.0.0.1", &other).try_into().unwrap();
        assert!(
            store.ends_with("no space; set `ssh.\"10.0.0.1\".store` to another folder there"),
            "{store}"
        );
        let without = HostFacts {
            gpus: Vec::new(),
            without_gpu: Some("there is no NVIDIA driver".to_owned()),
            ..facts()
        };
        let [problem] = disagreements(&ssh(), &without).try_into().unwrap();
        assert!(
            problem.starts_with("`lab` has no GPU, but `ssh.lab.gpu`"),
            "{problem}"
        );
    }
}
