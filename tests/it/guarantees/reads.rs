//! Faults in reads. Each read in turn fails, or finds a FIFO in place of the file.

use std::collections::BTreeMap;
use std::fs;
use std::sync::Mutex;

use contract::lock;
use jiff::Timestamp;
use serde_json::Value;

use super::cases::{Random, each};
use super::faults::{Before, Fault, RUN, RUN_OTHERS, choose, fate};
use super::store_contents::StoreContents;
use super::{
    PIPELINE, Verdict, exits_properly, finish_in_time, has_expected_table, recovers_to, reference,
    require, start, succeeds, succeeds_or_reports,
};
use crate::sandbox::{Finished, Sandbox, files, list};

const STATUS: &[&str] = &["status", "pipeline.yaml"];
/// Removes files that only the older of two runs used.
const COLLECT: &[&str] = &["cache", "gc", "--keep-runs", "1", "--apply"];
const VERIFY: &[&str] = &["cache", "verify"];

/// Faults that refuse one read. `fifo` is not among them because it destroys a file.
const REFUSALS: [&str; 3] = ["eacces", "eloop", "eio-read"];

/// Returns the words by which a command reports such a fault. Any one of them is enough.
fn words(fault: &str) -> &'static [&'static str] {
    match fault {
        "eacces" => &["Permission denied"],
        "eloop" => &["Too many levels of symbolic links"],
        "eio-read" => &["Input/output error"],
        _ => &[
            "FIFO",
            "not a regular file",
            "damaged",
            "does not belong here",
            "does not match its name",
            "does not show the published outputs",
            "output missing",
            "set aside",
        ],
    }
}

/// Returns the output of an undisturbed command.
fn undisturbed(before: Before, args: &'static [&'static str]) -> Finished {
    static KNOWN: Mutex<BTreeMap<&[&str], (String, String)>> = Mutex::new(BTreeMap::new());
    let mut known = lock(&KNOWN);
    let (stdout, stderr) = known.entry(args).or_insert_with(|| {
        let finished = succeeds(&before.prepare().0, args).unwrap();
        (finished.stdout, finished.stderr)
    });
    Finished {
        code: Some(0),
        stdout: stdout.clone(),
        stderr: stderr.clone(),
    }
}

/// Checks that the command either reports the fault or prints the same as an undisturbed one.
fn reports_fault(finished: &Finished, fault: &Fault) -> Result<(), String> {
    exits_properly(finished)?;
    let words = words(fault.name);
    let Finished { stdout, stderr, .. } = finished;
    if words
        .iter()
        .any(|words| stdout.contains(words) || stderr.contains(words))
    {
        return Ok(());
    }
    if fault.args == RUN {
        return succeeds_or_reports(finished, words[0]);
    }
    let usual = undisturbed(fault.before, fault.args);
    // `verify` prints on standard error how much it read, so a file that it skipped shows there.
    let is_usual = finished.code == usual.code
        && *stdout == usual.stdout
        && (fault.args != VERIFY || *stderr == usual.stderr);
    require(is_usual, || {
        format!("the output lacks each of {words:?}: {finished:?}")
    })
}

/// Returns the records of actions and runs, by name.
fn records(sandbox: &Sandbox) -> BTreeMap<String, Vec<u8>> {
    let mut records = BTreeMap::new();
    for folder in ["artifacts/v1/actions", "artifacts/v1/runs"] {
        let folder = sandbox.path(folder);
        if folder.exists() {
            records.extend(files(&folder));
        }
    }
    records
}

fn survives(fault: &Fault) -> Verdict {
    let (sandbox, expected) = fault.before.prepare();
    let before = records(&sandbox);
    let finished = finish_in_time(fault.start(&sandbox))?;
    let call = Fault::call(&sandbox);
    reports_fault(&finished, fault)
        .and_then(|()| match fault.name {
            "fifo" => is_repaired(&sandbox, fault.before, &expected, &call),
            _ => loses_nothing(&sandbox, fault, &before, &expected),
        })
        .map_err(|why| format!("{call:?}: {why}; after {finished:?}"))?;
    Ok(fate(&call))
}

/// Checks that nothing is lost and that the next, undisturbed command leaves the store complete.
fn loses_nothing(
    sandbox: &Sandbox,
    fault: &Fault,
    before: &BTreeMap<String, Vec<u8>>,
    expected: &StoreContents,
) -> Result<(), String> {
    if matches!(fault.before, Before::Damaged) {
        return recovers_to(sandbox, expected);
    }
    let aside = list(&sandbox.path("artifacts/v1/quarantine"));
    require(aside.is_empty(), || {
        format!("files were set aside: {aside:?}")
    })?;
    if fault.args == COLLECT {
        let all = &reference().contents;
        let mut lost = StoreContents::of(sandbox).differences(all);
        lost.retain(|difference| !difference.ends_with("should not be there"));
        require(lost.is_empty(), || lost.join("; "))?;
        succeeds(sandbox, COLLECT)?;
        return recovers_to(sandbox, all);
    }
    let after = records(sandbox);
    let lost = before
        .iter()
        .find(|(name, bytes)| after.get(*name) != Some(bytes));
    require(lost.is_none(), || {
        format!("a record was lost or changed: {lost:?}")
    })?;
    if fault.args == RUN {
        recovers_to(sandbox, expected)?;
        return is_numbered_in_order(sandbox);
    }
    let differences = StoreContents::of(sandbox).differences(expected);
    require(differences.is_empty(), || differences.join("; "))
}

