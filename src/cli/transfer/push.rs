//! `runner push`: copies results to the shared cache.

use std::collections::BTreeMap;

use clap::Args;
use engine::error::Error;
use engine::wording;
use remote::{LocalFolder, Remote, Uploaded};
use serde_json::json;
use store::keys::Key;
use store::{ActionRecord, Store};

use super::bar;
use super::chosen::{Chosen, Results};
use crate::cli::cache::size;
use crate::cli::unwritten;
use crate::report::{Console, Verbosity};

/// Results that are uploaded between two steps of the bar.
const AT_ONCE: usize = 16;

/// Copy results to the shared cache: those of a pipeline, of stages, of a run, or only what was left to upload
///
/// Uploads that earlier runs could not finish are always included. Exit code 1 if a result could not be copied; it is
/// then tried again by the next `push`.
#[derive(Debug, Args)]
pub(in crate::cli) struct Push {
    #[command(flatten)]
    chosen: Chosen,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Numbers of results.
#[derive(Debug, Default)]
struct Counts {
    uploaded: usize,
    present: usize,
    failed: usize,
    /// The first failure.
    failure: Option<String>,
}

impl Push {
    pub(in crate::cli) fn execute(self, console: &Console) -> Result<(), Error> {
        let store = self.chosen.sources.alone(&self.chosen.filter.store)?;
        let remote = self.chosen.filter.store.remote_of(&store)?;
        if !remote.settings().mode.writes() {
            let message = "the mode of the shared cache is `read`; use `--remote-mode read-write`";
            return Err(Error::Usage(message.to_owned()));
        }
        let found = self.chosen.find(&store, console)?;
        let mut names: BTreeMap<Key, Vec<Key>> = BTreeMap::new();
        for record in found.records.values() {
            names.insert(
                record.content_key,
                vec![record.content_key, record.action_key],
            );
        }
        let pending = remote
            .pending()
            .map_err(Error::io("read", &store.remotes_folder()))?;
        for key in pending {
            let keys = names.entry(content_key(&store, key)).or_default();
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
        let names: Vec<Vec<Key>> = names.into_values().collect();
        let counts = upload(&remote, store, &names, console);
        self.print(console, &remote, &found, &counts)?;
        match counts.failure {
            None => Ok(()),
            Some(failure) => Err(Error::System(format!(
                "{} of {} could not be copied to the shared cache: {failure}",
                counts.failed,
                wording::counted(names.len(), "result"),
            ))),
        }
    }

    fn print(
        &self,
        console: &Console,
        remote: &Remote,
        found: &Results,
        counts: &Counts,
    ) -> Result<(), Error> {
        let address = &remote.settings().address;
        let sent = remote.statistics().sent;
        if self.json {
            let object = json!({
                "remote": address.to_string(),
                "uploaded": counts.uploaded,
                "present": counts.present,
                "failed": counts.failed,
                "not_cached": found.without,
                "sent_bytes": sent,
            });
            return console.result(&object.to_string()).map_err(unwritten);
        }
        let text = format!(
            "`{address}`: {} copied, {} there already; {} sent",
            wording::counted(counts.uploaded, "result"),
            match counts.present {
                1 => "1 was".to_owned(),
                present => format!("{present} were"),
            },
            size(sent)
        );
        console.result(&text).map_err(unwritten)?;
        if found.without > 0 && console.verbosity > Verbosity::Quiet {
            console.message(&format!(
                "{} of {} not cached here",
                found.without,
                match found.stages {
                    1 => "1 stage is".to_owned(),
                    stages => format!("{stages} stages are"),
                }
            ));
        }
        Ok(())
    }
}

/// Uploads results, each with the names of its records.
fn upload(remote: &Remote, store: Store, names: &[Vec<Key>], console: &Console) -> Counts {
    let source = LocalFolder(store);
    let bar = bar(console, names.len());
    let mut counts = Counts::default();
    for part in names.chunks(AT_ONCE) {
        let mut uploads = remote.push(&source, &part.concat()).into_iter();
        for names in part {
            let of_result: Vec<_> = uploads.by_ref().take(names.len()).collect();
            let failure = of_result.iter().find_map(|upload| upload.as_ref().err());
            let is_new = |upload: &_| matches!(upload, Ok(Uploaded::Written));
            let is_present = |upload: &_| matches!(upload, Ok(Uploaded::Present));
            if let Some(failure) = failure {
                counts.failed += 1;
                counts.failure.get_or_insert_with(|| failure.to_string());
            } else if of_result.iter().any(is_new) {
                counts.uploaded += 1;
            } else if of_result.iter().any(is_present) {
                counts.present += 1;
            }
            bar.inc(1);
        }
    }
    bar.finish_and_clear();
    counts
}

/// Returns the content key of the record under a key. If there is no sound one any more, returns `key`.
fn content_key(store: &Store, key: Key) -> Key {
    let bytes = store.record_bytes(&key).ok().flatten();
    let record = bytes.and_then(|bytes| ActionRecord::decode(&bytes, &key).ok());
    record.map_or(key, |record| record.content_key)
}
