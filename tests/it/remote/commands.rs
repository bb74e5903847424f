//! Commands about a shared cache.

use super::*;

#[test]
fn push_and_pull_copy_the_results_of_stages_and_runs() {
    for place in Place::all() {
        let [a, b] = [(), ()].map(|()| Machine::new());
        let ran = a.0.runner(&["run", "pipeline.yaml"]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        let push = a.runner(&place, &["push", "pipeline.yaml", "cnn[4]", "--json"]);
        assert_eq!(push.code, Some(0), "{push:?}");
        assert_eq!(
            (&push.json()["uploaded"], &push.json()["present"]),
            (&1.into(), &0.into())
        );
        let push = a.runner(&place, &["push", "--run", "latest", "--json"]);
        assert_eq!(
            (&push.json()["uploaded"], &push.json()["present"]),
            (&2.into(), &1.into())
        );

        let pull = b.runner(&place, &["pull", "pipeline.yaml", "xrays", "--json"]);
        assert_eq!(pull.code, Some(0), "{pull:?}");
        assert_eq!(
            (&pull.json()["copied"], &pull.json()["failed"]),
            (&1.into(), &0.into())
        );
        let pull = b.runner(&place, &["pull", "pipeline.yaml"]);
        assert!(
            pull.stdout.contains("2 results copied, 1 was here already"),
            "{pull:?}"
        );
        assert_eq!(
            b.0.runner(&["status", "pipeline.yaml", "--exit-code"]).code,
            Some(0)
        );
    }
}

#[test]
fn latest_shows_no_outputs_of_other_settings() {
    let place = Place::folder();
    let [a, b] = [(), ()].map(|()| Machine::new());
    let run = ["run", "pipeline.yaml"];
    let ran = a.runner(&place, &run);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let ran = b.0.runner(&[&run[..], &["-S", "epochs=3"]].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let shown = |machine: &Machine| machine.0.path("artifacts/latest/tiny/cnn[4]/model");
    assert!(shown(&b).is_dir());
    let ran = b.runner(&place, &run);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    // Nothing needed the model, so it is not here.
    assert!(!shown(&b).exists());
    let pulled = b.runner(&place, &["pull", "pipeline.yaml"]);
    assert_eq!(pulled.code, Some(0), "{pulled:?}");
    assert!(shown(&b).is_dir());
    let ran = b.runner(&place, &run);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for name in ["weights.safetensors", "model.json"] {
        let read = |machine: &Machine| fs::read(shown(machine).join(name)).ok();
        assert_eq!(read(&a), read(&b), "{name}");
    }
    assert!(shown(&b).is_dir());
}

#[test]
fn push_and_pull_say_what_is_not_there() {
    let place = Place::folder();
    let machine = Machine::new();
    let push = machine.runner(&place, &["push", "pipeline.yaml"]);
    assert_eq!(push.code, Some(0), "{push:?}");
    assert!(
        push.stderr.contains("3 of 3 stages are not cached here"),
        "{push:?}"
    );
    let pull = machine.runner(&place, &["pull", "pipeline.yaml"]);
    assert_eq!(pull.code, Some(0), "{pull:?}");
    assert!(
        pull.stderr.contains("neither here nor in the shared cache"),
        "{pull:?}"
    );

    for (args, part) in [
        (&["pull"][..], "nothing is selected"),
        (&["push", "pipeline.yaml", "cmn"], "did you mean `cnn`"),
        (&["push", "--run", "latest"], "there is no run yet"),
        (
            &["push", "--remote-mode", "read"],
            "the mode of the shared cache is `read`",
        ),
        (
            &["pull", "pipeline.yaml", "--remote-mode", "write"],
            "is `write`",
        ),
        (&["push", "--remote", "none"], "no shared cache is set"),
        (&["push", "--remote", "ftp://x"], "`--remote`: "),
        (&["push", "--remote-mode", "both"], "`--remote-mode`: "),
    ] {
        let refused = machine.runner(&place, args);
        assert_eq!(refused.code, Some(2), "{args:?}: {refused:?}");
        assert!(refused.stderr.contains(part), "{args:?}: {refused:?}");
    }
}

#[test]
fn status_and_plan_say_where_results_are() {
    let place = Place::folder();
    let [a, b] = [(), ()].map(|()| Machine::new());
    let ran = a.0.runner(&["run", "pipeline.yaml"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    a.runner(&place, &["push", "pipeline.yaml", "xrays", "cnn[4]"]);
    let status = a.runner(&place, &["status", "pipeline.yaml", "--remote"]);
    assert_eq!(status.code, Some(0), "{status:?}");
    assert!(
        status
            .stdout
            .contains("cnn[4]  here and in the shared cache\n"),
        "{status:?}"
    );
    assert!(status.stdout.contains("cnn[6]  only here\n"), "{status:?}");
    let status = b
        .runner(&place, &["status", "pipeline.yaml", "--remote", "--json"])
        .json();
    let places = status["stages"].as_array().unwrap().iter();
    let places = places.map(|stage| (&stage["places"]["here"], &stage["places"]["remote"]));
    let [yes, no] = [true.into(), false.into()];
    assert_eq!(
        places.collect::<Vec<_>>(),
        [(&no, &yes), (&no, &yes), (&no, &no)]
    );

    let plan = b.runner(&place, &["plan", "pipeline.yaml"]);
    assert!(
        plan.stdout.contains("from the shared cache: 2 stages, "),
        "{plan:?}"
    );
    let planned = b
        .runner(&place, &["plan", "pipeline.yaml", "--json"])
        .json();
    assert_eq!(planned["remote"]["stages"], 2);
    let pull = b
        .runner(&place, &["pull", "pipeline.yaml", "--json"])
        .json();
    // `pull` receives records and trees in addition.
    assert!(planned["remote"]["bytes"].as_u64() < pull["received_bytes"].as_u64());
    let planned = b
        .runner(&place, &["plan", "pipeline.yaml", "--json"])
        .json();
    assert_eq!(planned["remote"]["stages"], 0);
    assert!(b.0.runner(&["plan", "pipeline.yaml", "--json"]).json()["remote"].is_null());

    let gone = Place::missing();
    let failed = a.runner(&gone, &["status", "pipeline.yaml", "--remote"]);
    assert_eq!(failed.code, Some(1), "{failed:?}");
    assert_eq!(
        failed.stderr.matches("does not exist").count(),
        1,
        "{failed:?}"
    );
}

/// Only a cache that answers can say that it has no result.
#[test]
fn a_pull_from_a_cache_that_cannot_be_asked_fails() {
    let gone = Place::missing();
    let machine = Machine::new();
    let pull = machine.runner(&gone, &["pull", "pipeline.yaml"]);
    assert_eq!(pull.code, Some(1), "{pull:?}");
    assert!(
        pull.stderr
            .contains("3 of 3 stages are not here, and the shared cache could not be asked"),
        "{pull:?}"
    );
    assert_eq!(machine.0.runner(&["run", "pipeline.yaml"]).code, Some(0));
    let pull = machine.runner(&gone, &["pull", "pipeline.yaml"]);
    assert_eq!(pull.code, Some(0), "{pull:?}");
}

#[test]
fn status_goes_on_after_records_that_cannot_be_used() {
    let place = Place::folder();
    let [other, machine] = [(), ()].map(|()| Machine::new());
    other.table(&place);
    let ran = machine.0.runner(&["run", "pipeline.yaml"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    for record in files_below(&place.path().join("v1/actions")) {
        fs::remove_file(&record).unwrap();
        fs::write(&record, "no record").unwrap();
    }
    let status = machine.runner(&place, &["status", "pipeline.yaml", "--remote"]);
    assert_eq!(status.code, Some(0), "{status:?}");
    let warnings = status.stderr.matches("warning: shared cache: ").count();
    assert_eq!(warnings, 1, "{status:?}");
    assert!(status.stdout.contains("3 only here"), "{status:?}");
}

#[test]
fn quiet_runs_print_warnings() {
    let ran = Machine::new().runner(&Place::missing(), &["run", "pipeline.yaml", "-q"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert!(
        lines[0].starts_with("warning: shared cache: ") && lines.len() == 2,
        "{ran:?}"
    );
    assert!(
        lines[1].contains("`runner push` uploads what is left"),
        "{ran:?}"
    );
}

#[test]
fn a_collection_removes_records_and_keeps_those_of_runs() {
    let place = Place::folder();
    let machine = Machine::new();
    machine.table(&place);
    let gc = |args: &[&str]| {
        let args = [&["cache", "gc", "--remote", "--json"], args].concat();
        let collected = machine.runner(&place, &args);
        assert_eq!(collected.code, Some(0), "{collected:?}");
        collected.json()
    };
    assert_eq!(
        (&gc(&[])["records"], &gc(&[])["left_records"]),
        (&0.into(), &6.into())
    );
    let kept = gc(&["--max-size", "1KiB", "--keep-runs", "1"]);
    assert_eq!(kept["records"], 0);
    assert_eq!(gc(&["--max-size", "1KiB"])["records"], 6);
    // The local store is untouched, and nothing is removed without `--apply`.
    assert_eq!(Machine::new().counts(&place), (3, 0));
    let applied = gc(&["--max-size", "1KiB", "--apply"]);
    assert_eq!(
        (&applied["removed"], &applied["left_records"]),
        (&true.into(), &0.into())
    );
    assert_eq!(machine.counts(&place), (3, 0));
    assert_eq!(files_below(&place.path().join("v1/actions")).len(), 0);
    // Files are younger than a day: somebody may be about to name them in a record.
    assert!(!place.objects(false).is_empty());
}

#[test]
fn doctor_checks_the_shared_cache() {
    let place = Place::folder();
    let machine = Machine::new();
    let doctor = machine.runner(&place, &["doctor", "--json"]);
    assert_eq!(doctor.code, Some(0), "{doctor:?}");
    assert_eq!(doctor.json()["remote"]["address"], place.url.as_str());
    assert!(doctor.json()["remote"]["seconds"].is_number());
    assert!(machine.0.runner(&["doctor", "--json"]).json()["remote"].is_null());
    let gone = Place::missing();
    let doctor = machine.runner(&gone, &["doctor"]);
    assert_eq!(doctor.code, Some(1), "{doctor:?}");
    assert!(doctor.stdout.contains("DOES NOT WORK"), "{doctor:?}");
    assert!(
        doctor.stderr.contains("the shared cache does not work: "),
        "{doctor:?}"
    );
}
