//! Draws pictures of sweeps, small and large. `RUNNER_TEST_FIGURES=FOLDER` keeps them for inspection.

use contract::analysis::{Coordinate, Curve, LearningCurves, Line, ParallelCoordinates, Scale};
use contract::{Direction, random};
use rand::RngExt;

use super::medium::Medium;
use super::tests::{Folder, assert_unchanged, count, margins_are_white, pixels};
use super::{learning_curves, parallel_coordinates};

pub(super) fn coordinates(count: usize) -> Vec<Coordinate> {
    let choice = |names: &[&str]| Scale::Choice(names.iter().map(|&n| n.to_owned()).collect());
    let all = [
        ("learning_rate", Scale::Log),
        ("dropout", Scale::Linear),
        ("model", choice(&["model1", "model2", "model6"])),
        ("zoom", Scale::Linear),
        ("batch_size", Scale::Linear),
        (
            "optimizer",
            choice(&["adam", "sgd with Nesterov momentum", "{\"rmsprop\":{}}"]),
        ),
        ("l2", Scale::Log),
        ("units", Scale::Linear),
    ];
    let all = all.into_iter().take(count);
    all.map(|(name, scale)| Coordinate {
        name: name.to_owned(),
        scale,
    })
    .collect()
}

/// Creates trials whose objective improves as the learning rate approaches 10⁻³.
pub(super) fn trials(axes: usize, count: usize) -> Vec<Line> {
    let mut rng = random::stream(5, "test", [axes as u64, count as u64]);
    let mut trial = || {
        let magnitude = rng.random_range(-4.0..-2.0f64);
        let model = rng.random_range(0..3u32);
        let values = [
            Some(10f64.powf(magnitude)),
            Some(rng.random_range(0.1..0.5)),
            Some(f64::from(model)),
            Some(f64::from(rng.random_range(0..3u32)) * 0.1),
            Some([16.0, 32.0, 64.0, 128.0][rng.random_range(0..4usize)]),
            Some(f64::from(rng.random_range(0..3u32))),
            (model > 0).then(|| 10f64.powf(rng.random_range(-6.0..-3.0))),
            Some(f64::from(rng.random_range(32..512u32))),
        ];
        Line {
            trial: 0,
            values: values[..axes].to_vec(),
            objective: 0.95 - 0.08 * (magnitude + 3.0).powi(2) - rng.random_range(0.0..0.02),
        }
    };
    (0..count).map(|_| trial()).collect()
}

pub(super) fn best(trials: &[Line]) -> usize {
    let order = |a: &usize, b: &usize| trials[*a].objective.total_cmp(&trials[*b].objective);
    (0..trials.len()).max_by(order).unwrap()
}

#[test]
fn parallel_coordinates_show_the_best_on_top() {
    let folder = Folder::new();
    for (axes, number) in [(1, 5), (2, 3), (3, 24), (5, 60), (8, 40), (8, 500)] {
        let (axes, trials) = (coordinates(axes), trials(axes, number));
        let best = best(&trials);
        let path = folder.file(&format!("parallel-{}-{number}.png", axes.len()));
        let figure = ParallelCoordinates {
            title: "sweep-model6: 40 trials by tpe",
            axes: &axes,
            objective: "evaluate.f1",
            direction: Direction::Maximize,
            trials: &trials,
            best: Some((best, "trial 17")),
        };
        parallel_coordinates::page(&figure, Medium::Png)
            .unwrap()
            .save(&path)
            .unwrap();
        let picture = pixels(&path);
        assert!(margins_are_white(&picture), "{}", path.display());
        if number == 24 {
            assert_unchanged(&path, 0xff34_dbdb_52c3_e7e2);
        }
        // The best trial is dark and thick, and only labels lie over it.
        let dark = picture
            .pixels()
            .filter(|p| p.0[0] < 75 && p.0[1] < 50 && p.0[2] < 135);
        let dark = dark.count();
        assert!(dark > 6000, "{}: {dark}", path.display());
        let once = std::fs::read(&path).unwrap();
        parallel_coordinates::page(&figure, Medium::Png)
            .unwrap()
            .save(&path)
            .unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), once);
    }
}

