use proptest::prelude::*;

use super::{Difference, Pair, paired_difference, summary};
use crate::metrics::{Measure, Predictions, Scored};

fn scored(positive: &[f64], labels: &[u32]) -> Scored {
    let probabilities: Vec<f32> = positive
        .iter()
        .flat_map(|&p| [1.0 - p as f32, p as f32])
        .collect();
    let predictions = Predictions {
        probabilities: &probabilities,
        labels,
        classes: 2,
    };
    let decided = positive.iter().map(|&p| u32::from(p >= 0.5)).collect();
    Scored::new(&predictions, decided, 1)
}

/// Returns two classifiers under one of four seeds, on 240 images. The scripts below use the same classifiers.
fn sides(seed: u64) -> [Scored; 2] {
    let labels: Vec<u32> = (0..240).map(|i| u32::from(i % 8 < 5)).collect();
    let side = |side: u64, share: f64| {
        let noise = |i: u64| (i * 7919 + seed * 104_729 + side * 1_299_709) % 1000;
        let p = |(i, &label): (u64, &u32)| {
            share * f64::from(label) + (1.0 - share) * (noise(i) as f64 / 1000.0)
        };
        let positive: Vec<f64> = (0..).zip(&labels).map(p).collect();
        scored(&positive, &labels)
    };
    [
        side(0, 0.4),
        side(1, [0.34, 0.3, 0.42, 0.38][seed as usize]),
    ]
}

fn of<'a>(seeds: impl IntoIterator<Item = &'a [Scored; 2]>) -> Vec<Pair<'a>> {
    let pair = |[a, b]: &'a [Scored; 2]| Pair { a, b, images: 0 };
    seeds.into_iter().map(pair).collect()
}

/// Whether two bootstraps with as many resamples as here agree: ends within 0.0025, p-values within about
/// four of their standard errors.
fn is_near(found: Difference, value: f64, [low, high]: [f64; 2], p: f64) -> bool {
    (found.value - value).abs() < 1e-7
        && (found.interval[0] - low).abs() < 0.0025
        && (found.interval[1] - high).abs() < 0.0025
        && (found.p - p).abs() < 0.015
}

/// SciPy 1.17.1 and NumPy 2.4.6, 200,000 resamples:
///
/// ```python
/// i = np.arange(240)
/// label = (i % 8 < 5).astype(int)
/// def p(side, seed):
///     u = (i * 7919 + seed * 104729 + side * 1299709) % 1000 / 1000
///     k = 0.4 if side == 0 else [0.34, 0.3, 0.42, 0.38][seed]
///     return k * label + (1 - k) * u
/// def accuracy(p, l): return np.mean((p >= 0.5) == l, axis=-1)
/// def brier(p, l): return np.mean((p - l) ** 2, axis=-1)
/// def f1(p, l): return 2 * np.sum((p >= 0.5) & (l == 1), -1) / (np.sum(p >= 0.5, -1) + np.sum(l == 1, -1))
///
/// r = scipy.stats.bootstrap((p(0, 0), p(1, 0), label), lambda a, b, l, axis=-1: f(a, l) - f(b, l),
///     paired=True, vectorized=True, method="percentile", n_resamples=200_000)
/// r.confidence_interval
/// d = r.bootstrap_distribution
/// 2 * (min((d <= 0).sum(), (d >= 0).sum()) + 1) / (len(d) + 1)
/// ```
#[test]
fn one_seed_agrees_with_scipy() {
    let sides = sides(0);
    let cases = [
        (
            Measure::Accuracy,
            0.054166666666666585,
            [-0.025000000000000022, 0.1333333333333333],
            0.20094899525502372,
        ),
        (
            Measure::Brier,
            -0.018269556599999986,
            [-0.041977685230124996, 0.005551479378749978],
            0.13396933015334922,
        ),
        (
            Measure::F1,
            0.04714912280701755,
            [-0.02385481800876454, 0.11916673213732297],
            0.19288903555482223,
        ),
    ];
    for (measure, value, interval, p) in cases {
        let found = paired_difference(&of([&sides]), measure, 40_000, 1).unwrap();
        assert!(is_near(found, value, interval, p), "{measure:?}: {found:?}");
    }
}

