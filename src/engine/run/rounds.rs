//! Runs a pipeline or a sweep: plans, checks and executes one round after the other.

use std::collections::{HashMap, HashSet};

use petgraph::graph::NodeIndex;

use super::failures::Failures;
use super::session::{Observe, RunOptions, Session, Subject};
use super::{Outcomes, planned};
use crate::error::Error;
use crate::executor::{ask_versions, damaged_artifacts};
use crate::forecast::preflight::{Findings, check};
use crate::forecast::{Forecast, Machine, RecordScope, forecast, resume_points};
use crate::graph::{Graph, ParseStage};
use crate::launch::{Executors, SlurmRequests};
use crate::plan::{Plan, PlanOptions, wanted};
use crate::scheduler::{Capacity, OnFailure};
use crate::spec::Limits;
use crate::sweep::{Experiment, Round};
use store::Store;

/// The parts of a pipeline to run, and the options for running them.
pub struct RunRequest<'a> {
    /// Overrides of the pipeline as typed, for the run record.
    pub sets: &'a [String],
    /// Selects the stages of a round that are to run.
    pub select: &'a dyn Fn(&Graph, &Round) -> Result<PlanOptions, Error>,
    /// Accepts or refuses the plan of a round.
    pub accept: &'a dyn Fn(&Graph, &Plan) -> Result<(), Error>,
    /// Checks whether the first round can begin, after everything else was checked.
    pub begin: &'a dyn Fn(&Graph, &Plan) -> Result<(), Error>,
    /// The resources that stages may use.
    pub capacity: &'a dyn Fn(&Graph, &Machine) -> Capacity,
    pub on_failure: OnFailure,
    /// Limits for stages that have none of their own.
    pub limits: Limits,
    /// `true` if trainings resume from checkpoints.
    pub resume: bool,
    pub parse: ParseStage,
    /// Settings of the places other than this machine.
    pub executors: &'a Executors,
    pub observe: Observe<'a>,
}

/// Plans and executes one round after the other. A pipeline without a sweep has one round. The session begins with
/// the first round, and stays `None` if nothing was run. `warn` receives the findings about each round.
///
/// # Errors
/// If a plan is refused, or the system refuses something. Results of earlier rounds stay.
pub fn run_rounds<'a>(
    experiment: &mut Experiment,
    request: &RunRequest<'_>,
    store: &'a Store,
    outcomes: &mut Outcomes<'a>,
    session: &mut Option<Session<'a>>,
    warn: &mut dyn FnMut(&Findings),
) -> Result<(), Error> {
    let mut failures = None;
    while let Some(round) = experiment.next_round().map_err(Error::Invalid)? {
        let graph = experiment.graph();
        let options = (request.select)(graph, &round)?;
        let machine = Machine::current(store.root());
        let capacity = (request.capacity)(graph, &machine);
        // Until the session has recorded what this run needs, only this guard protects the artifacts of the plan.
        let guard = store.guard()?;
        ask_versions(graph, store, &wanted(graph, &options))?;
        let plan = sound_plan(graph, store, &options)?;
        (request.accept)(graph, &plan)?;
        let forecast = forecast(
            graph,
            &plan,
            store,
            request.parse,
            &capacity,
            RecordScope::Own,
        );
        let failures = match &failures {
            Some(failures) => failures,
            // Before this run has a record of its own.
            None => failures.insert(known_failures(&plan, store, &experiment.pipeline)?),
        };
        let slurm = request.executors.slurm.as_ref();
        let refused_by_slurm = slurm.map_or_else(
            |_| Vec::new(),
            |settings| SlurmRequests::of(graph, &plan, settings).refusals,
        );
        let findings = check(
            graph,
            &plan,
            &forecast,
            &capacity,
            &machine,
            refused_by_slurm,
        );
        warn(&findings);
        let seconds = match session {
            // Records of other stages take long to read. In later rounds, stages like those of earlier rounds tell as
            // much.
            Some(_) => forecast.seconds(),
            None => expected_seconds(request, graph, &plan, store, &capacity, &forecast),
        };
        let (session, refused) = match &mut *session {
            Some(session) => (session, refused(&findings)?),
            None if !findings.errors.is_empty() => {
                return Err(Error::Invalid(findings.errors()));
            }
            none => {
                (request.begin)(graph, &plan)?;
                let subject = Subject {
                    pipeline: &experiment.pipeline,
                    file: &experiment.file,
                    profile: experiment.profile.as_deref(),
                    sets: request.sets,
                };
                let begun = Session::begin(&subject, store, request.executors, request.observe)?;
                (none.insert(begun), HashMap::new())
            }
        };
        let later_trials = experiment.has_several_rounds().then(|| {
            let trials = experiment.extent().trials;
            trials.saturating_sub(experiment.trials().len())
        });
        session.add_plan(graph, &plan)?;
        drop(guard);
        let execution = session.execute(
            graph,
            &plan,
            RunOptions {
                capacity,
                on_failure: request.on_failure,
                limits: request.limits,
                resume: request.resume,
                demands: forecast.demands(graph),
                seconds,
                later_trials,
                refused,
                failed_before: failed_before(&plan, failures),
            },
        )?;
        outcomes.executed(&plan, execution);
        for event in experiment.record(&round, outcomes) {
            session.send(&event);
        }
        if session.is_interrupted() {
            break;
        }
    }
    Ok(())
}

