//! Finds the run that made a result.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::Deserialize;

use crate::run::files::{RunFile, read_run};
use crate::run::history::History;
use crate::scheduler::Outcome;
use store::keys::Key;

/// The stage of a run that made a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maker {
    /// The run's id, which is the name of its folder.
    pub run: String,
    /// Name of the stage's instance in that run.
    pub stage: String,
    /// Name of that run's pipeline.
    pub pipeline: String,
}

/// Returns, for each action key, the newest of the runs below `runs` that made its result. Logs a warning for
/// each run whose record cannot be read.
pub fn makers(runs: &Path) -> io::Result<BTreeMap<Key, Maker>> {
    #[derive(Deserialize)]
    struct Run {
        run: String,
        pipeline: String,
        stages: Vec<Stage>,
    }
    #[derive(Deserialize)]
    struct Stage {
        name: String,
        key: Key,
        outcome: Outcome,
    }
    let mut makers = BTreeMap::new();
    for past in History::read_and_warn(runs)?.runs {
        let RunFile::Sound(run) = read_run::<Run>(&past.folder) else {
            continue;
        };
        for stage in run.stages {
            if stage.outcome == Outcome::Succeeded {
                let maker = Maker {
                    run: run.run.clone(),
                    stage: stage.name,
                    pipeline: run.pipeline.clone(),
                };
                makers.insert(stage.key, maker);
            }
        }
    }
    Ok(makers)
}
