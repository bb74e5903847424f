//! `runner cache gc`: removes what is no longer needed from the store.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;
use engine::error::Error;
use engine::spec::{parse_bytes, parse_duration};
use engine::store::{self, Patience, Policy, Store, Unread};
use engine::wording;
use serde_json::json;

use super::{inside, size, uses};
use crate::cli::pipeline::StoreArgs;
use crate::cli::unwritten;
use crate::report::{Console, Verbosity};

/// List what is no longer needed and, with --apply, remove it
///
/// Results that the newest run of every pipeline used (by name, with any profile and settings), that a run
/// in progress needs, or that `artifacts/latest` shows are always kept. Without a limit, only garbage is
/// removed: files that belong to no result, and damaged files that were set aside. Results that a run with
/// a damaged record used are kept. As long as a file that may refer to results is unreadable, no results
/// are removed.
#[derive(Debug, Args)]
pub struct Gc {
    #[command(flatten)]
    store: StoreArgs,
    /// Remove the least recently used results until the rest fits: 500MiB, 20GB
    #[arg(long, value_name = "SIZE", value_parser = parse_bytes)]
    max_size: Option<u64>,
    /// Remove what was not used for this long: 30d, 2w, 12h
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    max_age: Option<Duration>,
    /// Remove what none of the newest N runs of a pipeline used, and the logs of the other runs
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    keep_runs: Option<u32>,
    /// Remove what is listed; exit code 75 if a run is planning or storing a result
    #[arg(long)]
    apply: bool,
    /// With --apply, wait until no run is in the way
    #[arg(long, requires = "apply")]
    wait: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Gc {
    pub fn execute(self, console: &Console) -> Result<(), Error> {
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
        let collected = store
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
        for removal in &collected.removals {
            let (count, bytes) = kinds.entry(removal.what).or_default();
            *count += 1;
            *bytes += removal.entry.bytes;
            if console.verbosity == Verbosity::Verbose {
                let path = inside(&store, &removal.entry.path);
                console.say(&format!("{path} {}", size(removal.entry.bytes)));
            }
        }
        for Unread { path, why } in &collected.damaged {
            let path = inside(&store, path);
            console.say(&format!(
                "warning: `{path}` {why}; what that run used stays"
            ));
        }
        for Unread { path, why } in collected.noted.iter().chain(&collected.unknown) {
            console.say(&format!("warning: `{}` {why}", inside(&store, path)));
        }
        if !collected.unknown.is_empty() {
            console.say(
                "nobody knows what that needs: all results stay, whatever the limits; `runner cache \
                 verify --repair` sets aside what is damaged, and what only that needs may go then",
            );
        }
        if self.json {
            let unreadable = [&collected.damaged, &collected.noted, &collected.unknown];
            let unreadable = unreadable.into_iter().flatten();
            let unreadable = unreadable.map(|unread| {
                json!({ "path": inside(&store, &unread.path).to_string(), "why": unread.why })
            });
            let kinds = kinds.iter().map(
                |(what, (count, bytes))| json!({ "what": what, "count": count, "bytes": bytes }),
            );
            let object = json!({
                "removed": self.apply,
                "bytes": collected.bytes(),
                "left_bytes": collected.left,
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
        let (all, left) = (size(collected.bytes()), size(collected.left));
        console
            .result(&format!("{verb} {all} in all; {left} of results stay"))
            .map_err(unwritten)?;
        if collected.over {
            console.say("what stays is more than --max-size: all of it is needed by kept runs, runs that go on, or `latest`");
        }
        if !self.apply && !collected.removals.is_empty() {
            console.say("nothing was removed; --apply does it");
        }
        Ok(())
    }
}

/// The error for a store in use. It names the runs in progress as far as they are known.
fn busy(store: &Store) -> Error {
    let runs: Vec<String> = store.living_runs().runs.into_iter().collect();
    let who = match runs.as_slice() {
        [] => "another runner plans or collects".to_owned(),
        [run] => format!("run `{run}` goes on"),
        runs => format!("runs `{}` go on", runs.join("`, `")),
    };
    Error::Busy(format!(
        "the store is in use: {who}; nothing was removed; `--wait` waits until it can be"
    ))
}
