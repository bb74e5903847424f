//! [`InstanceName`]: the name of an instance of a stage.

use std::fmt;

use serde::{Serialize, Serializer};

/// A stage and its values on the axes of its matrix: `cnn`, `cnn[model1]`, `cnn[model1,0.1]`. In a sweep, or
/// with several seeds, also labels of copies of the pipeline: `cnn[model1,zoom=0.1,seed=43]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceName {
    pub stage: String,
    /// Axis and value, in the order of the matrix.
    pub axes: Vec<(String, String)>,
    /// Axes of the sweep and values that tell it from the same instance in other copies of the pipeline.
    pub copy: Vec<(String, String)>,
}

impl InstanceName {
    /// Returns the value on an axis, if the stage has it.
    pub fn axis(&self, name: &str) -> Option<&str> {
        self.axes
            .iter()
            .find(|(axis, _)| axis == name)
            .map(|(_, value)| value.as_str())
    }

    /// Returns its name within one copy of the pipeline.
    pub fn in_copy(&self) -> Self {
        Self {
            copy: Vec::new(),
            ..self.clone()
        }
    }

    /// Returns whether a name such as `cnn`, `cnn[model1]` or `cnn[model1,seed=43]` means this instance. The former two
    /// mean instances in all copies.
    pub fn matches(&self, name: &str) -> bool {
        let Some((stage, values)) = name.split_once('[') else {
            return self.stage == name;
        };
        if self.stage != stage {
            return false;
        }
        let within_copy = || format!("[{}]", self.values(&[]));
        format!("[{values}") == within_copy() || self.to_string() == name
    }

    /// Formats the values in brackets.
    fn values(&self, copy: &[(String, String)]) -> String {
        let axes = self.axes.iter().map(|(_, value)| value.clone());
        let copy = copy.iter().map(|(axis, value)| format!("{axis}={value}"));
        axes.chain(copy).collect::<Vec<_>>().join(",")
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stage)?;
        if !(self.axes.is_empty() && self.copy.is_empty()) {
            write!(f, "[{}]", self.values(&self.copy))?;
        }
        Ok(())
    }
}

impl Serialize for InstanceName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
