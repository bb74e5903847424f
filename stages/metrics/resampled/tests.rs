use proptest::prelude::*;

use super::{Difference, Resampled, Tested, percentiles};
use crate::metrics::{Measure, Predictions, Scored, Units};

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

/// Two classifiers under each seed, all on the same images.
struct Sides(Vec<[Scored; 2]>);

impl Sides {
    /// Computes a measure of one of the classifiers. `images` is the set of images of each seed.
    fn side(&self, side: usize, images: &[usize], how: How) -> Option<Resampled> {
        let units = Units::images(self.0.first()?[side].examples());
        let tested: Vec<Tested<'_>> = self
            .0
            .iter()
            .zip(images)
            .map(|(sides, &images)| Tested {
                scored: &sides[side],
                units: &units,
                images,
            })
            .collect();
        Resampled::new(&tested, how.0, how.1, how.2)
    }

    fn difference_on(&self, images: &[usize], how: How) -> Option<Difference> {
        let [a, b] = [0, 1].map(|side| self.side(side, images, how));
        a?.minus(&b?).estimate()
    }

    fn difference(&self, how: How) -> Option<Difference> {
        self.difference_on(&vec![0; self.0.len()], how)
    }
}

/// A measure, a number of resamples and a seed.
type How = (Measure, usize, u64);

/// Returns `true` if two bootstraps with as many resamples as here agree: ends within 0.0025, p-values within about
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
    let sides = Sides(vec![sides(0)]);
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
        let found = sides.difference((measure, 40_000, 1)).unwrap();
        assert!(is_near(found, value, interval, p), "{measure:?}: {found:?}");
    }
}

/// NumPy 2.4.6 and SciPy 1.17.1, 50,000 resamples, with the functions above:
///
/// ```python
/// m = lambda w: [f(p(0, s)[w], label[w]) - f(p(1, s)[w], label[w]) for s in range(4)]
/// v, d = np.array(m(i)), np.array([m(rng.integers(0, 240, 240)) for _ in range(50_000)])
/// c = np.cov(d, rowvar=False)
/// c = (c.sum() - np.trace(c)) / 12
/// h = lambda a: np.sqrt(t.isf(a / 2, 3) ** 2 * v.var(ddof=1) / 4 + norm.isf(a / 2) ** 2 * c)
/// v.mean(), v.mean() - h(0.05), v.mean() + h(0.05), brentq(lambda a: h(a) - abs(v.mean()), 1e-15, 1)
/// ```
#[test]
fn several_seeds_agree_with_numpy() {
    let sides = Sides((0..4).map(sides).collect());
    let cases = [
        (
            Measure::Accuracy,
            0.04687499999999997,
            [-0.05702589592214369, 0.15077589592214363],
            0.2465814539230479,
        ),
        (
            Measure::Brier,
            -0.015512395733333326,
            [-0.050731733419581926, 0.01970694195291527],
            0.25554739009181043,
        ),
        (
            Measure::F1,
            0.04078974619290601,
            [-0.04924441497455394, 0.13082390736036598],
            0.24502818778817528,
        ),
    ];
    for (measure, value, interval, p) in cases {
        let found = sides.difference((measure, 40_000, 1)).unwrap();
        assert!(is_near(found, value, interval, p), "{measure:?}: {found:?}");
    }
}

/// As above, with `m = lambda w: [f(p(1, s)[w], label[w]) for s in range(4)]`.
#[test]
fn one_side_under_several_seeds_agrees_with_numpy() {
    let sides = Sides((0..4).map(sides).collect());
    let cases = [
        (
            Measure::Accuracy,
            0.7885416666666667,
            [0.688082394788259, 0.8890009385450743],
            0.0001406642663488593,
        ),
        (
            Measure::Brier,
            0.13587332573333333,
            [0.10410299389075267, 0.16764365757591398],
            0.0008579736469881882,
        ),
        (
            Measure::F1,
            0.8225192513411989,
            [0.7350639822826426, 0.9099745203997551],
            8.191525160377613e-05,
        ),
    ];
    for (measure, value, interval, p) in cases {
        let found = sides.side(1, &[0; 4], (measure, 40_000, 1)).unwrap();
        let found = found.estimate().unwrap();
        assert!(is_near(found, value, interval, p), "{measure:?}: {found:?}");
        assert!((found.p / p - 1.0).abs() < 0.05, "{measure:?}: {found:?}");
    }
}

