//! Reads the history of a training, and arranges it in figures.

use contract::analysis::{History, Training, TrainingCurve};
use serde_json::Value;

/// Largest number of figures of a training. A program may write any number of columns.
const MOST_FIGURES: usize = 16;

/// Beginnings of column names that name a line of a figure, with the name of the line.
const LINES: [(&str, &str); 5] = [
    ("validation_", "validation"),
    ("training_", "training"),
    ("train_", "training"),
    ("discriminator_", "discriminator"),
    ("generator_", "generator"),
];

/// Reads comma-separated values with a row for each epoch and a column `epoch`. A field that is not a number counts as
/// missing.
pub(super) fn read_csv(content: &[u8]) -> Result<History, String> {
    let mut table = csv::Reader::from_reader(content);
    let header = table.headers().map_err(|e| e.to_string())?.clone();
    let epoch = header.iter().position(|name| name == "epoch");
    let epoch = epoch.ok_or("there is no column `epoch`")?;
    let mut history = History {
        epochs: Vec::new(),
        columns: header
            .iter()
            .map(|name| (name.to_owned(), Vec::new()))
            .collect(),
    };
    for row in table.records() {
        let row = row.map_err(|e| e.to_string())?;
        history.epochs.push(number_of_epoch(&row[epoch])?);
        for ((_, values), field) in history.columns.iter_mut().zip(row.iter()) {
            values.push(field.parse().unwrap_or(f64::NAN));
        }
    }
    history.columns.remove(epoch);
    Ok(history)
}

fn number_of_epoch(text: &str) -> Result<u64, String> {
    text.parse()
        .map_err(|_| format!("`{text}` is not the number of an epoch"))
}

/// Reads a list with an object for each epoch. Only numbers are read.
pub(super) fn read_json(content: &[u8]) -> Result<History, String> {
    let rows: Vec<serde_json::Map<String, Value>> =
        serde_json::from_slice(content).map_err(|e| e.to_string())?;
    let mut history = History::default();
    for row in &rows {
        let epoch = row.get("epoch").and_then(Value::as_u64);
        history
            .epochs
            .push(epoch.ok_or("an epoch has no whole number `epoch`")?);
    }
    // The first epoch decides on the columns, so that their number times that of the rows is bounded by the file's
    // size.
    let first = rows.first().into_iter().flatten();
    for (name, _) in first.filter(|(name, value)| *name != "epoch" && value.is_number()) {
        let value = |row: &serde_json::Map<String, Value>| {
            row.get(name).and_then(Value::as_f64).unwrap_or(f64::NAN)
        };
        history
            .columns
            .push((name.clone(), rows.iter().map(value).collect()));
    }
    Ok(history)
}

/// Returns a figure for each measure, with the lines of the same measure together. The learning rate comes last.
pub(super) fn figures(history: &History, best: Option<u64>, epochs: Option<u64>) -> Vec<Training> {
    let mut figures: Vec<Training> = Vec::new();
    let is_rate = |name: &str| name == "learning_rate";
    let columns = || history.columns.iter();
    let ordered = columns()
        .filter(|(name, _)| !is_rate(name))
        .chain(columns().filter(|(name, _)| is_rate(name)));
    for (name, values) in ordered {
        if !values.iter().any(|value| value.is_finite()) {
            continue;
        }
        let (line, measure) = parted(name);
        let epochs_and_values = history.epochs.iter().zip(values);
        let curve = TrainingCurve {
            name: line.to_owned(),
            points: epochs_and_values.map(|(&e, &v)| (e as f64, v)).collect(),
        };
        let known = figures.iter().position(|f| f.measure == measure);
        match known {
            Some(at) => figures[at].curves.push(curve),
            None if figures.len() < MOST_FIGURES => figures.push(Training {
                title: title(measure),
                measure: measure.to_owned(),
                curves: vec![curve],
                best,
                epochs,
            }),
            None => {}
        }
    }
    figures
}

/// Parts the name of a column into the name of a line and a measure: `validation_loss` is `loss` in the line
/// `validation`.
fn parted(column: &str) -> (&str, &str) {
    let parts = LINES
        .iter()
        .find_map(|(start, line)| Some((*line, column.strip_prefix(start)?)));
    parts.unwrap_or(("training", column))
}

fn title(measure: &str) -> String {
    if measure == "auc" {
        return "ROC AUC".to_owned();
    }
    let words = measure.replace('_', " ");
    let mut letters = words.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => words,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn training_and_validation_share_a_figure() {
        let table = "epoch,learning_rate,loss,accuracy,validation_loss,validation_auc\n\
                     1,0.1,0.7,0.5,0.8,\n2,0.05,0.6,0.75,,\n";
        let history = read_csv(table.as_bytes()).unwrap();
        assert_eq!(history.epochs, [1, 2]);
        let figures = figures(&history, Some(2), Some(9));
        let names: Vec<(&str, Vec<&str>)> = figures
            .iter()
            .map(|figure| {
                let lines = figure.curves.iter().map(|curve| curve.name.as_str());
                (figure.title.as_str(), lines.collect())
            })
            .collect();
        let expected = [
            ("Loss", vec!["training", "validation"]),
            ("Accuracy", vec!["training"]),
            ("Learning rate", vec!["training"]),
        ];
        assert_eq!(names, expected);
        assert_eq!(figures[0].curves[0].points, [(1.0, 0.7), (2.0, 0.6)]);
        assert_eq!(figures[0].curves[1].points[0], (1.0, 0.8));
        assert!(figures[0].curves[1].points[1].1.is_nan());
        assert_eq!((figures[0].best, figures[0].epochs), (Some(2), Some(9)));
    }

    #[test]
    fn the_losses_of_a_gan_share_a_figure() {
        let list = r#"[{"epoch":1,"discriminator_loss":0.5,"generator_loss":1.5,"note":"x"},
                       {"epoch":2,"discriminator_loss":null}]"#;
        let history = read_json(list.as_bytes()).unwrap();
        let figures = figures(&history, None, None);
        let [figure] = figures.as_slice() else {
            panic!("{figures:?}");
        };
        assert_eq!(figure.measure, "loss");
        assert_eq!(figure.curves[1].name, "generator");
        assert_eq!(figure.curves[1].points[0], (1.0, 1.5));
        assert!(figure.curves.iter().all(|curve| curve.points[1].1.is_nan()));
    }

    #[test]
    fn damaged_histories_are_errors() {
        let tables: [&[u8]; 4] = [
            b"",
            b"loss\n1\n",
            b"epoch,loss\nfirst,2\n",
            b"epoch,loss\n1\n",
        ];
        for table in tables {
            assert!(read_csv(table).is_err(), "{table:?}");
        }
        for list in ["", "{}", "[1]", "[{\"loss\":1}]", "[{\"epoch\":1.5}]"] {
            assert!(read_json(list.as_bytes()).is_err(), "{list}");
        }
        assert_eq!(read_json(b"[]"), Ok(History::default()));
    }

    #[test]
    fn a_table_with_many_columns_gives_a_few_figures() {
        let names: Vec<String> = (0..5000).map(|i| format!("c{i}")).collect();
        let table = format!("epoch,{}\n1{}\n", names.join(","), ",0.5".repeat(5000));
        let history = read_csv(table.as_bytes()).unwrap();
        assert_eq!(figures(&history, None, None).len(), MOST_FIGURES);
    }
}
