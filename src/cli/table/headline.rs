//! Tables for a pipeline that declares none: its most important metrics, as at the end of a run.

use engine::graph::{Column, InstanceName, MetricRef, Row, Table};
#[cfg(doc)]
use engine::run::measurements::Measurements;
use engine::run::run_metrics::InstanceMetrics;

use crate::report::metrics::{HeadlineGroup, MOST_COLUMNS, headline_groups};

/// Name of the column with the names of instances.
const AXIS: &str = "stage";

/// Tables of metrics, and the number of further metrics.
pub(in crate::cli) struct Headline {
    pub tables: Vec<Table>,
    pub left_out: usize,
}

impl Headline {
    /// Returns a table for each group of stages with the same metrics. Each has a row for every instance of its stages
    /// among `names`, also for those that have not run, and the name of its first stage. `fold_axes` are those of
    /// [`Measurements::fold_axes`].
    pub(in crate::cli) fn of(
        measured: &[&InstanceMetrics],
        names: &[InstanceName],
        fold_axes: &[String],
    ) -> Self {
        let groups = headline_groups(measured);
        let more = |group: &HeadlineGroup| group.metrics.len().saturating_sub(MOST_COLUMNS);
        Self {
            left_out: groups.iter().map(more).sum(),
            tables: groups
                .iter()
                .map(|group| table(group, names, fold_axes))
                .collect(),
        }
    }
}

fn table(group: &HeadlineGroup, names: &[InstanceName], fold_axes: &[String]) -> Table {
    let column = |metric: &String| Column {
        title: metric.clone(),
        metric: MetricRef {
            stage: String::new(),
            metric: metric.clone(),
        },
        mean: fold_axes.to_vec(),
        pools_folds: !fold_axes.is_empty(),
        reference: Default::default(),
        reference_label: "paper".to_owned(),
        within: None,
    };
    let row = |name: &InstanceName| Row {
        values: vec![name.to_string()],
        axes: name.axes.clone(),
        seed: None,
        fold: None,
        stage: Some(name.stage.clone()),
    };
    let rows = group.stages.iter().flat_map(|stage| {
        let instances = names.iter().filter(move |name| name.stage == *stage);
        instances.map(row)
    });
    Table {
        name: group.stages.first().cloned().unwrap_or_default(),
        title: None,
        axes: vec![AXIS.to_owned()],
        rows: rows.collect(),
        columns: group
            .metrics
            .iter()
            .take(MOST_COLUMNS)
            .map(column)
            .collect(),
    }
}
