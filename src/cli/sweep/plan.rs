//! `runner sweep plan`: shows what a sweep will run.

use std::collections::BTreeMap;

use clap::Args;
use engine::error::Error;
use engine::forecast::preflight::check;
use engine::forecast::{Forecast, Machine, Reach, forecast};
use engine::keys::Key;
use engine::plan::{self, PlanOptions, State};
use engine::run::planned;
use engine::run::replay::replay;
use engine::sweep::{Course, Extent};
use engine::wording;
use serde_json::{Value, json};

use crate::cli::pipeline::{PipelineArgs, StoreArgs, catalogue};
use crate::cli::plan::totals;
use crate::cli::room::RoomArgs;
use crate::cli::{preflight, unwritten};
use crate::report::Console;

/// Show how many trials and distinct actions a sweep has, and about how long they take
#[derive(Debug, Args)]
pub struct Plan {
    #[command(flatten)]
    pipeline: PipelineArgs,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    room: RoomArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Plan {
    pub fn execute(self, console: &Console) -> Result<(), Error> {
        let mut course = super::course(&self.pipeline)?;
        let store = self.store.open()?;
        replay(&mut course, &store)?;
        let seen = Seen::of(&course);
        let graph = course.into_graph();
        let plan = planned(&graph, &store, &PlanOptions::default())?;
        let machine = Machine::look(store.root());
        let room = self.room.room(&graph, &machine);
        let forecast = forecast(&graph, &plan, &store, catalogue().parse, &room, Reach::All);
        let actions = Actions::count(&plan);
        let findings = check(&graph, &plan, &forecast, &room, &machine);
        let text = if self.json {
            let mut object = seen.object(&actions, &forecast);
            object["refusals"] = json!(findings.errors());
            object["warnings"] = json!(findings.doubts);
            object.to_string()
        } else {
            seen.text(&actions, &forecast)
        };
        console.result(&text).map_err(unwritten)?;
        preflight::say(console, &findings);
        Ok(())
    }
}

/// Properties of a sweep to show.
struct Seen {
    pipeline: String,
    extent: Extent,
    /// Trials that are already chosen.
    chosen: usize,
    in_rounds: bool,
    /// Stages in all copies of the pipeline.
    stages: usize,
}

impl Seen {
    fn of(course: &Course) -> Self {
        let copies = course.graph().copies.iter();
        Self {
            pipeline: course.pipeline.clone(),
            extent: course.extent(),
            chosen: course.trials().len(),
            in_rounds: course.comes_in_rounds(),
            stages: copies.map(|copy| copy.nodes.len()).sum(),
        }
    }

    fn text(&self, actions: &Actions, forecast: &Forecast) -> String {
        let Extent {
            method,
            trials,
            seeds,
            axes,
            rungs,
        } = &self.extent;
        let mut text = format!("{method}: {}", wording::counted(*trials, "trial"));
        if *seeds > 1 {
            text += &format!(" of {}", wording::counted(*seeds, "seed"));
        }
        let width = axes.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, values) in axes {
            text += &format!("\n  {name:width$}  {values}");
        }
        if !rungs.is_empty() {
            let rungs: Vec<String> = rungs.iter().map(u64::to_string).collect();
            text += &format!("\ntrainings are compared after {} epochs", rungs.join(", "));
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
