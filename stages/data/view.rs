//! Pictures of a packed dataset, for pages.
//!
//! Unlike [`Dataset`](super::Dataset), a [`View`] does not map the pixels into memory but reads the images that are
//! shown: a server must survive if a file is cut off while it is open, and must not need memory in proportion to the
//! size that a damaged header claims.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use contract::analysis::{DatasetView, Sheet};
use contract::{Failure, IMAGES_FILE, ImageShape, ShowPath, files};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use super::packed::{HEADER_FILE, Header};

/// Largest side of a picture of one image, in pixels.
const LARGEST_SIDE: u32 = 4096;
/// Largest number of pixels of a picture of several images.
const MOST_PIXELS: u64 = 16 << 20;
/// Number of pixels between two images, and their value: a gray that differs from light and dark pages. Transparent
/// pixels would make files larger and take three times as long.
const GAP: u32 = 2;
const BETWEEN: u8 = 0x80;
/// Number of bytes that are read at once.
const PIECE: usize = 1 << 20;

/// A packed dataset that is open for reading.
pub struct View {
    header: Header,
    pixels: File,
    path: PathBuf,
}

impl View {
    /// Opens the dataset with these files, by name.
    ///
    /// # Errors
    /// If a file is missing or cannot be read, or if the header does not fit the pixel file.
    pub fn open(files: &BTreeMap<String, PathBuf>) -> Result<Self, Failure> {
        let path = |name: &str| {
            let path = files.get(name).cloned();
            path.ok_or_else(|| Failure::Data(format!("there is no file `{name}`")))
        };
        let (header_path, path) = (path(HEADER_FILE)?, path(IMAGES_FILE)?);
        let header = Header::read(&header_path, files::MOST_TEXT)?;
        let failed = |e| Failure::io("open", &path, e);
        let pixels = files::open(&path).map_err(failed)?;
        let bytes = pixels.metadata().map_err(failed)?.len();
        header.check_at(&header_path, bytes)?;
        let channels = header.shape.channels;
        if !matches!(channels, 1 | 3) {
            return Err(Failure::Data(format!(
                "`{}` describes images with {channels} channels; there must be 1 or 3",
                header_path.shown()
            )));
        }
        Ok(Self {
            header,
            pixels,
            path,
        })
    }

    /// Returns the width and the height of an image that is shown with sides of at most `side` pixels.
    fn shown(&self, side: u32) -> (usize, usize) {
        let ImageShape { height, width, .. } = self.header.shape;
        let (largest, side) = (height.max(width), side.clamp(1, LARGEST_SIDE) as usize);
        let shown = |length: usize| match largest <= side {
            true => length,
            // Rounded to whole pixels. The product fits, because an image has at most 2²⁸ values.
            false => ((length * side + largest / 2) / largest).max(1),
        };
        (shown(width), shown(height))
    }

    /// Reads an image and makes it smaller: each pixel is the mean of the pixels that it covers.
    fn read(&self, index: usize, (width, height): (usize, usize)) -> Result<Vec<u8>, Failure> {
        let shape = self.header.shape;
        if index >= self.header.labels.len() {
            return Err(Failure::Data(format!(
                "there is no image {index}: the dataset has {} images",
                self.header.labels.len()
            )));
        }
        let mut means = Means::new(shape, width, height);
        let start = index as u64 * shape.len() as u64;
        let mut piece = vec![0; PIECE.min(shape.len())];
        let whole_pixels = piece.len() / shape.channels * shape.channels;
        for at in (0..shape.len()).step_by(whole_pixels) {
            let piece = &mut piece[..whole_pixels.min(shape.len() - at)];
            self.pixels
                .read_exact_at(piece, start + at as u64)
                .map_err(|e| Failure::io("read", &self.path, e))?;
            means.add(piece);
        }
        Ok(means.pixels)
    }
}

impl DatasetView for View {
    fn shape(&self) -> ImageShape {
        self.header.shape
    }

    fn classes(&self) -> &[String] {
        &self.header.classes
    }

    fn names(&self) -> &[String] {
        &self.header.names
    }

    fn labels(&self) -> &[u32] {
        &self.header.labels
    }

    fn groups(&self) -> &[String] {
        &self.header.groups
    }

    fn counts(&self) -> Vec<u64> {
        let mut counts = vec![0; self.header.classes.len()];
        for &label in &self.header.labels {
            counts[label as usize] += 1;
        }
        counts
    }

    fn find(&self, name: &str) -> Option<usize> {
        self.header.names.iter().position(|known| known == name)
    }

