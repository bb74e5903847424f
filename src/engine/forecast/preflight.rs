//! Finds, before anything runs, what will or may fail for lack of cores, GPUs, memory or disk space.

use std::collections::{HashMap, HashSet};

use bytesize::ByteSize;
use contract::{Device, Invalid};
use petgraph::graph::NodeIndex;

use super::{Estimate, Forecast, Machine};
use crate::graph::Graph;
use crate::plan::{Plan, PlannedAction, computed_elsewhere};
use crate::scheduler::Capacity;
use crate::spec::{Diagnostic, parse_bytes};
use crate::wording;

/// Errors and warnings that were found.
#[derive(Debug, Default)]
pub struct Findings {
    /// Errors that are certain: of one stage, or of the whole run (`None`).
    pub errors: Vec<(Option<NodeIndex>, Diagnostic)>,
    /// Warnings about what may fail.
    pub warnings: Vec<Diagnostic>,
}

impl Findings {
    /// Returns the errors sorted by place, each once.
    pub fn errors(&self) -> Vec<Diagnostic> {
        let errors = self.errors.iter().map(|(_, error)| error.clone());
        let mut errors: Vec<Diagnostic> = errors.collect();
        Diagnostic::sort(&mut errors);
        errors
    }
}

/// Compares what the stages of a forecast need with the `capacity` of the run and with the `machine`.
pub fn preflight(
    graph: &Graph,
    forecast: &Forecast,
    capacity: &Capacity,
    machine: &Machine,
) -> Findings {
    let mut findings = Findings::default();
    findings.warnings.extend_from_slice(&graph.warnings);
    for (&node, estimate) in &forecast.stages {
        let refusals = refusals(graph, node, capacity, machine).into_iter();
        findings
            .errors
            .extend(refusals.map(|error| (Some(node), error)));
        // A stage on a GPU uses the GPU's memory, not the machine's.
        let instance = &graph.stages[node];
        if instance.device != Device::Cpu || !instance.executor.is_local() {
            continue;
        }
        memory(graph, node, estimate, machine, &mut findings);
    }
    disk(forecast, machine, &mut findings);
    at_once(forecast, machine, &mut findings);
    Diagnostic::sort(&mut findings.warnings);
    findings
}

/// Finds what would make the run fail: sources and resources of the stages that are not cached, and the disk. `refused` are
/// stages whose requests the place where they are to run cannot take.
pub fn check(
    graph: &Graph,
    plan: &Plan,
    forecast: &Forecast,
    capacity: &Capacity,
    machine: &Machine,
    refused: Vec<(NodeIndex, Diagnostic)>,
) -> Findings {
    let mut findings = preflight(graph, forecast, capacity, machine);
    let refused = refused.into_iter();
    let refused = refused.map(|(node, error)| (Some(node), error));
    findings.errors.extend(refused);
    for (kind, count) in computed_elsewhere(graph, plan) {
        let results = wording::counted(count, "result");
        let message = format!(
            "{results} of another kind of processor, {kind}: results of this machine may differ in the last bits"
        );
        let hint = "`--match same` uses only results of this machine's kind";
        findings
            .warnings
            .push(Diagnostic::new(message).hint(hint.to_owned()));
    }
    let mut classes = HashMap::new();
    for action in plan.misses() {
        match graph.stages[action.node].stage.preflight() {
            Ok(found) => classes.extend(found.map(|found| (action.node, found))),
            Err(invalid) => {
                let error = graph.diagnose(action.node, &invalid);
                findings.errors.push((Some(action.node), error));
            }
        }
    }
    for node in sources_of_models(graph, plan) {
        // Its errors do not matter: a cached stage does not read its source again.
        if let Ok(Some(found)) = graph.stages[node].stage.preflight() {
            classes.insert(node, found);
        }
    }
    for (node, error) in graph.check_errors(&classes) {
        if plan.get(node).is_some_and(PlannedAction::is_miss) {
            findings.errors.push((Some(node), error));
        }
    }
    findings
}

