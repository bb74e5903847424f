//! The comparison of two runs for a page.

use engine::run::recorded::Recorded;
use pages::{ChangeView, Comparison, MetricChangeView};
use store::Store;

use super::metric::{MetricChange, MetricPair};
use super::run_diff::{Change, RunDiff};

/// Compares a run with an earlier one.
pub(in crate::cli) fn view(store: &Store, before: &Recorded, now: &Recorded) -> Comparison {
    let diff = RunDiff::of(store, before, now);
    let settings = diff.settings.into_iter();
    let changes = diff.changes.into_iter();
    let (mut metrics, mut same_metrics, mut unpaired_metrics) = (Vec::new(), 0, 0);
    for stage in &diff.stages {
        for pair in &stage.metrics {
            match (pair.a, pair.b) {
                (a, b) if a == b => same_metrics += 1,
                (Some(a), Some(b)) => metrics.push(metric(&stage.name, pair, [a, b])),
                _ => unpaired_metrics += 1,
            }
        }
    }
    let stages = diff.stages.iter();
    Comparison {
        other: before.report.run.clone(),
        other_started: before.report.started.clone(),
        settings: settings
            .map(|one| (one.what.to_owned(), one.a, one.b))
            .collect(),
        changes: changes
            .map(|cause| ChangeView {
                what: cause.what,
                stages: cause.stages,
            })
            .collect(),
        metrics,
        same_metrics,
        unpaired_metrics,
        same_stages: stages.filter(|stage| stage.change == Change::Same).count(),
    }
}

fn metric(stage: &str, pair: &MetricPair, values: [f64; 2]) -> MetricChangeView {
    MetricChangeView {
        stage: stage.to_owned(),
        metric: pair.metric.clone(),
        values,
        is_better: match pair.verdict {
            Some(MetricChange::Better) => Some(true),
            Some(MetricChange::Worse) => Some(false),
            Some(MetricChange::Equal) | None => None,
        },
        is_apart: pair.apart == Some(true),
        has_other_images: pair.other_images,
    }
}
