//! Renders the facts about Slurm as the lines of a paragraph.

use slurm::{DefaultMemory, Partition};

use super::{Job, Slurm};

impl Slurm {
    /// The lines of the paragraph.
    pub(in crate::cli::doctor) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(version) = &self.version {
            let accounting = match self.has_accounting {
                Some(true) => "with accounting",
                _ => "without accounting (not needed)",
            };
            lines.push(format!("{version}, {accounting}"));
        }
        for partition in &self.partitions {
            lines.push(partition_text(partition));
            lines.extend(partition.default_memory.map(memory_text));
        }
        if let (Some(elements), Some(jobs)) = (self.most_elements, self.most_jobs) {
            lines.push(format!(
                "limits: {elements} elements of an array, {jobs} submitted jobs"
            ));
        }
        match &self.job {
            Some(job) => lines.extend(job.lines(&self.folder)),
            None => lines.push("no job was run".to_owned()),
        }
        lines
    }
}

fn partition_text(partition: &Partition) -> String {
    let Partition {
        name,
        state,
        time_limit,
        nodes,
        gpus,
        default_memory: _,
    } = partition;
    let gpus = match gpus.is_empty() {
        true => String::new(),
        false => format!(", {}", gpus.join(", ")),
    };
    let nodes = engine::wording::counted(*nodes as usize, "node");
    format!("partition {name}: {state}, {nodes}, time limit {time_limit}{gpus}")
}

/// Memory per core below which most trainings fail, in MiB.
const LITTLE_MEMORY: u64 = 1024;

fn memory_text(memory: DefaultMemory) -> String {
    let (mib, per) = match memory {
        DefaultMemory::PerCore(mib) => (mib, "core"),
        DefaultMemory::PerNode(mib) => (mib, "node"),
    };
    let advice = match mib < LITTLE_MEMORY {
        true => {
            "; most trainings need more: set `slurm.memory`, or `resources: { memory: 2GiB }` at them"
        }
        false => "",
    };
    format!("a stage without `memory` gets {mib} MiB per {per}{advice}")
}

impl Job {
    fn lines(&self, folder: &str) -> Vec<String> {
        let Some(id) = &self.id else {
            return vec!["the job was not submitted".to_owned()];
        };
        let mut lines = vec![match (&self.node, &self.version, &self.processor) {
            (Some(node), Some(version), Some(processor)) => {
                format!("job {id} on {node}: runner {version}, kind {processor}")
            }
            _ => format!("job {id} did not start"),
        }];
        if let (Some(start), Some(end)) = (self.seconds_to_start, self.seconds_to_end) {
            lines.push(format!(
                "started after {start:.1} s, ended after {end:.1} s"
            ));
        }
        if let Some(shared) = &self.shared_folder {
            lines.push(match shared.is_fit {
                true => format!(
                    "{folder} is shared: locks and renames work, files are visible after {} ms",
                    shared.visible_ms.unwrap_or_default() / 2
                ),
                false => format!("{folder} is NOT FIT for sharing"),
            });
        }
        lines
    }
}
