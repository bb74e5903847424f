//! `runner sweep promote`: a trial becomes a profile.

use std::fs;

use super::{GRID, executed, ranking, run};
use crate::sandbox::Sandbox;

#[test]
fn a_promoted_profile_reproduces_the_best_trial() {
    let sandbox = Sandbox::new(GRID);
    run(&sandbox, &[]);
    let (values, _) = ranking(&sandbox, &[])[0].clone();
    let promoted = sandbox.runner(&["sweep", "promote", "pipeline.yaml"]);
    assert_eq!(promoted.code, Some(0), "{promoted:?}");
    let text = fs::read_to_string(sandbox.path("pipeline.yaml")).unwrap();
    let rate = format!("cnn.params.learning_rate: {}", values["learning_rate"]);
    assert!(text.contains(&rate), "{text}");
    assert!(
        text.contains(&format!("width: {}", values["width"])),
        "{text}"
    );

    // Without the sweep, the pipeline is a single trial, which is cached.
    let alone = run(&sandbox, &["--profile", "best", "-S", "sweep=null"]);
    assert_eq!(executed(&alone), Vec::<String>::new());
    assert_eq!(alone.outcomes().len(), 4, "{alone:?}");
}

#[test]
fn a_profile_with_an_unknown_parameter_is_refused_at_its_place() {
    let profiles = "sweep:\n".replace("sweep", "profiles:\n  wide: { cnn.params.epoch: 3 }\nsweep");
    let sandbox = Sandbox::new(&GRID.replace("sweep:\n", &profiles));
    let refused = sandbox.runner(&["validate", "pipeline.yaml", "--profile", "wide"]);
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(
        refused.stderr.contains("unknown parameter `epoch`"),
        "{refused:?}"
    );
    assert!(
        refused.stderr.contains("cnn.params.epoch: 3"),
        "{refused:?}"
    );
}

#[test]
fn a_missing_trial_cannot_be_promoted() {
    let sandbox = Sandbox::new(GRID);
    let nothing = sandbox.runner(&["sweep", "promote", "pipeline.yaml"]);
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
    assert!(
        nothing.stderr.contains("no trial has finished yet"),
        "{nothing:?}"
    );
    let beyond = sandbox.runner(&["sweep", "promote", "pipeline.yaml", "25"]);
    assert!(
        beyond.stderr.contains("give a number from 1 to 24"),
        "{beyond:?}"
    );
    assert_eq!(
        fs::read_to_string(sandbox.path("pipeline.yaml")).unwrap(),
        GRID
    );
}
