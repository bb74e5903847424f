//! Expectations: bounds within which the metrics of instances are expected to lie.

use petgraph::graph::NodeIndex;

use super::metric::{self, PortMetric};
use super::ports::Ports;
use super::reference;
use super::table::{Row, Table};
use super::{Graph, InstanceName};
use crate::spec::{Bounds, Diagnostic, ExpectSpec, Pipeline, Place, StageSpec};

/// Expected bounds of a metric. Whether the stage measures the metric is known only after the stage has run.
#[derive(Clone, Debug, PartialEq)]
pub struct Expectation {
    pub stage: String,
    /// Axes and values of the instances that are meant; empty for all.
    pub axes: Vec<(String, String)>,
    pub metric: PortMetric,
    pub bounds: Bounds,
    /// The row of a table whose cell is meant: the mean of its instances. `None` if each instance is meant.
    pub row: Option<Row>,
}

impl Expectation {
    /// Returns whether the expectation is about this instance, which may have further axes.
    pub fn matches(&self, instance: &InstanceName) -> bool {
        let has = |(axis, value): &(String, String)| instance.axis(axis) == Some(value);
        instance.stage == self.stage && self.axes.iter().all(has)
    }

    /// Returns the instances that are meant, in the order of the graph.
    pub fn instances(&self, graph: &Graph) -> Vec<NodeIndex> {
        let nodes = graph.stages.node_indices();
        nodes
            .filter(|&node| self.matches(&graph.stages[node].name))
            .collect()
    }
}

/// Reads the expectations of `expect` in the order written, then those of tables by column and row.
pub(super) fn read(
    pipeline: &Pipeline,
    ports: &Ports<'_>,
    tables: &[Table],
    errors: &mut Vec<Diagnostic>,
) -> Vec<Expectation> {
    let reader = Reader { pipeline, ports };
    let mut expectations = Vec::new();
    let mut read: Vec<(usize, Expectation)> = Vec::new();
    for (index, spec) in pipeline.expectations.iter().enumerate() {
        match reader.expectation(spec) {
            Ok(expectation) => read.push((index, expectation)),
            Err(error) => errors.extend(error),
        }
    }
    for (index, expectation) in &read {
        let place = &pipeline.expectations[*index].place;
        match reader.unknown_value(expectation, &read, place) {
            Some(Absent::Misspelt(error)) => errors.push(error),
            Some(Absent::CutShort) => {}
            None => expectations.push(expectation.clone()),
        }
    }
    expectations.extend(tables.iter().flat_map(of_table));
    expectations
}

/// Returns the expectations of a table: each cell with a reference value is expected to be near it.
fn of_table(table: &Table) -> impl Iterator<Item = Expectation> {
    table.columns.iter().flat_map(move |column| {
        let within = column.within.into_iter();
        within.flat_map(move |within| {
            let rows = table.rows.iter();
            rows.filter_map(move |row| {
                let value = *column.reference.get(&row.label())?;
                Some(Expectation {
                    stage: column.metric.stage.clone(),
                    axes: row.axes.clone(),
                    metric: column.port_metric(),
                    bounds: Bounds::Near { value, within },
                    row: Some(row.clone()),
                })
            })
        })
    })
}

/// The reason why no instance matches an expectation.
enum Absent {
    Misspelt(Diagnostic),
    /// The axis has fewer values in this run than in the file.
    CutShort,
}

struct Reader<'a> {
    pipeline: &'a Pipeline,
    ports: &'a Ports<'a>,
}

impl Reader<'_> {
    /// Resolves an entry of `expect`. `Err(None)` means that the stage has an error of its own.
    fn expectation(&self, spec: &ExpectSpec) -> Result<Expectation, Option<Diagnostic>> {
        let (text, place) = (spec.metric.as_str(), &spec.place);
        let (stage, name, values, rest) = self.parts(text, place)?;
        let declared = self.ports.get(&stage.name).ok_or(None)?;
        metric::measures(declared, name, place)?;
        let axes = match values {
            Some(values) => reference::axes(stage, name, values, place)?,
            None => Vec::new(),
        };
        let metric = metric::named(declared, rest, place)?;
        if let Some(info) = metric::declared(declared, &metric, place)? {
            metric::check_bounds(&info, &spec.bounds, place)?;
        }
        Ok(Expectation {
            stage: stage.name.clone(),
            axes,
            metric,
            bounds: spec.bounds,
            row: None,
        })
    }

    /// Splits `evaluate[model1].f1` into the stage, its name as written, the values in brackets, and `f1`.
    fn parts<'t>(
        &self,
        text: &'t str,
        place: &Place,
    ) -> Result<(&StageSpec, &'t str, Option<&'t str>, &'t str), Option<Diagnostic>> {
        let malformed = || {
            let message = format!("expected `STAGE.METRIC`, found `{text}`");
            let hint = "for example `evaluate.f1`, or `evaluate[model1].f1` for one instance";
            Some(Diagnostic::at(place, message).hint(hint.to_owned()))
        };
        let bracketed = text.split_once('[').and_then(|(stage, after)| {
            let (values, rest) = after.split_once(']')?;
            // The brackets may belong to the name of a metric.
            let named_whole = |reference: &str| match self.pipeline.refer(0, reference) {
                Some((_, _, rest)) => rest.is_none(),
                None => true,
            };
            named_whole(stage).then_some((stage, values, rest))
        });
        let reference = bracketed.map_or(text, |(stage, _, _)| stage);
        let Some((stage, name, rest)) = self.pipeline.refer(0, reference) else {
            if self.pipeline.is_broken(0, reference) {
                return Err(None);
            }
            if !text.contains('.') {
                return Err(malformed());
            }
            return Err(Some(self.pipeline.unknown_stage(0, reference, place)));
        };
        let (values, rest) = match bracketed {
            Some((_, values, rest)) => (Some(values), rest.strip_prefix('.')),
            None => (None, rest),
        };
        let rest = rest.filter(|rest| !rest.is_empty()).ok_or_else(malformed)?;
        Ok((stage, name, values, rest))
    }

    /// If no instance has the values of an expectation, returns the reason.
    fn unknown_value(
        &self,
        expectation: &Expectation,
        all: &[(usize, Expectation)],
        place: &Place,
    ) -> Option<Absent> {
        let stages = &self.pipeline.stages;
        let stage = stages
            .iter()
            .find(|stage| stage.name == expectation.stage)?;
        let mut values = stage.matrix.iter().zip(&expectation.axes);
        let is_unknown =
            |(axis, (_, value)): &(&_, &(_, String))| !reference::has_value(axis, value);
        let (axis, (_, value)) = values.find(is_unknown)?;
        // As for the reference values of a table, `--set` or a profile may have shortened the axis. If every
        // existing value has an expectation of its own, an unknown value is not a typing error.
        let typed = axis
            .values
            .iter()
            .any(|(_, node)| node.place.file().is_none());
        let covered = axis.values.iter().all(|(known, _)| {
            let mut others = all.iter().map(|(_, other)| other);
            others.any(|other| {
                other.stage == expectation.stage
                    && other.metric == expectation.metric
                    && other.axes.contains(&(axis.name.clone(), known.clone()))
            })
        });
        if typed || covered {
            return Some(Absent::CutShort);
        }
        Some(Absent::Misspelt(reference::unknown_value(
            axis, value, place,
        )))
    }
}
