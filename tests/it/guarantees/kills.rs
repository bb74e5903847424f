//! SIGKILL from outside, at any moment.

use rustix::process::Signal;

use super::cases::{Random, each};
use super::{PIPELINE, Verdict, finish_in_time, full, recovers, reference, require, start};
use crate::sandbox::{Sandbox, signal, workers};

#[derive(Clone, Copy, Debug)]
enum Victim {
    Runner,
    Worker,
    Both,
}

/// A run that is cut short.
#[derive(Clone, Copy, Debug)]
struct Kill {
    victim: Victim,
    /// Time of the kill, as a fraction of the duration of a run.
    after: f64,
}

/// Starts a run and kills the victim. Returns false if the run had ended before.
fn cut_short(sandbox: &Sandbox, kill: &Kill) -> Result<bool, String> {
    let mut runner = start(&mut sandbox.command(&["run", "pipeline.yaml"]));
    std::thread::sleep(reference().time.mul_f64(kill.after));
    if matches!(kill.victim, Victim::Runner) {
        runner.kill().unwrap();
        return Ok(finish_in_time(runner)?.code.is_none());
    }
    let mut found = workers(&runner);
    while found.is_empty() && runner.try_wait().unwrap().is_none() {
        found = workers(&runner);
    }
    if matches!(kill.victim, Victim::Both) {
        runner.kill().unwrap();
    }
    for &worker in &found {
        // The worker may have ended since.
        let _ = signal(worker, Signal::KILL);
    }
    let run = finish_in_time(runner)?;
    let was_seen = match run.code {
        Some(100) => run.stderr.contains("killed by SIGKILL"),
        Some(0) => true,
        code => code.is_none() && matches!(kill.victim, Victim::Both),
    };
    require(was_seen, || {
        format!("unexpected exit code or message: {run:?}")
    })?;
    Ok(run.code != Some(0))
}

fn survives(kills: &[Kill]) -> Verdict {
    let (first, more) = kills.split_first().expect("a case must have a kill");
    let mut first = *first;
    let sandbox = loop {
        let sandbox = Sandbox::new(PIPELINE);
        if cut_short(&sandbox, &first)? {
            break sandbox;
        }
        // The run ended before the kill, so kill earlier.
        first.after *= 0.8;
    };
    for kill in more {
        cut_short(&sandbox, kill)?;
    }
    recovers(&sandbox)?;
    Ok(if more.is_empty() {
        "killed"
    } else {
        "killed repeatedly"
    })
}

#[test]
fn a_kill_at_any_moment_loses_only_work_in_progress() {
    let mut random = Random::new("kills");
    let victims = [Victim::Runner, Victim::Worker, Victim::Both];
    let runs = if full() { 90 } else { 6 };
    let cases: Vec<Vec<Kill>> = (0..runs)
        .map(|case| {
            let in_a_row = if case % 3 == 2 { 4 } else { 1 };
            (0..in_a_row)
                .map(|_| Kill {
                    victim: *random.one_of(&victims),
                    after: random.share(),
                })
                .collect()
        })
        .collect();
    each("kills", &cases, |kills| survives(kills));
}
