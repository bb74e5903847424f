//! Forecasts, and what is refused before anything runs.

use std::path::Path;

use super::preflight::{Findings, preflight};
use super::*;
use crate::devices::fake;
use crate::graph::Catalogue;
use crate::plan::{PlanOptions, plan};
use crate::spec::{self, LoadOptions};

const PIPELINE: &str = "\
version: 1
name: p
device: cpu
stages:
  xrays:
    kind: dataset
    params: { source: { phantom: { images: 1000, test_images: 100 } }, image_size: 32, validation: 0.1 }
  cnn:
    kind: train-cnn
    inputs: { train: xrays.train, validation: xrays.validation }
    params:
      model: [flatten, { dense: { units: 1000, activation: relu } }, { dense: { units: 1 } }]
      epochs: 2
";

const EVERYTHING: Machine = Machine {
    cpus: 2,
    ram: Some(u64::MAX),
    memory: Some(u64::MAX),
    free_memory: Some(u64::MAX),
    disk: Some(u64::MAX),
};

/// Number of parameters of `cnn`: 1024 values to 1000 units, and these to one.
const PARAMETERS: u64 = 1024 * 1000 + 1000 + 1000 + 1;

fn forecast_of(text: &str) -> (Graph, Forecast, Capacity, tempfile::TempDir) {
    let catalogue = Catalogue {
        kinds: stages::kinds(),
        parse: stages::parse,
        gpus: fake::one,
        processor: || "test",
    };
    let built = spec::parse(Path::new("p.yaml"), text, &LoadOptions::default())
        .and_then(|pipeline| Graph::build(pipeline, &catalogue));
    let graph = built.unwrap_or_else(|errors| panic!("{}", errors[0]));
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(folder.path()).unwrap();
    let plan = plan(&graph, &store, &PlanOptions::default()).unwrap();
    let capacity = Capacity {
        cpus: 2,
        memory: Some(64 << 30),
        gpus: graph.gpus.clone(),
        elsewhere: 0,
    };
    let forecast = forecast(
        &graph,
        &plan,
        &store,
        catalogue.parse,
        &capacity,
        RecordScope::All,
    );
    (graph, forecast, capacity, folder)
}

fn findings(text: &str, machine: Machine) -> Findings {
    let (graph, forecast, capacity, _folder) = forecast_of(text);
    preflight(&graph, &forecast, &capacity, &machine)
}

#[test]
fn a_training_without_records_has_work_but_no_time() {
    let (graph, forecast, ..) = forecast_of(PIPELINE);
    let cnn = &forecast.stages[&graph.find("cnn")[0]];
    assert_eq!(cnn.work.parameters, Some(PARAMETERS));
    // In each of two epochs, 900 images pass three times and 100 images once.
    let operations = 2.0 * (3.0 * 900.0 + 100.0) * 2.0 * (1024.0 * 1000.0 + 1000.0);
    assert_eq!(cnn.work.amount.unwrap().count, operations);
    assert_eq!((cnn.seconds, cnn.basis), (None, None));
    assert_eq!(forecast.totals.seconds, None);
    let xrays = &forecast.stages[&graph.find("xrays")[0]];
    assert_eq!(xrays.output_bytes, Some(1100 * 32 * 32));
}

#[test]
fn a_plan_that_fits_causes_no_findings() {
    let found = findings(PIPELINE, EVERYTHING);
    assert!(
        found.errors.is_empty() && found.warnings.is_empty(),
        "{found:?}"
    );
}

#[test]
fn a_training_that_cannot_fit_is_refused_at_its_model() {
    let weights = PARAMETERS * 16;
    let machine = |memory| Machine {
        memory: Some(memory),
        ..EVERYTHING
    };
    let found = findings(PIPELINE, machine(weights));
    let error = found.errors()[0].to_string();
    assert!(error.contains("`cnn` needs at least"), "{error}");
    assert!(error.contains("for 1,026,001 parameters"), "{error}");
    assert!(error.contains("p.yaml:12:14"), "{error}");
    assert!(
        findings(PIPELINE, machine(weights + (1 << 20)))
            .errors
            .is_empty()
    );
}

#[test]
fn a_training_that_may_not_fit_causes_a_warning() {
    let machine = Machine {
        free_memory: Some(PARAMETERS * 16 + (1 << 20)),
        ..EVERYTHING
    };
    let found = findings(PIPELINE, machine);
    assert!(found.errors.is_empty(), "{found:?}");
    let warning = found.warnings[0].to_string();
    assert!(warning.contains("`cnn` may need about"), "{warning}");
}

#[test]
fn the_memory_limit_of_a_stage_counts_as_well() {
    let limited = |memory: &str| {
        let text = format!("{PIPELINE}    resources: {{ memory: {memory} }}\n");
        findings(&text, EVERYTHING)
    };
    let refused = limited("10MiB");
    let error = refused.errors()[0].to_string();
    assert!(error.contains("but its limit is 10.0 MiB"), "{error}");
    assert!(error.contains("resources.memory"), "{error}");
    let doubted = limited("17MiB");
    assert!(doubted.errors.is_empty(), "{doubted:?}");
    let warning = doubted.warnings[0].to_string();
    assert!(warning.contains("but its limit is 17.0 MiB"), "{warning}");
    assert!(limited("1GiB").warnings.is_empty());
}