#[test]
fn parallel_coordinates_cope_with_awkward_trials() {
    let folder = Folder::new();
    let axes = coordinates(3);
    let line = |objective: f64| Line {
        trial: 0,
        values: vec![Some(0.001), Some(0.2), Some(1.0)],
        objective,
    };
    let cases = [
        ("nothing", vec![]),
        ("one", vec![line(0.5)]),
        ("no-number", vec![line(f64::NAN), line(f64::INFINITY)]),
        ("constant", vec![line(0.3), line(0.3)]),
        (
            "far",
            (0..30)
                .map(|i| line(if i == 7 { 1e30 } else { f64::from(i) }))
                .collect(),
        ),
    ];
    for (name, trials) in cases {
        let path = folder.file(&format!("parallel-{name}.png"));
        let figure = ParallelCoordinates {
            title: name,
            axes: &axes,
            objective: "evaluate.log_loss",
            direction: Direction::Minimize,
            trials: &trials,
            best: (!trials.is_empty()).then_some((0, "trial 0")),
        };
        parallel_coordinates::page(&figure, Medium::Png)
            .unwrap()
            .save(&path)
            .unwrap();
        assert!(margins_are_white(&pixels(&path)), "{name}");
    }
}

/// Creates curves of trainings. Every ninth runs for all 18 epochs; the others are stopped after 2 or 6.
pub(super) fn curves(count: usize) -> Vec<Curve> {
    let mut rng = random::stream(6, "test", [count as u64, 0]);
    let mut curve = |at: usize| {
        let epochs = match at % 9 {
            0 => 18,
            1 | 2 => 6,
            _ => 2,
        };
        let (least, speed) = (rng.random_range(0.1..0.5), rng.random_range(0.2..0.9));
        let mut point = |epoch: i32| {
            let loss = least + 0.6 * f64::exp(-speed * f64::from(epoch));
            (f64::from(epoch), loss + rng.random_range(0.0..0.03))
        };
        Curve {
            trial: at,
            points: (1..=epochs).map(&mut point).collect(),
            stopped: epochs < 18,
        }
    };
    (0..count).map(&mut curve).collect()
}

#[test]
fn learning_curves_say_how_many_leave_the_frame() {
    let note = |curves: &[Curve]| {
        learning_curves::note(&LearningCurves {
            title: "",
            metric: "validation_loss",
            curves,
            best: None,
            rungs: &[],
        })
    };
    assert_eq!(note(&[]), None);
    let curve = |trial: u32| Curve {
        trial: trial as usize,
        points: (1..=6)
            .map(f64::from)
            .map(|epoch| (epoch, 0.2 + 0.5 / epoch + 0.01 * f64::from(trial)))
            .collect(),
        stopped: false,
    };
    let mut curves: Vec<Curve> = (0..12).map(curve).collect();
    curves[7].points[0].1 = f64::NAN;
    assert_eq!(note(&curves), None);
    curves[4].points[1].1 = 32.8;
    let one = "1 of 12 curves leaves the frame and is drawn at its edge there.";
    assert_eq!(note(&curves).as_deref(), Some(one));
    // A curve counts once, however many of its points are outside.
    curves[9].points[0].1 = -1e12;
    curves[9].points[1].1 = 3.2;
    let two = "2 of 12 curves leave the frame and are drawn at its edge there.";
    assert_eq!(note(&curves).as_deref(), Some(two));
}

#[test]
fn learning_curves_show_the_stopped_and_the_best_trials() {
    const VERMILION: [u8; 3] = [0xd5, 0x5e, 0x00];
    let folder = Folder::new();
    for number in [3, 27, 500] {
        let mut curves = curves(number);
        if number == 27 {
            // Two trainings that went wrong.
            curves[4].points[1].1 = 1e12;
            curves[13].points[0].1 = f64::NAN;
        }
        let path = folder.file(&format!("curves-{number}.png"));
        let figure = LearningCurves {
            title: "sweep-asha: learning curves",
            metric: "validation_loss",
            curves: &curves,
            best: Some((0, "trial 12")),
            rungs: &[2, 6, 18],
        };
        learning_curves::page(&figure, Medium::Png)
            .unwrap()
            .save(&path)
            .unwrap();
        let picture = pixels(&path);
        assert!(margins_are_white(&picture));
        assert!(count(&picture, VERMILION) > 3000);
        if number == 27 {
            assert_unchanged(&path, 0x4711_d252_7f30_22d0);
        }
    }
    let nothing = LearningCurves {
        title: "nothing",
        metric: "loss",
        curves: &[],
        best: None,
        rungs: &[],
    };
    learning_curves::page(&nothing, Medium::Png)
        .unwrap()
        .save(&folder.file("curves-nothing.png"))
        .unwrap();
}
