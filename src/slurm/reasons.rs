//! Reasons with which Slurm keeps a job waiting, and messages with which it refuses one.
//!
//! A job with a *permanent* reason never starts unless a person changes something. All other reasons pass.

/// A permanent reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permanent {
    /// What a person can do.
    pub hint: &'static str,
    /// `true` if a person held the job, who may release it. Runner then waits instead of giving up.
    pub by_person: bool,
}

const TOO_MUCH: &str = "ask for fewer cpus, less memory or fewer GPUs, or choose a partition with larger nodes (`sinfo -Nl`)";
const TOO_LONG: &str =
    "set `slurm.time_limit` to at most the limit that `sinfo` shows; stages resume in the next job";
const NO_ACCESS: &str =
    "check `slurm.partition`, `slurm.account` and `slurm.qos` with `sacctmgr show associations`";
const BUDGET: &str = "the account has used up its hours; use another account or ask the site";
const RELEASE: &str = "`scontrol release` lets the job go on";
const CONSTRAINT: &str =
    "no node has these features; check `slurm.constraint` with `sinfo -o '%n %f %G'`";

/// Reasons by name, without `_` and in lower case.
const PERMANENT: [(&str, &str); 24] = [
    ("partitionconfig", TOO_MUCH),
    ("partitionnodelimit", TOO_MUCH),
    ("partitiontimelimit", TOO_LONG),
    ("badconstraints", CONSTRAINT),
    ("accountnotallowed", NO_ACCESS),
    ("invalidaccount", NO_ACCESS),
    ("invalidqos", NO_ACCESS),
    ("qosnotallowed", NO_ACCESS),
    ("accountingpolicy", NO_ACCESS),
    ("maxmemperlimit", TOO_MUCH),
    ("maxcpuperaccount", TOO_MUCH),
    (
        "dependencyneversatisfied",
        "cancel the job and start it again",
    ),
    (
        "jobholdmaxrequeue",
        "the job was started too often; look into its log, then cancel it",
    ),
    (
        "launchfailedrequeuedheld",
        "the node failed to start the job; `scontrol release` tries again",
    ),
    ("jobrequeuedinheldstate", RELEASE),
    ("jobheldadmin", RELEASE),
    ("jobhelduser", RELEASE),
    ("qostimelimit", TOO_LONG),
    ("qosusagethreshold", BUDGET),
    ("assocgrpcpuminuteslimit", BUDGET),
    ("assocgrpbillingminutes", BUDGET),
    ("qosgrpcpuminuteslimit", BUDGET),
    ("qosgrpbillingminutes", BUDGET),
    ("assocgrpgresminutes", BUDGET),
];

/// Returns the permanent reason that Slurm names, or `None` if the reason passes.
pub fn permanent(reason: &str) -> Option<Permanent> {
    let plain: String = reason
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    let by_person = matches!(plain.as_str(), "jobhelduser" | "jobheldadmin");
    let found = PERMANENT.iter().find(|(name, _)| *name == plain);
    if let Some((_, hint)) = found {
        return Some(Permanent { hint, by_person });
    }
    // Limits for one job, such as `QOSMaxCpuPerJobLimit`: other jobs do not change them.
    let of_one_job = ["qosmax", "qosmin", "assocmax", "assocmin"]
        .iter()
        .any(|start| plain.starts_with(start))
        && (plain.contains("perjob") || plain.contains("pernode") || plain.starts_with("qosmin"));
    of_one_job.then_some(Permanent {
        hint: if plain.contains("wall") {
            TOO_LONG
        } else {
            TOO_MUCH
        },
        by_person: false,
    })
}

/// Messages of `sbatch`, in lower case, with what a person can do.
const REFUSALS: [(&str, &str); 13] = [
    (
        "invalid partition",
        "check `slurm.partition`; `sinfo` shows the partitions",
    ),
    (
        "no partition specified",
        "set `slurm.partition`; this site has no default partition",
    ),
    ("invalid account", NO_ACCESS),
    ("invalid qos", NO_ACCESS),
    (
        "generic resource",
        "this site or partition has no such GPU; `sinfo -o '%P %G'` shows what there is",
    ),
    ("invalid feature", CONSTRAINT),
    ("memory specification", TOO_MUCH),
    ("node count specification", TOO_MUCH),
    ("more processors", TOO_MUCH),
    ("requested node configuration", TOO_MUCH),
    ("time limit", TOO_LONG),
    (
        "accounting/qos policy",
        "a limit of the account or QOS is reached; `sacctmgr show qos` and `sacctmgr show associations` show the limits",
    ),
    (
        "invalid job array",
        "the site's `MaxArraySize` is smaller than expected; set `slurm.max_jobs` below it",
    ),
];

/// Returns what a person can do about a message of `sbatch`.
pub fn hint_of_refusal(said: &str) -> Option<&'static str> {
    let lower = said.to_lowercase();
    let found = REFUSALS.iter().find(|(part, _)| lower.contains(part));
    found.map(|(_, hint)| *hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permanent_reasons_are_recognized() {
        for reason in [
            "PartitionConfig",
            "PartitionTimeLimit",
            "BadConstraints",
            "QOSMaxCpuPerJobLimit",
            "QOSMaxWallDurationPerJobLimit",
            "AssocMaxMemPerJob",
            "QOSMinGRES",
            "(launch_failed_requeued_held)",
            "launch failed requeued held",
            "AssocGrpCPUMinutesLimit",
        ] {
            assert!(
                permanent(reason).is_some_and(|found| !found.by_person),
                "{reason}"
            );
        }
        assert!(permanent("JobHeldUser").unwrap().by_person);
    }

    #[test]
    fn other_reasons_pass() {
        for reason in [
            "None",
            "Priority",
            "Resources",
            "Dependency",
            "BeginTime",
            "ReqNodeNotAvail, UnavailableNodes:lab1",
            "QOSMaxJobsPerUserLimit",
            "QOSMaxCpuPerUserLimit",
            "AssocMaxJobsLimit",
            "AssocGrpCpuLimit",
            "JobArrayTaskLimit",
            "PartitionDown",
            "Licenses",
        ] {
            assert_eq!(permanent(reason), None, "{reason}");
        }
    }

    #[test]
    fn refusals_have_hints() {
        let said = "sbatch: error: Batch job submission failed: Invalid partition name specified";
        assert!(hint_of_refusal(said).unwrap().contains("slurm.partition"));
        assert_eq!(hint_of_refusal("something new"), None);
    }
}
