//! The parameters of everything that a result was made from.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::record::Record;

impl Record<'_> {
    /// Parameters of the instances at these positions, and their values on axes. A parameter is named after the stage:
    /// `cnn.learning_rate`. If instances of a stage differ in its value, it is named after each instance:
    /// `gan[NORMAL].epochs`.
    pub(crate) fn params_of(&self, positions: &[usize]) -> BTreeMap<String, Value> {
        let mut by_stage: BTreeMap<String, Vec<(usize, &Value)>> = BTreeMap::new();
        for &at in positions {
            let instance = &self.instances[at];
            for (name, value) in &instance.params {
                let known = by_stage.entry(format!("{}.{name}", instance.stage));
                known.or_default().push((at, value));
            }
        }
        let mut params = BTreeMap::new();
        for (name, values) in by_stage {
            let is_same = values.iter().all(|(_, value)| *value == values[0].1);
            if is_same {
                params.insert(name, values[0].1.clone());
                continue;
            }
            for (at, value) in values {
                let instance = &self.instances[at];
                let param = &name[instance.stage.len()..];
                params.insert(format!("{}{param}", instance.name), value.clone());
            }
        }
        params
    }

    /// Values on axes that all of these instances share, among those that have the axis.
    pub(crate) fn axes_of(&self, positions: &[usize]) -> BTreeMap<String, String> {
        let mut found: BTreeMap<&str, Option<&str>> = BTreeMap::new();
        for (axis, value) in positions.iter().flat_map(|&at| &self.instances[at].axes) {
            let known = found.entry(axis).or_insert(Some(value));
            if *known != Some(value) {
                *known = None;
            }
        }
        let shared = found.into_iter();
        shared
            .filter_map(|(axis, value)| Some((axis.to_owned(), value?.to_owned())))
            .collect()
    }
}
