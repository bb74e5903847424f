//! `runner pull`: copies results from the shared cache into the local store.

use std::collections::BTreeSet;

use clap::Args;
use engine::error::Error;
use engine::wording;
use serde_json::json;
use store::keys::Digest;
use store::{ActionRecord, Lookup, Store};

use super::bar;
use super::chosen::Chosen;
use crate::cli::cache::size;
use crate::cli::unwritten;
use crate::report::{Console, Verbosity};

/// Results that are fetched between two steps of the bar.
const AT_ONCE: usize = 16;

/// Copy results from the shared cache into the store: those of a pipeline, of stages, or of a run
///
/// A run copies only what it reads, so `pull` is for work without a connection. Exit code 1 if a result could not be
/// copied.
#[derive(Debug, Args)]
pub(in crate::cli) struct Pull {
    #[command(flatten)]
    chosen: Chosen,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Pull {
    pub(in crate::cli) fn execute(self, console: &Console) -> Result<(), Error> {
        if self.chosen.is_nothing() {
            let message = "nothing is selected; give a pipeline file, or a run with `--run`";
            return Err(Error::Usage(message.to_owned()));
        }
        let (store, remote) = self.chosen.filter.store.shared()?;
        let store = self.chosen.sources.prepared(store);
        if !remote.settings().mode.reads() {
            let message = "the mode of the shared cache is `write`; use `--remote-mode read-write`";
            return Err(Error::Usage(message.to_owned()));
        }
        let found = self.chosen.find(&store, console)?;
        let mut missing = Vec::new();
        for record in found.records.values() {
            if !is_here(&store, record)? {
                missing.push(record);
            }
        }
        let bar = bar(console, missing.len());
        let mut copied = 0;
        for part in missing.chunks(AT_ONCE) {
            let outputs = part
                .iter()
                .flat_map(|record| record.outputs.values().copied());
            let outputs: BTreeSet<Digest> = outputs.collect();
            store
                .results()
                .fetch(&outputs.into_iter().collect::<Vec<_>>())?;
            for record in part {
                copied += usize::from(is_here(&store, record)?);
            }
            bar.inc(part.len() as u64);
        }
        bar.finish_and_clear();
        found.show(&store);
        let address = &remote.settings().address;
        let received = remote.statistics().received;
        let present = found.records.len() - missing.len();
        let failed = missing.len() - copied;
        let text = match self.json {
            true => json!({
                "remote": address.to_string(),
                "copied": copied,
                "present": present,
                "failed": failed,
                "not_found": found.without,
                "received_bytes": received,
            })
            .to_string(),
            false => format!(
                "`{address}`: {} copied, {} here already; {} received",
                wording::counted(copied, "result"),
                match present {
                    1 => "1 was".to_owned(),
                    present => format!("{present} were"),
                },
                size(received)
            ),
        };
        console.result(&text).map_err(unwritten)?;
        let is_off = remote.problem().is_some_and(|problem| problem.is_off);
        if found.without > 0 && is_off {
            return Err(Error::System(format!(
                "{} of {} are not here, and the shared cache could not be asked for them",
                found.without,
                wording::stages(found.stages)
            )));
        }
        if found.without > 0 && !self.json && console.verbosity > Verbosity::Quiet {
            console.message(&format!(
                "{} of {} neither here nor in the shared cache",
                found.without,
                match found.stages {
                    1 => "1 stage is".to_owned(),
                    stages => format!("{stages} stages are"),
                }
            ));
        }
        match failed {
            0 => Ok(()),
            failed => Err(Error::System(format!(
                "{failed} of {} could not be copied from the shared cache",
                wording::counted(missing.len(), "result")
            ))),
        }
    }
}

/// Returns whether a result is completely in the local store.
fn is_here(store: &Store, record: &ActionRecord) -> Result<bool, Error> {
    for output in record.outputs.values() {
        if !store.is_here(output)? {
            return Ok(false);
        }
    }
    let is_recorded = |key| matches!(store.examine(key), Ok(Lookup::Hit(_)));
    Ok(is_recorded(&record.action_key) && is_recorded(&record.content_key))
}
