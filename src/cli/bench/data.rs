use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde::Serialize;
use stages::bench::{AugmentBench, DecodeBench, measure_augmentation, measure_decoding};

use super::{Common, in_process_of_its_own, refused};
use crate::cli::unwritten;
use crate::error::Error;
use crate::report::Console;

/// Measure reading images (decode and resize) and augmenting them
#[derive(Debug, Args)]
pub struct Data {
    /// The folder of images to decode and resize, with `train/<CLASS>/` and `test/<CLASS>/`
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
    /// Passes over the images to measure, of which the median counts
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    passes: u16,
    /// Images to a batch of augmented images
    #[arg(long, value_name = "N", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    batch_size: u16,
    /// Images to a pass of augmentation, random ones
    #[arg(long, value_name = "N", default_value_t = 2048, value_parser = clap::value_parser!(u16).range(1..))]
    images: u16,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Part {
    /// Reading files, decoding and resizing
    Decode,
    /// The paper's augmentation of training batches
    Augment,
}

#[derive(Serialize)]
struct Asked {
    what: Part,
    image_size: u16,
    channels: u16,
    images: usize,
}

impl Data {
    pub fn execute(self, console: &Console) -> Result<(), Error> {
        let augments = self.what.contains(&Part::Augment);
        let mut alone = true;
        if self.what.contains(&Part::Decode) {
            match &self.path {
                Some(path) => {
                    self.decode(path, console)?;
                    alone = false;
                }
                None if augments => self.tell_of_decoding(console)?,
                None => {
                    return Err(Error::Usage(
                        "there is nothing to decode; `--path DIR` names a folder of images".into(),
                    ));
                }
            }
        }
        match (augments, alone) {
            (false, _) => Ok(()),
            (true, true) => self.augment(console),
            (true, false) => {
                let output = in_process_of_its_own(&self.arguments())?;
                console.result(&output).map_err(unwritten)
            }
        }
    }

    fn decode(&self, path: &Path, console: &Console) -> Result<(), Error> {
        let threads = self.common.start_threads()?;
        let bench = DecodeBench {
            path: path.to_owned(),
            image: self.common.image(),
            passes: self.passes.into(),
        };
        let (images, measured) = measure_decoding(&bench).map_err(refused)?;
        let asked = self.asked(Part::Decode, images);
        self.common
            .print(console, "decode", &asked, threads, measured)
    }

    fn augment(&self, console: &Console) -> Result<(), Error> {
        let threads = self.common.start_threads()?;
        let bench = AugmentBench {
            image: self.common.image(),
            batch_size: self.batch_size.into(),
            images: self.images.into(),
            passes: self.passes.into(),
        };
        let measured = measure_augmentation(bench).map_err(refused)?;
        let asked = self.asked(Part::Augment, bench.images);
        self.common
            .print(console, "augment", &asked, threads, measured)
    }

    fn asked(&self, what: Part, images: usize) -> Asked {
        Asked {
            what,
            image_size: self.common.image_size,
            channels: self.common.channels,
            images,
        }
    }

    /// Whoever reads JSON sees that there is no such line.
    fn tell_of_decoding(&self, console: &Console) -> Result<(), Error> {
        if self.common.json {
            return Ok(());
        }
        console
            .result("decode: not measured; `--path DIR` names a folder of images to decode")
            .map_err(unwritten)
    }

    /// Those that measure augmentation alone.
    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["bench".to_owned(), "data".to_owned()];
        arguments.extend(self.common.arguments());
        for (option, value) in [
            ("--what", "augment".to_owned()),
            ("--passes", self.passes.to_string()),
            ("--batch-size", self.batch_size.to_string()),
            ("--images", self.images.to_string()),
        ] {
            arguments.extend([option.to_owned(), value]);
        }
        arguments
    }
}
