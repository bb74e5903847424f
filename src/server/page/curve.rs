//! Curves of a training that is running.

use contract::analysis::{Analysis, Figure, Training, TrainingCurve};

use crate::live::Running;

/// Draws the figures of a stage's progress as SVG, one for each measure: all losses share one. `prefix` makes the ids
/// in it unique on the page.
pub(super) fn curves(analysis: &dyn Analysis, running: &Running, prefix: &str) -> Vec<String> {
    let progress = running.progress.as_ref();
    let unit = progress.map_or("", |progress| progress.unit.as_str());
    let total = progress.map(|progress| progress.total);
    let epochs = total.filter(|total| *total >= 1.0 && *total < 1e9);
    let mut trainings: Vec<Training> = Vec::new();
    for (name, points) in running.series.curves() {
        let measure = name.rsplit(' ').next().unwrap_or(name);
        let curve = TrainingCurve {
            name: name.to_owned(),
            points: points.to_vec(),
        };
        match trainings.iter_mut().find(|known| known.measure == measure) {
            Some(known) => known.curves.push(curve),
            None => trainings.push(Training {
                title: format!("{measure} by {unit}"),
                measure: measure.to_owned(),
                curves: vec![curve],
                best: None,
                epochs: epochs.map(|epochs| epochs as u64),
            }),
        }
    }
    let numbered = trainings.iter().enumerate();
    let drawn = numbered.filter_map(|(number, training)| {
        let svg = analysis.svg(&Figure::Training(training), &format!("{prefix}-{number}"));
        svg.inspect_err(|error| tracing::warn!("failed to draw a curve: {error}"))
            .ok()
    });
    drawn.collect()
}
