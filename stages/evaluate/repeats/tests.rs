//! Tests that evaluations are read back and compared.

use contract::analysis::{Contrast, Difference, Evaluation, Interval, Over};
use contract::{Direction, Metric, Metrics};
use serde_json::json;

use super::{Incomparable, Repeats, within};
use crate::evaluate::evaluation::scored;
use crate::evaluate::report::Report;
use crate::evaluate::{CONFUSION_FILE, PREDICTIONS_FILE, read_evaluation, summarize};
use crate::metrics::{Bootstrap, Decision, Measure, Predictions, mcnemar, measure};

const CLASSES: [&str; 2] = ["NORMAL", "a \"rare\", one"];

/// Writes the output of `evaluate` for 40 images, with probabilities that depend on `salt`.
fn write_evaluation(salt: u64, folder: &std::path::Path) -> Metrics {
    let classes = CLASSES.map(str::to_owned);
    let labels: Vec<u32> = (0..40).map(|i| u32::from(i % 8 < 5)).collect();
    let noise = (0..40).map(|i: u64| (i * 7919 + salt * 104_729) % 1000);
    let scores = noise
        .zip(&labels)
        .map(|(noise, &label)| 0.3 * label as f32 + 0.7 * noise as f32 / 1000.0);
    let probabilities: Vec<f32> = scores.flat_map(|p| [1.0 - p, p]).collect();
    let predictions = Predictions {
        probabilities: &probabilities,
        labels: &labels,
        classes: 2,
    };
    let decision = Decision::Threshold {
        class: 1,
        threshold: 0.4,
    };
    let metrics = measure(
        &predictions,
        &classes,
        decision,
        1,
        &Bootstrap::of_images(40, 0, 0),
    );
    let names: Vec<String> = (0..40).map(|i| format!("image, {i}\n.png")).collect();
    let report = Report {
        classes: &classes,
        positive: 1,
        decision,
        rule: None,
        predictions,
        groups: &[],
        pixels: None,
    };
    report.write(&metrics, &names, folder).unwrap();
    metrics
}

/// Returns the F1 of a class, or of the positive one.
fn f1_of(evaluation: &Evaluation, class: Option<&str>) -> f64 {
    let scored = scored(evaluation, class).unwrap();
    scored.value(Measure::F1, &[1; 40]).unwrap()
}

fn contrast(
    a: &[Evaluation],
    b: &[Evaluation],
    measure: Measure,
    resamples: usize,
    seed: u64,
) -> Result<Contrast, Incomparable> {
    let side = |evaluations| Repeats::new(evaluations, measure.into(), resamples, seed);
    side(a).minus(&side(b))
}

/// Returns both files of an evaluation.
fn files(salt: u64) -> [String; 2] {
    let folder = tempfile::tempdir().unwrap();
    write_evaluation(salt, folder.path());
    [PREDICTIONS_FILE, CONFUSION_FILE]
        .map(|name| std::fs::read_to_string(folder.path().join(name)).unwrap())
}

fn evaluation(salt: u64) -> Evaluation {
    let [predictions, confusion] = files(salt);
    read_evaluation(predictions.as_bytes(), confusion.as_bytes()).unwrap()
}

#[test]
fn intervals_of_differences_end_at_the_largest_possible_difference() {
    let interval = |ends, range| {
        let difference = Difference {
            value: -0.25,
            interval: ends,
            p: 0.5,
        };
        within(difference, range).interval
    };
    assert_eq!(interval([-2.4, 1.8], contract::SHARE), [-1.0, 1.0]);
    assert_eq!(interval([-0.5, 0.1], contract::SHARE), [-0.5, 0.1]);
    assert_eq!(interval([-2.4, 1.8], contract::NOT_NEGATIVE), [-2.4, 1.8]);
    assert_eq!(interval([-2.4, 1.8], contract::ANY), [-2.4, 1.8]);
    // One seed with every image right and one with every image wrong, against two seeds with every image wrong.
    let right = Evaluation {
        predicted: evaluation(0).labels,
        ..evaluation(0)
    };
    let wrong = Evaluation {
        predicted: right.labels.iter().map(|label| 1 - label).collect(),
        ..evaluation(0)
    };
    let seeds = [right, wrong.clone()];
    let found = contrast(&seeds, &[wrong.clone(), wrong], Measure::Accuracy, 200, 0);
    let found = found.unwrap().difference;
    assert_eq!((found.value, found.interval), (0.5, [-1.0, 1.0]));
}

