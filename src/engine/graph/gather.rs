//! Finds the instances of a stage that feed a consumer, and how the consumer tells them apart.
//!
//! A consumer is fed by the instances that have its values on all shared axes. If the producer has further
//! axes, several instances feed the consumer: they are *gathered*. A program finds each one in a folder that
//! is named after its values on the further axes, even if each of these axes has only one value. A reference can
//! also name one instance, whose artifact then lies alone in the folder of the input.

use std::collections::HashMap;
use std::ops::Range;
use std::rc::Rc;

use contract::IndexEntry;

use super::InstanceName;
use super::expand::Draft;
use store::component;

/// Index of instances by their values on axes that consumers share with them, so that a stage is searched
/// once and not for every consumer.
#[derive(Default)]
pub(super) struct Partners<'d> {
    /// Keyed by the first instance of the stage, and the shared axes.
    known: HashMap<(usize, Vec<&'d str>), ByValues<'d>>,
}

/// Indices of instances for each combination of values.
type ByValues<'d> = HashMap<Vec<&'d str>, Rc<[usize]>>;

impl<'d> Partners<'d> {
    /// Returns those of a producer's `instances` that feed `consumer`.
    pub(super) fn of(
        &mut self,
        consumer: &'d InstanceName,
        instances: Range<usize>,
        drafts: &'d [Draft<'d>],
    ) -> Rc<[usize]> {
        let Some(first) = drafts.get(instances.start) else {
            return Rc::default();
        };
        let shared = consumer.axes.iter();
        let shared = shared.filter(|(axis, _)| first.name.axis(axis).is_some());
        let (axes, values): (Vec<&str>, Vec<&str>) = shared
            .map(|(axis, value)| (axis.as_str(), value.as_str()))
            .unzip();
        let by_values = self.known.entry((instances.start, axes));
        let by_values = by_values.or_insert_with_key(|(_, axes)| {
            let mut found: HashMap<Vec<&str>, Vec<usize>> = HashMap::new();
            for index in instances {
                let name = &drafts[index].name;
                let values = axes.iter().filter_map(|axis| name.axis(axis)).collect();
                found.entry(values).or_default().push(index);
            }
            let found = found.into_iter();
            found
                .map(|(values, indices)| (values, indices.into()))
                .collect()
        });
        by_values.get(&values).cloned().unwrap_or_default()
    }
}

/// Returns the entry of `producer` in the index of an input of `consumer`, or `None` if it is neither
/// gathered nor an item of a list. `item` is its number in the list. A producer that `is_named` by the reference is not
/// gathered.
pub(super) fn entry(
    consumer: &InstanceName,
    producer: &InstanceName,
    item: Option<usize>,
    is_named: bool,
) -> Option<IndexEntry> {
    let axes = producer.axes.iter();
    let axes = axes.filter(|(axis, _)| consumer.axis(axis).is_none());
    let axes: Vec<(String, String)> = axes.cloned().collect();
    // Names of axes and their values never contain a comma or `=`.
    let values = axes.iter().map(|(axis, value)| format!("{axis}={value}"));
    let values = values.collect::<Vec<_>>().join(",");
    let folder = (!axes.is_empty() && !is_named).then(|| component(&values));
    let number = item.map(|item| item.to_string());
    let path: Vec<String> = number.into_iter().chain(folder).collect();
    (!path.is_empty()).then(|| IndexEntry {
        axes: axes.into_iter().collect(),
        instance: producer.to_string(),
        path: path.join("/"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(stage: &str, axes: &[(&str, &str)]) -> InstanceName {
        let axes = axes.iter();
        InstanceName {
            stage: stage.to_owned(),
            axes: axes
                .map(|&(axis, value)| (axis.to_owned(), value.to_owned()))
                .collect(),
            copy: Vec::new(),
        }
    }

    #[test]
    fn gathered_artifacts_and_list_items_have_their_own_folders() {
        let producer = name("count", &[("split", "test"), ("sample", "A"), ("rep", "1")]);
        let plain = name("merge", &[("split", "test"), ("sample", "A"), ("rep", "1")]);
        let gathers = name("merge", &[("split", "test")]);
        let path = |consumer, item| entry(consumer, &producer, item, false).map(|entry| entry.path);
        assert_eq!(path(&plain, None), None);
        assert_eq!(path(&plain, Some(0)).unwrap(), "0");
        assert_eq!(path(&gathers, None).unwrap(), "sample=A,rep=1");
        assert_eq!(path(&gathers, Some(3)).unwrap(), "3/sample=A,rep=1");
        assert_eq!(entry(&gathers, &producer, None, true), None);
        let item = entry(&gathers, &producer, Some(3), true).unwrap();
        assert_eq!((item.path.as_str(), item.axes.len()), ("3", 2));
        let entry = entry(&gathers, &producer, None, false).unwrap();
        assert_eq!(entry.instance, "count[test,A,1]");
        let axes: Vec<(&str, &str)> = entry.axes.iter().map(|(a, v)| (&**a, &**v)).collect();
        assert_eq!(axes, [("rep", "1"), ("sample", "A")]);
    }
}
