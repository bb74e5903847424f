//! Metrics of a run, from its record or from what the store still has.

use std::collections::HashSet;

use contract::KindInfo;
use rayon::prelude::*;

use super::gather::scalars;
use super::headline::headline;
use super::units::units;
use super::{InstanceMetrics, METRICS_RECORD, PortMetrics, RunMetrics, read};
use crate::run::metrics;
use crate::run::recorded::Recorded;
use store::{ActionRecord, Lookup, Store};

/// Returns the metrics of a run: as recorded, or else from the store.
pub fn of_run(store: &Store, run: &Recorded, kinds: &[KindInfo]) -> RunMetrics {
    read(&run.folder).unwrap_or_else(|| recall(store, run, kinds))
}

/// Reads the metrics of a run's stages from the store. Results that were collected are missing.
pub fn recall(store: &Store, run: &Recorded, kinds: &[KindInfo]) -> RunMetrics {
    tracing::debug!("run {} has no `{METRICS_RECORD}`", run.report.run);
    let stages = run.stages.par_iter().with_min_len(16);
    let instances: Vec<InstanceMetrics> = stages
        .filter_map(|stage| {
            let key = [stage.planned.key];
            let record = match store.results().look_up(&key).ok()?.pop()? {
                Lookup::Hit(record) => record,
                Lookup::Absent | Lookup::Damaged | Lookup::OutputMissing { .. } => return None,
            };
            let ended = stage.end.as_ref();
            // A stage that failed may have succeeded in a later run.
            let has_result = ended.is_some_and(|ended| ended.outcome.has_outputs());
            let name = &stage.planned.name;
            has_result.then(|| instance(store, name, &stage.planned.stage, &record, kinds))
        })
        .collect();
    RunMetrics {
        shown: shown(&instances),
        instances,
        trials: Vec::new(),
    }
}

fn instance(
    store: &Store,
    name: &str,
    stage: &str,
    record: &ActionRecord,
    kinds: &[KindInfo],
) -> InstanceMetrics {
    let kind = kinds
        .iter()
        .find(|kind| kind.name == record.fingerprint.kind);
    // The ports of a kind have an order; those of a program are sorted by name.
    let ordered: Vec<&String> = match kind {
        Some(kind) if !kind.declares_ports => {
            let outputs = kind.outputs.iter();
            outputs
                .filter_map(|output| Some(record.outputs.get_key_value(output.port)?.0))
                .collect()
        }
        _ => record.outputs.keys().collect(),
    };
    let ports = ordered.into_iter().filter_map(|port| {
        let measured = metrics::read(store, &record.outputs[port]).ok()??;
        let output = kind.and_then(|kind| kind.outputs.iter().find(|one| one.port == port));
        let is_program = kind.is_none_or(|kind| kind.declares_ports);
        let declared = output.map(|output| output.metrics);
        let (headline, is_secondary) = headline(is_program, declared, &measured);
        Some(PortMetrics {
            port: port.clone(),
            headline,
            is_secondary,
            units: units(declared, &measured),
            tested: metrics::tested_images(store, &record.outputs[port]),
            metrics: measured,
        })
    });
    InstanceMetrics {
        name: name.to_owned(),
        in_copy: in_copy(name),
        stage: stage.to_owned(),
        params: scalars(&record.fingerprint.params),
        ports: ports.collect(),
    }
}

/// The name without the labels of copies: `cnn[model1]` for `cnn[model1,seed=43]`. Axes of matrices have no `=` in
/// names of instances, unless their values do.
fn in_copy(name: &str) -> String {
    let Some((stage, values)) = name.split_once('[') else {
        return name.to_owned();
    };
    let values = values.strip_suffix(']').unwrap_or(values);
    let axes: Vec<&str> = values.split(',').filter(|v| !v.contains('=')).collect();
    match axes.as_slice() {
        [] => stage.to_owned(),
        axes => format!("{stage}[{}]", axes.join(",")),
    }
}

/// All instances, unless they belong to the trials of a sweep: which trial is the best is not known.
fn shown(instances: &[InstanceMetrics]) -> Vec<usize> {
    let names: HashSet<&str> = instances.iter().map(|one| one.in_copy.as_str()).collect();
    let are_repeats = instances.iter().all(|one| {
        let labels = one.name.split_once('[').map_or("", |(_, labels)| labels);
        let labels = labels.trim_end_matches(']').split(',');
        labels
            .filter(|label| label.contains('='))
            .all(|label| label.starts_with("seed=") || label.starts_with("fold="))
    });
    match are_repeats || names.len() == instances.len() {
        true => (0..instances.len()).collect(),
        false => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::in_copy;

    #[test]
    fn labels_of_copies_are_removed_from_names() {
        for (name, expected) in [
            ("cnn", "cnn"),
            ("cnn[a]", "cnn[a]"),
            ("cnn[a,seed=43]", "cnn[a]"),
            ("cnn[zoom=0.1,seed=43]", "cnn"),
        ] {
            assert_eq!(in_copy(name), expected);
        }
    }
}