/// Returns the cached stages without inputs that are upstream of misses with a model to train.
fn sources_of_models(graph: &Graph, plan: &Plan) -> Vec<NodeIndex> {
    let trains = |action: &&PlannedAction| {
        let kind = graph.stages[action.node].kind;
        !kind.model_params.is_empty()
    };
    let mut open: Vec<NodeIndex> = plan.misses().filter(trains).map(|a| a.node).collect();
    let (mut seen, mut sources) = (HashSet::new(), Vec::new());
    while let Some(node) = open.pop() {
        if !seen.insert(node) {
            continue;
        }
        let inputs = graph.inputs(node);
        let is_cached = plan.get(node).is_some_and(|action| !action.is_miss());
        if inputs.is_empty() && is_cached {
            sources.push(node);
        }
        open.extend(inputs.into_iter().map(|(producer, _)| producer));
    }
    sources
}

/// Returns errors if a stage requests resources that the run can never give it.
pub fn refusals(
    graph: &Graph,
    node: NodeIndex,
    capacity: &Capacity,
    machine: &Machine,
) -> Vec<Diagnostic> {
    let missing = graph.missing(node);
    if !graph.stages[node].executor.is_local() {
        return missing.into_iter().collect();
    }
    let gpu = missing.or_else(|| gpus(graph, node, capacity));
    let cpus = cpus(graph, node, capacity, machine);
    let memory = declared_memory(graph, node, capacity);
    [gpu, cpus, memory].into_iter().flatten().collect()
}

/// Returns an error if a stage requests more cores than the machine has, unless `--jobs` allows as many. If only
/// `--jobs` is lower, the stage gets fewer.
fn cpus(
    graph: &Graph,
    node: NodeIndex,
    capacity: &Capacity,
    machine: &Machine,
) -> Option<Diagnostic> {
    let instance = &graph.stages[node];
    let most = capacity.cpus.max(machine.cpus);
    let wanted = instance.resources.cpus.filter(|&wanted| wanted > most)?;
    let message = format!(
        "`{}` requests more cores than are available (requested: {wanted}, available: {most})",
        instance.name.stage
    );
    let hint = format!(
        "set its `resources.cpus` to {most}, or allow more threads than cores with `--jobs {wanted}`"
    );
    Some(graph.diagnose_resource(node, "cpus", message).hint(hint))
}

/// Returns an error if a stage requests more memory than all stages together may take.
fn declared_memory(graph: &Graph, node: NodeIndex, capacity: &Capacity) -> Option<Diagnostic> {
    let instance = &graph.stages[node];
    let (wanted, most) = (instance.resources.memory?, capacity.memory?);
    if wanted <= most {
        return None;
    }
    let message = format!(
        "`{}` requests more memory than stages may use (requested: {}, allowed: {})",
        instance.name.stage,
        size(wanted),
        size(most)
    );
    // The rounded size may be too small.
    let rounded = size(wanted).replace(' ', "");
    let enough = match parse_bytes(&rounded) {
        Ok(bytes) if bytes >= wanted => rounded,
        _ => format!("{wanted}B"),
    };
    let hint = format!(
        "set its `resources.memory` to a smaller size, or allow stages more with `--memory {enough}`"
    );
    Some(graph.diagnose_resource(node, "memory", message).hint(hint))
}

/// Returns an error if a stage requests GPUs that the run does not have. It is the same for all instances of
/// the stage.
fn gpus(graph: &Graph, node: NodeIndex, capacity: &Capacity) -> Option<Diagnostic> {
    let instance = &graph.stages[node];
    let (name, wanted, there) = (&instance.name.stage, instance.gpus(), capacity.gpus.len());
    let refused = |resource: &str, message: String, hint: String| {
        Some(graph.diagnose_resource(node, resource, message).hint(hint))
    };
    if wanted > there {
        let why = match &graph.no_gpu {
            Some(why) if there == 0 => format!(": {why}"),
            _ => String::new(),
        };
        let hint = match instance.resources.gpu_memory {
            Some(_) if there == 0 => {
                "remove its `resources.gpus` and `resources.gpu_memory`".to_owned()
            }
            _ => format!("set its `resources.gpus` to {there}"),
        };
        return refused(
            "gpus",
            format!(
                "`{name}` requests more GPUs than are available (requested: {wanted}, available: \
                 {there}){why}"
            ),
            format!("{hint}; `runner doctor` shows the available GPUs"),
        );
    }
    let largest = capacity.gpus.iter().map(|gpu| gpu.memory).max()?;
    let memory = instance.gpu_memory().filter(|&memory| memory > largest)?;
    refused(
        "gpu_memory",
        format!(
            "`{name}` requests {} of GPU memory, but the largest GPU has {}",
            size(memory),
            size(largest)
        ),
        "set its `resources.gpu_memory` to a smaller size".to_owned(),
    )
}

