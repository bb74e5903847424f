//! Programs that write to their inputs.

use std::fs;

use super::latest;
use crate::sandbox::Sandbox;

/// Sizes of inputs in KiB: programs get copies of files of the first size, but not of the second.
const SIZES: [u32; 2] = [1, 3000];

/// Returns a pipeline with a stage that makes a file `data` of zeros, followed by `stages`.
fn pipeline(kib: u32, stages: &str) -> Sandbox {
    let make = format!("head -c {kib}K /dev/zero > data");
    Sandbox::new(&format!(
        "version: 1\nname: p\nstages:\n  make: {{ kind: command, params: {{ shell: true, argv: \"{make}\", outputs: {{ data: data }} }} }}\n{stages}"
    ))
}

const WRITTEN: &str = "failed: the program changed its input `in`; to change an input, have the program copy it first";

/// Ways to change a file; the last two restore its modification time.
const CHANGES: [&str; 3] = [
    "chmod u+w in/data; printf x | dd of=in/data conv=notrunc status=none",
    "touch -r in/data ref; chmod u+w in/data; printf x | dd of=in/data conv=notrunc status=none; touch -r ref in/data; rm ref",
    "touch -r in/data ref; chmod u+w in/data; printf x > in/data; touch -r ref in/data; chmod u-w in/data; rm ref",
];

#[test]
fn a_write_to_an_input_is_detected_whatever_its_times_are() {
    for kib in SIZES {
        for change in CHANGES {
            let sandbox = pipeline(
                kib,
                &format!(
                    "  bad: {{ kind: command, inputs: {{ in: make }}, params: {{ shell: true, argv: \"{change}; wc -c < in/data > size\", outputs: {{ size: size }} }} }}\n  \
                     after: {{ kind: command, inputs: {{ in: make, bad: bad }}, params: {{ shell: true, argv: \"tr -d '\\\\0' < in/data > rest\", outputs: {{ rest: rest }} }} }}\n"
                ),
            );
            let run = sandbox.runner(&["run", "pipeline.yaml"]);
            assert_eq!(run.code, Some(100), "{kib} {change}: {run:?}");
            assert!(run.stderr.contains(&format!("bad: {WRITTEN}")), "{run:?}");

            // Once the program leaves its input alone, the data is as it was made.
            let text = fs::read_to_string(sandbox.path("pipeline.yaml")).unwrap();
            fs::write(sandbox.path("pipeline.yaml"), text.replace(change, "true")).unwrap();
            let run = sandbox.runner(&["run", "pipeline.yaml"]);
            assert_eq!(run.code, Some(0), "{kib} {change}: {run:?}");
            assert_eq!(latest(&sandbox, "after/rest/rest"), "");
            let verified = sandbox.runner(&["cache", "verify"]);
            assert_eq!(verified.code, Some(0), "{verified:?}");
        }
    }
}

#[test]
fn a_program_may_remove_move_and_replace_its_inputs() {
    for kib in SIZES {
        for change in [
            "rm in/data; touch x",
            "mv in/data x",
            "cp in/data in/other; mv -f in/other in/data; echo x > x; chmod u+w in/data; echo more >> in/data",
            "ln in/data x; rm -r in",
            "chmod u+w in/data; touch x",
        ] {
            let sandbox = pipeline(
                kib,
                &format!(
                    "  good: {{ kind: command, inputs: {{ in: make }}, params: {{ shell: true, argv: \"{change}\", outputs: {{ x: x }} }} }}\n"
                ),
            );
            let run = sandbox.runner(&["run", "pipeline.yaml"]);
            assert_eq!(run.code, Some(0), "{kib} {change}: {run:?}");
            let made = fs::metadata(sandbox.path("artifacts/latest/p/make/data/data")).unwrap();
            assert_eq!(made.len(), u64::from(kib) * 1024);
            let verified = sandbox.runner(&["cache", "verify"]);
            assert_eq!(verified.code, Some(0), "{verified:?}");
        }
    }
}