#[test]
fn an_evaluation_that_is_read_back_has_the_same_measures() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = write_evaluation(3, folder.path());
    let read = |name: &str| std::fs::read(folder.path().join(name)).unwrap();
    let found = read_evaluation(&read(PREDICTIONS_FILE), &read(CONFUSION_FILE)).unwrap();
    assert_eq!(found.names[7], "image, 7\n.png");
    assert_eq!(found.classes, CLASSES);
    let scored = scored(&found, None).unwrap();
    for measure in Measure::ALL {
        let metric = &metrics[measure.name()];
        let value = scored.value(measure, &[1; 40]);
        assert_eq!(value, Some(metric.value), "{measure:?}");
        assert_eq!(measure.info().direction, metric.direction);
    }
}

#[test]
fn files_that_are_not_from_an_evaluation_are_rejected() {
    let [predictions, confusion] = files(0);
    let error = |predictions: &str, confusion: &str| {
        let read = read_evaluation(predictions.as_bytes(), confusion.as_bytes());
        read.unwrap_err().to_string()
    };
    let other = |positive: &str, class: &str| {
        let decision = json!({ "class": class, "threshold": 0.5 });
        let classes = ["NORMAL", "a \"rare\", one"];
        json!({ "classes": classes, "positive": positive, "decision": decision }).to_string()
    };
    for confusion in [other("COVID", "NORMAL"), other("NORMAL", "COVID")] {
        assert_eq!(
            error(&predictions, &confusion),
            "`confusion.json` has the class `COVID`, which is not one of its classes"
        );
    }
    assert!(
        error(&predictions, "{}")
            .contains("`confusion.json` does not list the classes: missing field")
    );
    let other =
        json!({ "classes": ["A", "B"], "positive": "A", "decision": "most probable class" })
            .to_string();
    assert_eq!(
        error(&predictions, &other),
        "`predictions.csv` has the columns name,label,predicted,p_NORMAL,p_a \"rare\", one, not \
         name,label,predicted,p_A,p_B"
    );
    let broken = |from: &str, to: &str| {
        let text = predictions.replacen(from, to, 1);
        assert_ne!(text, predictions);
        error(&text, &confusion)
    };
    assert_eq!(
        broken("NORMAL,NORMAL", "NORMAL,COVID"),
        "`predictions.csv`, image 7: `COVID` is not a class"
    );
    assert_eq!(
        broken(",0.7,0.3\n", ",NaN,0.3\n"),
        "`predictions.csv`, image 1: `NaN` is not a probability"
    );
    assert!(broken(",0.7,0.3\n", ",0.7\n").contains("`predictions.csv` is not a table"));
}

#[test]
fn evaluations_of_different_images_are_not_compared() {
    let one = || vec![evaluation(1)];
    let changed = |change: &dyn Fn(&mut Evaluation)| {
        let mut other = evaluation(2);
        change(&mut other);
        contrast(&one(), &[other], Measure::F1, 10, 0).map_err(|error| error.to_string())
    };
    assert!(changed(&|_| ()).is_ok());
    let images = Err("the test images differ".to_owned());
    assert_eq!(changed(&|e| e.pixels = Some("other".to_owned())), images);
    assert_eq!(changed(&|e| e.names.swap(0, 1)), images);
    assert_eq!(changed(&|e| e.names[3].push('x')), images);
    assert_eq!(
        changed(&|e| e.labels.swap(0, 7)),
        Err("the labels differ".to_owned())
    );
    assert_eq!(
        changed(&|e| e.groups = e.names.clone()),
        Err("the groups of the test images differ".to_owned())
    );
    assert_eq!(
        changed(&|e| e.positive = 0),
        Err("the positive classes differ".to_owned())
    );
    assert_eq!(
        changed(&|e| e.classes[0].push('x')),
        Err("the classes differ".to_owned())
    );
    let two = [evaluation(1), evaluation(2)];
    let found = contrast(&one(), &two, Measure::F1, 10, 0);
    assert_eq!(found, Err(Incomparable::Seeds));
}

