//! Resolves the names in tables.

mod references;

use contract::{MetricInfo, Segment};

use super::{Column, FOLD_AXIS, MetricRef, Row, SEED_AXIS, Table};
use crate::graph::metric::{self, PortMetric};
use crate::graph::ports::Ports;
use crate::spec::{Axis, Diagnostic, Pipeline, Place, StageSpec, TableSpec, suggest};

/// Reads all tables.
pub(in crate::graph) fn read(
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

impl<'a> Reader<'a> {
    fn table(&mut self) -> Table {
        let fields = &self.spec.fields;
        // The valid columns, with their positions.
        let mut measured: Vec<(usize, &StageSpec, MetricRef)> = Vec::new();
        for (index, column) in fields.columns.iter().enumerate() {
            let place = self.place(index, &[Segment::Key("metric".to_owned())]);
            match self.metric(&column.metric, &place) {
                Ok((stage, metric, info)) => {
                    self.check_references(index, &column.paper, info.as_ref());
                    measured.push((index, stage, metric));
                }
                Err(error) => self.errors.extend(error),
            }
        }
        if fields.columns.is_empty() {
            let place = self.key_place("columns");
            self.errors.push(Diagnostic::at(
                &place,
                format!("the table `{}` has no columns", self.spec.name),
            ));
        }
        let stages: Vec<&StageSpec> = measured.iter().map(|(_, stage, _)| *stage).collect();
        // The rows of a table are known only if all its columns are valid.
        let mut is_complete = stages.len() == fields.columns.len() && !stages.is_empty();
        is_complete &= self.check_axes(&stages, is_complete);
        for (index, stage, _) in &measured {
            let place = self.place(*index, &[Segment::Key("metric".to_owned())]);
            if let Err(error) = self.check_stage(stage, &stages, &place) {
                self.errors.push(error);
                is_complete = false;
            }
        }
        let rows = match is_complete {
            true => self.rows(&stages),
            false => Vec::new(),
        };
        let mut columns = Vec::new();
        for (index, stage, metric) in measured {
            let column = &fields.columns[index];
            let reference = self.reference(index, &column.paper, &rows, is_complete);
            if column.within.is_some() && reference.is_empty() && is_complete {
                self.report_useless_tolerance(index);
            }
            let (mean, pools_folds) = self.mean(stage, &stages, &rows);
            columns.push(Column {
                title: column
                    .title
                    .clone()
                    .unwrap_or_else(|| column.metric.clone()),
                metric,
                mean,
                pools_folds,
                reference,
                reference_label: "paper".to_owned(),
                within: column.within,
            });
        }
        Table {
            name: self.spec.name.clone(),
            title: fields.title.clone(),
            axes: fields.rows.0.clone(),
            rows,
            columns,
        }
    }

    /// Returns the axes over which the cells of a stage show the mean, and `true` if they pool the predictions of folds
    /// instead where there are predictions.
    fn mean(&self, stage: &StageSpec, stages: &[&StageSpec], rows: &[Row]) -> (Vec<String>, bool) {
        let written = &self.spec.fields.mean.0;
        let has_axis = |name: &&String| stage.matrix.iter().any(|axis| axis.name == **name);
        let mut mean: Vec<String> = written.iter().filter(has_axis).cloned().collect();
        let is_row = |has: fn(&Row) -> bool| rows.first().is_some_and(has);
        let has_folds = self.has_folds(stages) && !is_row(|row| row.fold.is_some());
        let pools_folds = has_folds && mean.is_empty();
        if has_folds {
            mean.push(FOLD_AXIS.to_owned());
        }
        let has_seeds = self.pipeline.seed_labels.len() > 1;
        if !mean.is_empty() && has_seeds && !is_row(|row| row.seed.is_some()) {
            mean.push(SEED_AXIS.to_owned());
        }
        (mean, pools_folds)
    }

    /// Returns `true` if the axis `fold` means the folds of the pipeline: it has some, and no stage of the table has an
    /// axis of this name.
    fn has_folds(&self, stages: &[&StageSpec]) -> bool {
        self.pipeline.folds.is_some() && has_no_axis(stages, FOLD_AXIS)
    }

    fn report_useless_tolerance(&mut self, column: usize) {
        let place = self.place(column, &[Segment::Key("within".to_owned())]);
        let message = "the column has no reference values, so `within` has no effect";
        let hint = "add reference values under `paper`, or use `at_least` under `expect`";
        self.errors
            .push(Diagnostic::at(&place, message).hint(hint.to_owned()));
    }

    /// Resolves `evaluate.f1` into its stage and metric, with the metric's declaration. `Err(None)` means that the
    /// stage has an error of its own.
    fn metric(
        &self,
        text: &str,
        place: &Place,
    ) -> Result<(&'a StageSpec, MetricRef, Option<MetricInfo>), Option<Diagnostic>> {
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
            return Err(Some(match self.pipeline.instance(0, text) {
                Some((spec, stage, instance)) => {
                    self.instance(spec, stage, instance, (text, place))
                }
                None => self.pipeline.unknown_stage(0, text, place),
            }));
        };
        let metric = metric.filter(|metric| !metric.is_empty());
        let metric = metric.ok_or_else(malformed)?;
        let declared = self.ports.get(&spec.name).ok_or(None)?;
        metric::measures(declared, stage, place)?;
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
        Ok((spec, metric, info))
    }

    /// Returns the error for a column that names an instance of a stage. Rows choose instances.
    fn instance(
        &self,
        spec: &StageSpec,
        stage: &str,
        instance: &str,
        (text, place): (&str, &Place),
    ) -> Diagnostic {
        let whole = format!("{stage}{}", &text[instance.len()..]);
        let rows = &self.spec.fields.rows.0;
        let axes: Vec<&str> = spec.matrix.iter().map(|axis| axis.name.as_str()).collect();
        let is_row = |axis: &&str| rows.iter().any(|row| row == axis);
        let add =
            |axes: &str| format!("write `{whole}`, and `rows: {axes}` for a row for each instance");
        let hint = match axes.as_slice() {
            [] => format!("`{stage}` has no axes; write `{whole}`"),
            axes if axes.iter().all(is_row) => {
                format!("write `{whole}`: each row shows its own instance")
            }
            [axis] => add(axis),
            several => add(&format!("[{}]", several.join(", "))),
        };
        let message =
            format!("`{instance}` is an instance; a column shows a metric of a whole stage");
        Diagnostic::at(&place.find(instance), message).hint(hint)
    }

    /// Checks the axes under `rows` and `mean` by themselves. Whether a stage has an axis under `mean` can be checked
    /// only if all stages are known.
    fn check_axes(&mut self, stages: &[&StageSpec], are_known: bool) -> bool {
        let fields = &self.spec.fields;
        let mut is_valid = true;
        let mut seen: Vec<&str> = Vec::new();
        let all = fields.rows.0.iter().map(|axis| ("rows", axis));
        for (key, axis) in all.chain(fields.mean.0.iter().map(|axis| ("mean", axis))) {
            let has = |stage: &&StageSpec| stage.matrix.iter().any(|known| known.name == *axis);
            let place = self.value_place(key);
            let error = if seen.contains(&axis.as_str()) {
                Diagnostic::at(&place, format!("the axis `{axis}` is listed twice"))
            } else if key == "mean"
                && axis != SEED_AXIS
                && !(axis == FOLD_AXIS && self.has_folds(stages))
                && are_known
                && !stages.iter().any(has)
            {
                let known = stages.iter().flat_map(|stage| &stage.matrix);
                let known = suggest::distinct(known.map(|axis| axis.name.as_str()));
                let message = format!("no stage of this table has the axis `{axis}`");
                Diagnostic::at(&place, message).hint(suggest::hint("axes", axis, known))
            } else {
                seen.push(axis);
                continue;
            };
            self.errors.push(error);
            is_valid = false;
        }
        is_valid
    }

    /// Fails unless a stage has all axes of the rows, and each of its other axes is under `mean`.
    fn check_stage(
        &self,
        stage: &StageSpec,
        stages: &[&StageSpec],
        place: &Place,
    ) -> Result<(), Diagnostic> {
        let fields = &self.spec.fields;
        let (rows, mean) = (&fields.rows.0, &fields.mean.0);
        let has = |name: &str| stage.matrix.iter().any(|axis| axis.name == name);
        let is_seed = |name: &str| name == SEED_AXIS && has_no_axis(stages, SEED_AXIS);
        let is_fold = |name: &str| name == FOLD_AXIS && self.has_folds(stages);
        let is_copy = |name: &str| is_seed(name) || is_fold(name);
        if let Some(name) = rows.iter().find(|name| !has(name) && !is_copy(name)) {
            let known = stage.matrix.iter().map(|axis| axis.name.as_str());
            let message = format!("`{}` has no axis `{name}`", stage.name);
            let hint = match name == FOLD_AXIS {
                true => Some(
                    "the pipeline has no `folds`; remove this row axis, or set them".to_owned(),
                ),
                false => suggest::hint("axes", name, known),
            };
            return Err(Diagnostic::at(&self.value_place("rows"), message).hint(hint));
        }
        let is_used = |axis: &&Axis| rows.contains(&axis.name) || mean.contains(&axis.name);
        let Some(other) = stage.matrix.iter().find(|axis| !is_used(axis)) else {
            return Ok(());
        };
        let (stage, other) = (&stage.name, &other.name);
        let (also, written) = match rows.as_slice() {
            [] => (String::new(), other.clone()),
            [row] => (format!(" as well as `{row}`"), format!("[{row}, {other}]")),
            several => {
                let names: Vec<&str> = several.iter().map(String::as_str).collect();
                (
                    format!(" as well as {}", suggest::quoted(&names)),
                    format!("[{}, {other}]", several.join(", ")),
                )
            }
        };
        let message =
            format!("`{stage}` has the axis `{other}`{also}, so a cell would hold several values");
        let hint =
            format!("add `mean: {other}` to show the mean over it, or write `rows: {written}`");
        Err(Diagnostic::at(place, message).hint(hint))
    }

    /// All combinations of the values of the row axes, in the order in which they are written.
    fn rows(&self, stages: &[&StageSpec]) -> Vec<Row> {
        let mut rows = vec![Row::default()];
        for name in &self.spec.fields.rows.0 {
            let is_seed = name == SEED_AXIS && has_no_axis(stages, SEED_AXIS);
            let is_fold = name == FOLD_AXIS && self.has_folds(stages);
            let values = match (is_seed, is_fold) {
                (true, _) => self.seeds(),
                (_, true) => self.pipeline.fold_labels(),
                _ => values(stages, name),
            };
            let extended = |row: &Row, value: &String| {
                let mut row = row.clone();
                row.values.push(value.clone());
                match (is_seed, is_fold) {
                    (true, _) => row.seed = Some(value.clone()),
                    (_, true) => row.fold = Some(value.clone()),
                    _ => row.axes.push((name.clone(), value.clone())),
                }
                row
            };
            let product = rows.iter().flat_map(|row| {
                let values = values.iter();
                values.map(move |value| extended(row, value))
            });
            rows = product.collect();
        }
        rows
    }

    /// The seeds of the pipeline's copies, or its only seed.
    fn seeds(&self) -> Vec<String> {
        match self.pipeline.seed_labels.as_slice() {
            [] => vec![self.pipeline.seed.to_string()],
            labels => labels.to_vec(),
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

    /// Place of a key of the table.
    fn key_place(&self, key: &str) -> Place {
        let path = [Segment::Key(key.to_owned())];
        self.spec.node.locate(&self.spec.place, &path).key_place()
    }

    /// Place of the value of a key of the table, or of the table's name if it does not have the key.
    fn value_place(&self, key: &str) -> Place {
        let value = self.spec.node.get(key);
        value.map_or(&self.spec.place, |node| &node.place).clone()
    }
}

/// Returns `true` if no stage of a table has an axis of this name. Then `seed` means the seeds of the pipeline, and
/// `fold` its folds.
fn has_no_axis(stages: &[&StageSpec], name: &str) -> bool {
    let mut axes = stages.iter().flat_map(|stage| &stage.matrix);
    axes.all(|axis| axis.name != name)
}

/// The values of an axis in any of the stages.
fn values(stages: &[&StageSpec], name: &str) -> Vec<String> {
    let axes = stages.iter().flat_map(|stage| &stage.matrix);
    let axes = axes.filter(|axis| axis.name == name);
    let mut found: Vec<String> = Vec::new();
    for (value, _) in axes.flat_map(|axis| &axis.values) {
        if !found.contains(value) {
            found.push(value.clone());
        }
    }
    found
}
