//! Stages with the same headline metrics, which share a table.

use std::collections::HashMap;

use engine::run::run_metrics::{InstanceMetrics, Measured, pooled};
use engine::spec::suggest::distinct;

use super::chosen;

/// Maximum number of columns of a table of headline metrics.
pub const MOST_COLUMNS: usize = 6;

/// Stages that have the same headline metrics.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadlineGroup {
    pub stages: Vec<String>,
    pub metrics: Vec<String>,
}

/// Returns the stages whose metrics are shown after a run without tables, in groups of equal metrics.
pub fn headline_groups(instances: &[&InstanceMetrics]) -> Vec<HeadlineGroup> {
    let all = pooled(instances);
    let group = |group: Group<'_>| {
        let measured = group.rows.iter().flat_map(|(_, metrics)| metrics.values());
        // A row has several metrics of one stage, in any order.
        let stages = distinct(measured.map(|one| one.stage));
        HeadlineGroup {
            stages: stages.into_iter().map(str::to_owned).collect(),
            metrics: group.columns,
        }
    };
    groups(&chosen(&all)).into_iter().map(group).collect()
}

/// Instances of stages that have the same metrics.
pub(super) struct Group<'a> {
    /// Names of the metrics.
    pub columns: Vec<String>,
    /// Instances with their metrics by name.
    pub rows: Vec<(&'a str, HashMap<String, &'a Measured<'a>>)>,
}

/// Groups metrics by stage, and stages with the same metrics together, in the order of the stages.
pub(super) fn groups<'a>(chosen: &[&'a Measured<'a>]) -> Vec<Group<'a>> {
    let mut stages: Vec<(&str, Group<'a>)> = Vec::new();
    for &one in chosen {
        let place = stages.iter().position(|(stage, _)| *stage == one.stage);
        let place = place.unwrap_or_else(|| {
            let (columns, rows) = (Vec::new(), Vec::new());
            stages.push((one.stage, Group { columns, rows }));
            stages.len() - 1
        });
        let group = &mut stages[place].1;
        let metric = one.metric();
        if !group.columns.contains(&metric) {
            group.columns.push(metric.clone());
        }
        match group.rows.last_mut() {
            Some((instance, metrics)) if *instance == one.instance => {
                metrics.insert(metric, one);
            }
            _ => group
                .rows
                .push((one.instance, HashMap::from([(metric, one)]))),
        }
    }
    let mut groups: Vec<Group<'a>> = Vec::new();
    for (_, group) in stages {
        match groups
            .iter_mut()
            .find(|known| known.columns == group.columns)
        {
            Some(known) => known.rows.extend(group.rows),
            None => groups.push(group),
        }
    }
    groups
}
