//! Curves of one training over its epochs.

/// Numbers that a training measured, epoch by epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    pub epochs: Vec<u64>,
    /// Columns with their names, such as `validation_loss`. Each has one value for each epoch; NaN where a value is
    /// missing.
    pub columns: Vec<(String, Vec<f64>)>,
}

/// One measure of a training over its epochs.
#[derive(Clone, Debug, PartialEq)]
pub struct Training {
    pub title: String,
    /// Label of the vertical axis, such as `loss`.
    pub measure: String,
    pub curves: Vec<TrainingCurve>,
    /// The epoch whose weights are kept.
    pub best: Option<u64>,
    /// Number of epochs that the axis shows at least, so that it stays the same while a training is running.
    pub epochs: Option<u64>,
}

/// A line of a [`Training`].
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingCurve {
    /// Name for the legend, such as `validation`.
    pub name: String,
    /// Epochs and values. A value that is not finite leaves a gap.
    pub points: Vec<(f64, f64)>,
}