fn memory(
    graph: &Graph,
    node: NodeIndex,
    estimate: &Estimate,
    machine: &Machine,
    findings: &mut Findings,
) {
    let instance = &graph.stages[node];
    let name = &instance.name;
    // The error points at the model, because the model determines the memory that training needs.
    let about = |message: String, hint: &str| {
        let invalid = Invalid::new(message).hint(hint);
        let invalid = match instance.kind.model_params.first() {
            Some(param) => invalid.under(param),
            None => invalid,
        };
        graph.diagnose(node, &invalid)
    };
    let parameters = estimate.work.parameters.map_or(String::new(), |count| {
        format!(" for {} parameters", wording::grouped(count))
    });
    let least = estimate.work.memory.map(|memory| memory.least);
    let exceeds =
        |room: Option<u64>, bytes: Option<u64>| Some((bytes?, room?)).filter(|(b, r)| b > r);
    let smaller = "make the model or `batch_size` smaller";

    if let Some((bytes, room)) = exceeds(instance.limits.memory, least) {
        let error = about(
            format!(
                "`{name}` needs at least {} of memory{parameters}, but its limit is {}",
                size(bytes),
                size(room)
            ),
            "raise its `resources.memory`, or make the model or `batch_size` smaller",
        );
        findings.errors.push((Some(node), error));
    } else if let Some((bytes, room)) = exceeds(machine.memory, least) {
        let error = about(
            format!(
                "`{name}` needs at least {} of memory{parameters}, but this machine has {}",
                size(bytes),
                size(room)
            ),
            smaller,
        );
        findings.errors.push((Some(node), error));
    } else if let Some((bytes, room)) = exceeds(instance.limits.memory, estimate.memory) {
        findings.warnings.push(about(
            format!(
                "`{name}` may need about {} of memory{parameters}, but its limit is {}",
                size(bytes),
                size(room)
            ),
            "raise its `resources.memory`",
        ));
    } else if let Some((bytes, room)) = exceeds(machine.free_memory, estimate.memory) {
        findings.warnings.push(about(
            format!(
                "`{name}` may need about {} of memory{parameters}, but only {} is free",
                size(bytes),
                size(room)
            ),
            smaller,
        ));
    }
}

/// Warns if stages that fit into memory one by one may not fit together.
fn at_once(forecast: &Forecast, machine: &Machine, findings: &mut Findings) {
    let alone = forecast.stages.values().filter_map(|stage| stage.memory);
    let largest = alone.max().unwrap_or_default();
    if let (Some(sum), Some(free)) = (forecast.totals.memory_bytes, machine.free_memory)
        && sum > free
        && largest <= free
    {
        let message = format!(
            "stages that may run at the same time need about {} of memory in total, but only {} is free",
            size(sum),
            size(free)
        );
        let hint = "run fewer stages at the same time with `--memory` or `--jobs`";
        findings
            .warnings
            .push(Diagnostic::new(message).hint(hint.to_owned()));
    }
}

fn disk(forecast: &Forecast, machine: &Machine, findings: &mut Findings) {
    let Some(room) = machine.disk else {
        return;
    };
    // Outputs of repeated work may still be in the store, and then take no space.
    let fresh = forecast.stages.values().filter(|stage| !stage.is_repeated);
    let least: u64 = fresh.filter_map(|stage| stage.work.output_bytes).sum();
    let likely = forecast.totals.output_bytes.unwrap_or_default();
    let hint = "free space with `runner cache gc`, or choose another folder with `--artifacts`";
    if least > room {
        let message = format!(
            "the outputs need at least {}, but the store's file system has only {} free",
            size(least),
            size(room)
        );
        let error = Diagnostic::new(message).hint(hint.to_owned());
        findings.errors.push((None, error));
    } else if likely > room {
        let message = format!(
            "the outputs may need about {}, but the store's file system has only {} free",
            size(likely),
            size(room)
        );
        let warning = Diagnostic::new(message).hint(hint.to_owned());
        findings.warnings.push(warning);
    }
}

fn size(bytes: u64) -> String {
    ByteSize::b(bytes).display().iec().to_string()
}