/// Checks that a run that began later has a larger number.
fn is_numbered_in_order(sandbox: &Sandbox) -> Result<(), String> {
    let runs = list(&sandbox.path("artifacts/v1/runs"));
    let records = runs.iter().filter_map(|run| {
        let record = fs::read(run.join("run.json")).ok()?;
        serde_json::from_slice::<Value>(&record).ok()
    });
    let mut runs: Vec<(Timestamp, u64)> = records
        .map(|record| {
            let started = record["started"].as_str().unwrap();
            (started.parse().unwrap(), record["number"].as_u64().unwrap())
        })
        .collect();
    runs.sort_unstable();
    let numbers = runs.iter().map(|(_, number)| number);
    require(numbers.is_sorted_by(|a, b| a < b), || {
        format!("run numbers are out of order: {runs:?}")
    })
}

/// Checks that after a file was destroyed, a run and if necessary a repair make the store complete again.
fn is_repaired(
    sandbox: &Sandbox,
    before: Before,
    expected: &StoreContents,
    call: &Option<String>,
) -> Result<(), String> {
    fs::remove_file(sandbox.path("pipeline.yaml")).unwrap();
    fs::write(sandbox.path("pipeline.yaml"), PIPELINE).unwrap();
    let run = succeeds(sandbox, RUN)?;
    require(run.stdout == reference().table, || {
        format!("a wrong table: {run:?}")
    })?;
    let verified = finish_in_time(start(&mut sandbox.command(VERIFY)))?;
    match verified.code {
        Some(0) => {}
        Some(1) => {
            succeeds(sandbox, &["cache", "verify", "--repair"])?;
        }
        _ => return Err(format!("unexpected exit code: {verified:?}")),
    }
    if !matches!(before, Before::Empty | Before::Damaged) {
        succeeds(sandbox, &RUN_OTHERS)?;
    }
    succeeds(sandbox, RUN)?;
    succeeds(sandbox, VERIFY)?;
    has_expected_table(sandbox)?;
    // Either of an action's two records is enough to find it, so the destroyed one may be missing.
    let path = call.as_deref().unwrap_or_default();
    let spared = path.split_once("/v1/actions/");
    let spared = spared.map(|(_, name)| format!("actions/{name} is missing"));
    let mut differences = StoreContents::of(sandbox).differences(expected);
    differences.retain(|difference| Some(difference) != spared.as_ref());
    require(differences.is_empty(), || differences.join("; "))
}

#[test]
fn a_run_reports_a_failed_read_and_loses_nothing() {
    let mut random = Random::new("reads of runs");
    let mut faults = Vec::new();
    for (before, process, stride) in [
        (Before::Empty, "runner", 320),
        (Before::Empty, "worker", 32),
        (Before::Others, "runner", 320),
        (Before::Damaged, "runner", 320),
    ] {
        faults.extend(choose(
            &mut random,
            before,
            RUN,
            &[process],
            &REFUSALS,
            stride,
        ));
    }
    each("reads of runs", &faults, survives);
}

/// Tests one in `stride` of the reads that `runner` itself makes, each refused in every way.
fn reads(name: &str, befores: &[Before], args: &'static [&'static str], stride: usize) {
    let mut random = Random::new(name);
    let mut of =
        |before: &Before| choose(&mut random, *before, args, &["runner"], &REFUSALS, stride);
    let faults: Vec<Fault> = befores.iter().flat_map(&mut of).collect();
    each(name, &faults, survives);
}

#[test]
fn a_cached_run_reports_a_failed_read_and_repeats_nothing() {
    let befores = [Before::Both, Before::Unnumbered];
    reads("reads of cached runs", &befores, RUN, 64);
}

#[test]
fn status_reports_a_failed_read() {
    reads("reads of status", &[Before::Both], STATUS, 16);
}

#[test]
fn gc_removes_nothing_that_is_needed_after_a_failed_read() {
    reads("reads of gc", &[Before::Both], COLLECT, 128);
}

#[test]
fn verify_reports_a_failed_read() {
    reads("reads of verify", &[Before::Both], VERIFY, 128);
}

#[test]
fn a_fifo_in_place_of_a_file_is_damage_and_blocks_no_command() {
    let mut random = Random::new("fifos");
    let mut faults = Vec::new();
    for (before, args, process, stride) in [
        (Before::Empty, RUN, "runner", 64),
        (Before::Empty, RUN, "worker", 16),
        (Before::Both, RUN, "runner", 32),
        (Before::Both, STATUS, "runner", 16),
        (Before::Both, COLLECT, "runner", 32),
        (Before::Both, VERIFY, "runner", 64),
    ] {
        faults.extend(choose(
            &mut random,
            before,
            args,
            &[process],
            &["fifo"],
            stride,
        ));
    }
    each("fifos", &faults, survives);
}
