//! Tables of metrics, one row for every value of an axis.

use std::collections::BTreeMap;
use std::fmt;

use contract::{MetricInfo, Segment};

use super::metric::{self, PortMetric};
use super::ports::Ports;
use crate::spec::{ColumnFields, Diagnostic, Pipeline, Place, StageSpec, TableSpec, suggest};

/// A table to print after a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Table {
    pub name: String,
    pub title: Option<String>,
    /// The axis whose values are the rows.
    pub rows: String,
    /// The values of that axis, in order.
    pub row_values: Vec<String>,
    pub columns: Vec<Column>,
}

/// A column: one metric of one stage, with reference values.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    pub title: String,
    pub metric: MetricRef,
    /// Reference values by row.
    pub reference: BTreeMap<String, f64>,
    /// Source of the reference values: `paper`.
    pub reference_label: String,
    /// Largest distance from the reference value that is still as expected.
    pub within: Option<f64>,
}

impl Column {
    /// Whether there are reference values.
    pub fn has_reference(&self) -> bool {
        !self.reference.is_empty()
    }
}

/// A metric of a stage: `evaluate.f1`. Whether the stage measures it is known only after the stage has run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MetricRef {
    pub stage: String,
    pub metric: String,
}

impl fmt::Display for MetricRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.stage, self.metric)
    }
}

/// Reads all tables.
pub(super) fn read(
    pipeline: &Pipeline,
    ports: &Ports<'_>,
    errors: &mut Vec<Diagnostic>,
) -> Vec<Table> {
    pipeline
        .tables
        .iter()
        .map(|spec| {
            Reader {
                pipeline,
                ports,
                spec,
                errors,
            }
            .table()
        })
        .collect()
}

struct Reader<'a> {
    pipeline: &'a Pipeline,
    ports: &'a Ports<'a>,
    spec: &'a TableSpec,
    errors: &'a mut Vec<Diagnostic>,
}