/// The failures of the pipeline's last run, unless everything is cached.
fn known_failures(plan: &Plan, store: &Store, pipeline: &str) -> Result<Failures, Error> {
    match plan.misses().next() {
        Some(_) => Failures::of_newest(store, pipeline),
        None => Ok(Failures::default()),
    }
}

/// The stages of a plan that failed when they were last executed.
fn failed_before(plan: &Plan, failures: &Failures) -> HashSet<NodeIndex> {
    let failed = plan.misses();
    let failed = failed.filter(|action| failures.last(&action.action_key).is_some());
    failed.map(|action| action.node).collect()
}

/// The expected wall times of the plan's misses, in seconds, as far as they are known.
fn expected_seconds(
    request: &RunRequest<'_>,
    graph: &Graph,
    plan: &Plan,
    store: &Store,
    capacity: &Capacity,
    own: &Forecast,
) -> HashMap<NodeIndex, f64> {
    let mut seconds = own.seconds();
    if seconds.len() < own.stages.len() {
        let all = forecast(
            graph,
            plan,
            store,
            request.parse,
            capacity,
            RecordScope::All,
        );
        seconds = all.seconds();
    }
    if request.resume {
        for (node, point) in resume_points(graph, plan, store) {
            if let Some(seconds) = seconds.get_mut(&node) {
                *seconds *= point.share_left();
            }
        }
    }
    seconds
}

/// The stages of a later round that are certain to fail, and why. They fail without being run, so that the
/// results of earlier rounds and of other trials are not lost.
///
/// # Errors
/// If the round as a whole is certain to fail.
fn refused(findings: &Findings) -> Result<HashMap<NodeIndex, String>, Error> {
    let mut refused = HashMap::new();
    for (node, error) in &findings.errors {
        let Some(node) = node else {
            let text = error.to_string();
            let text = text.strip_prefix("error: ").unwrap_or(&text);
            return Err(Error::System(text.to_owned()));
        };
        let hint = error.hint.iter().map(|hint| format!("; {hint}"));
        refused.insert(*node, error.message.clone() + &hint.collect::<String>());
    }
    Ok(refused)
}

/// Makes a plan in which everything that its misses and tables read is undamaged. Damaged artifacts are set
/// aside, and the stages that made them become misses in the next plan.
fn sound_plan(graph: &Graph, store: &Store, options: &PlanOptions) -> Result<Plan, Error> {
    loop {
        let plan = planned(graph, store, options)?;
        if !damaged_artifacts(graph, &plan, store)? {
            return Ok(plan);
        }
    }
}
