//! `runner bench data`: measures the reading and augmentation of images.

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use engine::error::Error;
use serde::Serialize;
use stages::bench::{AugmentBench, DecodeBench};

use super::{Common, failed, refused, start_threads};
use crate::cli::unwritten;
use crate::report::Console;

/// Measure how fast images are read (decoded and resized) and augmented
#[derive(Debug, Args)]
pub(super) struct Data {
    /// Folder of images to decode and resize, with `train/<CLASS>/` and `test/<CLASS>/`
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// What to measure; decoding needs `--path`
    #[arg(
        long,
        value_name = "WHAT",
        value_enum,
        value_delimiter = ',',
        default_value = "decode,augment"
    )]
    what: Vec<Part>,
    /// Passes over the images; the result is the median
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    passes: u16,
    /// Images per batch when augmenting
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    batch_size: u16,
    /// Random images per pass when augmenting
    #[arg(long, value_name = "N", default_value_t = 2048, value_parser = clap::value_parser!(u16).range(1..))]
    images: u16,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Part {
    /// Read files, decode and resize
    Decode,
    /// Augment training batches as `pipelines/table1.yaml` does
    Augment,
}

#[derive(Serialize)]
struct BenchParams {
    what: Part,
    image_size: u16,
    channels: u16,
    images: usize,
}

impl Data {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let decoding = self.path.as_deref().map(|path| self.decoding(path));
        match (self.common.here.as_deref(), &decoding) {
            (Some("decode"), Some(decoding)) => return self.decode(decoding, console),
            (Some(_), _) => return self.augment(console),
            (None, _) => {}
        }
        let decodes = self.what.contains(&Part::Decode);
        let augments = self.what.contains(&Part::Augment);
        match decoding {
            Some(decoding) if decodes => {
                decoding.check().map_err(refused)?;
                self.common.run_in_child("decode", None)?;
            }
            None if decodes && augments => self.note_missing_images(console)?,
            None if decodes => {
                return Err(Error::Usage(
                    "there are no images to decode; give their folder with `--path DIR`".into(),
                ));
            }
            _ => {}
        }
        if augments {
            self.common.run_in_child("augment", None)?;
        }
        Ok(())
    }

    fn decoding(&self, path: &Path) -> DecodeBench {
        DecodeBench {
            path: path.to_owned(),
            image: self.common.image(),
            passes: self.passes.into(),
        }
    }

    fn decode(&self, bench: &DecodeBench, console: &Console) -> Result<(), Error> {
        let threads = start_threads(self.common.threads)?;
        let (images, measured) = bench.measure().map_err(failed)?;
        let params = self.params(Part::Decode, images);
        self.common
            .print(console, "decode", &params, threads, measured)
    }

    fn augment(&self, console: &Console) -> Result<(), Error> {
        let threads = start_threads(self.common.threads)?;
        let bench = AugmentBench {
            image: self.common.image(),
            batch_size: self.batch_size.into(),
            images: self.images.into(),
            passes: self.passes.into(),
        };
        let measured = bench.measure().map_err(failed)?;
        let params = self.params(Part::Augment, bench.images);
        self.common
            .print(console, "augment", &params, threads, measured)
    }

    fn params(&self, what: Part, images: usize) -> BenchParams {
        BenchParams {
            what,
            image_size: self.common.image_size,
            channels: self.common.channels,
            images,
        }
    }

    /// Prints that decoding was not measured. With `--json`, the line for decoding is left out instead.
    fn note_missing_images(&self, console: &Console) -> Result<(), Error> {
        if self.common.json {
            return Ok(());
        }
        console
            .result("decode: not measured; give a folder of images to decode with `--path DIR`")
            .map_err(unwritten)
    }
}
