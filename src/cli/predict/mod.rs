//! `runner predict`: applies a trained classifier to images of the user.

mod device;
mod heat_maps;
mod interrupt;
mod list;
mod model;
mod output;
mod page;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use contract::{Context, Device, Failure, Progress, Request, ShowPath, StageEvent};
use engine::error::Error;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;
use stages::predict::{
    Listing, Naming, OnBadImage, Predicted, Settings, Skipped, Unusable, predict,
};

use self::device::DeviceArgs;
use self::heat_maps::HeatMaps;
use self::interrupt::Interrupt;
use self::model::Model;
use self::output::{Destination, Output};
use super::output_path;
use super::pipeline::StoreArgs;
use crate::report::{Console, Verbosity};

/// Apply a trained classifier to images: print the class, the probabilities and warnings of each one
///
/// Sizes, colors, classes and the threshold are those of the model. Warnings are hints that an image is unlike the
/// training images; they do not change probabilities.
#[derive(Debug, Args)]
pub(super) struct Predict {
    /// `STAGE`, `STAGE[VALUE]` or `STAGE.PORT` for the newest model of a stage; the beginning of a model's digest (at least
    /// 8 digits); or a folder that `artifacts export` wrote
    #[arg(value_name = "MODEL")]
    model: String,
    /// Image files, and folders with JPEG, PNG, TIFF, BMP, WebP or DICOM files at any depth
    #[arg(value_name = "IMAGES")]
    images: Vec<PathBuf>,
    /// Read more paths of images and folders from FILE, one per line; `-` reads standard input
    #[arg(long, value_name = "FILE")]
    list: Option<PathBuf>,
    /// Write a CSV file instead of printing a table; `-` prints CSV
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Write a picture of each image into this new folder: which places speak for the predicted class (Grad-CAM of the last
    /// convolutional layer, or occlusion if there is none)
    #[arg(long, value_name = "DIR")]
    explain: Option<PathBuf>,
    /// Reaction to an image that cannot be read: fail, skip (leave it out and report it)
    #[arg(
        long,
        value_name = "WHAT",
        default_value = "fail",
        hide_possible_values = true
    )]
    on_bad_image: Reaction,
    /// Images with more pixels cannot be read
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    max_megapixels: u32,
    /// Number of images predicted at a time; larger batches need more memory
    #[arg(long, value_name = "N", default_value_t = 128, value_parser = clap::value_parser!(u16).range(1..))]
    batch_size: u16,
    /// Pipeline of the stage, if several pipelines have a stage of that name
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    device: DeviceArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Reaction {
    Fail,
    Skip,
}

impl Predict {
    pub(super) fn execute(mut self, console: &Console) -> Result<(), Error> {
        if self.images.is_empty() && self.list.is_none() {
            return Err(Error::Usage(
                "there are no images to predict; name files or folders after the model, or give a list of them with \
                 `--list FILE`"
                    .to_owned(),
            ));
        }
        self.check_outputs()?;
        start_threads()?;
        let device = self.device.device()?;
        // Not before: with another GPU, this process starts again, and standard input can be read only once.
        if let Some(list) = &self.list {
            self.images.extend(list::read(list)?);
        }
        let destination = self.output.as_deref().map(Destination::of).transpose()?;
        let model = Model::find(&self.model, self.pipeline.as_deref(), &self.store)?;
        let interrupt = Interrupt::watch()?;
        let listing = self.listing(destination.as_ref())?;
        let omitted = listing.omitted.clone();
        let heat_maps = self.explain.as_deref();
        let heat_maps = heat_maps.map(|to| HeatMaps::begin(to, &self.images));
        let heat_maps = heat_maps.transpose()?;
        let drawn_to = heat_maps.as_ref().map(HeatMaps::folder);
        let applying = Applying {
            model: &model,
            device,
            settings: self.settings(),
            drawn_to: drawn_to.as_deref(),
        };
        let predicted = applying.predict(console, listing, &interrupt)?;
        let output = Output {
            model: &model,
            predicted: &predicted,
            omitted: &omitted,
        };
        if let Some(folder) = &drawn_to {
            page::write(&model.artifact.label, &predicted, &omitted, folder)?;
        }
        let drawn_to = heat_maps.map(HeatMaps::finish).transpose()?;
        if let Some(destination) = &destination {
            output.write(console, destination)?;
        }
        if self.json {
            output.print_json(console)?;
        } else if destination.is_none() {
            output.print_table(console)?;
        }
        if console.verbosity > Verbosity::Quiet {
            output.summarize(console, destination.as_ref(), drawn_to.as_deref());
        }
        Ok(())
    }

