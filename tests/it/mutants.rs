//! Runs `validate` and `plan` on pipelines with mutations that keep most of their structure: 100 by default,
//! 100,000 with `RUNNER_SUITE=full`.

use std::fs;

use crate::guarantees::cases::{Random, each};
use crate::guarantees::{Verdict, full, require};
use crate::sandbox::{Sandbox, TINY, acts_on_terminal};

/// Limits for a command on a mutant: seconds of processor time, and memory in KiB.
const MAX_SECONDS: f64 = 1.0;
const MAX_KIB: i64 = 500 << 10;

/// A pipeline with programs, a sweep, seeds, expectations, gathered inputs and limits, most of which the others
/// lack.
const MANY: &str = r#"
version: 1
name: many
seed: 3
seeds: 2
device: cpu
vars: { rate: 0.5, names: [a, b], deep: { er: { still: [1, 2.5, null, true] } } }
profiles: { small: { rate: 0.1 }, large: { names: [c] } }
models:
  net: [{ conv: { filters: 4, kernel: 3 } }, { batch_norm: {} }, { max_pool: 2 }, flatten, { dropout: 0.5 }, { dense: { units: 1 } }]
stages:
  make:
    kind: command
    matrix: { name: "${names}", n: [1, 2] }
    params: { argv: [sh, -c, "echo ${matrix.name} ${rate} > o; echo '{\"m\": 1}' > m.json"], outputs: { o: o }, metrics: m.json, env: [HOME], ignore: ["*.tmp"] }
    timeout: 1h 30m
    retries: { times: 3, backoff: 2s }
    resources: { cpus: 2, memory: 1GiB }
  gather:
    kind: command
    inputs: { all: make.o }
    params: { shell: true, argv: "cat */* > merged", outputs: { merged: merged } }
  images:
    kind: dataset
    params: { source: { phantom: { images: 40, test_images: 20 } }, image_size: 16, validation: 0.2 }
  cnn:
    kind: train-cnn
    matrix: { width: [4, 6] }
    inputs: { train: images.train, validation: images.validation }
    params: { model: net, epochs: 2, learning_rate: 1e-3, batch_size: 8 }
  score: { kind: evaluate, matrix: { width: [4, 6] }, inputs: { model: cnn, images: images.test } }
tables:
  t: { title: scores, rows: width, columns: [{ title: F1, metric: score.f1, paper: { 4: 0.5 } }] }
expect:
  score[4].f1: { at_least: 0.1 }
sweep:
  method: grid
  axes: { cnn.params.learning_rate: [1e-3, 1e-4], rate: [0.25, 0.5] }
  objective: { metric: "score[4].f1", direction: maximize }
"#;

const BASES: [&str; 5] = [
    MANY,
    MANY,
    TINY,
    include_str!("../../pipelines/table1.yaml"),
    include_str!("../../pipelines/sweep-asha.yaml"),
];

/// Replacements for values.
const VALUES: [&str; 30] = [
    "null",
    "~",
    "true",
    "-1",
    "0",
    "1e400",
    ".nan",
    "-.inf",
    "18446744073709551616",
    "0x7fffffffffffffff",
    "''",
    "\"\\e[2J\\u202e\\0\"",
    "\u{202e}txet\u{feff}",
    "'a\nb'",
    "[]",
    "{}",
    "[[[[[[[[[[]]]]]]]]]]",
    "{a: {b: {c: {d: 1}}}}",
    "&x [*x]",
    "*nowhere",
    "!!binary aGk=",
    "!secret x",
    "${x}",
    "${matrix.name}${matrix.name}",
    "${vars",
    "$${a}",
    "make",
    "make[a,1].o",
    "[a, a, a]",
    "1e-320",
];

/// Bytes that are special to YAML, terminals or paths.
const BYTES: [u8; 24] = [
    b'\t', b'\r', b'\n', b'\0', 0x1b, 0x7f, 0x80, 0xff, b' ', b':', b'-', b'{', b'}', b'[', b']',
    b'"', b'\'', b'#', b'&', b'*', b'!', b'$', b',', b'9',
];

