use contract::{Gpu, GpuCheck, GpuLibrary, NoGpu, Precision};
use engine::devices::NoSuchDevice;

use super::cuda::{Agreement, Library, SelfTest, VisibleGpu};
use super::*;

/// A machine with a GPU on which everything works.
fn findings() -> Findings {
    let library = |name| GpuLibrary {
        name,
        found: Ok(("13.0".to_owned(), format!("/lib/{name}.so").into())),
    };
    let gpu = Gpu {
        index: 0,
        name: "H100".to_owned(),
        uuid: "GPU-0".to_owned(),
        compute_capability: (9, 0),
        memory: 80 << 30,
    };
    Findings {
        runner: "1.2.3",
        is_built_with_cuda: true,
        cpu: Cpu {
            model: Some("Some CPU".to_owned()),
            cores: Some(8),
            threads: 1,
            kind: "x86-avx2",
        },
        memory: Memory {
            bytes: Some(16 << 30),
            free_bytes: Some(8 << 30),
        },
        store: StoreFolder {
            folder: "artifacts".to_owned(),
            is_there: true,
            free_bytes: Some(1 << 40),
            why_not_writable: None,
            links: Some(true),
        },
        remote: None,
        cuda: Cuda {
            libraries: ["driver", "NVRTC"].map(library).map(Library::from).into(),
            gpus: vec![VisibleGpu {
                gpu,
                free_memory: Some(79 << 30),
            }],
            without: None,
            default_precision: Precision::Tf32,
            precision: Precision::Tf32,
            chosen: Some(0),
            test: SelfTest {
                self_test: vec![agreement(0.0015)],
                failure: None,
            },
            missing: None,
        },
        slurm: None,
        ssh: None,
        problems: Vec::new(),
    }
}

fn agreement(error: f64) -> Agreement {
    Agreement::from(GpuCheck {
        operation: "Conv2d".to_owned(),
        precision: Precision::Tf32,
        error,
        bound: 2e-3,
    })
}

/// Findings about CUDA on a machine without a GPU.
fn without(why: NoGpu) -> Cuda {
    Cuda {
        gpus: Vec::new(),
        without: Some(why),
        chosen: None,
        test: SelfTest::default(),
        ..findings().cuda
    }
}

#[test]
fn findings_are_listed_by_subject() {
    let text = findings().text();
    let expected = "\
runner  1.2.3, built with CUDA
cpu     Some CPU, 8 cores, 1 thread used, kind x86-avx2
memory  16.0 GiB, 8.0 GiB free
store   artifacts, 1.0 TiB free, can be written, links work
cuda    driver 13.0, /lib/driver.so
        NVRTC 13.0, /lib/NVRTC.so
        GPU 0: H100, compute capability 9.0, 80.0 GiB, 79.0 GiB free, GPU-0
        default precision tf32
        operations on GPU 0, with the largest difference divided by the largest value:
        agrees with the CPU to 1.5e-3 (bound 2e-3): Conv2d, tf32";
    assert_eq!(text, expected);
    assert_eq!(findings().cuda.problems(), Vec::<String>::new());
}

#[test]
fn missing_facts_are_shown_as_unknown() {
    let mut findings = findings();
    findings.cpu = Cpu {
        model: None,
        cores: None,
        threads: 2,
        kind: "x86",
    };
    findings.memory = Memory {
        bytes: None,
        free_bytes: None,
    };
    let text = findings.text();
    for line in [
        "cpu     unknown, cores unknown, 2 threads used, kind x86",
        "memory  unknown, unknown free",
    ] {
        assert!(text.lines().any(|found| found == line), "{text}");
    }
}

#[test]
fn a_store_without_links_or_write_access_is_shown() {
    let mut store = findings().store;
    store.is_there = false;
    store.links = Some(false);
    let mut findings = Findings {
        store,
        ..findings()
    };
    let text = findings.text();
    let line = "store   artifacts, not created yet, 1.0 TiB free, can be written, no links: ";
    assert!(text.contains(line), "{text}");
    findings.store.links = None;
    findings.store.why_not_writable = Some("no".to_owned());
    assert!(findings.text().contains("CANNOT be written"));
}

