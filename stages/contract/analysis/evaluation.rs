//! The results of an evaluation for every image, and the words for the rule that chose its threshold.

/// Formats the rule that chose a threshold, after the threshold: ` (sensitivity at least 0.95 on 52 validation images)`.
/// `other` is the class that the threshold is on, if that is not the positive one. The rule is about that class, too:
/// ` (for PNEUMONIA: sensitivity at least 0.95 …)`. Empty without a rule.
pub fn chosen_by(rule: Option<&str>, other: Option<&str>) -> String {
    match (rule, other) {
        (None, _) => String::new(),
        (Some(rule), None) => format!(" ({rule})"),
        (Some(rule), Some(class)) => format!(" (for {class}: {rule})"),
    }
}

/// The results of an evaluation for every image, in the order of its dataset.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Names of the images.
    pub names: Vec<String>,
    /// Checksum of the pixels of all images; `None` if it was not recorded. The same names may stand for other images.
    pub pixels: Option<String>,
    /// The group of each image, such as a patient; empty if the images have no groups.
    pub groups: Vec<String>,
    /// The fold that each image was tested in, if these are the predictions of several folds, each with a model of its own;
    /// empty otherwise.
    pub folds: Vec<u32>,
    /// The class of each image, as an index into `classes`.
    pub labels: Vec<u32>,
    /// The predicted class of each image, as an index into `classes`.
    pub predicted: Vec<u32>,
    /// The probabilities of all classes for the first image, then for the second, and so on.
    pub probabilities: Vec<f32>,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// The class that counts as positive, as an index into `classes`.
    pub positive: u32,
    /// How the class was decided: by the probability of one class and a threshold. `None` if it is the most probable
    /// class.
    pub threshold: Option<(u32, f64)>,
    /// Rule by which the threshold was chosen: `sensitivity at least 0.95 on 52 validation images`; `None` if it was not
    /// chosen, or if this was not recorded.
    pub threshold_rule: Option<String>,
}
