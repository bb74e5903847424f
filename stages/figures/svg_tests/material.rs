//! Data of every figure.

use contract::Direction;
use contract::analysis::{
    Bars, Bin, ConfusionMatrix, Coordinate, Curve, DecisionCurve, Estimate, Figure, Group,
    Interval, LearningCurves, Line, NetBenefit, OperatingPoint, Over, ParallelCoordinates,
    PrecisionRecall, Reliability, ReliabilityCurve, Roc, Scale, Training, TrainingCurve,
};

use crate::figures::sweep_tests::{best, coordinates, curves, trials};

fn estimate(value: f64) -> Estimate {
    Estimate {
        value,
        interval: Some(Interval {
            ends: [value - 0.02, value + 0.015],
            over: Over::Groups,
        }),
    }
}

fn operating(name: &str, at: (f64, f64)) -> Option<OperatingPoint> {
    Some(OperatingPoint {
        rule: name.to_owned(),
        at,
    })
}

pub(super) fn training(name: &str, epochs: u32) -> Training {
    let curve = |line: &str, speed: f64| TrainingCurve {
        name: line.to_owned(),
        points: (1..=epochs)
            .map(f64::from)
            .map(|epoch| (epoch, 0.1 + 0.6 / (1.0 + speed * epoch)))
            .collect(),
    };
    Training {
        title: name.to_owned(),
        measure: name.to_owned(),
        curves: vec![curve("training", 0.5), curve("validation", 0.3)],
        best: Some(u64::from(epochs / 2)),
        epochs: Some(20),
    }
}

/// Everything that figures are made of, for figures with the given name wherever there can be one.
pub(super) struct Material {
    pub(super) name: String,
    pub(super) roc: Roc,
    pub(super) precision_recall: PrecisionRecall,
    pub(super) confusion: ConfusionMatrix,
    pub(super) reliability: Reliability,
    pub(super) training: Training,
    pub(super) bars: Bars,
    pub(super) decision_curve: DecisionCurve,
    pub(super) axes: Vec<Coordinate>,
    pub(super) trials: Vec<Line>,
    pub(super) curves: Vec<Curve>,
}

impl Material {
    pub(super) fn named(name: &str) -> Self {
        let owned = || name.to_owned();
        let bin = |predicted: f64, observed: f64| Bin {
            images: 60,
            predicted,
            observed,
            interval: Some([observed * 0.8, (observed * 1.2).min(1.0)]),
        };
        let group = |name: &str, values: [f64; 3]| Group {
            name: name.to_owned(),
            values: values.to_vec(),
        };
        let mut axes = coordinates(5);
        axes[0].name = owned();
        axes[2].scale = Scale::Choice(vec![owned(), "model2".into(), "model6".into()]);
        Self {
            roc: Roc {
                positive: owned(),
                points: [
                    (0.0, 0.0),
                    (0.0, 0.6),
                    (0.1, 0.8),
                    (0.1, 0.92),
                    (0.3, 0.97),
                    (1.0, 1.0),
                ]
                .into(),
                area: estimate(0.9587),
                operating: operating(name, (0.1, 0.92)),
            },
            precision_recall: PrecisionRecall {
                positive: owned(),
                points: [
                    (0.0, 1.0),
                    (0.6, 1.0),
                    (0.6, 0.95),
                    (0.92, 0.93),
                    (1.0, 0.6),
                ]
                .into(),
                average_precision: estimate(0.961),
                prevalence: 0.625,
                operating: operating(name, (0.92, 0.93)),
            },
            confusion: ConfusionMatrix {
                title: "624 images".into(),
                classes: vec!["NORMAL".into(), owned()],
                counts: vec![vec![210, 24], vec![13, 377]],
            },
            reliability: Reliability {
                class: owned(),
                curves: [(0.031, "after"), (0.071, name)]
                    .map(|(ece, name)| ReliabilityCurve {
                        name: name.to_owned(),
                        ece: estimate(ece),
                        bins: vec![
                            bin(0.04 + ece, 0.1),
                            bin(0.31, 0.25),
                            bin(0.66, 0.8),
                            bin(0.97 - ece, 0.95),
                        ],
                        histogram: (0..20).map(|bar| (bar * 7 % 11) * 9).collect(),
                    })
                    .to_vec(),
            },
            training: training(name, 12),
            bars: Bars {
                title: "Images".into(),
                measure: "images".into(),
                series: vec!["train".into(), "validation".into(), owned()],
                groups: vec![
                    group(name, [1100.0, 241.0, 234.0]),
                    group("PNEUMONIA", [3100.0, 775.0, f64::NAN]),
                ],
            },
            decision_curve: DecisionCurve {
                positive: owned(),
                prevalence: 0.625,
                is_shifted: false,
                threshold: Some(0.62),
                points: (1..100)
                    .map(|step| f64::from(step) / 100.0)
                    .map(|threshold| NetBenefit {
                        threshold,
                        model: 0.6 - 0.3 * threshold.powi(2),
                        all: 0.625 - 0.375 * threshold / (1.0 - threshold),
                    })
                    .collect(),
            },
            axes,
            trials: trials(5, 24),
            curves: curves(27),
            name: owned(),
        }
    }

    /// Returns each kind of figure with a name for its file.
    pub(super) fn figures(&self) -> [(&'static str, Figure<'_>); 9] {
        let best = (!self.trials.is_empty()).then(|| (best(&self.trials), self.name.as_str()));
        [
            ("roc", Figure::Roc(&self.roc)),
            (
                "precision-recall",
                Figure::PrecisionRecall(&self.precision_recall),
            ),
            ("confusion", Figure::Confusion(&self.confusion)),
            ("reliability", Figure::Reliability(&self.reliability)),
            ("training", Figure::Training(&self.training)),
            ("bars", Figure::Bars(&self.bars)),
            (
                "decision-curve",
                Figure::DecisionCurve(&self.decision_curve),
            ),
            (
                "parallel",
                Figure::ParallelCoordinates(ParallelCoordinates {
                    title: &self.name,
                    axes: &self.axes,
                    objective: "evaluate.f1",
                    direction: Direction::Maximize,
                    trials: &self.trials,
                    best,
                }),
            ),
            (
                "curves",
                Figure::LearningCurves(LearningCurves {
                    title: &self.name,
                    metric: &self.name,
                    curves: &self.curves,
                    best: Some((0, &self.name)),
                    rungs: &[2, 6, 18],
                }),
            ),
        ]
    }
}
