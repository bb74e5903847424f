//! Pipelines on a GPU, or on the emulator (`tests/emulator`). Skipped without either.

use std::fs;

use image::{GrayImage, Luma, Rgb, RgbImage};
use serde_json::Value;

use crate::sandbox::{Finished, Sandbox, files, finish, skip};

/// A small pipeline with every kind that computes except `retrain`, and every layer except `reshape`.
const PIPELINE: &str = r#"
version: 1
name: p
seed: 7
stages:
  xrays:
    kind: dataset
    params: { source: { phantom: { images: 40, test_images: 20 } }, image_size: 16, validation: 0.2 }
  cnn:
    kind: train-cnn
    matrix: { width: [6, 9] }
    inputs: { train: xrays.train, validation: xrays.validation }
    params:
      model:
        - conv: { filters: "${matrix.width}" }
        - max_pool: 2
        - conv: { filters: 17, stride: 2, padding: 1, activation: elu, l2: 0.001 }
        - batch_norm
        - avg_pool: 2
        - upsample: 2
        - dropout: 0.25
        - flatten
        - dense: { units: 9, activation: tanh }
        - dense: { units: 1 }
      epochs: 2
      batch_size: 16
  gan:
    kind: train-gan
    matrix: { class: [NORMAL, PNEUMONIA] }
    inputs: { images: xrays.train }
    params:
      class: "${matrix.class}"
      generator:
        - conv_transpose: { filters: 9, kernel: 4, stride: 1, padding: valid, activation: linear }
        - batch_norm
        - activation: leaky_relu
        - conv_transpose: { filters: 5, activation: relu }
        - conv_transpose: { filters: 1, activation: tanh }
      discriminator:
        - conv: { filters: 5, kernel: 4, stride: 2, activation: leaky_relu }
        - global_avg_pool
        - dense: { units: 1 }
      epochs: 2
      batch_size: 8
  synthetic: { kind: synthesize, inputs: { generators: gan }, params: { images: 10 } }
  evaluate:
    kind: evaluate
    matrix: { width: [6, 9] }
    inputs: { model: cnn, images: xrays.test }
"#;

/// Returns whether there is no GPU. If so, prints that the test is skipped.
fn is_skipped() -> bool {
    match stages::gpus::survey() {
        Ok(_) => false,
        Err(why) => {
            skip(&format!("no GPU: {why}"));
            true
        }
    }
}

/// Returns whether the emulator stands in for a GPU. Only the emulator can have any memory size and number of GPUs.
fn is_emulated() -> bool {
    let is_emulated = !is_skipped() && std::env::var_os("EMULATOR_HOME").is_some();
    if !is_emulated {
        skip("this test needs the emulator");
    }
    is_emulated
}

fn counts(run: &Finished) -> (u64, u64) {
    assert_eq!(run.code, Some(0), "{run:?}");
    let counts = &run.json()["counts"];
    let count = |name: &str| counts[name].as_u64().unwrap();
    (count("succeeded"), count("cached"))
}

#[test]
fn the_same_pipeline_gives_the_same_bytes_and_the_device_is_in_the_key() {
    if is_skipped() {
        return;
    }
    let [one, two] = [(); 2].map(|()| {
        let sandbox = Sandbox::new(PIPELINE);
        let run = sandbox.run_json(&["--device", "cuda"]);
        assert_eq!(counts(&run), (8, 0));
        assert!(run.json()["device"].as_str().unwrap().starts_with("cuda, "));
        sandbox
    });
    let latest = |sandbox: &Sandbox| files(&sandbox.path("artifacts/latest"));
    let (first, second) = (latest(&one), latest(&two));
    assert!(first.len() > 10);
    for ((name, one), (other, two)) in first.iter().zip(&second) {
        assert_eq!(name, other);
        assert!(one == two, "`{name}` differs between the runs");
    }

    // The default, `auto`, takes the GPU.
    assert_eq!(counts(&one.run_json(&[])), (0, 8));
    for (args, why) in [
        (
            ["--precision", "float32"],
            "device cuda, tf32 → cuda, float32",
        ),
        (["--device", "cpu"], "device cuda, tf32 → cpu"),
    ] {
        let status = one.runner(&[&["status", "pipeline.yaml"], &args[..]].concat());
        assert!(status.stdout.contains(why), "{status:?}");
        assert!(status.stdout.contains("8 stages: 1 cached"), "{status:?}");
    }
}

#[test]
fn the_gpu_agrees_with_the_cpu() {
    if is_skipped() {
        return;
    }
    let doctor = Sandbox::new("").runner(&["doctor", "--device", "cuda"]);
    assert_eq!(doctor.code, Some(0), "{doctor:?}");
    assert!(
        doctor.stdout.matches("agrees with the CPU").count() > 15,
        "{doctor:?}"
    );
    assert!(!doctor.stdout.contains("DIFFERS"), "{doctor:?}");
}

