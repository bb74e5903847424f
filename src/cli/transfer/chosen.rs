//! [`Chosen`]: the results that are copied.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::Args;
use engine::error::Error;
use engine::executor::update_view;
use engine::graph::Graph;
use engine::plan::{PlanOptions, PlannedAction, State};
use engine::run::history::History;
use engine::run::planned;
use engine::run::replay::known_graph;
use store::keys::Key;
use store::{ActionRecord, Lookup, Store};

use crate::cli::pipeline::{Overrides, SourceArgs, find};
use crate::cli::run_filter::RunFilter;
use crate::report::Console;

/// Selects the results that are copied.
#[derive(Debug, Args)]
pub(super) struct Chosen {
    /// Pipeline file
    file: Option<PathBuf>,
    /// Stage: `cnn` for all of its instances, or `cnn[model1]` [default: all]
    #[arg(value_name = "STAGE")]
    stages: Vec<String>,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    pub(super) sources: SourceArgs,
    /// Copy what this run used: an id, the beginning of an id, `latest`, or `latest~N`
    #[arg(long, value_name = "RUN", conflicts_with_all = ["file", "stages", "profile", "sets", "device", "precision"])]
    run: Option<String>,
    #[command(flatten)]
    pub(super) filter: RunFilter,
}

/// Results that were found.
#[derive(Default)]
pub(super) struct Results {
    /// The records, each once, by content key.
    pub(super) records: BTreeMap<Key, ActionRecord>,
    /// Number of stages, and of those of them without a result.
    pub(super) stages: usize,
    pub(super) without: usize,
    /// The stages of a pipeline, with its graph. `None` for a run.
    planned: Option<(Graph, Vec<PlannedAction>)>,
}

impl Results {
    fn add(&mut self, record: Option<&ActionRecord>) {
        self.stages += 1;
        match record {
            Some(record) => drop(self.records.insert(record.content_key, record.clone())),
            None => self.without += 1,
        }
    }
}

impl Results {
    /// Shows the results of the pipeline that are here in `latest`, as a run of the pipeline does.
    pub(super) fn show(&self, store: &Store) {
        let Some((graph, actions)) = &self.planned else {
            return;
        };
        for action in actions {
            if let State::Cached(record) = &action.state {
                update_view(graph, store, action, &record.outputs);
            }
        }
    }
}

impl Chosen {
    /// Returns `true` if neither a pipeline nor a run is given.
    pub(super) fn is_nothing(&self) -> bool {
        self.file.is_none() && self.run.is_none()
    }

    /// Finds the results in the store, and in the shared cache if one is attached.
    pub(super) fn find(&self, store: &Store, console: &Console) -> Result<Results, Error> {
        match (&self.file, &self.run) {
            (_, Some(run)) => self.of_run(store, run, console),
            (Some(file), None) => {
                let experiment = self.overrides.experiment(file)?;
                let graph = known_graph(experiment, Some(store))?;
                let mut nodes = BTreeSet::new();
                for name in &self.stages {
                    nodes.extend(find(&graph, "STAGE", name)?);
                }
                let mut actions = planned(&graph, store, &PlanOptions::default())?.actions;
                actions.retain(|action| nodes.is_empty() || nodes.contains(&action.node));
                let mut results = Results::default();
                for action in &actions {
                    results.add(match &action.state {
                        State::Cached(record) => Some(record),
                        State::Runs(_) | State::Waits(_) => None,
                    });
                }
                results.planned = Some((graph, actions));
                Ok(results)
            }
            (None, None) => Ok(Results::default()),
        }
    }

    fn of_run(&self, store: &Store, run: &str, console: &Console) -> Result<Results, Error> {
        let run = self.filter.find(store, run, console)?;
        let runs = store.runs_folder();
        let history = History::read_and_warn(&runs).map_err(Error::io("read", &runs))?;
        let past = history
            .runs
            .into_iter()
            .find(|past| past.folder == run.folder);
        let keys: Vec<Key> = past.into_iter().flat_map(|past| past.keys).collect();
        let mut results = Results::default();
        for lookup in store.results().look_up(&keys)? {
            results.add(match &lookup {
                Lookup::Hit(record) => Some(record),
                Lookup::Absent | Lookup::Damaged | Lookup::OutputMissing { .. } => None,
            });
        }
        Ok(results)
    }
}
