//! Replays a sweep with the results in the store.

use std::collections::HashMap;

use crate::error::Error;
use crate::event::RunReport;
use crate::graph::Graph;
use crate::keys::Key;
use crate::plan::PlanOptions;
use crate::run::files::{Kept, read_run};
use crate::run::history::History;
use crate::scheduler::Outcome;
use crate::store::Store;
use crate::sweep::Course;

use super::outcomes::Outcomes;
use super::planned;

/// Most past runs that are searched for failures.
const LOOKED_AT: usize = 20;

/// Errors of the actions that failed when they were last executed, by key. Only run records contain them.
#[derive(Default)]
pub struct Failures(HashMap<String, String>);

impl Failures {
    /// Collects the failures of a pipeline's last runs. Logs a warning for run records that cannot be read.
    pub fn recall(store: &Store, pipeline: &str) -> Result<Self, Error> {
        let folder = store.runs_folder();
        let past = History::read_and_warn(&folder).map_err(Error::io("read", &folder))?;
        let past = past.runs.into_iter().rev();
        let past = past.filter(|run| run.pipeline == pipeline).take(LOOKED_AT);
        let mut last: HashMap<String, Option<String>> = HashMap::new();
        for run in past {
            let Kept::Sound(report) = read_run::<RunReport>(&run.folder) else {
                continue;
            };
            for stage in report.stages {
                if stage.seconds.is_some() || stage.outcome == Outcome::Failed {
                    last.entry(stage.key).or_insert(stage.error);
                }
            }
        }
        let failed = last.into_iter();
        let failed = failed.filter_map(|(key, error)| Some((key, error?)));
        Ok(Self(failed.collect()))
    }

    /// The error of an action, if it failed.
    pub fn of(&self, key: &Key) -> Option<&str> {
        self.0.get(&key.to_string()).map(String::as_str)
    }
}

/// Replays a sweep as far as the store has results, and returns the outcomes. The last round is the first
/// with a missing result.
pub fn replay<'a>(course: &mut Course, store: &'a Store) -> Result<Outcomes<'a>, Error> {
    let mut outcomes = Outcomes::new(store);
    let failures = match course.is_sweep() {
        true => Failures::recall(store, &course.pipeline)?,
        false => Failures::default(),
    };
    while let Some(round) = course.next_round().map_err(Error::Invalid)? {
        if !course.comes_in_rounds() && course.trials().is_empty() {
            // A plain pipeline or its seeds: no later round depends on results.
            break;
        }
        let options = PlanOptions {
            until: round.until.clone(),
            ..PlanOptions::default()
        };
        let plan = planned(course.graph(), store, &options)?;
        outcomes.stored(&plan, &failures);
        course.tell(&round, &outcomes);
    }
    Ok(outcomes)
}

/// The graph of a pipeline. For a sweep, the part that is known from the results in the store.
pub fn known_graph(mut course: Course, store: Option<&Store>) -> Result<Graph, Error> {
    match store {
        Some(store) => {
            replay(&mut course, store)?;
        }
        None => {
            course.next_round().map_err(Error::Invalid)?;
        }
    }
    Ok(course.into_graph())
}