#[test]
fn requests_for_cores_and_memory_that_can_never_be_met_are_refused() {
    let with = |resources: &str, jobs: usize| {
        let text = format!("{PIPELINE}    resources: {{ {resources} }}\n");
        let (graph, forecast, mut capacity, _folder) = forecast_of(&text);
        capacity.cpus = jobs;
        let errors = preflight(&graph, &forecast, &capacity, &EVERYTHING).errors();
        errors.iter().map(ToString::to_string).collect::<String>()
    };
    let error = with("cpus: 3", 2);
    assert!(
        error.contains("`cnn` requests more cores than are available (requested: 3, available: 2)"),
        "{error}"
    );
    assert!(error.contains("p.yaml:14:24"), "{error}");
    assert!(error.contains("set its `resources.cpus` to 2"), "{error}");
    // With fewer jobs, a stage gets fewer threads. With more jobs, it may have more threads than cores.
    assert_eq!(with("cpus: 2", 1), "");
    assert_eq!(with("cpus: 3", 3), "");

    let error = with("memory: 65GiB", 2);
    assert!(
        error.contains("`cnn` requests more memory than stages may use (requested: 65.0 GiB, allowed: 64.0 GiB)"),
        "{error}"
    );
    assert!(error.contains("p.yaml:14:26"), "{error}");
    assert!(error.contains("`--memory 65.0GiB`"), "{error}");
    assert_eq!(with("memory: 64GiB", 2), "");
}

#[test]
fn measured_resources_count_only_where_none_are_declared() {
    let (graph, ..) = forecast_of(PIPELINE);
    let cnn = &graph.stages[graph.find("cnn")[0]];
    let busy = Estimate {
        seconds: Some(10.0),
        cpu_seconds: Some(37.0),
        memory: Some(5 << 30),
        ..Estimate::default()
    };
    let slots = |estimate: &Estimate| {
        let slots = cnn.slots(estimate.demand(cnn));
        (slots.cpus, slots.memory)
    };
    assert_eq!(slots(&busy), (4, 5 << 30));
    // Too short to measure how many cores it keeps busy. Little memory is rounded up.
    let short = Estimate {
        seconds: Some(0.5),
        memory: Some(1),
        ..busy.clone()
    };
    assert_eq!(slots(&short), (1, 64 << 20));
    let odd = Estimate {
        memory: Some((5 << 30) + 1),
        ..busy.clone()
    };
    assert_eq!(slots(&odd).1, (5 << 30) + (1 << 29));
    let endless = Estimate {
        memory: Some(u64::MAX),
        ..busy.clone()
    };
    assert_eq!(slots(&endless).1, u64::MAX);
    assert_eq!(slots(&Estimate::default()), (1, 0));

    let declared = format!("{PIPELINE}    resources: {{ cpus: 2, memory: 1GiB }}\n");
    let (graph, ..) = forecast_of(&declared);
    let cnn = &graph.stages[graph.find("cnn")[0]];
    let slots = cnn.slots(busy.demand(cnn));
    assert_eq!((slots.cpus, slots.memory), (2, 1 << 30));
}

#[test]
fn outputs_that_cannot_fit_on_the_disk_are_refused() {
    let disk = |disk| Machine {
        disk: Some(disk),
        ..EVERYTHING
    };
    // The images, and the weights of the model.
    let least = 1100 * 32 * 32 + PARAMETERS * 4;
    let found = findings(PIPELINE, disk(least - 1));
    let error = found.errors()[0].to_string();
    assert!(error.contains("the outputs need at least"), "{error}");
    assert!(error.contains("runner cache gc"), "{error}");
    assert!(findings(PIPELINE, disk(least)).errors.is_empty());
}

#[test]
fn requests_that_no_gpu_can_meet_are_refused() {
    let pipeline = PIPELINE.replace("device: cpu", "device: cuda");
    let with = |resources: &str| {
        let text = format!("{pipeline}    resources: {{ {resources} }}\n");
        let errors = findings(&text, EVERYTHING).errors();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    assert_eq!(with("gpu_memory: 80GiB"), Vec::<String>::new());
    let errors = with("gpu_memory: 81GiB");
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0]
            .contains("`cnn` requests 81.0 GiB of GPU memory, but the largest GPU has 80.0 GiB"),
        "{errors:?}"
    );

    let program = "  report:\n    kind: command\n    resources: { gpus: 2 }\n    params: { argv: ['true'] }\n";
    let found = findings(&format!("{pipeline}{program}"), EVERYTHING);
    let error = found.errors()[0].to_string();
    assert!(
        error.contains(
            "`report` requests more GPUs than are available (requested: 2, available: 1)"
        ),
        "{error}"
    );
    assert!(error.contains("set its `resources.gpus` to 1"), "{error}");

    // Without a GPU, `gpu_memory` must be left out as well.
    let share = program.replace("gpus: 2", "gpus: 1, gpu_memory: 1GiB");
    let (graph, forecast, ..) = forecast_of(&format!("{PIPELINE}{share}"));
    let found = preflight(&graph, &forecast, &Capacity::default(), &EVERYTHING);
    let error = found.errors()[0].to_string();
    let hint = "remove its `resources.gpus` and `resources.gpu_memory`";
    assert!(error.contains(hint), "{error}");
}
