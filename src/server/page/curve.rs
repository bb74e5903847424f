//! Curves of a training that is running.

use contract::analysis::{Analysis, Figure, Training, TrainingCurve};

use crate::live::Running;

/// Beginnings of figure names that name a line, with the name of the line.
const LINES: [(&str, &str); 3] = [
    ("validation_", "validation"),
    ("d ", "discriminator"),
    ("g ", "generator"),
];

/// Draws the figures of a stage's progress as SVG, one for each measure: all losses share one. There are at most
/// `most`. `prefix` makes the ids in them unique on the page.
pub(super) fn curves(
    analysis: &dyn Analysis,
    running: &Running,
    prefix: &str,
    most: usize,
) -> Vec<String> {
    let numbered = trainings(running).into_iter().take(most).enumerate();
    let drawn = numbered.filter_map(|(number, training)| {
        let svg = analysis.svg(&Figure::Training(&training), &format!("{prefix}-{number}"));
        svg.inspect_err(|error| tracing::warn!("failed to draw a curve: {error}"))
            .ok()
    });
    drawn.collect()
}

fn trainings(running: &Running) -> Vec<Training> {
    let progress = running.progress.as_ref();
    let unit = progress.map_or("", |progress| progress.unit.as_str());
    let total = progress.map(|progress| progress.total);
    let epochs = total.filter(|total| *total >= 1.0 && *total < 1e9);
    let mut trainings: Vec<Training> = Vec::new();
    for (name, points) in running.series.curves() {
        let (line, measure) = parted(name);
        let curve = TrainingCurve {
            name: line.to_owned(),
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
    trainings
}

/// Parts the name of a figure into the name of a line and a measure: `validation_loss` is `loss` in the line
/// `validation`.
fn parted(name: &str) -> (&str, &str) {
    let parts = LINES
        .iter()
        .find_map(|(start, line)| Some((*line, name.strip_prefix(start)?)));
    parts.unwrap_or(("training", name))
}

#[cfg(test)]
mod tests {
    use contract::{Measurement, Progress};
    use jiff::Timestamp;

    use super::*;
    use crate::live::Series;

    #[test]
    fn the_lines_of_a_measure_share_a_figure() {
        let mut series = Series::default();
        let values = |names: &[&str]| -> Vec<(String, f64)> {
            let names = names.iter();
            names.map(|name| ((*name).to_owned(), 0.5)).collect()
        };
        let mut progress = Progress::default();
        for epoch in 1..=3 {
            progress = Progress {
                unit: "epoch".to_owned(),
                done: f64::from(epoch),
                total: 9.0,
                figures: values(&["loss", "images/s"]),
                measurement: Some(Measurement {
                    done: f64::from(epoch),
                    figures: values(&["accuracy", "validation_loss", "validation_accuracy"]),
                }),
            };
            series.add(&progress);
        }
        let running = Running {
            progress: Some(progress),
            series,
            ..Running::new(Timestamp::now(), String::new())
        };
        let drawn = trainings(&running);
        let drawn: Vec<(&str, Vec<&str>)> = drawn
            .iter()
            .map(|training| {
                let lines = training.curves.iter().map(|curve| curve.name.as_str());
                (training.title.as_str(), lines.collect())
            })
            .collect();
        let both = || vec!["training", "validation"];
        assert_eq!(
            drawn,
            [("loss by epoch", both()), ("accuracy by epoch", both())]
        );
    }
}