/// Seeds still vary, so several seeds have an interval over them.
#[test]
fn images_of_one_group_have_no_interval() {
    let mut one = evaluation(1);
    one.groups = vec!["person1".to_owned(); 40];
    let metric = |value| Metric::new(value, Some(Direction::Maximize));
    let results = [metric(0.5), metric(0.75)];
    let summary = summarize("f1", &results, &[one.clone(), one.clone()]).unwrap();
    assert_eq!(summary.interval.unwrap().over, Over::Seeds);
    let found = contrast(&[one.clone()], &[one], Measure::F1, 10, 0);
    assert_eq!(found, Err(Incomparable::OneUnit));
}

#[test]
fn one_class_of_images_has_no_auc_to_compare() {
    let mut one = evaluation(1);
    one.labels.fill(1);
    let found = contrast(&[one.clone()], &[one], Measure::RocAuc, 10, 0);
    assert_eq!(found, Err(Incomparable::Undefined));
}

#[test]
fn mcnemars_test_is_run_if_accuracy_is_compared_under_one_seed() {
    let (a, b) = ([1].map(evaluation), [4].map(evaluation));
    let found = contrast(&a, &b, Measure::Accuracy, 500, 0).unwrap();
    assert_eq!(
        (found.images, found.seeds, found.over),
        (40, 1, Over::Images)
    );
    let right = |side: &Evaluation| scored(side, None).unwrap().right();
    assert_eq!(found.mcnemar, Some(mcnemar(&right(&a[0]), &right(&b[0]))));
    assert_eq!(contrast(&a, &b, Measure::F1, 500, 0).unwrap().mcnemar, None);

    let side = |salts: [u64; 3]| salts.map(evaluation);
    let found = contrast(
        &side([1, 2, 3]),
        &side([4, 5, 6]),
        Measure::Accuracy,
        500,
        0,
    )
    .unwrap();
    assert_eq!((found.seeds, found.mcnemar), (3, None));
    let grouped = |salt| {
        let mut evaluation = evaluation(salt);
        evaluation.groups = (0..40).map(|i| format!("person{}", i / 2)).collect();
        [evaluation]
    };
    let found = contrast(&grouped(1), &grouped(4), Measure::Accuracy, 500, 0).unwrap();
    assert_eq!((found.over, found.mcnemar), (Over::Groups, None));
}

/// If each seed has images of its own, one seed's draws are independent of another's.
#[test]
fn seeds_with_different_images_are_drawn_independently() {
    let renamed = |salt, name: &str| {
        let mut evaluation = evaluation(salt);
        evaluation.names.iter_mut().for_each(|n| n.push_str(name));
        evaluation
    };
    let of = |names: [&str; 2]| {
        // Both seeds have the same results, so the interval depends only on the images.
        let side = |salt| [renamed(salt, names[0]), renamed(salt, names[1])];
        contrast(&side(1), &side(3), Measure::Brier, 400, 0).unwrap()
    };
    assert!(of(["", ""]).shares_images && !of(["", "x"]).shares_images);
    let (same, other) = (of(["", ""]).difference, of(["", "x"]).difference);
    assert_eq!(same.value, other.value);
    let width = |[low, high]: [f64; 2]| high - low;
    assert!(
        width(other.interval) < width(same.interval),
        "{other:?} {same:?}"
    );
    assert_eq!(other, of(["", "y"]).difference);
}

