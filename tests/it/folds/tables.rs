//! Tables, comparisons, expectations and objectives of sweeps with folds.

use super::*;

#[test]
fn a_table_shows_the_metrics_of_the_out_of_fold_predictions() {
    let (sandbox, _) = ran(PIPELINE, &[]);
    let rows = predictions(&sandbox, &["evaluate"]);
    let tables = tables(&sandbox, &[]);
    for (place, width) in ["4", "6"].into_iter().enumerate() {
        let name = format!("evaluate[{width}]");
        let own: Vec<_> = rows.iter().filter(|row| row["instance"] == name).collect();
        // Every image is predicted once, and the images are in the order of their names.
        let names: Vec<&String> = own.iter().map(|row| &row["name"]).collect();
        assert_eq!(names.len(), 60);
        assert!(names.is_sorted() && names.iter().collect::<BTreeSet<_>>().len() == 60);
        assert!(names.iter().all(|name| name.starts_with("train/")));
        let folds: Vec<Vec<_>> = ["1", "2", "3"]
            .map(|fold| {
                own.iter()
                    .copied()
                    .filter(|row| row["fold"] == fold)
                    .collect()
            })
            .to_vec();
        // 24 healthy and 36 ill chests in each of three parts.
        for fold in &folds {
            let ill = fold.iter().filter(|row| row["label"] == "PNEUMONIA");
            assert_eq!((fold.len(), ill.count()), (20, 12));
        }
        let cells = &tables[0]["rows"][place]["cells"];
        let pooled = measures(&own);
        for (metric, pooled) in pooled.into_iter().enumerate() {
            let cell = &cells[metric];
            if !pooled.is_nan() {
                assert!(
                    (number(&cell["value"]) - pooled).abs() < 1e-9,
                    "{cell}, not {pooled}"
                );
            }
            if metric == 0 {
                continue;
            }
            let each: Vec<f64> = folds.iter().map(|fold| measures(fold)[metric]).collect();
            let mean = each.iter().sum::<f64>() / 3.0;
            let squares: f64 = each.iter().map(|value| (value - mean).powi(2)).sum();
            let found = &cell["folds"];
            assert_eq!(found["count"], 3);
            assert!((number(&found["mean"]) - mean).abs() < 1e-9, "{cell}");
            assert!(
                (number(&found["sd"]) - (squares / 2.0).sqrt()).abs() < 1e-9,
                "{cell}"
            );
            let [low, high] = [0, 1].map(|end| number(&cell["interval"][end]));
            assert!(low <= pooled && pooled <= high, "{cell}");
            assert_eq!(cell["interval_over"], "images");
        }
        // Neither has predictions of different images to pool.
        for column in [3, 4] {
            let mean = &cells[column]["mean"];
            assert_eq!(
                (&mean["count"], &mean["over"][0]),
                (&3.into(), &"fold".into())
            );
            assert!(
                cells[column].get("interval").is_none() && cells[column].get("folds").is_none()
            );
        }
    }
    let parts = tables[1]["rows"].as_array().unwrap();
    assert_eq!(parts.len(), 6);
    assert_eq!(parts[3]["row"], "2,6");
    let text = sandbox
        .runner(&["table", "pipeline.yaml", "--table", "cv"])
        .stdout;
    for expected in [
        "] (folds ",
        "values are of the predictions of 3 folds together, each image predicted by a model trained without it; \
         (folds …): mean ± standard deviation over folds, which are not independent\n",
        "epochs: ± standard deviation over 3 folds\n",
        "\nauc: only images of the same fold are compared, because each fold has its own model\n",
    ] {
        assert!(text.contains(expected), "`{expected}`: {text}");
    }
    let csv = sandbox
        .runner(&["table", "pipeline.yaml", "--table", "cv", "--format", "csv"])
        .stdout;
    assert!(
        csv.contains(",auc folds,auc fold mean,auc fold sd,"),
        "{csv}"
    );
    let latex = sandbox.runner(&[
        "table",
        "pipeline.yaml",
        "--table",
        "cv",
        "--format",
        "latex",
    ]);
    assert!(latex.stdout.contains("(folds 0."), "{latex:?}");
    // Lists of metrics show the mean over folds.
    let metrics = sandbox.runner(&["metrics", "pipeline.yaml", "--filter", "evaluate*.accuracy"]);
    assert!(metrics.stdout.contains(" (3 folds)"), "{metrics:?}");
    let says = "values of folds are their means ± standard deviations; `runner table` shows";
    assert!(metrics.stderr.contains(says), "{metrics:?}");
    let listed = sandbox.runner(&["runs", "list", "--columns", "evaluate[4].accuracy"]);
    let says = "metrics of runs with folds are means over the folds; `runner table` shows";
    assert!(listed.stderr.contains(says), "{listed:?}");
    let states = sandbox.runner(&["runs", "list", "--columns", "state"]);
    assert_eq!(states.stderr, "");
}

