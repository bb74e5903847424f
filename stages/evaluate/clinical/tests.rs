use contract::analysis::{AreaMethod, Clinical, Over, Subgroup};

use super::super::report::Report;
use super::{Asked, Assigned, clinical, draw, warnings, write};
use crate::metrics::{Bootstrap, Decision, Predictions, Units};

/// 60 images, 28 of them positive.
fn labels() -> Vec<u32> {
    (0..60)
        .map(|i| u32::from((i * i + i / 3) % 5 < 2))
        .collect()
}

fn scores() -> Vec<f32> {
    let labels = labels();
    (0..60)
        .map(|i| ((i * 11 + 5) % 37 + if labels[i] == 1 { 14 } else { 0 }) as f32 / 64.0)
        .collect()
}

struct Case {
    labels: Vec<u32>,
    groups: Vec<String>,
    prevalence: Option<f64>,
    divisions: Vec<Assigned>,
    resamples: usize,
    positive: usize,
    rule: Option<&'static str>,
}

impl Case {
    fn new() -> Self {
        Self {
            labels: labels(),
            groups: Vec::new(),
            prevalence: None,
            divisions: Vec::new(),
            resamples: 200,
            positive: 1,
            rule: None,
        }
    }

    /// Computes the tables with the threshold 0.4, for the first images.
    fn tables(&self) -> Clinical {
        let images = self.labels.len();
        let probabilities: Vec<f32> = scores()[..images]
            .iter()
            .flat_map(|&score| [1.0 - score, score])
            .collect();
        let classes = ["NORMAL", "PNEUMONIA"].map(str::to_owned);
        let report = Report {
            classes: &classes,
            positive: self.positive,
            decision: Decision::Threshold {
                class: 1,
                threshold: 0.4,
            },
            predictions: Predictions {
                probabilities: &probabilities,
                labels: &self.labels,
                classes: 2,
            },
            groups: &self.groups,
            pixels: None,
            rule: self.rule.map(str::to_owned),
        };
        let bootstrap = Bootstrap {
            units: match self.groups.as_slice() {
                [] => Units::images(images),
                groups => Units::groups(groups),
            },
            resamples: self.resamples,
            seed: 3,
        };
        let asked = Asked {
            prevalence: self.prevalence,
            origin: "the `threshold` in the pipeline",
            divisions: &self.divisions,
            bootstrap: &bootstrap,
        };
        clinical(&report, &asked)
    }
}

fn divided(by: &str, value: impl Fn(usize) -> Option<&'static str>) -> Assigned {
    Assigned {
        by: by.to_owned(),
        values: (0..60).map(|i| value(i).map(str::to_owned)).collect(),
    }
}

fn close(ours: f64, expected: f64) {
    let error = (ours - expected).abs();
    assert!(error <= 1e-12, "{ours} instead of {expected}");
}

