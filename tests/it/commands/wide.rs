//! A thousand outputs and inputs: the time of every command is proportional to their number.

use std::fs;

use crate::sandbox::{Sandbox, list};

/// Factor between the numbers of outputs of the large and the small pipeline.
const FACTOR: u32 = 8;
/// Minimum processor time in seconds that is assumed for the small pipeline.
const MIN_SECONDS: f64 = 0.05;

/// Returns a pipeline with these stages: `a` has `n` outputs that contain `text`, `b` takes each of them as
/// an input, and `c` takes them as a list. `d` has `n` instances, `e` has `n` that take one of those each,
/// and `f` gathers all of `e`.
fn pipeline(n: u32, text: &str) -> String {
    let join = |item: &dyn Fn(u32) -> String| (0..n).map(item).collect::<Vec<_>>().join(", ");
    let outputs = join(&|i| format!("o{i}: f{i}"));
    let inputs = join(&|i| format!("i{i}: a.o{i}"));
    let several = join(&|i| format!("a.o{i}"));
    let samples = join(&|i| format!("s{i}"));
    let make = format!("for i in $(seq 0 {}); do echo {text} > f$i; done", n - 1);
    let count = "params: { shell: true, argv: 'find . -type f | wc -l > n', outputs: { n: n } }";
    format!(
        "version: 1\nname: p\nvars: {{ samples: [{samples}] }}\nstages:\n  \
         a: {{ kind: command, params: {{ shell: true, argv: '{make}', outputs: {{ {outputs} }} }} }}\n  \
         b: {{ kind: command, inputs: {{ {inputs} }}, {count} }}\n  \
         c: {{ kind: command, inputs: {{ all: [{several}] }}, {count} }}\n  \
         d: {{ kind: command, matrix: {{ s: '${{samples}}' }}, {count} }}\n  \
         e: {{ kind: command, matrix: {{ s: '${{samples}}' }}, inputs: {{ d: d }}, {count} }}\n  \
         f: {{ kind: command, inputs: {{ all: e }}, {count} }}\n"
    )
}

/// Runs the pipeline, changes it and runs it again. Returns the processor time in seconds of each command.
/// Equal instances run once.
fn times(n: u32) -> Vec<(String, f64)> {
    let sandbox = Sandbox::new(&pipeline(n, "one"));
    let mut times = Vec::new();
    let mut take = |args: &[&str]| {
        let run = sandbox.measure(args);
        times.push((args.join(" "), run.cpu_seconds));
        let stderr = String::from_utf8_lossy(&run.stderr);
        assert!(run.status.success(), "{args:?}: {stderr}");
    };
    take(&["validate", "pipeline.yaml"]);
    take(&["run", "pipeline.yaml", "-q"]);
    fs::write(sandbox.path("pipeline.yaml"), pipeline(n, "two")).unwrap();
    take(&["plan", "pipeline.yaml"]);
    take(&["explain", "pipeline.yaml"]);
    take(&["run", "pipeline.yaml", "-q"]);
    take(&["status", "pipeline.yaml"]);
    take(&["artifacts", "ls"]);
    take(&["artifacts", "show", "c.n"]);
    let mut runs: Vec<String> = list(&sandbox.path("artifacts/v1/runs"))
        .iter()
        .map(|run| run.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    runs.sort();
    take(&["compare", &runs[0], &runs[1]]);
    let compared = times.last_mut().unwrap();
    compared.0.truncate("compare".len());
    times
}

#[test]
fn time_is_linear_in_the_number_of_outputs_and_inputs() {
    let small = times(125);
    let large = times(125 * FACTOR);
    for ((command, little), (_, much)) in small.iter().zip(&large) {
        // If the time were proportional to the square, it would be 64 times as long.
        let limit = 3.0 * f64::from(FACTOR) * MIN_SECONDS.max(*little);
        assert!(
            *much < limit,
            "{command}: {little:.2} s for the small pipeline, {much:.2} s for the large one"
        );
    }
}