#[test]
fn an_operation_that_differs_is_a_problem() {
    let mut findings = findings();
    let checks = [0.0, 0.25, f64::NAN, f64::INFINITY].map(agreement);
    findings.cuda.test.self_test = checks.into();
    let problems = findings.cuda.problems();
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(
        problems[0]
            .starts_with("Conv2d on GPU 0 (tf32) differs from the CPU by 2.5e-1 relative to")
    );
    assert!(
        problems[1].contains("by infinity or NaN relative to"),
        "{problems:?}"
    );
    assert_eq!(findings.text().matches("DIFFERS").count(), 3);
    // The first problem is printed as the error.
    findings.problems = problems;
    assert_eq!(findings.text().matches("\nproblem: ").count(), 2);
}

#[test]
fn a_missing_library_is_a_problem_only_if_a_gpu_is_used() {
    let mut cuda = findings().cuda;
    cuda.test = SelfTest::default();
    cuda.libraries.push(Library::from(GpuLibrary {
        name: "cuBLAS",
        found: Err("no libcublas.so.13".to_owned()),
    }));
    let [problem] = cuda.problems().try_into().unwrap();
    assert!(
        problem.starts_with("cuBLAS is needed to compute on a GPU: no libcublas.so.13; install"),
        "{problem}"
    );
    cuda.chosen = None;
    assert_eq!(cuda.problems(), Vec::<String>::new());
}

#[test]
fn a_test_that_was_not_finished_is_a_problem() {
    let mut cuda = findings().cuda;
    cuda.test = SelfTest {
        self_test: Vec::new(),
        failure: Some("out of memory".to_owned()),
    };
    assert_eq!(cuda.problems(), ["GPU 0 failed its test: out of memory"]);
}

#[test]
fn a_missing_driver_is_shown_once_and_is_a_problem_only_if_cuda_is_requested() {
    let why = NoGpu::NoDriver("no libcuda.so.1".to_owned());
    let mut cuda = without(why.clone());
    cuda.libraries[0] = Library::from(GpuLibrary {
        name: "driver",
        found: Err("no libcuda.so.1".to_owned()),
    });
    assert_eq!(cuda.problems(), Vec::<String>::new());
    let mut findings = Findings { cuda, ..findings() };
    let text = findings.text();
    assert_eq!(text.matches("no libcuda.so.1").count(), 1, "{text}");
    assert!(text.ends_with("install NVIDIA's driver"), "{text}");

    findings.cuda.missing = Some(NoSuchDevice::None(why));
    let [problem] = findings.cuda.problems().try_into().unwrap();
    assert_eq!(
        problem,
        "there is no GPU to compute on: there is no NVIDIA driver: no libcuda.so.1; \
         to compute on NVIDIA GPUs, install NVIDIA's driver"
    );
}

#[test]
fn a_binary_without_cuda_explains_how_to_build_with_cuda() {
    let mut cuda = without(NoGpu::NotBuilt);
    cuda.libraries.clear();
    let text = Findings { cuda, ..findings() }.text();
    assert!(
        text.ends_with(
            "\ncuda    this binary was built without CUDA; to compute on NVIDIA GPUs, build with \
             `cargo build --release --features cuda`"
        ),
        "{text}"
    );
}

#[test]
fn a_doctor_process_reads_the_self_test_of_another() {
    let json = serde_json::to_value(findings()).unwrap();
    assert_eq!(json["cuda"]["self_test"][0]["agrees"], true);
    let test: SelfTest = serde_json::from_value(json["cuda"].clone()).unwrap();
    assert_eq!(test.self_test[0].error, Some(0.0015));
    assert_eq!(json["cuda"]["without"], serde_json::Value::Null);
}