/// A measure, its value, the counts, and Wilson's interval.
type Expected = (&'static str, f64, Option<[u64; 2]>, Option<[f64; 2]>);

/// scikit-learn 1.9.1 (`recall_score`, `precision_score`, `accuracy_score`, `balanced_accuracy_score`,
/// `class_likelihood_ratios`), and for the intervals statsmodels 0.15.0 (`proportion_confint(hits, all,
/// method="wilson")`). The values at another prevalence are Bayes' theorem in numpy 2.4.6.
#[test]
fn the_operating_point_agrees_with_scikit_learn() {
    let case = Case {
        prevalence: Some(0.05),
        ..Case::new()
    };
    let tables = case.tables();
    let expected: [Expected; 10] = [
        (
            "sensitivity",
            0.6785714285714286,
            Some([19, 28]),
            Some([0.4933884318085761, 0.8206675307750504]),
        ),
        (
            "specificity",
            0.65625,
            Some([21, 32]),
            Some([0.4831108797896222, 0.7958956207556682]),
        ),
        (
            "PPV",
            0.6333333333333333,
            Some([19, 30]),
            Some([0.45513563654794864, 0.7812607919389929]),
        ),
        (
            "NPV",
            0.7,
            Some([21, 30]),
            Some([0.5212421254128503, 0.833352517317562]),
        ),
        (
            "PPV at a prevalence of 0.05",
            0.09411764705882356,
            None,
            None,
        ),
        (
            "NPV at a prevalence of 0.05",
            0.9748691099476439,
            None,
            None,
        ),
        ("LR+", 1.974025974025974, None, None),
        ("LR−", 0.4897959183673469, None, None),
        (
            "accuracy",
            0.6666666666666666,
            Some([40, 60]),
            Some([0.5405686645211968, 0.7727073847647731]),
        ),
        ("balanced accuracy", 0.6674107142857143, None, None),
    ];
    assert_eq!(tables.operating_point.len(), expected.len());
    for (row, (measure, value, counts, wilson)) in tables.operating_point.iter().zip(expected) {
        assert_eq!(row.measure, measure);
        close(row.value.unwrap(), value);
        assert_eq!(row.counts, counts);
        assert_eq!(row.wilson.is_some(), wilson.is_some(), "{measure}");
        for (ours, theirs) in row.wilson.iter().flatten().zip(wilson.iter().flatten()) {
            close(*ours, *theirs);
        }
        let [low, high] = row.bootstrap.unwrap();
        assert!(low < value && value < high, "{measure}");
    }
    assert_eq!(
        tables.heading(),
        "PNEUMONIA, from a probability of 0.4, the `threshold` in the pipeline; 28 of 60 images are PNEUMONIA"
    );
    let curve = tables.decision_curve.unwrap();
    assert_eq!((curve.prevalence, curve.is_shifted), (0.05, true));
    // The odds of 0.4, times (0.05 / 0.95) / (28 / 32): numpy 2.4.6.
    close(curve.threshold.unwrap(), 0.03855421686746988);
}

/// The threshold is on the probability of the last class, and the first one is positive.
#[test]
fn a_threshold_on_the_other_class_is_told_and_drawn_for_the_positive_one() {
    let of = |positive, prevalence| Case {
        positive,
        prevalence,
        rule: Some("sensitivity at least 0.95 on 52 validation images"),
        ..Case::new()
    };
    let tables = of(0, None).tables();
    assert_eq!(
        tables.heading(),
        "NORMAL, below a probability of 0.4 of PNEUMONIA, the `threshold` in the pipeline (for PNEUMONIA: sensitivity at \
         least 0.95 on 52 validation images); 32 of 60 images are NORMAL"
    );
    assert_eq!(
        of(1, None).tables().rule,
        "from a probability of 0.4, the `threshold` in the pipeline (sensitivity at least 0.95 on 52 validation images)"
    );
    // Of the 32 normal images, 21 are below the threshold, as are 9 of the others: see the specificity and NPV above.
    let curve = tables.decision_curve.unwrap();
    let (threshold, benefit) = curve.operating_point().unwrap();
    close(threshold, 0.6);
    let expected = 21.0 / 60.0 - 9.0 / 60.0 * 0.6 / 0.4;
    assert!((benefit - expected).abs() < 0.01, "{benefit}");
    // The odds of 0.6, times (0.05 / 0.95) / (32 / 28): numpy 2.4.6.
    let shifted = of(0, Some(0.05)).tables().decision_curve.unwrap();
    close(shifted.threshold.unwrap(), 0.06461538461538463);
}

/// With groups, Wilson's intervals are left out, and the variance of the area is Obuchowski's (numpy 2.4.6: 0.0045016).
#[test]
fn images_in_groups_are_not_independent() {
    let independent = Case::new().tables();
    let area = independent.roc_auc.clone().unwrap();
    assert_eq!(
        (independent.over, area.method),
        (Over::Images, AreaMethod::Delong)
    );
    let grouped = Case {
        groups: (0..60).map(|i| (i / 3).to_string()).collect(),
        ..Case::new()
    };
    let tables = grouped.tables();
    assert!(
        tables
            .operating_point
            .iter()
            .all(|row| row.wilson.is_none())
    );
    assert_eq!(tables.operating_rows()[0].len(), 4);
    let area = tables.roc_auc.clone().unwrap();
    assert_eq!(
        (tables.over, area.method),
        (Over::Groups, AreaMethod::Obuchowski)
    );
    let half = 1.959963984540054 * 0.004501605108610601f64.sqrt();
    let [low, high] = area.interval.unwrap();
    close(low, 0.8197544642857143 - half);
    close(high, 0.8197544642857143 + half);
    assert!(
        tables
            .area_line()
            .unwrap()
            .contains("by Obuchowski's method [0.688, 0.951]")
    );
}

/// Areas and their variances by pairwise comparisons in numpy 2.4.6 and scikit-learn 1.9.1; p-values by statsmodels
/// 0.15.0 (`combine_effects(…).test_homogeneity()`) and scipy 1.17.1 (`fisher_exact`).
#[test]
fn subgroups_agree_with_independent_computations() {
    let view = |i: usize| Some(if i % 4 < 2 { "AP" } else { "PA" });
    let case = Case {
        divisions: vec![divided("view", view)],
        ..Case::new()
    };
    let tables = case.tables();
    let [division] = tables.subgroups.as_slice() else {
        panic!("{tables:?}");
    };
    let [ap, pa] = division.parts.as_slice() else {
        panic!("{division:?}");
    };
    assert_eq!((ap.value.as_str(), ap.images, ap.positives), ("AP", 30, 14));
    assert_eq!((pa.value.as_str(), pa.images, pa.positives), ("PA", 30, 14));
    let check = |part: &Subgroup, measure: usize, value: f64, interval: [f64; 2]| {
        let found = part.measures[measure];
        close(found.value.unwrap(), value);
        for (ours, theirs) in found.interval.unwrap().into_iter().zip(interval) {
            close(ours, theirs);
        }
    };
    check(ap, 0, 0.859375, [0.7281580771617019, 0.9905919228382981]);
    check(
        pa,
        0,
        0.7745535714285714,
        [0.6085151709624403, 0.9405919718947024],
    );
    check(
        ap,
        1,
        10.0 / 14.0,
        [0.45350915670106806, 0.8827862135542308],
    );
    check(pa, 1, 9.0 / 14.0, [0.38764423103907397, 0.8365526824644587]);
    close(ap.measures[2].value.unwrap(), 11.0 / 16.0);
    let p: Vec<f64> = division.tests.iter().map(|test| test.p.unwrap()).collect();
    assert!((p[0] - 0.43212518586031856).abs() < 1e-9, "{p:?}");
    assert!((p[1] - 1.0).abs() < 1e-9 && (p[2] - 1.0).abs() < 1e-9);
    assert_eq!(tables.subgroup_tests(), 3);
    assert_eq!(
        division.notes(3)[0],
        "difference of roc_auc between values of `view`: p = 0.432, p (Holm) = 1.000, corrected for 3 tests"
    );
}

#[test]
fn small_subgroups_have_undefined_values_and_warnings() {
    let part = |i: usize| match i {
        // Image 2 is not positive.
        2 => Some("one"),
        0..40 => Some("many"),
        _ => None,
    };
    let case = Case {
        divisions: vec![divided("size", part)],
        ..Case::new()
    };
    let tables = case.tables();
    let division = &tables.subgroups[0];
    let one = &division.parts[1];
    assert_eq!(
        (one.value.as_str(), one.images, one.positives),
        ("one", 1, 0)
    );
    for undefined in [0, 1] {
        assert_eq!(one.measures[undefined].value, None);
        assert_eq!(one.measures[undefined].interval, None);
    }
    // The specificity of one image is known, but its interval is wide.
    let [low, high] = one.measures[2].interval.unwrap();
    assert!(high - low > 0.7);
    let reasons: Vec<&str> = division
        .tests
        .iter()
        .map(|test| match (&test.reason, test.p) {
            (Some(why), None) => why.as_str(),
            (None, Some(_)) => "tested",
            both => panic!("{both:?}"),
        })
        .collect();
    assert_eq!(
        reasons,
        [
            "it is undefined for one of the values",
            "it is undefined for one of the values",
            "tested"
        ]
    );
    assert_eq!(
        warnings(&tables.subgroups, "PNEUMONIA"),
        [
            "subgroups `size`: fewer than 10 images of a class in `one` (0 of PNEUMONIA): their results say little",
            "subgroups `size`: 20 images have no value, and are in no subgroup",
        ]
    );
}

#[test]
fn a_group_in_two_subgroups_is_not_tested() {
    let groups: Vec<String> = (0..60).map(|i| (i / 2).to_string()).collect();
    let of = |divisions| Case {
        groups: groups.clone(),
        divisions,
        ..Case::new()
    };
    let crossed = of(vec![divided("view", |i| Some(["AP", "PA"][i % 2]))]).tables();
    let why = crossed.subgroups[0].tests[0].reason.as_deref();
    assert_eq!(why, Some("a group has images with different values"));
    let apart = of(vec![divided("sex", |i| {
        Some(if i < 30 { "f" } else { "m" })
    })])
    .tables();
    let tests = &apart.subgroups[0].tests;
    assert!(tests[0].p.is_some());
    assert_eq!(
        (tests[1].p, tests[1].reason.as_deref()),
        (None, Some("images in groups are not independent"))
    );
    let written = serde_json::to_value(&tests[1]).unwrap();
    assert_eq!(
        written,
        serde_json::json!({
            "measure": "sensitivity",
            "p": null,
            "reason": "images in groups are not independent",
            "p_holm": null,
        })
    );
}

#[test]
fn every_table_and_the_figure_are_written() {
    let folder = tempfile::tempdir().unwrap();
    let case = Case {
        divisions: vec![divided("a \"part\", or", |i| Some(["=x", "y"][i % 2]))],
        ..Case::new()
    };
    let tables = case.tables();
    write(&tables, folder.path()).unwrap();
    draw(&tables, folder.path()).unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    let back: Clinical = serde_json::from_str(&read("clinical.json")).unwrap();
    assert_eq!(back, tables);
    let operating = read("operating_point.csv");
    assert!(operating.starts_with("measure,value,part,whole,bootstrap_low,"));
    assert!(operating.contains("\nsensitivity,0.6785714285714286,19,28,"));
    let curve = read("decision_curve.csv");
    assert_eq!(curve.lines().count(), 100);
    assert_eq!(
        curve.lines().next().unwrap(),
        "threshold,model,treat_all,treat_none"
    );
    let mut subgroups = csv::Reader::from_path(folder.path().join("subgroups.csv")).unwrap();
    let rows: Vec<csv::StringRecord> = subgroups.records().map(Result::unwrap).collect();
    assert_eq!(&rows[0][0], "a \"part\", or");
    assert_eq!(rows.len(), 2);
    assert_eq!(subgroups.headers().unwrap().len(), 4 + 18 + 6);
    assert!(image::open(folder.path().join("decision_curve.png")).is_ok());
}

#[test]
fn images_of_one_class_have_neither_area_nor_curve() {
    let folder = tempfile::tempdir().unwrap();
    let case = Case {
        labels: vec![1; 20],
        ..Case::new()
    };
    let tables = case.tables();
    assert!(tables.roc_auc.is_none() && tables.decision_curve.is_none());
    write(&tables, folder.path()).unwrap();
    draw(&tables, folder.path()).unwrap();
    assert!(!folder.path().join("decision_curve.csv").exists());
    let specificity = &tables.operating_point[1];
    assert_eq!((specificity.value, specificity.wilson), (None, None));
    let none = Case {
        labels: Vec::new(),
        ..Case::new()
    };
    assert_eq!(none.tables().operating_point[0].value, None);
}

/// 6 of 40 images are wrong: five of B are classified as C, and one of B as A.
fn of_three_classes(resamples: usize) -> Clinical {
    let labels: Vec<u32> = (0..40).map(|i| i % 4 % 3).collect();
    let decided = |i: usize| match (labels[i], i) {
        (1, 1) => 0,
        (1, i) if i % 8 == 5 => 2,
        (label, _) => label,
    };
    let probabilities: Vec<f32> = (0..40)
        .flat_map(|i| [0, 1, 2].map(|class| if class == decided(i) { 0.8 } else { 0.1 }))
        .collect();
    let classes = ["A", "B", "C"].map(str::to_owned);
    let report = Report {
        classes: &classes,
        positive: 0,
        decision: Decision::MostProbable,
        predictions: Predictions {
            probabilities: &probabilities,
            labels: &labels,
            classes: 3,
        },
        groups: &[],
        pixels: None,
        rule: None,
    };
    let bootstrap = Bootstrap {
        units: Units::images(40),
        resamples,
        seed: 3,
    };
    let part = |i: usize| Some(["few", "some", "many"][if i < 3 { 0 } else { 1 + i % 2 }]);
    let divisions = (0..40).map(|i| part(i).map(str::to_owned)).collect();
    let divisions = [Assigned {
        by: "size".to_owned(),
        values: divisions,
    }];
    clinical(
        &report,
        &Asked {
            prevalence: None,
            origin: "the default",
            divisions: &divisions,
            bootstrap: &bootstrap,
        },
    )
}

#[test]
fn measures_of_one_class_against_two_others_are_named_and_explained() {
    let tables = of_three_classes(200);
    let find = |measure: &str| {
        let mut rows = tables.operating_point.iter();
        rows.find(|row| row.measure == measure).cloned()
    };
    // Only the image of B that is classified as A is wrong, not those that are classified as C.
    let accuracy = find("accuracy (one against rest)").unwrap();
    assert_eq!(accuracy.counts, Some([39, 40]));
    assert!(find("balanced accuracy (one against rest)").is_some());
    assert_eq!(find("accuracy"), None);
    // The image is not drawn in 36 % of the resamples, so that LR+ is infinite.
    let ratio = find("LR+").unwrap();
    close(ratio.value.unwrap(), 20.0);
    assert_eq!((ratio.bootstrap, ratio.resamples_agree), (None, false));
    let notes = tables.notes();
    for note in [
        "one against rest: an image is right if it is classified as A and is A, or is neither; so is `accuracy` of \
         subgroups",
        "no bootstrap interval of sensitivity, NPV, LR−: all resamples give the same value",
        "no bootstrap interval of LR+: too many resamples give an infinite value or none",
    ] {
        assert!(notes.iter().any(|known| known == note), "{notes:?}");
    }
    // Without resamples, no measure has an interval.
    let notes = of_three_classes(0).notes();
    assert!(!notes.iter().any(|note| note.contains("no bootstrap")));
    let two = Case::new().tables();
    assert!(!two.notes().iter().any(|note| note.contains("against rest")));
}

#[test]
fn subgroups_of_few_images_are_not_compared_by_the_chi_square_test() {
    let tables = of_three_classes(0);
    let notes = tables.subgroups[0].notes(tables.subgroup_tests());
    let expected = "difference of specificity between values of `size`: not tested, because a value has too few images for \
                    the chi-square test: with the share of all images, at least 5 of them must be right and at least 5 \
                    wrong";
    assert!(notes.iter().any(|note| note == expected), "{notes:?}");
}
