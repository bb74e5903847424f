//! Reads the images of arrays in sequence.

use std::hash::{DefaultHasher, Hasher};
use std::io::{Error, ErrorKind, Read};

use contract::{Failure, ImageShape};
use images::{Resizer, fit_bytes};
use rayon::prelude::*;

use super::header::read_header;
use super::{Array, Npz, member};
use crate::data::source::{Example, Outcome, Pool, Sink};

fn examples(arrays: &[Array]) -> Vec<Example> {
    let of = |array: &Array| {
        let prefix = array.prefix;
        let example = move |(i, &label): (usize, &u32)| Example {
            name: format!("{prefix}/{i:06}"),
            label,
            group: None,
            content: None,
        };
        array
            .labels
            .iter()
            .enumerate()
            .map(example)
            .collect::<Vec<_>>()
    };
    arrays.iter().flat_map(of).collect()
}

/// Images in one or more arrays, in sequence.
pub(super) struct Arrays {
    npz: Npz,
    arrays: Vec<Array>,
    examples: Vec<Example>,
}

impl Arrays {
    pub(super) fn new(npz: Npz, arrays: Vec<Array>) -> Self {
        Self {
            npz,
            examples: examples(&arrays),
            arrays,
        }
    }

    /// Passes every image, in order, to `visit`.
    fn stream(
        &self,
        mut visit: impl FnMut(usize, &Array, &[u8]) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut archive = self.npz.archive()?;
        let mut index = 0;
        for array in &self.arrays {
            let name = format!("{}_images", array.prefix);
            let damaged = |e: Error| Failure::from(self.npz.damaged(&name, e));
            let Some(member) = member(&mut archive, &name) else {
                return Err(self
                    .npz
                    .unusable(format!("no longer has the array `{name}`"))
                    .into());
            };
            let (_, mut data) = read_header(member).map_err(damaged)?;
            let size = array.size.0 * array.size.1 * array.channels;
            // The buffer grows with the data that exists, not with the size that the header claims.
            let mut image = Vec::new();
            for _ in &array.labels {
                image.clear();
                let wanted = data.by_ref().take(size as u64);
                let read = { wanted }.read_to_end(&mut image).map_err(damaged)?;
                if read < size {
                    return Err(damaged(ErrorKind::UnexpectedEof.into()));
                }
                visit(index, array, &image)?;
                index += 1;
            }
        }
        Ok(())
    }

    /// Marks images with equal bytes.
    pub(super) fn mark_equal_images(&mut self) -> Result<(), Failure> {
        let mut contents = Vec::with_capacity(self.examples.len());
        self.stream(|_, _, image| {
            let mut hasher = DefaultHasher::new();
            hasher.write(image);
            contents.push(hasher.finish());
            Ok(())
        })?;
        for (example, content) in self.examples.iter_mut().zip(contents) {
            example.content = Some(content);
        }
        Ok(())
    }
}

impl Pool for Arrays {
    fn examples(&self) -> &[Example] {
        &self.examples
    }

    fn read(
        &self,
        wanted: &[usize],
        shape: ImageShape,
        sink: &mut Sink<'_>,
    ) -> Result<Outcome, Failure> {
        let mut wanted = wanted.iter().copied().peekable();
        let mut batch = Batch::default();
        self.stream(|i, array, image| {
            if wanted.next_if_eq(&i).is_some() {
                batch.add(i, array, image);
                if batch.bytes >= Batch::FULL {
                    batch.flush(shape, sink)?;
                }
            }
            Ok(())
        })?;
        batch.flush(shape, sink)?;
        Ok(Outcome::default())
    }
}

/// Images to be resized in parallel.
#[derive(Default)]
struct Batch {
    images: Vec<Raw>,
    bytes: usize,
}

/// An image as it is stored in the file.
struct Raw {
    index: usize,
    size: (usize, usize),
    channels: usize,
    bytes: Vec<u8>,
}

impl Batch {
    const FULL: usize = 1 << 22;

    fn add(&mut self, index: usize, array: &Array, image: &[u8]) {
        self.bytes += image.len();
        self.images.push(Raw {
            index,
            size: array.size,
            channels: array.channels,
            bytes: image.to_vec(),
        });
    }

    fn flush(&mut self, shape: ImageShape, sink: &mut Sink<'_>) -> Result<(), Failure> {
        let images: Vec<(usize, Vec<u8>)> = std::mem::take(self)
            .images
            .into_par_iter()
            .map_init(Resizer::new, |resizer, raw| {
                let image = fit_bytes(raw.bytes, raw.size, raw.channels, shape, resizer);
                (raw.index, image)
            })
            .collect();
        images
            .into_iter()
            .try_for_each(|(i, image)| sink(i, &image))
    }
}