    /// Checks that the outputs do not get into each other's way.
    fn check_outputs(&self) -> Result<(), Error> {
        let Some(output) = self.output.as_deref() else {
            return Ok(());
        };
        if self.json && output == Path::new("-") {
            return Err(Error::Usage(
                "`--json` and `-o -` both print to standard output; give a file with `-o`, or leave out one of them"
                    .to_owned(),
            ));
        }
        match &self.explain {
            Some(folder) if output_path::is_same(output, folder) => Err(Error::Usage(format!(
                "`-o` and `--explain` both name `{}`; give the file and the folder different names",
                folder.shown()
            ))),
            _ => Ok(()),
        }
    }

    /// Lists the images, and checks that they can be read as far as their headers tell.
    fn listing(&self, destination: Option<&Destination>) -> Result<Listing, Error> {
        let mut listing = Listing::of(&self.images, Naming::AsGiven).map_err(unusable)?;
        // A second call finds the file that the first one wrote into a folder of images.
        if let Some(Destination::File(file)) = destination {
            let is_output = |omitted: &Skipped| output::is_same(&omitted.image, file);
            listing.omitted.retain(|omitted| !is_output(omitted));
        }
        listing.checked(&self.settings()).map_err(unusable)
    }

    fn settings(&self) -> Settings {
        Settings {
            on_bad_image: match self.on_bad_image {
                Reaction::Fail => OnBadImage::Fail,
                Reaction::Skip => OnBadImage::Skip,
            },
            max_megapixels: self.max_megapixels,
            batch_size: self.batch_size.into(),
            how_to_skip: "use `--on-bad-image skip` to leave it out",
        }
    }
}

/// A model, and how it is applied.
struct Applying<'a> {
    model: &'a Model,
    device: Device,
    settings: Settings,
    /// Folder for heat maps.
    drawn_to: Option<&'a Path>,
}

impl Applying<'_> {
    fn predict(
        &self,
        console: &Console,
        listing: Listing,
        interrupt: &Interrupt,
    ) -> Result<Predicted, Error> {
        let bar = bar(console, listing.images.len());
        let events = |event: StageEvent| {
            if let StageEvent::Progress(Progress { done, .. }) = event {
                bar.set_position(done as u64);
            }
        };
        let request = Request {
            kind: "predict".to_owned(),
            params: Value::Null,
            seed: 0,
            cpus: rayon::current_num_threads(),
            device: self.device,
            gpus: Vec::new(),
            inputs: BTreeMap::new(),
            staging: PathBuf::new(),
            resume: None,
        };
        let context = Context::new(&request, &events, interrupt.flag());
        let model = &self.model.artifact;
        let predicted = predict(model, listing, &self.settings, self.drawn_to, &context);
        bar.finish_and_clear();
        predicted.map_err(|failure| failed(failure, interrupt))
    }
}

/// Starts the threads that compute.
fn start_threads() -> Result<(), Error> {
    rayon::ThreadPoolBuilder::new()
        .stack_size(stages::STACK_SIZE)
        .build_global()
        .map_err(|e| Error::System(format!("failed to start threads: {e}")))
}

fn bar(console: &Console, images: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("{bar:20.cyan} {pos} of {len} images, {eta} left");
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    let bar = ProgressBar::new(images as u64).with_style(style.progress_chars("━╸ "));
    console.bars().add(bar)
}

fn unusable(error: Unusable) -> Error {
    let Unusable { message, hint } = error;
    Error::Usage(match hint {
        Some(hint) => format!("{message}; {hint}"),
        None => message,
    })
}

fn failed(failure: Failure, interrupt: &Interrupt) -> Error {
    match failure {
        Failure::Data(message) => Error::Usage(message),
        Failure::Cancelled | Failure::Left(_) => Error::Interrupted(interrupt.signal()),
        Failure::Internal(message) => Error::Internal(message),
        Failure::Training(_)
        | Failure::Program(_)
        | Failure::System(_)
        | Failure::OutOfMemory(_)
        | Failure::TimedOut(_) => Error::System(failure.to_string()),
    }
}
