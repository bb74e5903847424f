use std::path::{Path, PathBuf};

use clap::Args;
use serde::Serialize;
use stages::bench::{TrainBench, measure_training};

use super::{Common, in_process_of_its_own, refused};
use crate::cli::unwritten;
use crate::error::Error;
use crate::report::Console;
use crate::spec::{self, LoadOptions, suggest};

/// Measure training: forward, loss, backward and update on random images
#[derive(Debug, Args)]
pub struct Train {
    /// Models to train, from the pipeline's `models`
    #[arg(
        long,
        value_name = "NAMES",
        value_delimiter = ',',
        default_value = "model1,model2,model3,model4,model5,model6"
    )]
    models: Vec<String>,
    /// The pipeline that declares the models [default: the paper's table 1, built in]
    #[arg(long, value_name = "FILE")]
    pipeline: Option<PathBuf>,
    /// Images to a step
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    batch_size: u16,
    /// Steps to measure, of which the median counts
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..))]
    steps: u16,
    #[command(flatten)]
    common: Common,
}

#[derive(Serialize)]
struct Asked<'a> {
    model: &'a str,
    image_size: u16,
    channels: u16,
    batch_size: u16,
}

/// The one place where the paper's CNNs are declared.
const TABLE1: &str = include_str!("../../../pipelines/table1.yaml");

impl Train {
    pub fn execute(self, console: &Console) -> Result<(), Error> {
        if let [name] = self.models.as_slice() {
            return self.measure(name, console);
        }
        for name in &self.models {
            let output = in_process_of_its_own(&self.arguments(name))?;
            console.result(&output).map_err(unwritten)?;
        }
        Ok(())
    }

    fn measure(&self, name: &str, console: &Console) -> Result<(), Error> {
        let options = LoadOptions::default();
        let pipeline = match &self.pipeline {
            Some(file) => spec::load(file, &options),
            None => spec::parse(Path::new("table1.yaml"), TABLE1, &options),
        };
        let models = pipeline.map_err(Error::Invalid)?.models;
        let Some(model) = models.iter().find(|model| model.key == name) else {
            let known = models.iter().map(|model| model.key.as_str());
            let hint = suggest::hint("models", name, known);
            let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            return Err(Error::Usage(format!("there is no model `{name}`{hint}")));
        };
        let threads = self.common.start_threads()?;
        let bench = TrainBench {
            image: self.common.image(),
            batch_size: self.batch_size.into(),
            steps: self.steps.into(),
        };
        let measured = measure_training(model.value.to_json(), bench).map_err(refused)?;
        let asked = Asked {
            model: name,
            image_size: self.common.image_size,
            channels: self.common.channels,
            batch_size: self.batch_size,
        };
        self.common.print(console, name, &asked, threads, measured)
    }

    /// Those that measure only the model `name`.
    fn arguments(&self, name: &str) -> Vec<String> {
        let mut arguments = vec!["bench".to_owned(), "train".to_owned()];
        arguments.extend(self.common.arguments());
        for (option, value) in [
            ("--models", name.to_owned()),
            ("--batch-size", self.batch_size.to_string()),
            ("--steps", self.steps.to_string()),
        ] {
            arguments.extend([option.to_owned(), value]);
        }
        if let Some(file) = &self.pipeline {
            arguments.extend(["--pipeline".to_owned(), file.display().to_string()]);
        }
        arguments
    }
}