#[test]
fn rows_are_compared_by_their_out_of_fold_predictions() {
    let (sandbox, _) = ran(PIPELINE, &[]);
    let tables = tables(&sandbox, &["--compare", "4"]);
    let comparisons = tables[0]["comparisons"].as_array().unwrap();
    let auc = &comparisons[2]["rows"][0];
    assert_eq!(auc["images"], 60);
    let value = |row: usize| number(&tables[0]["rows"][row]["cells"][2]["value"]);
    assert!((number(&auc["difference"]) - (value(1) - value(0))).abs() < 1e-9);
    let text = sandbox.runner(&["table", "pipeline.yaml", "--compare", "4", "--table", "cv"]);
    for expected in [
        "auc: difference from 4 on the same 60 images of all folds; paired bootstrap",
        "intervals and p cover the choice of test images only, not of seeds or folds",
        // The model of every fold is tested on the same external images.
        "external: difference from 4 not computed: the image `test/NORMAL/000000` was tested in two folds",
    ] {
        assert!(text.stdout.contains(expected), "`{expected}`: {text:?}");
    }
    // The best fold is the best by chance.
    assert_eq!(tables[1].get("comparisons"), None);
}

#[test]
fn expectations_are_compared_with_the_value_that_the_table_shows() {
    let expect =
        "expect: { \"evaluate[4].accuracy\": { at_least: 0 }, cnn.best_epoch: { at_most: 2 } }\n";
    let pipeline = PIPELINE.replace(
        "{ title: auc, metric: evaluate.roc_auc }",
        "{ metric: evaluate.ece }",
    );
    let (sandbox, _) = ran(&format!("{pipeline}{expect}"), &[]);
    let args = ["table", "pipeline.yaml", "--format", "json", "--strict"];
    let found = sandbox.runner(&args).json();
    let cell = &found["tables"][0]["rows"][0]["cells"][1];
    assert_eq!(cell["expectations"][0]["verdict"], "pass");
    // A bound between the metric of all predictions and the mean over the folds tells them apart.
    let [value, mean] = [number(&cell["value"]), number(&cell["folds"]["mean"])];
    assert!(
        (value - mean).abs() < 1e-9,
        "parts of equal size have the same accuracy together"
    );
    let ece = &found["tables"][0]["rows"][0]["cells"][2];
    let [value, mean] = [number(&ece["value"]), number(&ece["folds"]["mean"])];
    assert!(value != mean, "{ece}");
    let exact = format!(
        "expect.evaluate[4].ece={{ at_least: {}, at_most: {} }}",
        value - 1e-9,
        value + 1e-9
    );
    let pipeline = fs::read_to_string(sandbox.path("pipeline.yaml")).unwrap();
    let exact = exact.replace("expect.evaluate[4].ece=", "\"evaluate[4].ece\": ");
    let pipeline = pipeline.replace("expect: {", &format!("expect: {{ {exact},"));
    fs::write(sandbox.path("pipeline.yaml"), pipeline).unwrap();
    let strict = sandbox.runner(&["table", "pipeline.yaml", "--strict"]);
    assert_eq!(strict.code, Some(0), "{strict:?}");
}

