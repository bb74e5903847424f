//! `runner cache info`: shows how much space results take.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use engine::error::Error;
use engine::run::history::{History, PastRun};
use engine::wording;
use serde_json::json;
use store::keys::Digest;
use store::{Entry, Inventory};

use super::size;
use crate::cli::pipeline::StoreArgs;
use crate::cli::unwritten;
use crate::report::Console;
use crate::report::columns::columns;

/// Show how much the store holds, by pipeline and stage
#[derive(Debug, Args)]
pub(super) struct Info {
    #[command(flatten)]
    store: StoreArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Space that the results of one stage of a pipeline take, over all runs.
struct Share {
    pipeline: String,
    stage: String,
    results: usize,
    bytes: u64,
    /// Bytes that no other stage's results share.
    unique: u64,
}

impl Info {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let store = self.store.existing()?;
        let inventory = store.inventory()?;
        let folder = store.runs_folder();
        let runs = History::read_and_warn(&folder).map_err(Error::io("read", &folder))?;
        let runs = runs.runs;
        let shares = shares(&inventory, &runs);
        let sum = |entries: &[Entry]| entries.iter().map(|entry| entry.bytes).sum::<u64>();
        let reached: BTreeSet<Digest> = inventory
            .records
            .iter()
            .filter_map(|found| found.record.sound())
            .flat_map(|record| inventory.blobs_of(record))
            .collect();
        let bytes = |digest: &Digest| inventory.blobs.get(digest).map_or(0, |e| e.bytes);
        let all: u64 = inventory.blobs.values().map(|entry| entry.bytes).sum();
        let results: u64 = reached.iter().map(bytes).sum();
        let totals = [
            ("results", results),
            ("files without a result", all - results),
            ("checkpoints", sum(&inventory.checkpoints)),
            ("damaged, set aside", sum(&inventory.quarantine)),
        ];
        if self.json {
            let shares = shares.iter().map(|share| {
                json!({
                    "pipeline": share.pipeline,
                    "stage": share.stage,
                    "results": share.results,
                    "bytes": share.bytes,
                    "unique_bytes": share.unique,
                })
            });
            let object = json!({
                "stages": shares.collect::<Vec<_>>(),
                "result_bytes": results,
                "garbage_bytes": all - results,
                "checkpoint_bytes": sum(&inventory.checkpoints),
                "quarantine_bytes": sum(&inventory.quarantine),
                "runs": runs.len(),
            });
            return console.result(&object.to_string()).map_err(unwritten);
        }
        let mut rows =
            vec![["pipeline", "stage", "results", "size", "shared", "unique"].map(str::to_owned)];
        rows.extend(shares.iter().map(|share| {
            [
                share.pipeline.clone(),
                share.stage.clone(),
                share.results.to_string(),
                size(share.bytes),
                size(share.bytes - share.unique),
                size(share.unique),
            ]
        }));
        if !shares.is_empty() {
            console.result(&columns(&rows)).map_err(unwritten)?;
        }
        let totals = totals
            .iter()
            .filter(|&&(what, bytes)| bytes > 0 || what == "results");
        let totals: Vec<String> = totals
            .map(|&(what, bytes)| format!("{what} {}", size(bytes)))
            .collect();
        let line = format!(
            "{}; {}",
            totals.join(", "),
            wording::counted(runs.len(), "run")
        );
        console.result(&line).map_err(unwritten)
    }
}

/// Returns the share of every stage in the records of runs, and one share for all results that are in no such record.
fn shares(inventory: &Inventory, runs: &[PastRun]) -> Vec<Share> {
    let mut owners: BTreeMap<(String, String), BTreeSet<_>> = BTreeMap::new();
    let mut named = BTreeSet::new();
    for run in runs {
        for stage in &run.stages {
            let owner = (run.pipeline.clone(), stage.stage.clone());
            owners.entry(owner).or_default().insert(stage.key);
            named.insert(stage.key);
        }
    }
    for found in &inventory.records {
        if let Some(record) = found.record.sound()
            && found.key == record.action_key
            && !named.contains(&found.key)
        {
            let owner = ("(no run)".to_owned(), "-".to_owned());
            owners.entry(owner).or_default().insert(found.key);
        }
    }

    let records: BTreeMap<_, _> = inventory
        .records
        .iter()
        .filter_map(|found| Some((found.key, found.record.sound()?)))
        .collect();
    let blobs_of: Vec<(&(String, String), usize, BTreeSet<Digest>)> = owners
        .iter()
        .map(|(owner, keys)| {
            let there = keys.iter().filter_map(|key| records.get(key));
            let blobs = there.clone().flat_map(|record| inventory.blobs_of(record));
            (owner, there.clone().count(), blobs.collect())
        })
        .collect();
    let mut holders: BTreeMap<Digest, usize> = BTreeMap::new();
    for digest in blobs_of.iter().flat_map(|(_, _, blobs)| blobs) {
        *holders.entry(*digest).or_default() += 1;
    }
    let bytes = |digest: &Digest| inventory.blobs.get(digest).map_or(0, |entry| entry.bytes);
    blobs_of
        .into_iter()
        .map(|((pipeline, stage), results, blobs)| Share {
            pipeline: pipeline.clone(),
            stage: stage.clone(),
            results,
            bytes: blobs.iter().map(bytes).sum(),
            unique: blobs
                .iter()
                .filter(|digest| holders[digest] == 1)
                .map(bytes)
                .sum(),
        })
        .collect()
}
