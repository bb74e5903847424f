//! Events that a worker reports.

use serde::{Deserialize, Deserializer, Serialize};

use super::{Failure, Position};

/// Event that a worker reports while it works, as a JSON line on its standard output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum StageEvent {
    Progress(Progress),
    /// A message that the user should know, although the stage continues.
    Warning {
        message: String,
        /// `true` if the warning concerns this run only. Other warnings concern the result: they are stored with it and
        /// shown wherever it is used.
        #[serde(rename = "passing")]
        about_run_only: bool,
    },
    /// The place where the stage waits or runs, from its launcher.
    Place {
        /// Name of the machine, once the stage runs there.
        node: Option<String>,
        /// Sentence fragment: `waits as Slurm job 17`.
        text: String,
        /// `true` if it goes on when the run is stopped.
        #[serde(default)]
        outlives_run: bool,
    },
    /// A line worth keeping in the run's record (`best epoch 7, threshold 0.62`).
    Note {
        message: String,
    },
    /// A PNG picture of the result so far is complete in the stage's output folders. Those who follow the run can see
    /// it; it is no result.
    Picture {
        /// Path below the output folders: `figure/epoch-0020.png`.
        file: String,
        /// A few words: `samples after epoch 20`.
        caption: String,
    },
    /// The stage resumes from a checkpoint.
    Resumed {
        from: Position,
    },
    /// There is no checkpoint to resume from, from the launcher of a stage that keeps some.
    NoCheckpoint,
    /// There are checkpoints, but the stage can resume from none of them. `why` is a sentence fragment.
    StartsOver {
        why: String,
    },
    /// A checkpoint is complete in the folder of this name (see [`Resume::folder`](super::Resume::folder)).
    Checkpoint {
        folder: String,
        position: Position,
        /// Wall time that the stage spent on writing the checkpoint.
        seconds: f64,
    },
    /// The last event of a stage that succeeded.
    Succeeded,
    /// The last event of a stage that failed.
    Failed {
        failure: Failure,
    },
}

/// Progress of a stage.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Unit that is counted: `epoch`, `images`.
    pub unit: String,
    /// Completed units. Fractions of a unit are allowed.
    pub done: f64,
    pub total: f64,
    /// Values to show beside the progress, in order: `("loss", 0.31)`, `("images/s", 412.0)`.
    #[serde(deserialize_with = "figures")]
    pub figures: Vec<(String, f64)>,
    /// The newest measurement. All later progress repeats it, because not every progress is recorded. Events of earlier
    /// versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measurement: Option<Measurement>,
}

/// Values that a stage measured after a whole unit, such as the validation loss after an epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// Completed units when it was measured.
    pub done: f64,
    /// Values in the order in which they are shown, with names of metrics: `("validation_loss", 0.31)`.
    #[serde(deserialize_with = "figures")]
    pub figures: Vec<(String, f64)>,
}

/// Reads figures. JSON has no NaN and no infinity: they are written as `null`, which is read as NaN.
fn figures<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<(String, f64)>, D::Error> {
    let figures = Vec::<(String, Option<f64>)>::deserialize(deserializer)?;
    let figures = figures.into_iter();
    Ok(figures
        .map(|(name, value)| (name, value.unwrap_or(f64::NAN)))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_of_earlier_versions_is_read_and_later_ones_keep_their_measurement() {
        let old = r#"{"unit":"epoch","done":1.5,"total":3.0,"figures":[["loss",null]]}"#;
        let read: Progress = serde_json::from_str(old).unwrap();
        assert!(read.measurement.is_none() && read.figures[0].1.is_nan());
        let measurement = Measurement {
            done: 1.0,
            figures: vec![("validation_loss".to_owned(), 0.25)],
        };
        let new = Progress {
            figures: Vec::new(),
            measurement: Some(measurement),
            ..read
        };
        let text = serde_json::to_string(&new).unwrap();
        assert_eq!(serde_json::from_str::<Progress>(&text).unwrap(), new);
    }
}
