//! Tests of the devices of instances, with fake GPUs.

use std::path::Path;

use contract::{Device, Precision};

use crate::devices::FindGpus;
use crate::devices::fake::{never, none, two};
use crate::graph::{Catalogue, Demand, Graph, Names, Union, identities};
use crate::scheduler::Slots;
use crate::spec::{self, LoadOptions};

const PIPELINE: &str = "
version: 1
name: p
stages:
  xrays:
    kind: dataset
    params: { source: { phantom: { images: 20, test_images: 10 } }, image_size: 16, validation: 0.2 }
  cnn:
    kind: train-cnn
    inputs: { train: xrays.train, validation: xrays.validation }
    params: { model: [flatten, { dense: { units: 1 } }], epochs: 1 }
  report:
    kind: command
    params: { argv: ['true'] }
";

/// Builds the graph with some values set. Fails with its first error, or with the reason why `cnn` cannot
/// run.
fn built(sets: &[&str], gpus: FindGpus) -> Result<Graph, String> {
    let catalogue = Catalogue {
        kinds: stages::kinds(),
        parse: stages::parse,
        gpus,
        processor: || "test",
    };
    let options = LoadOptions {
        profile: None,
        sets: sets.iter().map(|&set| set.to_owned()).collect(),
        ..LoadOptions::default()
    };
    spec::parse(Path::new("p.yaml"), PIPELINE, &options)
        .and_then(|pipeline| Graph::build(pipeline, &catalogue))
        .map_err(|errors| errors[0].to_string())
        .and_then(|graph| match graph.find("cnn").first() {
            Some(&cnn) => match graph.missing(cnn) {
                Some(missing) => Err(missing.to_string()),
                None => Ok(graph),
            },
            None => Ok(graph),
        })
}

fn graph(sets: &[&str], gpus: FindGpus) -> Graph {
    built(sets, gpus).unwrap_or_else(|error| panic!("{error}"))
}

fn of(graph: &Graph, stage: &str) -> (Device, Slots) {
    let instance = &graph.stages[graph.find(stage)[0]];
    (instance.device, instance.slots(Demand::default()))
}

fn indices(graph: &Graph) -> Vec<usize> {
    graph.gpus.iter().map(|gpu| gpu.index).collect()
}

const TF32: Device = Device::Cuda {
    precision: Precision::Tf32,
};

#[test]
fn only_stages_that_compute_take_a_gpu() {
    let graph = graph(&[], two);
    let whole = Slots {
        gpus: 1,
        ..Slots::cpus(1)
    };
    assert_eq!(of(&graph, "cnn"), (TF32, whole));
    for stage in ["xrays", "report"] {
        assert_eq!(of(&graph, stage), (Device::Cpu, Slots::cpus(1)), "{stage}");
    }
    assert_eq!(indices(&graph), [0, 1]);
    let said = "cuda, GPU 0 (H100), GPU 1 (H100), tf32";
    assert_eq!(graph.devices().as_deref(), Some(said));

    let graph = self::graph(&[], none);
    assert_eq!(of(&graph, "cnn"), (Device::Cpu, Slots::cpus(1)));
    assert_eq!(indices(&graph), Vec::<usize>::new());
    let said = "cpu (the NVIDIA driver sees no GPU)";
    assert_eq!(graph.devices().as_deref(), Some(said));
}

#[test]
fn one_gpu_may_be_named_and_shared() {
    let sets = [
        "device=cuda:1",
        "precision=float32",
        "stages.cnn.resources.gpu_memory=8GiB",
    ];
    let graph = graph(&sets, two);
    let precision = Precision::Float32;
    let share = Slots {
        gpus: 1,
        gpu_memory: Some(8 << 30),
        ..Slots::cpus(1)
    };
    assert_eq!(of(&graph, "cnn"), (Device::Cuda { precision }, share));
    assert_eq!(indices(&graph), [1]);
}

#[test]
fn a_stage_may_stay_on_the_cpu_or_require_a_gpu() {
    let set = "stages.cnn.resources.gpus=0";
    assert_eq!(of(&graph(&[set], never), "cnn").0, Device::Cpu);
    let set = "stages.cnn.resources.gpus=1";
    assert_eq!(of(&graph(&[set], two), "cnn").0, TF32);
    for (device, gpus, why) in [
        ("auto", none as FindGpus, ": the NVIDIA driver sees no GPU"),
        ("cpu", never, ""),
    ] {
        let error = built(&[set, &format!("device={device}")], gpus).err();
        let error = error.unwrap();
        let part = format!("the stage requests a GPU, but computes on the CPU{why}");
        assert!(error.contains(&part), "{error}");
    }
}

