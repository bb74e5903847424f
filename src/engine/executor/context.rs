//! The data that all parts of an execution share and that does not change during the execution.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use petgraph::graph::NodeIndex;

use super::announcer::Announcer;
use super::log_file;
use crate::event::Event;
use crate::graph::{Graph, Limits};
use crate::launch::Launcher;
use crate::plan::{Plan, PlannedAction};
use store::Store;

/// The plan that is executed, and what its execution needs, such as the store, the launcher and the run's folder.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub graph: &'a Graph,
    pub plan: &'a Plan,
    pub store: &'a Store,
    pub launcher: &'a dyn Launcher,
    pub reporter: &'a Announcer<'a>,
    /// Folder of the run, which also holds the logs of its stages.
    pub folder: &'a Path,
    /// Limits of stages that have none of their own.
    pub limits: Limits,
    /// `true` if trainings resume from checkpoints.
    pub resume: bool,
    /// Stages that failed when they were last executed.
    pub failed_before: &'a HashSet<NodeIndex>,
}

impl Context<'_> {
    /// Returns the name of a stage instance.
    pub(super) fn name(&self, node: NodeIndex) -> String {
        self.graph.stages[node].name.to_string()
    }

    /// Returns the path of an action's log. The log may have output of an earlier attempt.
    pub(super) fn log(&self, action: &PlannedAction) -> PathBuf {
        log_file(self.folder, &self.name(action.node))
    }

    /// Warns about this run of an action, not about its result.
    pub(super) fn warn(&self, action: &PlannedAction, message: impl Into<String>) {
        self.reporter.send(Event::StageWarning {
            stage: self.name(action.node),
            message: message.into(),
            about_run_only: true,
        });
    }
}
