//! Replays a sweep with the results in the store.

use super::failures::Failures;
use super::outcomes::Outcomes;
use super::planned;
use crate::error::Error;
use crate::graph::Graph;
use crate::plan::PlanOptions;
use crate::sweep::Experiment;
use store::Store;

/// Replays a sweep as far as the store has results, and returns the outcomes. The last round is the first
/// with a missing result.
pub fn replay<'a>(experiment: &mut Experiment, store: &'a Store) -> Result<Outcomes<'a>, Error> {
    let mut outcomes = Outcomes::new(store);
    let failures = match experiment.is_sweep() {
        true => Failures::recall(store, &experiment.pipeline)?,
        false => Failures::default(),
    };
    while let Some(round) = experiment.next_round().map_err(Error::Invalid)? {
        if !experiment.has_several_rounds() && experiment.trials().is_empty() {
            // A plain pipeline or its seeds: no later round depends on results.
            break;
        }
        let options = PlanOptions {
            until: round.until.clone(),
            ..PlanOptions::default()
        };
        let plan = planned(experiment.graph(), store, &options)?;
        outcomes.stored(&plan, &failures);
        experiment.record(&round, &outcomes);
    }
    Ok(outcomes)
}

/// The graph of a pipeline. For a sweep, the part that is known from the results in the store.
pub fn known_graph(mut experiment: Experiment, store: Option<&Store>) -> Result<Graph, Error> {
    match store {
        Some(store) => {
            replay(&mut experiment, store)?;
        }
        None => {
            experiment.next_round().map_err(Error::Invalid)?;
        }
    }
    Ok(experiment.into_graph())
}
