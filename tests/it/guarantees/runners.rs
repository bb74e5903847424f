//! Several runners on one store.

use std::process::Child;
use std::time::Duration;

use super::cases::{Random, each};
use super::{
    PIPELINE, STAGES, Verdict, count, finish_in_time, full, is_complete, recovers, reference,
    require, start,
};
use crate::sandbox::{Finished, Sandbox};

const RUNNERS: usize = 4;

/// The time after which one of the runners is killed; `None` if none is.
#[derive(Debug)]
struct Round(Option<Duration>);

fn survives(round: &Round) -> Verdict {
    let sandbox = Sandbox::new(PIPELINE);
    let mut runners: Vec<Child> = (0..RUNNERS)
        .map(|_| start(&mut sandbox.command(&["run", "pipeline.yaml", "--json"])))
        .collect();
    if let Some(after) = round.0 {
        std::thread::sleep(after);
        let mut killed = runners.swap_remove(0);
        killed.kill().unwrap();
        killed.wait().unwrap();
    }
    let runs: Vec<Finished> = runners
        .into_iter()
        .map(finish_in_time)
        .collect::<Result<_, _>>()?;
    for run in &runs {
        require(run.code == Some(0), || format!("a run failed: {run:?}"))?;
    }
    if round.0.is_some() {
        recovers(&sandbox)?;
        return Ok("rounds with a kill");
    }
    let executed: u64 = runs.iter().map(|run| count(&run.json(), "succeeded")).sum();
    require(executed == STAGES as u64, || {
        format!("{executed} stages were executed: {runs:?}")
    })?;
    is_complete(&sandbox, &reference().contents)?;
    Ok("rounds without a kill")
}

#[test]
fn four_runners_at_once_execute_every_stage_once() {
    let mut random = Random::new("runners");
    let rounds: Vec<Round> = (0..if full() { 40 } else { 4 })
        .map(|round| {
            // Twice the usual time, because four runners share the cores.
            let whole = reference().time * 2;
            Round((round % 2 == 1).then(|| whole.mul_f64(random.share())))
        })
        .collect();
    each("runners", &rounds, survives);
}