/// NumPy 2.4.6, 50,000 resamples, with the functions above:
///
/// ```python
/// m = lambda w: [f(p(0, s)[w], label[w]) - f(p(1, s)[w], label[w]) for s in range(4)]
/// d = np.array([np.mean(np.take(m(rng.integers(0, 240, 240)), rng.integers(0, 4, 4))) for _ in range(50_000)])
/// np.mean(m(i)), np.percentile(d, [2.5, 97.5])
/// ```
#[test]
fn several_seeds_agree_with_numpy() {
    let seeds: Vec<_> = (0..4).map(sides).collect();
    let cases = [
        (
            Measure::Accuracy,
            0.04687499999999997,
            [-0.02083333, 0.12083333],
            0.18115637687246255,
        ),
        (
            Measure::Brier,
            -0.015512395733333326,
            [-0.03952997, 0.00618627],
            0.16379672406551868,
        ),
        (
            Measure::F1,
            0.04078974619290601,
            [-0.01901285, 0.10580424],
            0.17723645527089457,
        ),
    ];
    for (measure, value, interval, p) in cases {
        let found = paired_difference(&of(&seeds), measure, 40_000, 1).unwrap();
        assert!(is_near(found, value, interval, p), "{measure:?}: {found:?}");
    }
}

#[test]
fn equal_seeds_give_the_result_of_one() {
    let sides = sides(0);
    let difference = |pairs: &[Pair<'_>]| paired_difference(pairs, Measure::F1, 500, 3).unwrap();
    let (once, thrice) = (difference(&of([&sides])), difference(&of([&sides; 3])));
    assert!((once.value - thrice.value).abs() < 1e-12);
    for end in [0, 1] {
        assert!((once.interval[end] - thrice.interval[end]).abs() < 1e-12);
    }
    assert_eq!(once.p, thrice.p);
}

#[test]
fn seeds_that_disagree_widen_the_interval() {
    let width = |seeds: [u64; 2]| {
        let seeds = seeds.map(sides);
        let found = paired_difference(&of(&seeds), Measure::Brier, 4000, 3).unwrap();
        found.interval[1] - found.interval[0]
    };
    // Seed 1 favours the first side by 0.045, seed 2 the other by 0.005.
    assert!(width([1, 2]) > 1.3 * width([1, 1]));
}

/// If every seed has its own images, the variation of the images averages out. With shared images, it does not.
#[test]
fn seeds_with_the_same_images_share_the_draws_of_images() {
    let sides = sides(0);
    let width = |images: [usize; 4]| {
        let [a, b] = &sides;
        let pairs = images.map(|images| Pair { a, b, images });
        let found = paired_difference(&pairs, Measure::Brier, 4000, 3).unwrap();
        found.interval[1] - found.interval[0]
    };
    let ratio = width([0; 4]) / width([0, 1, 2, 3]);
    // √(1 / (1/4 + (1 − 1/4) / 4)) = 1.51. The second term is for seeds that are drawn more than once.
    assert!((1.4..1.65).contains(&ratio), "{ratio}");
}

#[test]
fn depends_on_the_seed_and_not_on_threads() {
    let seeds: Vec<_> = (0..3).map(sides).collect();
    let on = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = pool.build().unwrap();
        pool.install(|| paired_difference(&of(&seeds), Measure::RocAuc, 300, seed))
    };
    assert_eq!(on(1, 1), on(3, 1));
    assert_ne!(on(1, 1), on(1, 2));
}

#[test]
fn interval_and_p_of_given_resamples() {
    // numpy.percentile([-1, 0, 1, 2, 3], [2.5, 97.5]) is [-0.9, 2.9].
    let found = summary(1.0, vec![3.0, -1.0, 2.0, 0.0, 1.0]).unwrap();
    assert_eq!(found.interval, [-0.9, 2.9]);
    // −1 and 0 are not above 0: p is 2 · (2 + 1) / (5 + 1).
    assert_eq!(found.p, 1.0);
    let all_above = summary(1.0, vec![0.5; 199]).unwrap();
    assert_eq!(all_above.p, 0.01);
    assert_eq!(summary(1.0, Vec::new()), None);
}