impl Reader<'_> {
    fn table(&mut self) -> Table {
        let fields = &self.spec.fields;
        let mut row_values: Vec<String> = Vec::new();
        let mut columns = Vec::new();
        let mut complete = true;
        for (index, column) in fields.columns.iter().enumerate() {
            let place = self.place(index, &[Segment::Key("metric".to_owned())]);
            match self.metric(&column.metric, &place) {
                Ok((metric, info, values)) => {
                    self.check_references(index, column, info.as_ref());
                    if column.within.is_some() && column.paper.is_empty() {
                        let place = self.place(index, &[Segment::Key("within".to_owned())]);
                        let message =
                            "the column has no reference values, so `within` has no effect";
                        let hint =
                            "add reference values under `paper`, or use `at_least` under `expect`";
                        self.errors
                            .push(Diagnostic::at(&place, message).hint(hint.to_owned()));
                    }
                    for value in values {
                        if !row_values.contains(&value) {
                            row_values.push(value);
                        }
                    }
                    columns.push(Column {
                        title: column
                            .title
                            .clone()
                            .unwrap_or_else(|| column.metric.clone()),
                        metric,
                        reference: column.paper.clone(),
                        reference_label: "paper".to_owned(),
                        within: column.within,
                    });
                }
                Err(error) => {
                    complete = false;
                    self.errors.extend(error);
                }
            }
        }
        // The rows of a table are known only if all its columns are valid.
        for (index, column) in fields.columns.iter().enumerate().filter(|_| complete) {
            // `--set` may shorten an axis, so reference values for rows that this run does not have are allowed.
            // But if a row has no reference value, such a name is probably a misspelling of that row.
            if row_values.iter().all(|row| column.paper.contains_key(row)) {
                continue;
            }
            for row in column.paper.keys().filter(|row| !row_values.contains(row)) {
                let path = [Segment::Key("paper".to_owned()), Segment::Key(row.clone())];
                let place = self.place(index, &path);
                self.errors.push(
                    Diagnostic::at(
                        &place,
                        format!("the axis `{}` has no value `{row}`", fields.rows),
                    )
                    .hint(suggest::hint(
                        "values",
                        row,
                        row_values.iter().map(String::as_str),
                    )),
                );
            }
        }
        if fields.columns.is_empty() {
            let place = self
                .spec
                .node
                .locate(&self.spec.place, &[Segment::Key("columns".to_owned())])
                .key_place();
            self.errors.push(Diagnostic::at(
                &place,
                format!("the table `{}` has no columns", self.spec.name),
            ));
        }
        Table {
            name: self.spec.name.clone(),
            title: fields.title.clone(),
            rows: fields.rows.clone(),
            row_values,
            columns,
        }
    }

    /// Resolves `evaluate.f1` into its stage and metric, and returns the metric's declaration and the rows as well. `Err(None)` means that
    /// the stage has an error of its own.
    fn metric(
        &self,
        text: &str,
        place: &Place,
    ) -> Result<(MetricRef, Option<MetricInfo>, Vec<String>), Option<Diagnostic>> {
        let malformed = || {
            let message = format!("expected `STAGE.METRIC`, found `{text}`");
            Some(Diagnostic::at(place, message).hint("for example `evaluate.f1`".to_owned()))
        };
        if text
            .split_once('.')
            .is_none_or(|(_, metric)| metric.is_empty())
        {
            return Err(malformed());
        }
        let Some((spec, stage, metric)) = self.pipeline.refer(0, text) else {
            if self.pipeline.is_broken(0, text) {
                return Err(None);
            }
            return Err(Some(self.pipeline.unknown_stage(0, text, place)));
        };
        let metric = metric.filter(|metric| !metric.is_empty());
        let metric = metric.ok_or_else(malformed)?;
        let declared = self.ports.get(&spec.name).ok_or(None)?;
        metric::measures(declared, stage, place)?;
        let rows = self.rows(spec, place)?;
        let named = metric::named(declared, metric, place)?;
        let info = metric::declared(declared, &named, place)?;
        let info = info.map(|declared| declared.info.clone());
        let metric = match named {
            PortMetric { port: None, name } => name,
            PortMetric { port: Some(_), .. } => metric.to_owned(),
        };
        let metric = MetricRef {
            stage: stage.to_owned(),
            metric,
        };
        Ok((metric, info, rows))
    }

    /// Returns the stage's values on the axis of the rows. Fails unless the stage has this axis and no other.
    fn rows(&self, spec: &StageSpec, place: &Place) -> Result<Vec<String>, Diagnostic> {
        let rows = &self.spec.fields.rows;
        let Some(axis) = spec.matrix.iter().find(|axis| axis.name == *rows) else {
            let rows_place = self
                .spec
                .node
                .get("rows")
                .map_or(&self.spec.place, |node| &node.place);
            let known = spec.matrix.iter().map(|axis| axis.name.as_str());
            return Err(Diagnostic::at(
                rows_place,
                format!("`{}` has no axis `{rows}`", spec.name),
            )
            .hint(suggest::hint("axes", rows, known)));
        };
        if let Some(other) = spec.matrix.iter().find(|axis| axis.name != *rows) {
            return Err(Diagnostic::at(
                place,
                format!(
                    "`{}` has the axis `{}` as well as `{rows}`, so a cell would hold several values",
                    spec.name, other.name
                ),
            ));
        }
        Ok(axis.values.iter().map(|(text, _)| text.clone()).collect())
    }

    /// Reports reference values that the metric cannot have.
    fn check_references(&mut self, index: usize, column: &ColumnFields, info: Option<&MetricInfo>) {
        let Some(info) = info else {
            return;
        };
        for (row, &value) in &column.paper {
            let path = [Segment::Key("paper".to_owned()), Segment::Key(row.clone())];
            let place = self.place(index, &path);
            let why = format!("{value} cannot be its value");
            let error = metric::check_value(info, value, &why, &place).err();
            self.errors.extend(error);
        }
    }

    fn place(&self, column: usize, path: &[Segment]) -> Place {
        let mut full = vec![Segment::Key("columns".to_owned()), Segment::Index(column)];
        full.extend_from_slice(path);
        let located = self.spec.node.locate(&self.spec.place, &full);
        match path.last() {
            Some(Segment::Key(key)) if key != "metric" => located.key_place(),
            _ => located.place(),
        }
    }
}