#[test]
fn seeds_that_disagree_widen_the_interval() {
    let width = |seeds: [u64; 2]| {
        let found = Sides(seeds.map(sides).into()).difference((Measure::Brier, 4000, 3));
        let [low, high] = found.unwrap().interval;
        high - low
    };
    // Seed 1 favours the first side by 0.045, seed 2 the other by 0.005.
    assert!(width([1, 2]) > 3.0 * width([1, 1]));
}

/// If all seeds use the same images, their draws are the same, and only the images' influence is left. If each seed
/// has images of its own, nothing is shared, and the influence on the mean of four is half of that on one, even if the
/// four happen to give equal values.
#[test]
fn seeds_share_the_influence_of_shared_images_only() {
    let four = Sides((0..4).map(|_| sides(0)).collect());
    let how = (Measure::Brier, 4000, 3);
    let width = |[low, high]: [f64; 2]| high - low;
    let shared = width(four.difference_on(&[0; 4], how).unwrap().interval);
    let one = width(Sides(vec![sides(0)]).difference(how).unwrap().interval);
    assert!((shared / one - 1.0).abs() < 0.05, "{shared}, {one}");
    let own = width(four.difference_on(&[0, 1, 2, 3], how).unwrap().interval);
    assert!((own / one - 0.5).abs() < 0.05, "{own}, {one}");
}

#[test]
fn depends_on_the_seed_and_not_on_threads() {
    // Equal seeds share all of the images' influence, so the interval depends on the resamples.
    let sides = Sides((0..3).map(|_| sides(0)).collect());
    let on = |threads, seed| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = pool.build().unwrap();
        let side = || sides.side(1, &[0; 3], (Measure::RocAuc, 300, seed));
        pool.install(|| side().unwrap().estimate())
    };
    assert_eq!(on(1, 1), on(3, 1));
    assert_ne!(on(1, 1), on(1, 2));
}

/// Two images of each patient that are alike say no more than one: the interval is wider by √2.
#[test]
fn groups_of_equal_images_widen_the_interval() {
    let labels: Vec<u32> = (0..400).map(|i| u32::from(i / 2 % 8 < 5)).collect();
    let noise = |i: usize| (i / 2 * 7919 % 1000) as f64 / 1000.0;
    let positive = labels.iter().enumerate();
    let positive: Vec<f64> = positive
        .map(|(i, &label)| 0.4 * f64::from(label) + 0.6 * noise(i))
        .collect();
    let scored = scored(&positive, &labels);
    let patients: Vec<String> = (0..400).map(|i| format!("person{}", i / 2)).collect();
    let width = |units: Units| {
        let tested = Tested {
            scored: &scored,
            units: &units,
            images: 0,
        };
        let found = Resampled::new(&[tested], Measure::RocAuc, 4000, 0).unwrap();
        let [low, high] = found.estimate().unwrap().interval;
        high - low
    };
    let ratio = width(Units::groups(&patients)) / width(Units::images(400));
    assert!((ratio / 2f64.sqrt() - 1.0).abs() < 0.06, "{ratio}");
}

#[test]
fn interval_and_p_of_given_resamples() {
    // numpy.percentile([-1, 0, 1, 2, 3], [2.5, 97.5]) is [-0.9, 2.9].
    let found = percentiles(1.0, vec![3.0, -1.0, 2.0, 0.0, 1.0]).unwrap();
    assert_eq!(found.interval, [-0.9, 2.9]);
    // −1 and 0 are not above 0: p is 2 · (2 + 1) / (5 + 1).
    assert_eq!(found.p, 1.0);
    let all_above = percentiles(1.0, vec![0.5; 199]).unwrap();
    assert_eq!(all_above.p, 0.01);
    assert_eq!(percentiles(1.0, Vec::new()), None);
}

