//! Collects the parts of a page that are not in the run's folder: tables, expectations, and the run before it.

use std::collections::HashMap;

use contract::ShowPath;
use engine::graph::{Column, Row};
use engine::run::contrasts::{Against, ColumnContrasts};
use engine::run::measurements::Measurements;
use engine::run::recorded::{self, Recorded};
use engine::run::run_metrics;
use pages::{CertaintyView, ExpectationView, Extras};
use store::{Lookup, Store};

use super::Pipeline;
use crate::cli::compare;
use crate::cli::expectations;
use crate::cli::pipeline::ANALYSIS;
use crate::cli::preflight;
use crate::cli::table::headline::Headline;
use crate::report::expectations::Judgement;
use crate::report::table::{Behind, view};

/// Most runs that are searched for the one before.
const SEARCHED: usize = 200;
/// Highest p-value of a significant difference.
const LEVEL: f64 = 0.05;
/// Most rows that are named because they may be as good as the best one.
const NAMED: usize = 3;

/// Collects the extras of a run.
pub(super) fn extras(
    store: &Store,
    run: &Recorded,
    pipeline: Option<Pipeline<'_>>,
    mut notices: Vec<String>,
) -> Extras {
    let mut extras = Extras {
        comparison: previous(store, run).map(|before| compare::view(store, &before, run)),
        commands: commands(run),
        ..Extras::default()
    };
    if let Some(mut pipeline) = pipeline {
        notices.extend(pipeline.difference(run));
        pipeline.use_results_of(store, run);
        add_tables(&mut extras, store, run, &pipeline);
        let warnings = pipeline.graph.warnings.iter();
        extras.warnings = warnings.map(preflight::warning).collect();
    }
    extras.notices = notices;
    extras
}

fn add_tables(extras: &mut Extras, store: &Store, run: &Recorded, pipeline: &Pipeline<'_>) {
    let graph = &pipeline.graph;
    let outputs = &pipeline.outcomes.outputs;
    let stages = &run.report.stages;
    let results = Measurements::new(graph, store, outputs, &pipeline.shown, stages, ANALYSIS);
    let judgements = expectations::judge(&results);
    let behind = |row: &Row, column: &Column| {
        let nodes = results.in_cell(row, column);
        let measured = results.measured(&nodes, &column.port_metric());
        let direction = measured.ok().and_then(|found| found.first()?.direction);
        let names = nodes
            .iter()
            .map(|&node| graph.stages[node].name.to_string());
        Behind {
            stages: names.collect(),
            direction,
        }
    };
    // The page names no best evaluation among those of several seeds or trials.
    if graph.tables.is_empty() && graph.copies.len() == 1 {
        extras.certainties = certainties(&results, run);
    }
    for table in &graph.tables {
        let cells = |row: &Row, column: &Column| results.cell(row, column);
        let contrasts = results.contrasts(table, &Against::Best);
        let mut table = view(table, cells, &judgements, &contrasts, behind);
        for best in &mut table.best {
            let mut of_column = contrasts.iter();
            let found = of_column.find(|one| one.is_best && one.column == best.column);
            best.certainty = found.map_or_else(String::new, certainty);
            // A number alone does not tell what it is the value of.
            if let ([axis], Ok(_)) = (&*table.axes, best.row.parse::<f64>()) {
                best.row = format!("{axis} {}", best.row);
            }
        }
        extras.tables.push(table);
    }
    extras.expectations = judgements.all().iter().map(expectation).collect();
}

/// Compares the best instance by each of the most important metrics with the others, as `runner table` does for a
/// pipeline without tables.
fn certainties(results: &Measurements<'_>, run: &Recorded) -> Vec<CertaintyView> {
    let measured = run_metrics::of_run(results.store, run, stages::kinds());
    let Headline { tables, .. } = Headline::of(
        &measured.shown(),
        &results.instances_in_copy(),
        &results.fold_axes(),
    );
    let contrasts = tables
        .iter()
        .flat_map(|table| results.contrasts(table, &Against::Best));
    let certainties = contrasts.map(|column| CertaintyView {
        text: certainty(&column),
        stage: column.against,
        metric: column.column,
    });
    certainties.collect()
}

/// States whether the best row of a column is significantly better than the others, at a level of 5 % and corrected for
/// the number of pairs. Empty if no row was compared with it.
fn certainty(contrasts: &ColumnContrasts) -> String {
    let all = contrasts.found().count();
    let rivals = contrasts.found().filter(|(_, one)| one.p_holm >= LEVEL);
    let rivals: Vec<&str> = rivals.map(|(row, _)| row).collect();
    match (all, rivals.as_slice()) {
        (0, _) => String::new(),
        (1, []) => "significantly better than the other".to_owned(),
        (all, []) => format!("significantly better than all {all} others"),
        (_, few) if few.len() <= NAMED => {
            format!("not significantly better than {}", few.join(", "))
        }
        (all, many) => format!(
            "not significantly better than {} of {all} others",
            many.len()
        ),
    }
}

fn expectation(judgement: &Judgement) -> ExpectationView {
    ExpectationView {
        metric: judgement.subject.to_string(),
        value: match &judgement.measured {
            Ok(value) => judgement.bounds.figure(*value),
            Err(reason) => reason.clone(),
        },
        expected: judgement.bounds.to_string(),
        verdict: judgement.verdict.view(),
        stage: judgement.subject.instance.to_string(),
    }
}

