//! What an instance of a stage is called.

use std::fmt;

use serde::{Serialize, Serializer};

/// A stage, and where it stands on the axes of its matrix; `cnn`, `cnn[model1]`, `cnn[model1,0.1]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InstanceName {
    pub stage: String,
    /// Axis and value, in the order of the matrix.
    pub axes: Vec<(String, String)>,
}

impl InstanceName {
    /// The value on an axis, if the stage has it.
    pub fn axis(&self, name: &str) -> Option<&str> {
        self.axes
            .iter()
            .find(|(axis, _)| axis == name)
            .map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.stage)?;
        if !self.axes.is_empty() {
            let values: Vec<&str> = self.axes.iter().map(|(_, value)| value.as_str()).collect();
            write!(f, "[{}]", values.join(","))?;
        }
        Ok(())
    }
}

impl Serialize for InstanceName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
