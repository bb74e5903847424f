//! `runner sweep plan`: shows what a sweep will run.

use std::collections::BTreeMap;

use clap::Args;
use engine::error::Error;
use engine::forecast::preflight::check;
use engine::forecast::{Forecast, Machine, RecordScope, forecast};
use engine::plan::{self, PlanOptions, State};
use engine::run::planned;
use engine::run::replay::replay;
use engine::sweep::{Experiment, Extent};
use engine::wording;
use serde_json::{Value, json};
use store::keys::Key;

use crate::cli::pipeline::{PipelineArgs, StoreArgs, catalogue};
use crate::cli::plan::totals;
use crate::cli::resources::ResourceArgs;
use crate::cli::{executors, preflight, unwritten};
use crate::report::Console;

/// Show how many trials and distinct actions a sweep has, and about how long they take
#[derive(Debug, Args)]
pub(super) struct Plan {
    #[command(flatten)]
    pipeline: PipelineArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    resources: ResourceArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Plan {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let mut experiment = super::experiment(&self.pipeline)?;
        let store = self.store.open()?;
        replay(&mut experiment, &store)?;
        let overview = Overview::of(&experiment);
        let graph = experiment.into_graph();
        let plan = planned(&graph, &store, &PlanOptions::default())?;
        let machine = Machine::current(store.root());
        let capacity = self.resources.capacity(&graph, &machine);
        let forecast = forecast(
            &graph,
            &plan,
            &store,
            catalogue().parse,
            &capacity,
            RecordScope::All,
        );
        let actions = Actions::count(&plan);
        let refused = executors::slurm_requests(&graph, &plan).refusals;
        let findings = check(&graph, &plan, &forecast, &capacity, &machine, refused);
        let text = if self.json {
            let mut object = overview.object(&actions, &forecast);
            object["refusals"] = json!(findings.errors());
            object["warnings"] = json!(findings.warnings);
            object.to_string()
        } else {
            overview.text(&actions, &forecast)
        };
        console.result(&text).map_err(unwritten)?;
        preflight::print(console, &findings);
        Ok(())
    }
}

/// Properties of a sweep to show.
struct Overview {
    pipeline: String,
    extent: Extent,
    /// Trials that are already chosen.
    chosen: usize,
    in_rounds: bool,
    /// Number of stages in all copies of the pipeline.
    stages: usize,
}

impl Overview {
    fn of(experiment: &Experiment) -> Self {
        let copies = experiment.graph().copies.iter();
        Self {
            pipeline: experiment.pipeline.clone(),
            extent: experiment.extent(),
            chosen: experiment.trials().len(),
            in_rounds: experiment.has_several_rounds(),
            stages: copies.map(|copy| copy.nodes.len()).sum(),
        }
    }

    fn text(&self, actions: &Actions, forecast: &Forecast) -> String {
        let Extent {
            method,
            trials,
            seeds,
            folds,
            axes,
            rungs,
        } = &self.extent;
        let mut text = format!("{method}: {}", wording::counted(*trials, "trial"));
        let repeated =
            |count: usize, noun: &str| (count > 1).then(|| wording::counted(count, noun));
        let repeated = [repeated(*seeds, "seed"), repeated(*folds, "fold")];
        let repeated: Vec<String> = repeated.into_iter().flatten().collect();
        if !repeated.is_empty() {
            text += &format!(" with {} each", repeated.join(" and "));
        }
        let width = axes.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, values) in axes {
            text += &format!("\n  {name:width$}  {values}");
        }
        match rungs.as_slice() {
            [] => {}
            [_] => {
                text += "\nno training is stopped early: `max_epochs` is less than `reduction` × `grace_epochs`";
            }
            rungs => {
                let rungs: Vec<String> = rungs.iter().map(u64::to_string).collect();
                text += &format!("\ntrainings are compared after {} epochs", rungs.join(", "));
            }
        }
        let known = if self.in_rounds {
            format!(
                "known so far ({}): ",
                wording::counted(self.chosen, "trial")
            )
        } else {
            String::new()
        };
        text += &format!(
            "\n{known}{} in all, {} distinct: {} cached, {} to run",
            wording::stages(self.stages),
            actions.distinct,
            actions.cached,
            actions.to_run,
        );
        if forecast.totals.stages > 0 {
            text += &format!("\n{}", totals(forecast));
        }
        text
    }

    fn object(&self, actions: &Actions, forecast: &Forecast) -> Value {
        let Extent {
            method,
            trials,
            seeds,
            folds,
            axes,
            rungs,
        } = &self.extent;
        let axes: Vec<Value> = axes
            .iter()
            .map(|(name, values)| json!({ "name": name, "values": values }))
            .collect();
        json!({
            "pipeline": self.pipeline,
            "method": method,
            "axes": axes,
            "trials": trials,
            "trials_chosen": self.chosen,
            "seeds": seeds,
            "folds": folds,
            "rungs": rungs,
            "stages": self.stages,
            "actions": {
                "distinct": actions.distinct,
                "cached": actions.cached,
                "to_run": actions.to_run,
            },
            "totals": forecast.totals,
        })
    }
}

/// Counts of the distinct actions of a plan.
struct Actions {
    distinct: usize,
    cached: usize,
    to_run: usize,
}

impl Actions {
    fn count(plan: &plan::Plan) -> Self {
        let mut by_key: BTreeMap<Key, bool> = BTreeMap::new();
        for action in &plan.actions {
            let is_cached = matches!(action.state, State::Cached(_));
            *by_key.entry(action.action_key).or_insert(is_cached) |= is_cached;
        }
        let cached = by_key.values().filter(|&&is_cached| is_cached).count();
        Self {
            distinct: by_key.len(),
            cached,
            to_run: by_key.len() - cached,
        }
    }
}