#[test]
fn an_undefined_measure_has_no_difference() {
    let twice = |positive: &[f64], labels: &[u32]| {
        Sides(vec![[scored(positive, labels), scored(positive, labels)]])
    };
    let one_class = twice(&[0.25, 0.75], &[1, 1]);
    assert_eq!(one_class.difference((Measure::RocAuc, 10, 0)), None);
    assert_eq!(one_class.difference((Measure::Accuracy, 0, 0)), None);
    assert_eq!(Sides(vec![]).difference((Measure::Accuracy, 10, 0)), None);
    let none = twice(&[], &[]);
    assert_eq!(none.difference((Measure::Accuracy, 10, 0)), None);

    // With three examples, a third of the resamples lack a class.
    let three = twice(&[0.25, 0.5, 0.75], &[0, 1, 1]);
    let found = three.difference((Measure::RocAuc, 100, 0)).unwrap();
    assert_eq!((found.value, found.interval, found.p), (0.0, [0.0; 2], 1.0));
    // With six examples of one class and one of the other, 34 % lack a class, and with several seeds that have images
    // of their own, most lack it under one of them.
    let rare = [
        scored(&[0.5; 7], &[0, 1, 1, 1, 1, 1, 1]),
        scored(&[0.5; 7], &[0, 1, 1, 1, 1, 1, 1]),
    ];
    let seeds = Sides(vec![rare]);
    assert!(seeds.difference((Measure::RocAuc, 400, 0)).is_some());
    let rare = || [(); 2].map(|()| scored(&[0.5; 7], &[0, 1, 1, 1, 1, 1, 1]));
    let seeds = Sides(vec![rare(), rare(), rare()]);
    assert_eq!(
        seeds.difference_on(&[0, 1, 2], (Measure::RocAuc, 400, 0)),
        None
    );
}

fn examples() -> impl Strategy<Value = Vec<(f64, f64, u32)>> {
    let example = (0.0..=1.0f64, 0.0..=1.0f64, 0..2u32);
    prop::collection::vec(example, 2..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn swapped_sides_change_only_signs(
        examples in examples(),
        which in 0..Measure::ALL.len(),
        is_repeated: bool,
    ) {
        let labels: Vec<u32> = examples.iter().map(|example| example.2).collect();
        let a = || scored(&examples.iter().map(|e| e.0).collect::<Vec<_>>(), &labels);
        let b = || scored(&examples.iter().map(|e| e.1).collect::<Vec<_>>(), &labels);
        let how = (Measure::ALL[which], 200, 5);
        let (mut one, mut other) = (vec![[a(), b()]], vec![[b(), a()]]);
        if is_repeated {
            // Under the second seed, both sides are equal.
            one.push([b(), b()]);
            other.push([b(), b()]);
        }
        let (there, back) = (Sides(one).difference(how), Sides(other).difference(how));
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
        let a = || scored(&examples.iter().map(|e| e.0).collect::<Vec<_>>(), &labels);
        let sides = Sides(vec![[a(), a()], [a(), a()]]);
        if let Some(found) = sides.difference((Measure::ALL[which], 100, 5)) {
            prop_assert_eq!((found.value, found.interval, found.p), (0.0, [0.0; 2], 1.0));
        }
    }

    /// If the interval excludes 0 by any margin, p is small, and vice versa.
    #[test]
    fn interval_and_p_agree(mut draws in prop::collection::vec(-1.0..1.5f64, 400..600)) {
        draws.iter_mut().for_each(|draw| *draw += 0.9);
        let found = percentiles(0.9, draws).unwrap();
        let leaves_out_zero = found.interval[0] > 0.0 || found.interval[1] < 0.0;
        prop_assert!(found.p > 0.04 || leaves_out_zero, "{:?}", found);
        prop_assert!(found.p < 0.06 || !leaves_out_zero, "{:?}", found);
    }
}

/// numpy 2.4.6: `np.percentile(draws, [2.5, 97.5])` is [0.129, 0.3055], and `np.mean(draws)` is 0.224.
#[test]
fn only_the_ends_of_a_single_seed_are_moved_by_the_bias_of_resampling() {
    let draws = [0.12, 0.31, 0.18, 0.27, 0.22, 0.25, 0.16, 0.29, 0.20, 0.24];
    let of_seeds = |seeds: usize| Resampled {
        values: (0..seeds).map(|seed| 0.18 + 0.01 * seed as f64).collect(),
        draws: draws.map(|draw| Some(vec![draw; seeds])).to_vec(),
        shares_images: true,
    };
    let one = of_seeds(1);
    let estimate = one.estimate().unwrap();
    for (measure, expected) in [
        (Measure::Accuracy, [0.129, 0.3055]),
        (Measure::Ece, [0.085, 0.2615]),
    ] {
        let ends = one.ends(&estimate, measure);
        for (ours, theirs) in ends.into_iter().zip(expected) {
            assert!((ours - theirs).abs() < 1e-12, "{measure:?}: {ends:?}");
        }
    }
    // The interval of several seeds is around the mean of their values.
    let two = of_seeds(2);
    let estimate = two.estimate().unwrap();
    let [low, high] = two.ends(&estimate, Measure::Ece);
    assert_eq!([low, high], estimate.interval);
    assert!(((low + high) / 2.0 - 0.185).abs() < 1e-12);
}
