//! `runner artifacts ls`: lists the newest artifacts.

use std::rc::Rc;

use clap::Args;
use engine::error::Error;
use engine::wording;
use serde_json::{Value, json};
use store::keys::Digest;
use store::{ActionRecord, Shown, Store};

use super::lookup::{check_pipelines, record};
use crate::cli::cache::size;
use crate::cli::pipeline::StoreArgs;
use crate::cli::record_text::when;
use crate::cli::unwritten;
use crate::report::Console;
use crate::report::columns::fitted;

/// List the newest artifacts of every stage
#[derive(Debug, Args)]
pub(super) struct Ls {
    /// List only artifacts of these pipelines
    #[arg(value_name = "PIPELINE")]
    pipelines: Vec<String>,
    #[command(flatten)]
    store: StoreArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// A line of the list.
struct Line<'a> {
    shown: &'a Shown,
    port: &'a str,
    digest: Digest,
    /// Number and total bytes of the artifact's files; `None` if the store has no readable list of them.
    files: Option<(usize, u64)>,
    record: Option<Rc<ActionRecord>>,
}

impl Ls {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let store = self.store.existing()?;
        let mut all = store.shown()?;
        check_pipelines(&all, &self.pipelines)?;
        all.retain(|s| self.pipelines.is_empty() || self.pipelines.contains(&s.pipeline));
        let lines: Vec<Line<'_>> = all.iter().flat_map(|shown| lines(&store, shown)).collect();
        if self.json {
            let artifacts: Vec<Value> = lines.iter().map(Line::object).collect();
            let object = json!({ "artifacts": artifacts });
            return console.result(&object.to_string()).map_err(unwritten);
        }
        if lines.is_empty() {
            console.message("there are no results yet");
            return Ok(());
        }
        let heads = ["pipeline", "artifact", "files", "size", "made", "took"];
        let rows: Vec<Vec<String>> = lines.iter().map(|line| line.row().to_vec()).collect();
        let numbers: Vec<usize> = (2..heads.len()).collect();
        let text = fitted(&heads.map(str::to_owned), &rows, &numbers, console.width());
        console.result(&text).map_err(unwritten)
    }
}

fn lines<'a>(store: &Store, shown: &'a Shown) -> impl Iterator<Item = Line<'a>> {
    let record = record(store, shown).map(Rc::new);
    shown.outputs.iter().map(move |(port, &digest)| {
        let tree = match store.peek_tree(&digest) {
            Ok(tree) => Some(tree),
            Err(error @ store::Error::Io { .. }) => {
                tracing::warn!("failed to list the files of `{}`: {error}", digest.short());
                None
            }
            Err(_) => None,
        };
        Line {
            shown,
            port,
            digest,
            files: tree.map(|tree| (tree.files.len(), tree.files.values().map(|b| b.bytes).sum())),
            record: record.clone(),
        }
    })
}

impl Line<'_> {
    fn row(&self) -> [String; 6] {
        let unknown = || "-".to_owned();
        let record = self.record.as_ref();
        [
            self.shown.pipeline.clone(),
            format!("{}.{}", self.shown.instance, self.port),
            self.files
                .map_or_else(unknown, |(count, _)| count.to_string()),
            self.files.map_or_else(unknown, |(_, bytes)| size(bytes)),
            record.map_or_else(unknown, |record| when(&record.finished)),
            record.map_or_else(unknown, |record| wording::duration(record.seconds)),
        ]
    }

    fn object(&self) -> Value {
        let record = self.record.as_ref();
        json!({
            "pipeline": self.shown.pipeline,
            "stage": self.shown.instance,
            "port": self.port,
            "digest": self.digest,
            "files": self.files.map(|(count, _)| count),
            "bytes": self.files.map(|(_, bytes)| bytes),
            "finished": record.map(|record| &record.finished),
            "seconds": record.map(|record| record.seconds),
            "path": self.shown.port_folder(self.port),
        })
    }
}
