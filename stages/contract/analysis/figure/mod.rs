//! Figures, as data. An [`Analysis`](super::Analysis) draws them.

mod bars;
mod evaluation;
mod sweep;
mod training;

use super::DecisionCurve;

pub use bars::{Bars, Group};
pub use evaluation::{
    Bin, ConfusionMatrix, Estimate, EvaluationFigures, OperatingPoint, PrecisionRecall,
    Reliability, ReliabilityCurve, Roc,
};
pub use sweep::{Coordinate, Curve, LearningCurves, Line, ParallelCoordinates, Scale};
pub use training::{History, Training, TrainingCurve};

/// A color of figures in both themes of a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThemeColor {
    /// Name of the CSS variable, such as `--figure-ink`.
    pub variable: String,
    /// Color on a light page, such as `#222222`. Figures use it unless the page sets the variable.
    pub light: String,
    /// Color on a dark page.
    pub dark: String,
}

/// A picture to draw.
pub enum Figure<'a> {
    LearningCurves(LearningCurves<'a>),
    ParallelCoordinates(ParallelCoordinates<'a>),
    Roc(&'a Roc),
    PrecisionRecall(&'a PrecisionRecall),
    Confusion(&'a ConfusionMatrix),
    Reliability(&'a Reliability),
    Training(&'a Training),
    Bars(&'a Bars),
    DecisionCurve(&'a DecisionCurve),
}
