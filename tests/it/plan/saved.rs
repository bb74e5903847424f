//! Plans that are saved to a file and run later.

use std::fs;

use serde_json::json;

use super::plan;
use crate::sandbox::{Finished, Sandbox, TINY, list};

#[test]
fn a_saved_plan_runs_as_it_was_saved() {
    let sandbox = Sandbox::new(TINY);
    let args = ["-S", "epochs=1", "--until", "cnn[6]", "-o", "p.plan"];
    plan(&sandbox, &args);
    let run = sandbox.runner(&["run", "--plan", "p.plan", "--json"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let names: Vec<String> = run.outcomes().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["xrays", "cnn[6]"]);
    assert_eq!(run.json()["sets"], json!(["epochs=1"]));
}

#[test]
fn a_saved_plan_that_is_out_of_date_is_refused() {
    let refused = |sandbox: &Sandbox| -> Finished {
        let refused = sandbox.runner(&["run", "--plan", "p.plan"]);
        assert_eq!(refused.code, Some(2), "{refused:?}");
        assert!(
            refused
                .stderr
                .starts_with("error: the plan `p.plan` is out of date:\n"),
            "{refused:?}"
        );
        refused
    };
    let sandbox = Sandbox::new(TINY);
    plan(&sandbox, &["-o", "p.plan"]);
    fs::write(
        sandbox.path("pipeline.yaml"),
        TINY.replace("images: 40", "images: 44"),
    )
    .unwrap();
    let changed = refused(&sandbox).stderr;
    let cause =
        "  `xrays`: params.source.phantom.images 40 → 44\n  2 stages downstream changed as well\n";
    assert!(changed.contains(cause), "{changed}");
    assert!(list(&sandbox.path("artifacts/v1/runs")).is_empty());

    fs::write(sandbox.path("pipeline.yaml"), TINY).unwrap();
    sandbox.run_json(&["--until", "xrays"]);
    let cached = refused(&sandbox).stderr;
    assert!(cached.contains("  `xrays` is now cached\n"), "{cached}");
    assert!(
        cached.contains("  `cnn[4]` will now run: first run\n"),
        "{cached}"
    );

    let mut bytes = fs::read(sandbox.path("p.plan")).unwrap();
    let last = bytes.len() - 9;
    bytes[last] ^= 1;
    fs::write(sandbox.path("p.plan"), bytes).unwrap();
    let torn = sandbox.runner(&["run", "--plan", "p.plan"]);
    assert_eq!(torn.code, Some(2), "{torn:?}");
    assert!(
        torn.stderr.contains("`p.plan` is not a plan as"),
        "{torn:?}"
    );
    for more in [
        &["pipeline.yaml"][..],
        &["-S", "epochs=3"],
        &["--device", "cpu"],
        &["--until", "xrays"],
    ] {
        let both = sandbox.runner(&[&["run", "--plan", "p.plan"], more].concat());
        assert_eq!(both.code, Some(2), "{both:?}");
    }
}
