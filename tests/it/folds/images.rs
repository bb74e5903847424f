//! `runner images`.

use super::*;

#[test]
fn images_are_listed_with_their_predictions_and_replace_only_their_like() {
    let sandbox = Sandbox::new(PIPELINE);
    let early = sandbox.runner(&["images", "pipeline.yaml", "-o", "p.csv"]);
    assert_eq!(early.code, Some(2), "{early:?}");
    assert_eq!(
        early.stderr,
        "error: there are no predictions; `runner run pipeline.yaml` makes the results\n"
    );
    assert!(!sandbox.path("p.csv").exists());
    let part = sandbox.run_json(&["--until", "evaluate[4,fold=1]"]);
    assert_eq!(part.code, Some(0), "{part:?}");
    let partial = sandbox.runner(&["images", "pipeline.yaml", "-o", "p.csv"]);
    assert_eq!(partial.code, Some(2), "{partial:?}");
    assert!(
        partial.stderr.contains("`evaluate[6,fold=1]`: not run"),
        "{partial:?}"
    );
    assert!(!sandbox.path("p.csv").exists());

    let run = sandbox.run_json(&[]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let write = |args: &[&str]| {
        let done = sandbox.runner(&[&["images", "pipeline.yaml"], args].concat());
        assert_eq!((done.code, done.stderr.as_str()), (Some(0), ""), "{done:?}");
        done.stdout
    };
    let printed = write(&["evaluate[4]"]);
    assert_eq!(write(&["evaluate[4]", "-o", "p.csv"]), "");
    assert_eq!(fs::read_to_string(sandbox.path("p.csv")).unwrap(), printed);
    let header = "name,fold,label,predicted,p_NORMAL,p_PNEUMONIA\ntrain/NORMAL/";
    assert!(printed.starts_with(header), "{printed}");
    // A file of the same kind is replaced; another one is kept.
    write(&["evaluate[6]", "-o", "p.csv"]);
    let kept = sandbox.runner(&["images", "pipeline.yaml", "-o", "pipeline.yaml"]);
    assert_eq!(kept.code, Some(2), "{kept:?}");
    assert!(
        kept.stderr
            .contains("is not a table of predictions, so it is kept"),
        "{kept:?}"
    );
    let is_wrong = |line: &&str| {
        let fields: Vec<&str> = line.split(',').collect();
        fields[2] != fields[3]
    };
    let mut lines = printed.lines();
    let header: Vec<&str> = lines.next().into_iter().collect();
    let wrong = [header, lines.filter(is_wrong).collect()].concat();
    assert!(wrong.len() < printed.lines().count(), "{printed}");
    let listed = write(&["evaluate[4]", "--wrong"]);
    assert_eq!(listed.lines().collect::<Vec<_>>(), wrong);
    let json: Value = serde_json::from_str(&write(&["evaluate[4]", "--json"])).unwrap();
    let first = &json["images"][0];
    let line: Vec<&str> = printed.lines().nth(1).unwrap().split(',').collect();
    assert_eq!(
        (&first["name"], &first["fold"]),
        (&line[0].into(), &line[1].into())
    );
    assert_eq!(
        number(&first["probabilities"]["PNEUMONIA"]).to_string(),
        line[5]
    );
    let unknown = sandbox.runner(&["images", "pipeline.yaml", "evaluat"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(
        unknown.stderr.contains("did you mean `evaluate`?"),
        "{unknown:?}"
    );
    for stage in ["cnn", "xrays", "note"] {
        let without = sandbox.runner(&["images", "pipeline.yaml", stage]);
        assert_eq!(without.code, Some(2), "{without:?}");
        let expected = format!(
            "error: `{stage}` makes no predictions; name a stage that makes some: `evaluate`, `outside`\n"
        );
        assert_eq!(without.stderr, expected);
    }
    // Both instances of this fold.
    let fold = sandbox.runner(&["images", "pipeline.yaml", "evaluate[fold=2]"]);
    assert_eq!(fold.code, Some(0), "{fold:?}");
    assert_eq!(fold.stdout.lines().count(), 1 + 2 * 20, "{fold:?}");
    let unknown = sandbox.runner(&["images", "pipeline.yaml", "evaluate[large,fold=9]"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    let expected = "error: there is no instance `evaluate[large,fold=9]`; known instances: ";
    assert!(unknown.stderr.starts_with(expected), "{unknown:?}");
    assert!(unknown.stderr.contains("`evaluate[4,fold=1]`"), "{unknown:?}");
}

#[test]
fn a_pipeline_without_tables_shows_the_same_values_in_runner_table() {
    let without = PIPELINE.split("tables:").next().unwrap();
    let (sandbox, _) = ran(without, &["--until", "evaluate"]);
    let summary = sandbox.runner(&["run", "pipeline.yaml", "--until", "evaluate"]);
    assert!(
        summary
            .stdout
            .contains("means ± standard deviation over 3 folds"),
        "{summary:?}"
    );
    let hint =
        "`runner table pipeline.yaml` shows the metrics of the predictions of all folds together\n";
    assert!(summary.stderr.contains(hint), "{summary:?}");
    let tables = tables(&sandbox, &[]);
    let table = tables
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["name"] == "evaluate");
    let cells = table.unwrap()["rows"][0]["cells"].as_array().unwrap();
    assert!(
        cells.iter().all(|cell| cell["folds"]["count"] == 3),
        "{cells:?}"
    );
}
