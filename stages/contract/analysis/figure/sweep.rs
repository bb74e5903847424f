//! Figures of a sweep, as data.

use crate::Direction;

/// Learning curves of a sweep's trials: a line over the epochs for each trial. Some trials may have been stopped
/// early.
pub struct LearningCurves<'a> {
    pub title: &'a str,
    /// Name of the metric that is shown, such as `validation_loss`.
    pub metric: &'a str,
    pub curves: &'a [Curve],
    /// Position of the best curve in `curves`, and its name.
    pub best: Option<(usize, &'a str)>,
    /// The epochs at which trials were compared.
    pub rungs: &'a [u64],
}

/// The learning curve of one trial.
pub struct Curve {
    /// Number of the trial.
    pub trial: usize,
    /// Epochs and values. A value that is not finite leaves a gap.
    pub points: Vec<(f64, f64)>,
    /// `true` if the trial was stopped early.
    pub stopped: bool,
}

/// A picture of trials: a vertical axis for each parameter and for the objective, and a line across the axes for
/// each trial.
pub struct ParallelCoordinates<'a> {
    pub title: &'a str,
    pub axes: &'a [Coordinate],
    /// Name of the objective, such as `evaluate.f1`.
    pub objective: &'a str,
    pub direction: Direction,
    /// The trials that have a result.
    pub trials: &'a [Line],
    /// Position of the best trial in `trials`, and its name.
    pub best: Option<(usize, &'a str)>,
}

/// A parameter, with the scale of its axis.
pub struct Coordinate {
    pub name: String,
    pub scale: Scale,
}

/// Arrangement of a parameter's values on their axis.
#[derive(Clone, Debug, PartialEq)]
pub enum Scale {
    Linear,
    /// Logarithmic. All values are above 0.
    Log,
    /// One of these names. A value is a position in the list.
    Choice(Vec<String>),
}

/// The values of a trial.
pub struct Line {
    /// Number of the trial.
    pub trial: usize,
    /// One value for each coordinate; `None` if a parameter does not apply.
    pub values: Vec<Option<f64>>,
    pub objective: f64,
}