#[test]
fn the_driver_is_queried_only_if_needed() {
    graph(&["device=cpu"], never);
    // Programs and datasets do not need the driver.
    let set = "stages.cnn={kind: command, params: {argv: ['true']}, inputs: {images: xrays.train}}";
    for device in ["auto", "cuda"] {
        let graph = graph(&[set, &format!("device={device}")], never);
        assert_eq!(graph.devices(), None);
    }
}

#[test]
fn a_program_gets_gpus_regardless_of_the_device_of_stages() {
    for device in ["cpu", "auto"] {
        let sets = [
            &format!("device={device}"),
            "stages.report.resources.gpus=2",
        ];
        let graph = graph(&sets, two);
        assert_eq!(of(&graph, "report").1.gpus, 2, "{device}");
        assert_eq!(indices(&graph), [0, 1], "{device}");
    }
}

#[test]
fn programs_get_the_gpu_that_the_pipeline_chooses() {
    let report = "stages.report.resources.gpus=1";
    let without_cnn =
        "stages.cnn={kind: command, params: {argv: ['true']}, inputs: {images: xrays.train}}";
    for sets in [
        &["device=cuda:1", report][..],
        &["device=cuda:1", report, without_cnn],
    ] {
        assert_eq!(indices(&graph(sets, two)), [1], "{sets:?}");
    }
}

#[test]
fn gpu_memory_without_one_gpu_is_an_error() {
    for (sets, part) in [
        (
            &["stages.xrays.resources.gpu_memory=1GiB"][..],
            "a `dataset` stage has no GPU to share",
        ),
        (
            &["stages.report.resources.gpu_memory=1GiB"],
            "a `command` stage has no GPU to share",
        ),
        (
            &["stages.cnn.resources={gpus: 0, gpu_memory: 1GiB}"],
            "a stage on the CPU has no GPU to share",
        ),
        (
            &["stages.report.resources={gpus: 2, gpu_memory: 1GiB}"],
            "`gpu_memory` is a part of one GPU, but the stage requests several",
        ),
    ] {
        let error = built(sets, two).err();
        assert!(
            error.as_ref().is_some_and(|error| error.contains(part)),
            "{sets:?}: {error:?}"
        );
    }
}

#[test]
fn copies_of_a_sweep_may_use_different_devices() {
    let copies = [
        &["device=cpu"][..],
        &["device=cuda"],
        &["precision=float32"],
        &["device=cuda"],
    ];
    let mut union = Union::without_copies(graph(&["device=cpu"], never), Vec::new());
    for sets in copies {
        let copy = graph(sets, two);
        let identities = identities(&copy);
        union.add(copy, &identities, Vec::new(), &mut Names::default());
    }
    let graph = union.finish();
    assert_eq!(graph.find("cnn").len(), 3);
    assert_eq!(graph.find("xrays").len(), 1);
    assert_eq!(indices(&graph), [0, 1]);
    assert_eq!(
        graph.devices().as_deref(),
        Some(
            "cpu; cuda, GPU 0 (H100), GPU 1 (H100), tf32; cuda, GPU 0 (H100), GPU 1 (H100), float32"
        )
    );
}

#[test]
fn following_a_hint_fixes_the_error() {
    let memory = "stages.cnn.resources.gpu_memory=1GiB";
    let without = "stages.cnn.resources.gpus=null";
    for (sets, hint, fixes) in [
        (
            &["stages.cnn.resources.gpus=0", memory][..],
            "leave `resources.gpu_memory` out, or `resources.gpus: 0`",
            &["stages.cnn.resources={gpus: 0}", without][..],
        ),
        (
            &["stages.cnn.resources.gpus=2", memory],
            "set `resources.gpus` to 1, or leave it out",
            &[without],
        ),
        (
            &["stages.cnn.resources.gpus=2"],
            "set `resources.gpus` to 1, or to 0 for the CPU, or leave it out",
            &["stages.cnn.resources.gpus=0", without],
        ),
        (
            &["stages.cnn.resources.gpus=1"],
            "leave `resources.gpus` out, or run `runner doctor`",
            &[without],
        ),
        (
            &["stages.cnn.resources.gpus=1", "device=cpu"],
            "leave `resources.gpus` out, or choose another device",
            &[without],
        ),
    ] {
        let error = built(sets, none).err();
        assert!(
            error.as_ref().is_some_and(|error| error.contains(hint)),
            "{sets:?}: {error:?}"
        );
        for fix in fixes {
            let fixed = [sets, &[fix]].concat();
            let error = built(&fixed, none).err();
            assert_eq!(error, None, "{fixed:?}");
        }
    }
}
