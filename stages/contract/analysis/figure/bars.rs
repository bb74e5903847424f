//! Numbers as bars.

/// Horizontal bars in groups, such as the number of images of each class (groups) in each split (series).
#[derive(Clone, Debug, PartialEq)]
pub struct Bars {
    pub title: String,
    /// Label of the horizontal axis, such as `images`.
    pub measure: String,
    /// Names for the legend. There is no legend if there is one series.
    pub series: Vec<String>,
    pub groups: Vec<Group>,
}

/// The bars below one name.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    pub name: String,
    /// One value for each series. A value that is not finite is shown as missing.
    pub values: Vec<f64>,
}