/// The writer changes its input while the reader reads it, and then restores it. The reader gets the right
/// bytes or fails.
#[test]
fn a_write_to_an_input_does_not_reach_other_programs() {
    for (kib, readers) in SIZES.into_iter().zip([1, 0]) {
        let sandbox = pipeline(
            kib,
            r#"
  writer:
    kind: command
    inputs: { in: make }
    params:
      shell: true
      argv: "until test -e $MARK.reading; do sleep 0.01; done; cp in/data copy; chmod u+w in/data; printf x | dd of=in/data conv=notrunc status=none; touch $MARK; until test -e $MARK.read; do sleep 0.01; done; dd if=copy of=in/data conv=notrunc status=none; rm copy"
      env: [MARK]
  reader:
    kind: command
    inputs: { in: make }
    params:
      shell: true
      argv: "touch $MARK.reading; until test -e $MARK; do sleep 0.01; done; tr -d '\\0' < in/data > rest; touch $MARK.read; sleep 0.5"
      env: [MARK]
      outputs: { rest: rest }
"#,
        );
        let mut command = sandbox.command(&["run", "pipeline.yaml", "-k", "-j2"]);
        let run = command.env("MARK", sandbox.path("mark")).output().unwrap();
        let stderr = String::from_utf8(run.stderr).unwrap();
        // If both programs have copies, the writer does no harm.
        let failures = if readers == 1 { 0 } else { 2 };
        assert_eq!(stderr.matches(WRITTEN).count(), failures, "{stderr}");
        let shown = sandbox.path("artifacts/latest/p/reader/rest/rest");
        assert_eq!(fs::read(shown).ok(), (readers == 1).then(Vec::new));
    }
}

#[test]
fn opening_a_large_input_for_writing_is_quick_and_harmless() {
    let sandbox = pipeline(
        SIZES[1],
        "  good: { kind: command, inputs: { in: make }, params: { shell: true, argv: \"chmod u+w in/data; exec 3<> in/data; echo x > x\", outputs: { x: x } } }\n",
    );
    let started = std::time::Instant::now();
    let run = sandbox.runner(&["run", "pipeline.yaml"]);
    assert!(started.elapsed() < std::time::Duration::from_secs(20));
    // `chmod` changes the file's ctime and can look like a write, so both outcomes are right.
    assert!(
        run.code == Some(0) || run.stderr.contains(WRITTEN),
        "{run:?}"
    );
    assert_eq!(sandbox.runner(&["cache", "verify"]).code, Some(0));
}

#[test]
fn results_are_made_again_if_their_stage_may_have_read_damage() {
    let sandbox = pipeline(
        1,
        "  reader: { kind: command, inputs: { in: make }, params: { argv: [cp, in/data, copy], outputs: { copy: copy } } }\n",
    );
    assert_eq!(sandbox.run_json(&[]).code, Some(0));
    // Turns the records into those of older versions, which do not note that their inputs were watched.
    let actions = sandbox.path("artifacts/v1/actions");
    let mut unsure = 0;
    for path in crate::sandbox::list(&actions) {
        let text = fs::read_to_string(&path).unwrap();
        unsure += usize::from(text.contains(r#","inputs":"sure""#));
        fs::write(&path, reseal(&text.replace(r#","inputs":"sure""#, ""))).unwrap();
    }
    assert_eq!(unsure, 4);
    let damage = || {
        let shown = sandbox.path("artifacts/latest/p/make/data/data");
        fs::set_permissions(&shown, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        fs::write(&shown, "damage").unwrap();
    };
    damage();
    // A verification that finds damage does not prove what earlier stages read.
    assert_eq!(
        sandbox.runner(&["cache", "verify", "--repair"]).code,
        Some(0)
    );
    let run = sandbox.run_json(&[]);
    assert!(
        run.outcomes().iter().all(|(_, o)| o == "succeeded"),
        "{run:?}"
    );

    // Now the records note that inputs were watched, so the reader's result is a hit.
    damage();
    let run = sandbox.run_json(&["--force", "make"]);
    let outcomes: Vec<String> = run.outcomes().into_iter().map(|(_, o)| o).collect();
    assert_eq!(outcomes, ["succeeded", "cached"], "{run:?}");
}

/// Seals a record again after a change to its JSON.
fn reseal(text: &str) -> String {
    let (_, record) = text.trim_end().split_once(r#"","record":"#).unwrap();
    let record = record.strip_suffix('}').unwrap();
    let sealed = store::seal(&serde_json::from_str::<serde_json::Value>(record).unwrap());
    String::from_utf8(sealed.unwrap()).unwrap()
}
