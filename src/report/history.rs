//! Earlier runs, as their folders tell.

use std::fs;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::record::RUN_FILE;
use crate::graph::Graph;
use crate::plan::Plan;
use crate::store::Key;

/// Name of the file that says which actions a run is about, written when it starts.
const PLAN_FILE: &str = "plan.json";

/// A stage of a run, and its action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlannedStage {
    /// The instance: `cnn[model1]`.
    pub name: String,
    /// The stage: `cnn`.
    pub stage: String,
    pub key: Key,
}

impl PlannedStage {
    /// All of a plan.
    pub fn of(graph: &Graph, plan: &Plan) -> Vec<Self> {
        let stages = plan.actions.iter().map(|action| {
            let name = &graph.stages[action.node].name;
            Self {
                name: name.to_string(),
                stage: name.stage.clone(),
                key: action.action_key,
            }
        });
        stages.collect()
    }
}

/// Keeps what a run is about.
pub fn write_plan(folder: &Path, stages: &[PlannedStage]) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    serde_json::to_writer(BufWriter::new(&mut file), stages)?;
    writeln!(file)?;
    file.persist(folder.join(PLAN_FILE))?;
    Ok(())
}

/// What a run is about; nothing if that cannot be read.
pub fn read_plan(folder: &Path) -> Option<Vec<PlannedStage>> {
    let bytes = fs::read(folder.join(PLAN_FILE)).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// What is known of a run.
#[derive(Clone, Debug)]
pub struct PastRun {
    pub folder: PathBuf,
    pub pipeline: String,
    pub started: Timestamp,
    pub stages: Vec<PlannedStage>,
}

/// All runs below `runs` that can be read, oldest first.
pub fn past_runs(runs: &Path) -> io::Result<Vec<PastRun>> {
    #[derive(Deserialize)]
    struct Record {
        pipeline: String,
        started: Timestamp,
    }
    let mut found = Vec::new();
    for entry in fs::read_dir(runs)? {
        let folder = entry?.path();
        let record = fs::read(folder.join(RUN_FILE)).ok();
        let record = record.and_then(|bytes| serde_json::from_slice::<Record>(&bytes).ok());
        match record.zip(read_plan(&folder)) {
            Some((Record { pipeline, started }, stages)) => found.push(PastRun {
                folder,
                pipeline,
                started,
                stages,
            }),
            None => tracing::debug!(folder = %folder.display(), "a run that cannot be read"),
        }
    }
    found.sort_by(|a, b| (a.started, &a.folder).cmp(&(b.started, &b.folder)));
    Ok(found)
}