#[test]
fn seeds_repeat_the_whole_cross_validation() {
    let text = PIPELINE.replace("folds: 3", "folds: 2\nseeds: 2");
    let args = [
        "-S",
        "stages.cnn.matrix.width=[4]",
        "-S",
        "stages.evaluate.matrix.width=[4]",
    ];
    let args = [&args[..], &["-S", "stages.outside.matrix.width=[4]"]].concat();
    let (sandbox, run) = ran(&text, &args);
    let names = executed(&run);
    for name in [
        "xrays[seed=1,fold=1]",
        "xrays[seed=2,fold=2]",
        "evaluate[4,seed=2,fold=1]",
    ] {
        assert!(names.contains(&name.to_owned()), "{names:?}");
    }
    assert!(names.contains(&"external[seed=2]".to_owned()), "{names:?}");
    assert!(names.contains(&"note[seed=2]".to_owned()), "{names:?}");
    let rows = predictions(&sandbox, &[&["evaluate"][..], &args].concat());
    assert_eq!(rows.len(), 120);
    let each = ["1", "2"].map(|seed| {
        let own: Vec<_> = rows.iter().filter(|row| row["seed"] == seed).collect();
        measures(&own)[1]
    });
    let found = tables(&sandbox, &args);
    let cell = &found[0]["rows"][0]["cells"][1];
    let mean = (each[0] + each[1]) / 2.0;
    assert!((number(&cell["value"]) - mean).abs() < 1e-9, "{cell}");
    assert_eq!(
        (&cell["seeds"]["count"], &cell["folds"]["count"]),
        (&2.into(), &2.into())
    );
    assert_eq!(cell["interval_over"], "seeds-and-images");
    let epochs = &found[0]["rows"][0]["cells"][3]["mean"];
    assert_eq!(epochs["over"], serde_json::json!(["fold", "seed"]));
    let text = sandbox.runner(&[&["table", "pipeline.yaml", "--table", "cv"][..], &args].concat());
    assert!(
        text.stdout.contains(
            "± standard deviation over 2 seeds; 95 % intervals over seeds and test images"
        ),
        "{text:?}"
    );
}

#[test]
fn the_objective_of_a_sweep_is_the_mean_over_the_folds() {
    let sweep = "sweep:\n  axes: { cnn.params.learning_rate: [0.001, 0.01] }\n  objective: { metric: \
                 \"evaluate[4].roc_auc\", direction: maximize }\n";
    let (sandbox, run) = ran(&format!("{PIPELINE}{sweep}"), &[]);
    let names = executed(&run);
    let count = |start: &str| names.iter().filter(|name| name.starts_with(start)).count();
    assert_eq!(
        (count("xrays"), count("cnn"), count("external")),
        (3, 12, 1),
        "{names:?}"
    );
    let shown = sandbox
        .runner(&["sweep", "show", "pipeline.yaml", "--json"])
        .json();
    let best = &shown["trials"][0];
    assert_eq!(
        (&best["folds"], &best["seeds"]),
        (&3.into(), &serde_json::json!([]))
    );
    assert!(best.get("interval").is_none() && number(&best["deviation"]) >= 0.0);
    // The tables of a sweep are those of its best trial.
    let tables = tables(&sandbox, &[]);
    let folds = &tables[0]["rows"][0]["cells"][2]["folds"];
    assert!((number(&best["objective"]) - number(&folds["mean"])).abs() < 1e-9);
    assert!((number(&best["deviation"]) - number(&folds["sd"])).abs() < 1e-9);
    let text = sandbox.runner(&["sweep", "show", "pipeline.yaml"]);
    assert!(
        text.stdout
            .contains("means ± standard deviation over folds"),
        "{text:?}"
    );
    let plan = sandbox.runner(&["sweep", "plan", "pipeline.yaml"]);
    assert!(
        plan.stdout.contains("2 trials with 3 folds each"),
        "{plan:?}"
    );
}
