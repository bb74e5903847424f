//! Finds metrics that tables and expectations name, but that their stages did not measure. Only programs that do not
//! declare their metrics can be misnamed like this; the names of all others are checked before a run.

use std::collections::BTreeSet;

use contract::Metrics;
use petgraph::graph::NodeIndex;

use super::measurements::Measurements;
use super::metrics;
use crate::graph::PortMetric;
use crate::spec::suggest;

impl Measurements<'_> {
    /// Returns a sentence about each metric that a table or an expectation names and that no instance of its stage
    /// measured, although some have run: ``the table `t` names `it.acuracy`, but `it` has no such metric; did you mean
    /// `accuracy`?``
    pub fn absent_metrics(&self) -> Vec<String> {
        let tables = self.graph.tables.iter().flat_map(|table| {
            let by = format!("the table `{}`", table.name);
            let columns = table.columns.iter();
            columns.map(move |column| (by.clone(), &column.metric.stage, column.port_metric()))
        });
        let expectations = self.graph.expectations.iter();
        // The others are those of a table's column.
        let own = expectations.filter(|expectation| expectation.row.is_none());
        let own = own.map(|one| ("`expect`".to_owned(), &one.stage, one.metric.clone()));
        let mut seen = BTreeSet::new();
        let all = tables.chain(own);
        all.filter_map(|(by, stage, metric)| {
            let is_new = seen.insert((stage.clone(), metric.to_string()));
            let names = is_new.then(|| self.measured_instead(stage, &metric))??;
            let hint = suggest::hint("metrics", &metric.name, names.iter().map(String::as_str));
            let hint = hint.map_or(String::new(), |hint| format!("; {hint}"));
            Some(format!(
                "{by} names `{stage}.{metric}`, but `{stage}` has no such metric{hint}"
            ))
        })
        .collect()
    }

    /// Returns the names of the metrics that the instances of a stage have measured; `None` if `metric` is one of them,
    /// or if no instance has run.
    fn measured_instead(&self, stage: &str, metric: &PortMetric) -> Option<BTreeSet<String>> {
        let mut names: Option<BTreeSet<String>> = None;
        for node in self.instances(|name| name.stage == stage) {
            let Some(measured) = self.all_metrics(node, metric.port.as_deref()) else {
                continue;
            };
            if measured.contains_key(&metric.name) {
                return None;
            }
            names.get_or_insert_default().extend(measured.into_keys());
        }
        names
    }

    /// Reads the metrics of an instance on a port, or on the first port with metrics; `None` if it has none.
    fn all_metrics(&self, node: NodeIndex, port: Option<&str>) -> Option<Metrics> {
        let output = self.output(node, port).ok()?;
        metrics::read(self.store, &output).ok()?
    }
}
