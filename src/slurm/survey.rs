//! Facts about a site that a person wants to see before jobs are submitted.

use serde::Serialize;

use crate::client::Client;
use crate::{Error, Settings, SiteLimits};

/// Commands without which no job can be run.
const NEEDED: [&str; 4] = ["sbatch", "squeue", "scontrol", "scancel"];

/// Facts about a site.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Survey {
    /// Version, as `sbatch` prints it: `slurm 22.05.8`.
    pub version: String,
    /// Partitions to which jobs are submitted. Empty if there are none of these names, or no default one.
    pub partitions: Vec<Partition>,
    /// `true` if `sacct` knows jobs that ended long ago.
    pub has_accounting: bool,
    pub limits: SiteLimits,
}

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Partition {
    pub name: String,
    /// `up` if jobs start there.
    pub state: String,
    /// Longest time of a job, such as `2-00:00:00`, or `infinite`.
    pub time_limit: String,
    pub nodes: u32,
    /// GPUs of its nodes, as in `--gres`. Empty if there are none.
    pub gpus: Vec<String>,
    /// Memory of a job that asks for none. `None` if Slurm does not limit it.
    pub default_memory: Option<DefaultMemory>,
}

/// Memory that Slurm gives to jobs that ask for none, in MiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DefaultMemory {
    PerCore(u64),
    PerNode(u64),
}

impl Client {
    /// Asks for facts about the site.
    ///
    /// # Errors
    /// If a command is missing, or the controller does not answer.
    pub fn survey(&self, settings: &Settings) -> Result<Survey, Error> {
        let mut version = String::new();
        for program in NEEDED {
            let answer = self.run(program, &["--version".to_owned()])?;
            if version.is_empty() {
                answer.text.trim().clone_into(&mut version);
            }
        }
        let limits = self.limits(settings)?;
        let ask = ["-n", "-X", "-o", "JobID", "-S", "now"].map(str::to_owned);
        let has_accounting = self.run("sacct", &ask).is_ok();
        Ok(Survey {
            version,
            partitions: self.partitions(settings)?,
            has_accounting,
            limits,
        })
    }

    fn partitions(&self, settings: &Settings) -> Result<Vec<Partition>, Error> {
        let mut arguments = ["-h", "-o", "%P|%a|%l|%D|%G"].map(str::to_owned).to_vec();
        // A variable has the same effect as the option.
        let wanted = match &settings.partition {
            Some(partition) => Some(partition.clone()),
            None => std::env::var("SBATCH_PARTITION").ok(),
        };
        arguments.extend(wanted.iter().map(|names| format!("--partition={names}")));
        let answer = self.run("sinfo", &arguments)?;
        let mut partitions = parse(&answer.text, wanted.is_none());
        let arguments = ["-o", "show", "partition"].map(str::to_owned);
        let details = self.run("scontrol", &arguments)?.text;
        for partition in &mut partitions {
            partition.default_memory = default_memory(&details, &partition.name);
        }
        Ok(partitions)
    }
}

/// Reads the lines of `sinfo`. A partition with several kinds of nodes has several lines. The default partition is
/// marked with `*`.
fn parse(text: &str, is_default: bool) -> Vec<Partition> {
    let mut partitions: Vec<Partition> = Vec::new();
    for line in text.lines() {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        let [name, state, time_limit, nodes, gpus] = columns[..] else {
            continue;
        };
        if is_default && !name.ends_with('*') {
            continue;
        }
        let name = name.trim_end_matches('*');
        let index = partitions.iter().position(|found| found.name == name);
        let index = index.unwrap_or_else(|| {
            partitions.push(Partition {
                name: name.to_owned(),
                state: state.to_owned(),
                time_limit: time_limit.to_owned(),
                nodes: 0,
                gpus: Vec::new(),
                default_memory: None,
            });
            partitions.len() - 1
        });
        let partition = &mut partitions[index];
        partition.nodes += nodes.parse::<u32>().unwrap_or_default();
        let is_new = !partition.gpus.iter().any(|found| found == gpus);
        if gpus.starts_with("gpu") && is_new {
            partition.gpus.push(gpus.to_owned());
        }
    }
    partitions
}

/// Reads the default memory of a partition from the lines of `scontrol -o show partition`.
fn default_memory(text: &str, partition: &str) -> Option<DefaultMemory> {
    let name = format!("PartitionName={partition}");
    let mut lines = text.lines().map(str::split_whitespace);
    let mut words = lines.find_map(|mut words| (words.next() == Some(&name)).then_some(words))?;
    words.find_map(|word| {
        let (key, value) = word.split_once('=')?;
        let mib = value.parse().ok()?;
        match key {
            "DefMemPerCPU" => Some(DefaultMemory::PerCore(mib)),
            "DefMemPerNode" => Some(DefaultMemory::PerNode(mib)),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_memory_is_read() {
        // Shortened lines of Slurm 22.05.8.
        let text = "PartitionName=main AllowGroups=ALL TotalCPUs=4 DefMemPerCPU=100 MaxMemPerNode=UNLIMITED\n\
                    PartitionName=large AllowGroups=ALL DefMemPerNode=2000\n\
                    PartitionName=all AllowGroups=ALL DefMemPerNode=UNLIMITED MaxMemPerNode=UNLIMITED\n";
        assert_eq!(
            default_memory(text, "main"),
            Some(DefaultMemory::PerCore(100))
        );
        assert_eq!(
            default_memory(text, "large"),
            Some(DefaultMemory::PerNode(2000))
        );
        assert_eq!(default_memory(text, "all"), None);
        assert_eq!(default_memory(text, "mai"), None);
    }

    #[test]
    fn partitions_are_read() {
        // Lines of Slurm 22.05.8.
        let text = "main*|up|infinite|2|(null)\nmain*|up|infinite|3|gpu:fake:1\nshort|down|2:00|2|(null)\n";
        let main = Partition {
            name: "main".to_owned(),
            state: "up".to_owned(),
            time_limit: "infinite".to_owned(),
            nodes: 5,
            gpus: vec!["gpu:fake:1".to_owned()],
            default_memory: None,
        };
        assert_eq!(parse(text, true), std::slice::from_ref(&main));
        let all = parse(text, false);
        assert_eq!(all.len(), 2);
        assert_eq!((&all[0], all[1].state.as_str()), (&main, "down"));
        assert_eq!(parse("", true), []);
        assert_eq!(parse("no partition line\n", false), []);
    }
}