/// The interval of several seeds accounts for the images, too; Student's t over the seeds alone would not.
#[test]
fn a_summary_accounts_for_seeds_and_images() {
    let f1 = |evaluation: &Evaluation| Metric {
        interval: Some([0.5, 0.9]),
        ..Measure::F1.info().measured(f1_of(evaluation, None))
    };
    let evaluations: Vec<Evaluation> = (1..4).map(evaluation).collect();
    let results: Vec<Metric> = evaluations.iter().map(f1).collect();
    let found = summarize("f1", &results, &evaluations).unwrap();
    let of_seeds = summarize("f1", &results, &[]).unwrap();
    assert_eq!(
        (found.n, found.mean, found.sd),
        (of_seeds.n, of_seeds.mean, of_seeds.sd)
    );
    let (found, of_seeds) = (found.interval.unwrap(), of_seeds.interval.unwrap());
    assert_eq!(
        (found.over, of_seeds.over),
        (Over::SeedsAndImages, Over::Seeds)
    );
    let [low, high] = of_seeds.ends;
    assert!(
        found.ends[0] < low && high < found.ends[1],
        "{found:?} {of_seeds:?}"
    );
    assert!(found.ends[1] <= 1.0);

    let one = |evaluations: &[Evaluation]| summarize("f1", &results[..1], evaluations).unwrap();
    let interval = |over| {
        Some(Interval {
            ends: [0.5, 0.9],
            over,
        })
    };
    assert_eq!(one(&evaluations[..1]).interval, interval(Over::Images));
    assert_eq!(one(&[]).interval, interval(Over::Reported));
    let mut grouped = evaluations[0].clone();
    grouped.groups = vec!["person1".to_owned(); 40];
    assert_eq!(one(&[grouped]).interval, interval(Over::Groups));
}

#[test]
fn a_summary_says_how_the_class_was_decided() {
    let mut evaluations: Vec<Evaluation> = (1..4).map(evaluation).collect();
    let metric = Metric::new(0.5, Some(Direction::Maximize));
    let results = vec![metric; 3];
    let decision = |metric: &str, evaluations: &[Evaluation]| {
        summarize(metric, &results, evaluations).unwrap().decision
    };
    let found = decision("f1", &evaluations).unwrap();
    assert_eq!(
        (found.class.as_str(), found.thresholds),
        (CLASSES[1], [0.4; 2])
    );
    assert_eq!(decision("roc_auc", &evaluations), None);
    let positive = |metric: &str| summarize(metric, &results, &evaluations).unwrap().positive;
    assert_eq!(positive("roc_auc").as_deref(), Some(CLASSES[1]));
    assert_eq!(positive("accuracy"), None);
    evaluations[1].threshold = Some((1, 0.7));
    let found = decision("accuracy", &evaluations).unwrap();
    assert_eq!(found.thresholds, [0.4, 0.7]);
    evaluations[2].threshold = None;
    assert_eq!(decision("accuracy", &evaluations), None);
}

#[test]
fn a_measure_of_one_class_is_that_class_against_all_others() {
    let evaluations: Vec<Evaluation> = (1..4).map(evaluation).collect();
    let values: Vec<f64> = evaluations
        .iter()
        .map(|one| f1_of(one, Some("NORMAL")))
        .collect();
    let results: Vec<Metric> = values
        .iter()
        .map(|&value| Metric::new(value, Some(Direction::Maximize)))
        .collect();
    let summary = summarize("f1[NORMAL]", &results, &evaluations).unwrap();
    assert_eq!(summary.positive, None);
    let [low, high] = summary.interval.unwrap().ends;
    assert!(low < summary.mean && summary.mean < high);
    assert!((summary.mean - values.iter().sum::<f64>() / 3.0).abs() < 1e-15);
    assert_ne!(values[0], f1_of(&evaluations[0], None));

    let of = |metric: &str| summarize(metric, &results, &evaluations).unwrap();
    assert_eq!(of("f1").positive.as_deref(), Some(CLASSES[1]));
    // A class that does not exist leaves only the spread over the seeds.
    assert_eq!(of("f1[OTHER]").interval.unwrap().over, Over::Seeds);
}
