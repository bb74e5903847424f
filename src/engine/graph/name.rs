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

    /// Returns `true` if a name means this instance. In brackets are the values on all axes (`cnn[model1]`), values with the
    /// names of their axes (`cnn[seed=43]`), or both, in this order. A name means all instances that have these values.
    pub fn matches(&self, name: &str) -> bool {
        let Some((stage, values)) = name.split_once('[') else {
            return self.stage == name;
        };
        if self.stage != stage {
            return false;
        }
        let Some(values) = values.strip_suffix(']') else {
            return false;
        };
        // Compared as one text, because a value may contain a comma or `=`.
        let own = self.values(&[]);
        let named = match values.strip_prefix(&own) {
            Some("") => return true,
            Some(rest) if own.is_empty() => rest,
            Some(rest) => rest.strip_prefix(',').unwrap_or(values),
            None => values,
        };
        let labels = self.axes.iter().chain(&self.copy);
        let is_own = |value: &str| {
            labels.clone().any(|(axis, own)| {
                let rest = value.trim().strip_prefix(axis.as_str());
                rest.and_then(|rest| rest.strip_prefix('=')) == Some(own)
            })
        };
        named.split(',').all(is_own) || self.to_string() == name
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_means_all_instances_that_have_its_values() {
        let owned = |labels: &[(&str, &str)]| {
            let labels = labels.iter();
            labels
                .map(|&(axis, value)| (axis.to_owned(), value.to_owned()))
                .collect()
        };
        let instance = |axes: &[(&str, &str)], copy: &[(&str, &str)]| InstanceName {
            stage: "cnn".to_owned(),
            axes: owned(axes),
            copy: owned(copy),
        };
        let both = instance(
            &[("model", "m1"), ("rate", "0.1")],
            &[("fold", "2"), ("seed", "43")],
        );
        for name in [
            "cnn",
            "cnn[m1,0.1]",
            "cnn[m1,0.1,fold=2,seed=43]",
            "cnn[m1,0.1,seed=43]",
            "cnn[fold=2]",
            "cnn[rate=0.1, model=m1]",
            "cnn[seed=43,model=m1]",
        ] {
            assert!(both.matches(name), "{name}");
        }
        for name in [
            "cn",
            "cnn[",
            "cnn[]",
            "cnn[m1]",
            "cnn[0.1,m1]",
            "cnn[m1,0.1",
            "cnn[m1,0.1,]",
            "cnn[fold=1]",
            "cnn[fold=2,seed=4]",
            "cnn[m1,fold=2]",
            "cnn[fold=2,m1,0.1]",
            "cnn[2]",
        ] {
            assert!(!both.matches(name), "{name}");
        }
        let only_fold = instance(&[], &[("fold", "2")]);
        assert!(only_fold.matches("cnn[fold=2]") && !only_fold.matches("cnn[2]"));
        let odd = instance(&[("of", "a,b=c")], &[("fold", "2")]);
        assert!(odd.matches("cnn[a,b=c]") && odd.matches("cnn[a,b=c,fold=2]"));
        assert!(!instance(&[], &[]).matches("cnn[m1]"));
    }
}
