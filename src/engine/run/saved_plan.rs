//! A plan in a file, which is run exactly as it was shown or not at all.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use contract::{ShowPath, files};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::error::Error;
use crate::graph::Graph;
use crate::plan::{Change, Plan, PlannedAction, State, changes};
use crate::wording;
use store::keys::Fingerprint;
use store::keys::Key;
use store::{Store, seal, unseal};

/// Increased when the format of the file changes.
const VERSION: u32 = 1;
/// Maximum number of differences that are listed.
const MOST_LISTED: usize = 12;

/// Everything that a plan was made from, and its stages.
#[derive(Debug, Serialize, Deserialize)]
pub struct SavedPlan<O, S> {
    version: u32,
    /// The pipeline file as given. A relative path starts at the folder in which the plan was made.
    pub file: PathBuf,
    /// The options that changed the pipeline.
    pub overrides: O,
    /// The options that selected stages.
    pub selection: S,
    stages: Vec<SavedStage>,
}

#[derive(Debug, Serialize, Deserialize)]
struct SavedStage {
    name: String,
    key: Key,
    state: SavedState,
    fingerprint: Fingerprint,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum SavedState {
    Cached,
    Runs,
    Waits,
}

impl From<&State> for SavedState {
    fn from(state: &State) -> Self {
        match state {
            State::Cached(_) => Self::Cached,
            State::Runs(_) => Self::Runs,
            State::Waits(_) => Self::Waits,
        }
    }
}

impl<O, S> SavedPlan<O, S>
where
    O: Clone + Serialize + DeserializeOwned,
    S: Clone + Serialize + DeserializeOwned,
{
    pub fn new(file: &Path, overrides: &O, selection: &S, graph: &Graph, plan: &Plan) -> Self {
        let stages = plan.actions.iter().map(|action| SavedStage {
            name: name(graph, action),
            key: action.action_key,
            state: SavedState::from(&action.state),
            fingerprint: action.fingerprint.clone(),
        });
        Self {
            version: VERSION,
            file: file.to_owned(),
            overrides: overrides.clone(),
            selection: selection.clone(),
            stages: stages.collect(),
        }
    }

    pub fn write(&self, file: &Path) -> Result<(), Error> {
        let bytes = seal(self).map_err(|e| Error::Internal(e.to_string()))?;
        fs::write(file, bytes).map_err(Error::io("write", file))
    }

    /// Reads a saved plan.
    ///
    /// # Errors
    /// If `file` cannot be read, or is not a plan as it was written.
    pub fn read(file: &Path) -> Result<Self, Error> {
        let bytes = files::read(file, files::MOST_TEXT)
            .map_err(|e| Error::Usage(format!("failed to read `{}`: {e}", file.shown())))?;
        match unseal::<Self>(&bytes) {
            Ok(saved) if saved.version == VERSION => Ok(saved),
            _ => Err(Error::Usage(format!(
                "`{}` is not a plan as `runner plan --out` writes it; save a new one",
                file.shown()
            ))),
        }
    }

    /// Checks that `plan`, made again now, is the same as this one.
    ///
    /// # Errors
    /// If it is not. The message lists the differences.
    pub fn check(
        &self,
        from: &Path,
        graph: &Graph,
        plan: &Plan,
        store: &Store,
    ) -> Result<(), Error> {
        let differences = self.differences(graph, plan, store);
        if differences.is_empty() {
            return Ok(());
        }
        let mut text = format!("the plan `{}` is out of date:", from.shown());
        for difference in differences.iter().take(MOST_LISTED) {
            text.push_str(&format!("\n  {difference}"));
        }
        if let Some(more) = differences
            .len()
            .checked_sub(MOST_LISTED)
            .filter(|&n| n > 0)
        {
            text.push_str(&format!("\n  and {more} more"));
        }
        text.push_str(
            "\nhint: save a new plan with `runner plan … --out FILE`, check it, and run it",
        );
        Err(Error::Usage(text))
    }

    fn differences(&self, graph: &Graph, plan: &Plan, store: &Store) -> Vec<String> {
        let now: HashMap<String, &PlannedAction> = plan
            .actions
            .iter()
            .map(|action| (name(graph, action), action))
            .collect();
        let (mut differences, mut downstream) = (Vec::new(), 0);
        for then in &self.stages {
            let name = &then.name;
            let Some(action) = now.get(name) else {
                differences.push(format!("`{name}` was removed"));
                continue;
            };
            if then.key != action.action_key {
                let sources = graph.stages[action.node].stage.sources();
                let changes = changes(store, &then.fingerprint, &action.fingerprint, &sources);
                let own = changes
                    .iter()
                    .filter(|change| !matches!(change, Change::Input { .. }));
                let own: Vec<String> = own.map(Change::to_string).collect();
                if own.is_empty() {
                    downstream += 1;
                } else {
                    differences.push(format!("`{name}`: {}", own.join(", ")));
                }
                continue;
            }
            let state = SavedState::from(&action.state);
            if then.state == state {
                continue;
            }
            differences.push(match &action.state {
                State::Cached(_) => format!("`{name}` is now cached"),
                State::Runs(reason) => format!("`{name}` will now run: {reason}"),
                State::Waits(upstream) => {
                    format!("`{name}` now waits on `{}`", graph.stages[*upstream].name)
                }
            });
        }
        let then: HashSet<&str> = self
            .stages
            .iter()
            .map(|stage| stage.name.as_str())
            .collect();
        for action in &plan.actions {
            let name = name(graph, action);
            if !then.contains(name.as_str()) {
                differences.push(format!("`{name}` is new"));
            }
        }
        if downstream > 0 {
            let stages = wording::stages(downstream);
            differences.push(format!("{stages} downstream changed as well"));
        }
        differences
    }
}

fn name(graph: &Graph, action: &PlannedAction) -> String {
    graph.stages[action.node].name.to_string()
}