/// A model that was trained on the CPU gives the same heat maps on both devices, except for rounding.
#[test]
fn heat_maps_on_the_gpu_agree_with_those_on_the_cpu() {
    if is_skipped() {
        return;
    }
    let sandbox = Sandbox::new(PIPELINE);
    let run = sandbox.run_json(&["--device", "cpu", "--until", "cnn"]);
    assert_eq!(counts(&run), (3, 0));
    fs::create_dir(sandbox.path("own")).unwrap();
    for number in 0..3_u32 {
        // A bright disk at another place of each image.
        let (left, top) = (
            4.0 + 4.0 * f64::from(number),
            11.0 - 3.0 * f64::from(number),
        );
        let pixel = |x, y| {
            let distance = (f64::from(x) - left).hypot(f64::from(y) - top);
            Luma([(220.0 / (1.0 + distance / 3.0)) as u8])
        };
        let image = GrayImage::from_fn(16, 16, pixel);
        image
            .save(sandbox.path(&format!("own/{number}.png")))
            .unwrap();
    }

    let [cpu, gpu] = [&["cpu"][..], &["cuda", "--precision", "float32"]].map(|device| {
        let folder = format!("maps-{}", device[0]);
        let predict = [
            "predict",
            "cnn[6]",
            "own",
            "--json",
            "--explain",
            &folder,
            "--device",
        ];
        let done = sandbox.runner(&[&predict, device].concat());
        assert_eq!(done.code, Some(0), "{done:?}");
        let files = files(&sandbox.path(&folder)).into_iter();
        // The folder also has a page, and the images without maps.
        let maps = files.filter(|(name, _)| name.ends_with(".png") && !name.starts_with("images/"));
        let maps = maps.map(|(_, png)| image::load_from_memory(&png).unwrap().into_rgb8());
        (done.json(), maps.collect::<Vec<_>>())
    });
    let probability = |result: &Value, image: usize| {
        let all = result["images"][image]["probabilities"].as_object();
        all.unwrap()["PNEUMONIA"].as_f64().unwrap()
    };
    let differences = |one: &RgbImage, two: &RgbImage| -> u8 {
        let pairs = one.as_raw().iter().zip(two.as_raw());
        pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap()
    };
    assert_eq!((cpu.1.len(), gpu.1.len()), (3, 3));
    for image in 0..3 {
        let [one, two] = [&cpu.0, &gpu.0].map(|result| probability(result, image));
        assert!((one - two).abs() < 1e-4, "image {image}: {one}, {two}");
        let found = differences(&cpu.1[image], &gpu.1[image]);
        assert!(found <= 2, "image {image}: {found}");
        // Where the map is not zero, the gray image is colored.
        let is_colored = |pixel: &Rgb<u8>| pixel[0].abs_diff(pixel[2]) > 40;
        let colored = cpu.1[image].pixels().filter(|pixel| is_colored(pixel));
        assert!(colored.count() > 100, "image {image}");
    }
}

/// Checks that training fails with these words on an emulated GPU that `variable` makes faulty.
fn fails_with(variable: (&str, &str), parts: &[&str]) {
    if !is_emulated() {
        return;
    }
    let sandbox = Sandbox::new(PIPELINE);
    let mut command = sandbox.command(&["run", "pipeline.yaml", "--until", "cnn"]);
    command.envs([variable]);
    command.stdout(std::process::Stdio::piped());
    command.stderr(std::process::Stdio::piped());
    let run = finish(command.spawn().unwrap());
    assert_eq!(run.code, Some(100), "{run:?}");
    for part in parts {
        assert!(run.stderr.contains(part), "{part}: {run:?}");
    }
}

#[test]
fn running_out_of_gpu_memory_is_a_failure_with_the_amount_requested() {
    let parts = [
        "failed: out of memory: ",
        " were requested on the GPU, ",
        " are free",
    ];
    fails_with(("EMULATOR_MEMORY", "100000"), &parts);
}

#[test]
fn losing_the_gpu_is_a_failure_that_names_the_operation() {
    let parts = [
        "failed: the device failed in ",
        ": unspecified launch failure; run `runner doctor` to check whether",
    ];
    fails_with(("EMULATOR_FAIL_AT", "30"), &parts);
}

#[test]
fn each_program_sees_the_gpus_that_it_was_given() {
    if !is_emulated() {
        return;
    }
    let program =
        "argv: [sh, -c, 'echo $CUDA_VISIBLE_DEVICES > gpus; sleep 1'], outputs: { gpus: gpus }";
    let sandbox = Sandbox::new(&format!(
        "version: 1\nname: p\nstages:\n  \
         one: {{ kind: command, resources: {{ gpus: 1 }}, matrix: {{ n: [1, 2] }}, \
         params: {{ {program}, env: ['N=${{matrix.n}}'] }} }}\n  \
         both: {{ kind: command, resources: {{ gpus: 2 }}, params: {{ {program} }} }}\n"
    ));
    let mut command = sandbox.command(&["run", "pipeline.yaml", "--jobs", "4"]);
    command.env("EMULATOR_DEVICES", "2");
    command.stdout(std::process::Stdio::piped());
    command.stderr(std::process::Stdio::piped());
    let run = finish(command.spawn().unwrap());
    assert_eq!(run.code, Some(0), "{run:?}");
    let seen: Vec<String> = files(&sandbox.path("artifacts/latest/p"))
        .into_iter()
        .filter(|(name, _)| name.ends_with("gpus"))
        .map(|(_, text)| String::from_utf8(text).unwrap().trim().to_owned())
        .collect();
    let [both, one, other] = seen.as_slice() else {
        panic!("{seen:?}");
    };
    assert!(
        both == &format!("{one},{other}") || both == &format!("{other},{one}"),
        "{seen:?}"
    );
    assert_ne!(one, other);
}
