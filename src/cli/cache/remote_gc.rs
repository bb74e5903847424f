//! `runner cache gc --remote`: removes what is no longer needed from the shared cache.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use engine::error::Error;
use engine::wording;
use remote::{Collection, Fault, LEAST_GRACE, Policy};
use serde_json::json;
use store::keys::Key;
use store::{Lookup, Store};

use super::{size, uses};
use crate::cli::pipeline::StoreArgs;
use crate::cli::unwritten;
use crate::report::Console;

/// Limits, and what to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Request {
    pub(super) max_age: Option<Duration>,
    pub(super) max_size: Option<u64>,
    pub(super) keep_runs: Option<u32>,
    pub(super) apply: bool,
    pub(super) json: bool,
}

/// Lists what is no longer needed in the shared cache and, with `--apply`, removes it.
pub(super) fn execute(request: &Request, args: &StoreArgs, console: &Console) -> Result<(), Error> {
    let store = args.alone()?;
    let remote = args.remote_of(&store)?;
    let policy = Policy {
        older_than: request.max_age,
        most_bytes: request.max_size,
        keep: match request.keep_runs {
            Some(runs) => kept(&store, runs as usize)?,
            None => HashSet::new(),
        },
        grace: LEAST_GRACE,
    };
    let address = &remote.settings().address;
    let failed = |fault: Fault| Error::System(format!("shared cache: {fault}"));
    let planned = remote.plan_collection(&policy).map_err(failed)?;
    if request.apply {
        remote.collect(&planned).map_err(failed)?;
    }
    if request.json {
        let object = json!({
            "remote": address.to_string(),
            "removed": request.apply,
            "records": planned.records.len(),
            "objects": planned.objects(),
            "bytes": planned.bytes,
            "left_records": planned.kept_records,
            "left_bytes": planned.kept_bytes,
        });
        return console.result(&object.to_string()).map_err(unwritten);
    }
    console
        .result(&text(&planned, request.apply))
        .map_err(unwritten)?;
    if !planned.records.is_empty() {
        console.message(
            "files that were uploaded less than a day ago remain; a later `cache gc --remote` removes those that no \
             record needs",
        );
    }
    if !request.apply && planned.records.len() + planned.objects() > 0 {
        console.message("nothing was removed yet; `--apply` removes what is listed");
    }
    Ok(())
}

fn text(planned: &Collection, is_applied: bool) -> String {
    let verb = match is_applied {
        true => "removed",
        false => "would remove",
    };
    format!(
        "{verb} {} and {}, {} in all; {} and {} remain",
        wording::counted(planned.records.len(), "record"),
        wording::counted(planned.objects(), "file"),
        size(planned.bytes),
        wording::counted(planned.kept_records, "record"),
        size(planned.kept_bytes),
    )
}

/// Returns the keys of the results that the newest runs of each pipeline in this store used.
fn kept(store: &Store, newest: usize) -> Result<HashSet<Key>, Error> {
    let folder = store.runs_folder();
    let uses = uses(&folder).map_err(Error::io("read", &folder))?;
    let mut by_pipeline: BTreeMap<&str, Vec<_>> = BTreeMap::new();
    // The oldest run is the first.
    for run in uses.runs.iter().rev() {
        by_pipeline.entry(&run.pipeline).or_default().push(run);
    }
    let runs = by_pipeline
        .values()
        .flat_map(|runs| runs.iter().take(newest));
    let mut keys: HashSet<Key> = runs.flat_map(|run| run.keys.iter().copied()).collect();
    let of_actions: Vec<Key> = keys.iter().copied().collect();
    for lookup in store.results().look_up(&of_actions)? {
        if let Lookup::Hit(record) = lookup {
            keys.extend([record.action_key, record.content_key]);
        }
    }
    Ok(keys)
}
