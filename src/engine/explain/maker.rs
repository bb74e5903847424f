//! Which run made something.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use serde::Deserialize;

use crate::keys::Key;
use crate::run::files::{Kept, read_run};
use crate::run::history::History;
use crate::scheduler::Outcome;

/// A stage of a run that made something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Maker {
    /// The run's id, which is the name of its folder.
    pub run: String,
    /// The stage's instance, as that run's pipeline named it.
    pub stage: String,
    /// That pipeline.
    pub pipeline: String,
}

/// Who made what, of all runs below `runs` whose records can be read: the newest of each. Warns of the
/// others.
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
        let Kept::Sound(run) = read_run::<Run>(&past.folder) else {
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