fn mutated(random: &mut Random, text: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len().max(1));
        match random.below(20) {
            0 => bytes.truncate(at),
            1 if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            2 => bytes.insert(at, BYTES[random.below(BYTES.len())]),
            3 => {
                let end = (at + 1 + random.below(40)).min(bytes.len());
                bytes.drain(at..end);
            }
            4 => {
                let end = (at + 1 + random.below(200)).min(bytes.len());
                let copy = bytes[at..end].repeat(1 + random.below(8));
                let to = random.below(bytes.len());
                bytes.splice(to..to, copy);
            }
            5 | 8 => lines(random, &mut bytes),
            6 => {
                let deep = "[{a: ".repeat(1 + random.below(400));
                bytes.splice(at..at, deep.into_bytes());
            }
            7 => {
                let long = vec![BYTES[random.below(BYTES.len())]; 1 << random.below(17)];
                bytes.splice(at..at, long);
            }
            _ => value(random, &mut bytes),
        }
    }
    bytes
}

/// Moves, duplicates, removes or indents a line.
fn lines(random: &mut Random, bytes: &mut Vec<u8>) {
    let mut lines: Vec<&[u8]> = bytes.split_inclusive(|&byte| byte == b'\n').collect();
    if lines.is_empty() {
        return;
    }
    let at = random.below(lines.len());
    let line = lines[at];
    let indented = [b"  ", line].concat();
    match random.below(4) {
        0 => drop(lines.remove(at)),
        1 => lines.insert(random.below(lines.len()), line),
        2 => {
            lines.remove(at);
            lines.insert(random.below(lines.len() + 1), line);
        }
        _ => lines[at] = &indented,
    }
    *bytes = lines.concat();
}

/// Replaces the text between two adjacent punctuation marks by another value.
fn value(random: &mut Random, bytes: &mut Vec<u8>) {
    let is_mark = |byte: &u8| b":,[]{}\n".contains(byte);
    let marks: Vec<usize> = (0..bytes.len()).filter(|&at| is_mark(&bytes[at])).collect();
    if marks.len() < 2 {
        return;
    }
    let at = random.below(marks.len() - 1);
    let between = |at: usize| marks[at] + 1..marks[at + 1];
    let new = match random.below(3) {
        0 => format!(" {} ", VALUES[random.below(VALUES.len())]).into_bytes(),
        // Another value of this pipeline, which is more often valid.
        1 => bytes[between(random.below(marks.len() - 1))].to_vec(),
        _ => format!(" {} ", random.below(100)).into_bytes(),
    };
    bytes.splice(between(at), new);
}

fn survives(seed: u64) -> Verdict {
    let mut random = Random::seeded(seed);
    let base = BASES[random.below(BASES.len())];
    let text = mutated(&mut random, base);
    let sandbox = Sandbox::new("");
    fs::write(sandbox.path("pipeline.yaml"), &text).unwrap();
    let mut fate = "valid";
    for command in ["validate", "plan"] {
        let ended = sandbox.measure(&[command, "pipeline.yaml"]);
        let (status, seconds, kib) = (ended.status, ended.cpu_seconds, ended.peak_kib);
        let printed = [ended.stdout, ended.stderr].concat();
        let printed =
            String::from_utf8(printed).map_err(|_| "the output is not UTF-8".to_owned())?;
        let because = |why: String| {
            format!(
                "{command}: {why}: {printed}\nof the pipeline\n{}",
                String::from_utf8_lossy(&text)
            )
        };
        require(
            !printed.contains("a bug in runner") && !printed.contains("panicked"),
            || because("runner panicked".to_owned()),
        )?;
        require(matches!(status.code(), Some(0..=2)), || {
            because(format!("unexpected {status}"))
        })?;
        require(acts_on_terminal(&printed).is_none(), || {
            because("control characters were printed".to_owned())
        })?;
        require(seconds <= MAX_SECONDS, || {
            because(format!("it took {seconds} s"))
        })?;
        require(kib <= MAX_KIB, || because(format!("it used {kib} KiB")))?;
        if status.code() != Some(0) {
            require(printed.contains("error: "), || {
                because("no error was printed".to_owned())
            })?;
            fate = "refused";
        }
    }
    Ok(fate)
}

#[test]
fn the_base_pipelines_are_valid() {
    for base in BASES {
        let sandbox = Sandbox::new(base);
        let validated = sandbox.runner(&["validate", "pipeline.yaml"]);
        assert_eq!(validated.code, Some(0), "{validated:?}");
    }
}

#[test]
fn a_mutated_pipeline_is_planned_or_refused_within_limits() {
    let mut random = Random::new("mutants");
    let count = if full() { 100_000 } else { 100 };
    let seeds: Vec<usize> = (0..count).map(|_| random.below(usize::MAX)).collect();
    each("mutants", &seeds, |seed| survives(*seed as u64));
}