    fn png(&self, index: usize, largest_side: u32) -> Result<Vec<u8>, Failure> {
        let (width, height) = self.shown(largest_side);
        let pixels = self.read(index, (width, height))?;
        let size = [width as u32, height as u32];
        encoded(&pixels, size, self.header.shape.channels)
    }

    fn sheet(&self, indices: &[usize], columns: usize, side: u32) -> Result<Sheet, Failure> {
        let (width, height) = self.shown(side);
        let columns = columns.clamp(1, indices.len().max(1));
        let rows = indices.len().div_ceil(columns);
        let extent = |count: usize, length: usize| {
            (count as u64 * (length as u64 + u64::from(GAP))).saturating_sub(u64::from(GAP))
        };
        let size = [extent(columns, width), extent(rows, height)];
        if !matches!(size[0].checked_mul(size[1]), Some(1..=MOST_PIXELS)) {
            return Err(Failure::Data(format!(
                "a picture of {} images of {width}×{height} pixels cannot be made: it must have at least one \
                 and at most {MOST_PIXELS} pixels",
                indices.len()
            )));
        }
        let channels = self.header.shape.channels;
        let stride = size[0] as usize * channels;
        let mut sheet = vec![BETWEEN; stride * size[1] as usize];
        for (place, &index) in indices.iter().enumerate() {
            let image = self.read(index, (width, height))?;
            let left = place % columns * (width + GAP as usize) * channels;
            let top = place / columns * (height + GAP as usize);
            for (y, row) in image.chunks_exact(width * channels).enumerate() {
                let start = (top + y) * stride + left;
                sheet[start..start + row.len()].copy_from_slice(row);
            }
        }
        let size = size.map(|length| length as u32);
        Ok(Sheet {
            png: encoded(&sheet, size, channels)?,
            size,
            cell: [width as u32, height as u32],
            gap: GAP,
        })
    }
}

/// An image that is being made smaller, from its pixels in order.
struct Means {
    source: ImageShape,
    width: usize,
    height: usize,
    /// Position of the next pixel of the source, and of the pixel of the result that it belongs to.
    from: (usize, usize),
    to: (usize, usize),
    /// Sums of the row of the result that is being made.
    sums: Vec<u64>,
    /// The rows that are complete.
    pixels: Vec<u8>,
}

impl Means {
    fn new(source: ImageShape, width: usize, height: usize) -> Self {
        Self {
            source,
            width,
            height,
            from: (0, 0),
            to: (0, 0),
            sums: vec![0; width * source.channels],
            pixels: Vec::with_capacity(width * height * source.channels),
        }
    }

    /// Adds the next pixels of the source.
    fn add(&mut self, pixels: &[u8]) {
        let ImageShape {
            width, channels, ..
        } = self.source;
        for pixel in pixels.chunks_exact(channels) {
            let sums = &mut self.sums[self.to.0 * channels..][..channels];
            for (sum, &value) in sums.iter_mut().zip(pixel) {
                *sum += u64::from(value);
            }
            self.from.0 += 1;
            if self.from.0 == width {
                self.from = (0, self.from.1 + 1);
                self.to.0 = 0;
                if self.from.1 == self.row_start(self.to.1 + 1) {
                    self.finish_row();
                }
            } else if self.from.0 == self.column_start(self.to.0 + 1) {
                self.to.0 += 1;
            }
        }
    }

    fn column_start(&self, column: usize) -> usize {
        column * self.source.width / self.width
    }

    fn row_start(&self, row: usize) -> usize {
        row * self.source.height / self.height
    }

    fn finish_row(&mut self) {
        let channels = self.source.channels;
        let rows = self.row_start(self.to.1 + 1) - self.row_start(self.to.1);
        for column in 0..self.width {
            let columns = self.column_start(column + 1) - self.column_start(column);
            let parts = (rows * columns) as u64;
            let sums = &mut self.sums[column * channels..][..channels];
            for sum in sums {
                self.pixels.push(((*sum + parts / 2) / parts) as u8);
                *sum = 0;
            }
        }
        self.to.1 += 1;
    }
}

fn encoded(pixels: &[u8], [width, height]: [u32; 2], channels: usize) -> Result<Vec<u8>, Failure> {
    let color = match channels {
        1 => ExtendedColorType::L8,
        _ => ExtendedColorType::Rgb8,
    };
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive)
        .write_image(pixels, width, height, color)
        .map_err(|e| Failure::Internal(format!("failed to encode a picture: {e}")))?;
    Ok(bytes)
}