impl Pipeline<'_> {
    /// States that the pipeline is not as it was when the run began; `None` if it is.
    fn difference(&self, run: &Recorded) -> Option<String> {
        let now: HashMap<String, _> = self
            .plan
            .actions
            .iter()
            .map(|action| {
                let name = self.graph.stages[action.node].name.to_string();
                (name, action.action_key)
            })
            .collect();
        let stages = run.stages.iter().map(|stage| &stage.planned);
        let other = stages.filter(|stage| now.get(&stage.name) != Some(&stage.key));
        let count = other.count();
        (count > 0).then(|| {
            let of = engine::wording::stages(run.stages.len());
            let file = self.graph.file.shown();
            format!(
                "{file} with these options is not what this run executed: {count} of {of} would be different now. \
                 This page shows the results of the run."
            )
        })
    }

    /// Replaces the results that the pipeline has now by those of a run, stage by stage.
    fn use_results_of(&mut self, store: &Store, run: &Recorded) {
        let nodes = self.graph.stages.node_indices();
        let nodes: HashMap<String, _> = nodes
            .map(|node| (self.graph.stages[node].name.to_string(), node))
            .collect();
        let planned = || run.stages.iter().map(|stage| &stage.planned);
        let keys: Vec<_> = planned().map(|stage| stage.key).collect();
        let found = store.results().look_up(&keys);
        let found = found.inspect_err(|error| tracing::warn!("{error}"));
        for (stage, found) in planned().zip(found.unwrap_or_default()) {
            let Some(&node) = nodes.get(&stage.name) else {
                continue;
            };
            match found {
                Lookup::Hit(record) => {
                    self.outcomes.outputs.insert(node, record.outputs);
                }
                Lookup::Absent | Lookup::Damaged | Lookup::OutputMissing { .. } => {
                    self.outcomes.outputs.remove(&node);
                }
            }
        }
    }
}

/// The run of the same pipeline before this one. Logs a warning if runs cannot be read.
fn previous(store: &Store, run: &Recorded) -> Option<Recorded> {
    let found = recorded::newest(store, Some(&run.report.pipeline), SEARCHED);
    let found = found.inspect_err(|error| tracing::warn!("failed to read runs: {error}"));
    let mut runs = found.ok()?.runs.into_iter();
    runs.by_ref()
        .find(|other| other.report.run == run.report.run)?;
    runs.next()
}

/// The commands that repeat a run.
fn commands(run: &Recorded) -> Vec<String> {
    let mut words = vec![
        "runner".to_owned(),
        "run".to_owned(),
        quoted(&run.report.file),
    ];
    let profile = run.report.profile.iter().map(|name| ("--profile", name));
    let sets = run.report.sets.iter().map(|set| ("-S", set));
    for (flag, value) in profile.chain(sets) {
        words.push(flag.to_owned());
        words.push(quoted(value));
    }
    vec![words.join(" ")]
}

/// A word for a POSIX shell.
fn quoted(word: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_./=:,+@%".contains(&byte);
    match !word.is_empty() && word.bytes().all(is_plain) {
        true => word.to_owned(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

#[cfg(test)]
mod tests {
    use contract::Direction;
    use contract::analysis::{Contrast, CorrectedContrast, Difference, Over};

    use super::*;

    #[test]
    fn the_best_row_is_compared_with_the_others() {
        let contrasts = |all: &[f64]| ColumnContrasts {
            column: "f1".to_owned(),
            metric: "evaluate.f1".to_owned(),
            direction: Direction::Maximize,
            against: "best".to_owned(),
            is_best: true,
            pools_folds: false,
            resamples: 100,
            pairs: 3,
            rows: all
                .iter()
                .zip(["a", "b", "c", "d"])
                .map(|(&p_holm, name)| {
                    let contrast = Contrast {
                        images: 10,
                        seeds: 1,
                        shares_images: true,
                        over: Over::Images,
                        difference: Difference {
                            value: -0.1,
                            interval: [-0.2, 0.1],
                            p: p_holm,
                        },
                        mcnemar: None,
                        delong: None,
                    };
                    let corrected = CorrectedContrast {
                        contrast,
                        p_holm,
                        mcnemar_p_holm: None,
                        delong_p_holm: None,
                    };
                    (name.to_owned(), Ok(corrected))
                })
                .collect(),
        };
        let said = |all: &[f64]| certainty(&contrasts(all));
        assert_eq!(said(&[]), "");
        assert_eq!(said(&[0.01]), "significantly better than the other");
        assert_eq!(
            said(&[0.01, 0.049]),
            "significantly better than all 2 others"
        );
        assert_eq!(
            said(&[0.3, 0.01, 0.05]),
            "not significantly better than a, c"
        );
        assert_eq!(
            said(&[0.3; 4]),
            "not significantly better than 4 of 4 others"
        );
    }

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("epochs=3"), "epochs=3");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("$(rm -r)'x"), r"'$(rm -r)'\''x'");
        assert_eq!(quoted(""), "''");
    }
}