#[test]
fn an_undefined_measure_has_no_difference() {
    let one_class = scored(&[0.25, 0.75], &[1, 1]);
    let pair = Pair {
        a: &one_class,
        b: &one_class,
        images: 0,
    };
    let difference = |pairs: &[_], measure, n| paired_difference(pairs, measure, n, 0);
    assert_eq!(difference(&[pair], Measure::RocAuc, 10), None);
    assert_eq!(difference(&[pair], Measure::Accuracy, 0), None);
    assert_eq!(difference(&[], Measure::Accuracy, 10), None);
    let none = scored(&[], &[]);
    let pair = Pair {
        a: &none,
        b: &none,
        images: 0,
    };
    assert_eq!(difference(&[pair], Measure::Accuracy, 10), None);

    // With two examples, half of the resamples lack a class.
    let both = scored(&[0.25, 0.75], &[0, 1]);
    let pair = Pair {
        a: &both,
        b: &both,
        images: 0,
    };
    let found = difference(&[pair], Measure::RocAuc, 100).unwrap();
    assert_eq!((found.value, found.interval, found.p), (0.0, [0.0; 2], 1.0));
}

fn examples() -> impl Strategy<Value = Vec<(f64, f64, u32)>> {
    let example = (0.0..=1.0f64, 0.0..=1.0f64, 0..2u32);
    prop::collection::vec(example, 2..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn swapped_sides_change_only_signs(examples in examples(), which in 0..Measure::ALL.len()) {
        let labels: Vec<u32> = examples.iter().map(|example| example.2).collect();
        let a = scored(&examples.iter().map(|e| e.0).collect::<Vec<_>>(), &labels);
        let b = scored(&examples.iter().map(|e| e.1).collect::<Vec<_>>(), &labels);
        let measure = Measure::ALL[which];
        let there = paired_difference(&[Pair { a: &a, b: &b, images: 0 }], measure, 200, 5);
        let back = paired_difference(&[Pair { a: &b, b: &a, images: 0 }], measure, 200, 5);
        prop_assert_eq!(there.is_some(), back.is_some());
        if let (Some(there), Some(back)) = (there, back) {
            prop_assert_eq!(there.value, -back.value);
            prop_assert_eq!(there.p, back.p);
            prop_assert!((there.interval[0] + back.interval[1]).abs() < 1e-12);
            prop_assert!((there.interval[1] + back.interval[0]).abs() < 1e-12);
            prop_assert!(0.0 < there.p && there.p <= 1.0);
            prop_assert!(there.interval[0] <= there.interval[1]);
        }
    }

    #[test]
    fn equal_sides_do_not_differ(examples in examples(), which in 0..Measure::ALL.len()) {
        let labels: Vec<u32> = examples.iter().map(|example| example.2).collect();
        let a = scored(&examples.iter().map(|e| e.0).collect::<Vec<_>>(), &labels);
        let pair = Pair { a: &a, b: &a, images: 0 };
        if let Some(found) = paired_difference(&[pair, pair], Measure::ALL[which], 100, 5) {
            prop_assert_eq!((found.value, found.interval, found.p), (0.0, [0.0; 2], 1.0));
        }
    }

    /// If the interval excludes 0 by any margin, p is small, and vice versa.
    #[test]
    fn interval_and_p_agree(mut draws in prop::collection::vec(-1.0..1.5f64, 400..600)) {
        draws.iter_mut().for_each(|draw| *draw += 0.9);
        let found = summary(0.9, draws).unwrap();
        let leaves_out_zero = found.interval[0] > 0.0 || found.interval[1] < 0.0;
        prop_assert!(found.p > 0.04 || leaves_out_zero, "{:?}", found);
        prop_assert!(found.p < 0.06 || !leaves_out_zero, "{:?}", found);
    }
}
