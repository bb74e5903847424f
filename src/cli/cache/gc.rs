//! `runner cache gc`: removes what is no longer needed from the store.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use engine::error::Error;
use engine::spec::{parse_bytes, parse_duration};
use engine::wording;
use serde_json::json;
use store::{Patience, Policy, Store, Unread};

use super::{inside, remote_gc, size, uses};
use crate::cli::pipeline::StoreArgs;
use crate::cli::unwritten;
use crate::report::{Console, Verbosity};

/// List what is no longer needed and, with --apply, remove it
///
/// These results are always kept: those that the newest run of a pipeline used, those that a run in progress
/// needs, and those that `artifacts/latest` shows. The newest run of a pipeline is the last one with its
/// name, whatever its profile and settings. If the record of a run is damaged, the results that it used are
/// also kept. Without a limit, only garbage is removed: files that belong to no result, and damaged files
/// that were set aside. While a file that may refer to results cannot be read, no results are removed.
#[derive(Debug, Args)]
pub(super) struct Gc {
    #[command(flatten)]
    store: StoreArgs,
    /// Remove the least recently used results until the rest fits: 500MiB, 20GB
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    max_size: Option<u64>,
    /// Remove results and checkpoints that were not used for this long, and folders of older runs: 30d, 2w, 12h
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    max_age: Option<Duration>,
    /// Remove results that none of the newest N runs of each pipeline used, and the folders of all other runs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep_runs: Option<u32>,
    /// Remove what is listed; exit code 75 if a run is planning or storing a result
    #[arg(long)]
    apply: bool,
    /// With --apply, wait until no run uses the store
    #[arg(long, requires = "apply")]
    wait: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Gc {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        if self.store.remote().is_typed() {
            let request = remote_gc::Request {
                max_age: self.max_age,
                max_size: self.max_size,
                keep_runs: self.keep_runs,
                apply: self.apply,
                json: self.json,
            };
            return remote_gc::execute(&request, &self.store, console);
        }
        let store = self.store.existing()?;
        let policy = Policy {
            max_size: self.max_size,
            max_age: self.max_age,
            keep_runs: self.keep_runs.map(|runs| runs as usize),
        };
        let patience = match self.wait {
            true => Patience::Endless,
            false => Patience::Short,
        };
        let collection = store
            .collect(
                &policy,
                || uses(&store.runs_folder()),
                self.apply.then_some(patience),
            )
            .map_err(|error| match error {
                store::Error::Busy => busy(&store),
                other => other.into(),
            })?;

        let mut kinds: BTreeMap<&str, (usize, u64)> = BTreeMap::new();
        for removal in &collection.removals {
            let (count, bytes) = kinds.entry(removal.what).or_default();
            *count += 1;
            *bytes += removal.entry.bytes;
            if console.verbosity == Verbosity::Verbose {
                let path = inside(&store, &removal.entry.path);
                console.message(&format!("{path} {}", size(removal.entry.bytes)));
            }
        }
        for Unread { path, why } in &collection.damaged {
            let path = inside(&store, path);
            console.message(&format!(
                "warning: `{path}` {why}; all results of that run are kept"
            ));
        }
        for Unread { path, why } in collection.noted.iter().chain(&collection.unknown) {
            console.message(&format!("warning: `{}` {why}", inside(&store, path)));
        }
        if !collection.unknown.is_empty() {
            console.message(
                "the results that these files need are not known, so no results are removed; `runner cache \
                 verify --repair` sets damaged files aside, and results that only they need can then be \
                 removed",
            );
        }
        if self.json {
            let unreadable = [&collection.damaged, &collection.noted, &collection.unknown];
            let unreadable = unreadable.into_iter().flatten();
            let unreadable = unreadable.map(|unread| {
                json!({ "path": inside(&store, &unread.path).to_string(), "why": unread.why })
            });
            let kinds = kinds.iter().map(
                |(what, (count, bytes))| json!({ "what": what, "count": count, "bytes": bytes }),
            );
            let object = json!({
                "removed": self.apply,
                "bytes": collection.bytes(),
                "left_bytes": collection.left,
                "kinds": kinds.collect::<Vec<_>>(),
                "unreadable": unreadable.collect::<Vec<_>>(),
            });
            return console.result(&object.to_string()).map_err(unwritten);
        }
        let verb = if self.apply {
            "removed"
        } else {
            "would remove"
        };
        for (what, (count, bytes)) in &kinds {
            let line = format!(
                "{verb} {}, {}",
                wording::counted(*count, what),
                size(*bytes)
            );
            console.result(&line).map_err(unwritten)?;
        }
        let (all, left) = (size(collection.bytes()), size(collection.left));
        console
            .result(&format!("{verb} {all} in all; {left} of results remain"))
            .map_err(unwritten)?;
        if collection.over {
            console.message(
                "the remaining results exceed `--max-size`, but kept runs, runs in progress or `latest` need \
                 all of them",
            );
        }
        if !self.apply && !collection.removals.is_empty() {
            console.message("nothing was removed yet; `--apply` removes what is listed");
        }
        Ok(())
    }
}

/// The error for a store in use. It names the runs in progress as far as they are known.
fn busy(store: &Store) -> Error {
    let runs: Vec<String> = store.living_runs().runs.into_iter().collect();
    let who = match runs.as_slice() {
        [] => "another runner is planning or removing results".to_owned(),
        [run] => format!("run `{run}` is in progress"),
        runs => format!("runs `{}` are in progress", runs.join("`, `")),
    };
    Error::Busy(format!(
        "the store is in use: {who}; nothing was removed; `--wait` waits until the store is free"
    ))
}
