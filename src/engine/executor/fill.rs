//! Fills the misses of a plan: finds each result in the store after all, or makes it and passes it on to the
//! recorder.

use std::collections::HashMap;
use std::sync::mpsc::Sender;

use contract::Failure;
use petgraph::graph::NodeIndex;

use super::commits::{Commit, NewResult};
use super::context::Context;
use super::hits::Hits;
use super::inputs::{digests, inputs};
use super::make::{Making, is_forced, make};
use super::state::ExecutionState;
use super::views::update_view;
use crate::event::StageReport;
use crate::plan::{PlannedAction, checkpoint_key, content_key};
use crate::scheduler::{self, Grant, Outcome};
use store::{ActionRecord, Lease};

/// An action to execute, unless its outputs appear in the store meanwhile.
pub(super) struct Miss<'a> {
    pub action: &'a PlannedAction,
    /// `true` if an equal action of the same plan comes first. Its outputs are then those of this action.
    pub follows_equal: bool,
}

/// Fills the misses that the scheduler starts.
pub(super) struct Filler<'a> {
    pub context: Context<'a>,
    /// The misses, in the order of the queue.
    pub misses: &'a [Miss<'a>],
    /// Stages that fail if they have to run, with the reasons.
    pub refused: &'a HashMap<NodeIndex, String>,
    pub state: &'a ExecutionState,
    /// Sends results to the recorder thread; `None` ends the thread.
    pub commits: Sender<Option<Commit<'a>>>,
}

/// The way in which a miss was filled.
enum Filled<'a> {
    /// The record was in the store.
    Found(ActionRecord),
    Made(NewResult<'a>, Lease),
}

impl scheduler::Executor for Filler<'_> {
    fn execute(&self, index: usize, grant: &Grant) -> Outcome {
        let miss = &self.misses[index];
        let node = miss.action.node;
        let name = self.context.name(node);
        // At this level, the name also stands before warnings.
        let _span = tracing::error_span!("stage", %name).entered();
        let mut report =
            StageReport::not_executed(&name, Outcome::Cancelled, &miss.action.action_key);
        match self.fill(miss, grant, &mut report) {
            Ok(Filled::Made(result, lease)) => {
                report.outcome = Outcome::Succeeded;
                self.state
                    .outputs
                    .insert(node, result.record.outputs.clone());
                self.state.pending.add(&result.record);
                // The receiver lives until every action has ended.
                let _ = self.commits.send(Some(Commit {
                    index,
                    result,
                    report,
                    lease,
                }));
                return Outcome::Succeeded;
            }
            Ok(Filled::Found(record)) => {
                report.outcome = Outcome::Cached;
                report.warnings.clone_from(&record.warnings);
                update_view(
                    self.context.graph,
                    self.context.store,
                    miss.action,
                    &record.outputs,
                );
                self.state.outputs.insert(node, record.outputs);
            }
            Err(Failure::Cancelled) => report.outcome = Outcome::Cancelled,
            Err(Failure::Left(place)) => {
                report.outcome = Outcome::Cancelled;
                report.left = Some(place);
            }
            Err(failure) => {
                report.outcome = Outcome::Failed;
                report.error = Some(failure.to_string());
            }
        }
        let outcome = report.outcome;
        self.state.reports.add(&self.context, index, report);
        outcome
    }
}

impl<'a> Filler<'a> {
    fn fill(
        &self,
        miss: &Miss<'_>,
        grant: &Grant,
        report: &mut StageReport,
    ) -> Result<Filled<'a>, Failure> {
        self.state.pending.check()?;
        let hits = Hits {
            context: self.context,
            pending: &self.state.pending,
        };
        let action = miss.action;
        if miss.follows_equal
            && let Some(record) = hits.lookup(&action.action_key)?
        {
            return Ok(Filled::Found(record));
        }
        let lease = hits.lease(action)?;
        let inputs = inputs(&self.context, &self.state.outputs, action)?;
        let (content_key, content) = content_key(self.context.graph, action, &digests(&inputs));
        let forced = is_forced(action) && !miss.follows_equal;
        if !forced && let Some(record) = hits.hit(action, &content_key)? {
            return Ok(Filled::Found(record));
        }
        if let Some(why) = self.refused.get(&action.node) {
            return Err(Failure::System(why.clone()));
        }
        let stage = &self.context.graph.stages[action.node].stage;
        let making = Making {
            action,
            content_key,
            checkpoint_key: stage.resumable().map(|r| checkpoint_key(&content, &r)),
            inputs: &inputs,
            grant,
        };
        Ok(Filled::Made(make(&self.context, &making, report)?, lease))
    }
}
