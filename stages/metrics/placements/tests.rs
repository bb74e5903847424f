use proptest::prelude::*;

use super::Placements;
use crate::metrics::{Units, roc_auc};

/// 60 examples of 20 patients.
fn labels() -> Vec<bool> {
    (0..60).map(|i| (i * i + i / 3) % 5 < 2).collect()
}

fn scores(factor: usize, offset: usize, bonus: usize) -> Vec<f32> {
    let scores = labels().into_iter().enumerate().map(|(i, is_positive)| {
        let raw = (i * factor + offset) % 37 + if is_positive { bonus } else { 0 };
        raw.min(63) as f32 / 64.0
    });
    scores.collect()
}

fn placements() -> [Placements; 2] {
    [scores(11, 5, 14), scores(17, 3, 8)].map(|scores| Placements::new(&scores, &labels()).unwrap())
}

fn close(ours: f64, expected: f64) {
    let error = (ours - expected).abs();
    assert!(error <= 1e-12, "{ours} instead of {expected}");
}

/// MLstatkit 0.1.91, `Delong_test(labels, a, b, return_ci=True)`, and the covariance matrix of pairwise comparisons
/// with numpy 2.4.6. The areas are those of scikit-learn 1.9.1.
#[test]
fn agrees_with_mlstatkit() {
    let [a, b] = placements();
    let units = Units::images(60);
    close(a.area(), 0.8197544642857143);
    close(b.area(), 0.5362723214285714);
    close(a.variance(&units).unwrap(), 0.002771954934877737);
    close(b.variance(&units).unwrap(), 0.0059260615596064825);
    let [low, high] = a.interval(&units).unwrap();
    close(low, 0.7165636181066432);
    close(high, 0.9229453104647852);
    let test = a.test(&b, &units).unwrap();
    close(test.z, 3.1877405988867227);
    close(test.p, 0.0014338910939005528);
    close(b.test(&a, &units).unwrap().z, -test.z);
}

/// Obuchowski's formulas (1997), computed with loops over pairs and patients in numpy 2.4.6.
#[test]
fn patients_with_several_images_are_clusters() {
    let patients: Vec<String> = (0..60).map(|i| (i / 3).to_string()).collect();
    let units = Units::groups(&patients);
    let [a, b] = placements();
    close(a.variance(&units).unwrap(), 0.004501605108610601);
    close(b.variance(&units).unwrap(), 0.004279023531315847);
    let test = a.test(&b, &units).unwrap();
    close(test.z, 3.2328428827933746);
    close(test.p, 0.0012256495160056216);
}

/// The variance would be 0, and the interval would have the length 0.
#[test]
fn examples_that_say_nothing_about_others_have_no_variance() {
    let units = Units::images(4);
    let perfect = Placements::new(&[0.1, 0.2, 0.8, 0.9], &[false, false, true, true]).unwrap();
    assert_eq!((perfect.area(), perfect.interval(&units)), (1.0, None));
    assert_eq!(perfect.test(&perfect, &units), None);
    let one = Placements::new(&[0.1, 0.5, 0.4, 0.9], &[false, true, false, false]).unwrap();
    assert_eq!(one.variance(&units), None);
    assert_eq!(Placements::new(&[0.1, 0.5], &[true, true]), None);
    let other = Placements::new(&[0.1, 0.5, 0.4, 0.9], &[false, true, false, true]).unwrap();
    assert_eq!(one.test(&other, &units), None);
}

proptest! {
    #[test]
    fn properties(examples in prop::collection::vec((0u8..12, any::<bool>()), 2..60)) {
        let (scores, positive): (Vec<f32>, Vec<bool>) =
            examples.into_iter().map(|(score, p)| (f32::from(score) / 12.0, p)).unzip();
        let placements = Placements::new(&scores, &positive);
        let auc = roc_auc(&scores, &positive);
        prop_assert_eq!(placements.is_some(), auc.is_some());
        if let (Some(placements), Some(auc)) = (placements, auc) {
            prop_assert!((placements.area() - auc).abs() < 1e-12);
            let units = Units::images(scores.len());
            let alone: Vec<String> = (0..scores.len()).map(|i| i.to_string()).collect();
            prop_assert_eq!(placements.variance(&units), placements.variance(&Units::groups(&alone)));
            if let Some([low, high]) = placements.interval(&units) {
                prop_assert!(0.0 <= low && low <= auc + 1e-12 && auc - 1e-12 <= high && high <= 1.0);
            }
            prop_assert_eq!(placements.test(&placements, &units), None);
        }
    }
}
