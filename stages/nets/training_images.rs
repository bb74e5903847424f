//! Statistics of the images that a classifier was trained on. They tell images of another kind, such as photographs or
//! turned images, from images like those of the training.
//!
//! Two descriptions of an image are compared with those of the training images, each by its root mean square z-score:
//!
//! | description | values | finds |
//! | --- | --- | --- |
//! | layout | the means of 8×8 cells, minus the mean of the image and divided by its spread | other subjects, turned and inverted images |
//! | look | brightness, contrast, sharpness, fine detail, and color if the images have any | dark, blank and noisy images, colors |
//!
//! The limits come from the training images as well: each fifth of them is compared with the other four.

use contract::{ImageShape, Invalid};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// Number of cells in a row and in a column of the layout.
const CELLS: usize = 8;

/// Fewest training images. With fewer, too many images like them would be beyond the limits.
const FEWEST: usize = 50;

/// Number of parts of the training images of which each is compared with the others.
const FOLDS: usize = 5;

/// Share of the training images that are within the limit before [`MARGIN`] is applied.
const WITHIN: f64 = 0.999;

/// Factor on the limit.
const MARGIN: f64 = 1.1;

/// Added to the spread of an image before the layout is divided by it, so that the noise of a blank image does not count
/// as layout. In units of a byte.
const FLAT: f64 = 4.0;

/// Smallest spread of a value over the training images.
const LEAST_SPREAD: f32 = 0.01;

/// Smallest limit. It is reached only if the training images are nearly equal.
const LEAST_LIMIT: f32 = 1.0;

/// Statistics of the images that a classifier was trained on, without augmentation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrainingImages {
    pub layout: Distribution,
    pub look: Distribution,
}

/// Distribution of one description over the training images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Distribution {
    /// Mean of each value.
    pub mean: Vec<f32>,
    /// Standard deviation of each value.
    pub spread: Vec<f32>,
    /// Largest root mean square z-score of an image like those of the training.
    pub limit: f32,
}

/// Respects in which an image is unlike the training images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unlike {
    pub layout: bool,
    pub look: bool,
}

impl TrainingImages {
    /// Computes the statistics of `count` images of `shape`, which `image` returns by their index (HWC bytes). `None`
    /// if they are too few.
    pub fn of<'a>(
        shape: ImageShape,
        count: usize,
        image: impl Fn(usize) -> &'a [u8] + Sync,
    ) -> Option<Self> {
        if count < FEWEST {
            return None;
        }
        let described: Vec<Described> = (0..count)
            .into_par_iter()
            .map(|index| Described::of(shape, image(index)))
            .collect();
        let layouts: Vec<&[f32]> = described.iter().map(|d| d.layout.as_slice()).collect();
        let looks: Vec<&[f32]> = described.iter().map(|d| d.look.as_slice()).collect();
        Some(Self {
            layout: Distribution::of(&layouts),
            look: Distribution::of(&looks),
        })
    }

    /// Compares an image (HWC bytes of `shape`) with the training images.
    pub fn unlike(&self, shape: ImageShape, image: &[u8]) -> Unlike {
        let described = Described::of(shape, image);
        Unlike {
            layout: self.layout.excludes(&described.layout),
            look: self.look.excludes(&described.look),
        }
    }

    /// Checks statistics that were read from a file, for images of `shape`.
    pub(super) fn check(&self, shape: ImageShape) -> Result<(), Invalid> {
        let blank = Described::of(shape, &vec![0; shape.len()]);
        let is_sound = self.layout.fits(blank.layout.len()) && self.look.fits(blank.look.len());
        is_sound.then_some(()).ok_or_else(|| {
            Invalid::new(format!(
                "its `training_images` do not fit images of {shape}"
            ))
        })
    }
}

impl Distribution {
    fn of(values: &[&[f32]]) -> Self {
        let mut distances: Vec<f64> = (0..FOLDS)
            .flat_map(|fold| {
                let others = values.iter().enumerate();
                let others: Vec<&[f32]> = others
                    .filter(|(index, _)| index % FOLDS != fold)
                    .map(|(_, values)| *values)
                    .collect();
                let others = Self::around(&others);
                let own = values.iter().skip(fold).step_by(FOLDS);
                own.map(move |values| others.distance(values))
                    .collect::<Vec<_>>()
            })
            .collect();
        distances.sort_by(f64::total_cmp);
        let place = (WITHIN * distances.len() as f64).ceil() as usize;
        let limit = distances[place.clamp(1, distances.len()) - 1] * MARGIN;
        Self {
            limit: (limit as f32).max(LEAST_LIMIT),
            ..Self::around(values)
        }
    }

    /// Computes mean and spread, and sets no limit.
    fn around(values: &[&[f32]]) -> Self {
        let count = values.len() as f64;
        let columns = 0..values[0].len();
        let column = |c: usize| values.iter().map(move |row| f64::from(row[c]));
        let mean: Vec<f64> = columns
            .clone()
            .map(|c| column(c).sum::<f64>() / count)
            .collect();
        let spread = columns.map(|c| {
            let squares = column(c).map(|value| (value - mean[c]) * (value - mean[c]));
            ((squares.sum::<f64>() / count).sqrt() as f32).max(LEAST_SPREAD)
        });
        Self {
            spread: spread.collect(),
            mean: mean.iter().map(|&mean| mean as f32).collect(),
            limit: f32::INFINITY,
        }
    }

    /// Returns the root mean square z-score.
    fn distance(&self, values: &[f32]) -> f64 {
        let scores = values.iter().zip(&self.mean).zip(&self.spread);
        let squares = scores.map(|((&value, &mean), &spread)| {
            let score = (f64::from(value) - f64::from(mean)) / f64::from(spread);
            score * score
        });
        (squares.sum::<f64>() / values.len() as f64).sqrt()
    }

    fn excludes(&self, values: &[f32]) -> bool {
        self.distance(values) > f64::from(self.limit)
    }

    fn fits(&self, values: usize) -> bool {
        let is_positive = |value: &f32| value.is_finite() && *value > 0.0;
        self.mean.len() == values
            && self.spread.len() == values
            && self.mean.iter().all(|mean| mean.is_finite())
            && self.spread.iter().chain([&self.limit]).all(is_positive)
    }
}

/// Descriptions of an image. Only operations that every processor rounds in the same way are used.
struct Described {
    layout: Vec<f32>,
    look: Vec<f32>,
}

impl Described {
    fn of(shape: ImageShape, image: &[u8]) -> Self {
        let pixels = shape.height * shape.width;
        let gray: Vec<f64> = image
            .chunks_exact(shape.channels)
            .map(|pixel| match *pixel {
                [r, g, b] => f64::from(images::luma([r, g, b].map(u32::from))),
                _ => f64::from(pixel[0]),
            })
            .collect();
        let mean = gray.iter().sum::<f64>() / pixels as f64;
        let squares = gray.iter().map(|value| (value - mean) * (value - mean));
        let spread = (squares.sum::<f64>() / pixels as f64).sqrt();
        let layout = cells(shape, &gray)
            .map(|cell| ((cell - mean) / (spread + FLAT)) as f32)
            .collect();
        let [edges, detail] = sharpness(shape, &gray);
        let mut look = vec![mean, spread, edges.sqrt(), detail.sqrt()];
        if shape.channels == 3 {
            look.push(chroma(image).sqrt());
        }
        let look = look.into_iter().map(|value| value as f32).collect();
        Self { layout, look }
    }
}

/// Returns the mean of each cell, row by row. Cells of an image with fewer pixels than cells share pixels.
fn cells(shape: ImageShape, gray: &[f64]) -> impl Iterator<Item = f64> {
    let range = |cell: usize, length: usize| {
        let start = cell * length / CELLS;
        start..((cell + 1) * length / CELLS).max(start + 1)
    };
    (0..CELLS * CELLS).map(move |cell| {
        let rows = range(cell / CELLS, shape.height);
        let columns = range(cell % CELLS, shape.width);
        let count = rows.len() * columns.len();
        let sum: f64 = rows
            .map(|row| &gray[row * shape.width..][columns.clone()])
            .map(|pixels| pixels.iter().sum::<f64>())
            .sum();
        sum / count as f64
    })
}

/// Returns the mean difference of a pixel from its neighbors to the right and below, and from the mean of both
/// neighbors in a row or column.
fn sharpness(shape: ImageShape, gray: &[f64]) -> [f64; 2] {
    let ImageShape { height, width, .. } = shape;
    let at = |y: usize, x: usize| gray[y * width + x];
    let (mut edges, mut detail) = (0.0, 0.0);
    for y in 0..height {
        for x in 0..width {
            let right = at(y, (x + 1).min(width - 1));
            let below = at((y + 1).min(height - 1), x);
            let (left, above) = (at(y, x.saturating_sub(1)), at(y.saturating_sub(1), x));
            let here = at(y, x);
            edges += (right - here).abs() + (below - here).abs();
            detail += (left + right - 2.0 * here).abs() + (above + below - 2.0 * here).abs();
        }
    }
    [edges, detail].map(|sum| sum / gray.len() as f64)
}

/// Returns the mean difference between the largest and the smallest component of a pixel.
fn chroma(image: &[u8]) -> f64 {
    let (pixels, _) = image.as_chunks();
    let sum: u64 = pixels
        .iter()
        .map(|&[r, g, b]: &[u8; 3]| u64::from(r.max(g).max(b) - r.min(g).min(b)))
        .sum();
    sum as f64 / pixels.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: ImageShape = ImageShape {
        height: 16,
        width: 24,
        channels: 1,
    };

    /// Bright disks on a dark ground, of varying size and brightness.
    fn disk(number: usize) -> Vec<u8> {
        let radius = 4.0 + (number * 7 % 10) as f64 / 5.0;
        let shade = 150 + (number * 13 % 60) as u8;
        (0..SHAPE.height * SHAPE.width)
            .map(|place| {
                let (y, x) = ((place / SHAPE.width) as f64, (place % SHAPE.width) as f64);
                let is_inside = (y - 8.0).hypot(x - 8.0) < radius;
                let ground = ((place * 31 + number * 17) % 23) as u8;
                if is_inside { shade + ground } else { ground }
            })
            .collect()
    }

    fn trained() -> TrainingImages {
        let images: Vec<Vec<u8>> = (0..100).map(disk).collect();
        TrainingImages::of(SHAPE, images.len(), |index| &images[index]).unwrap()
    }

    #[test]
    fn images_of_another_kind_are_unlike_the_training_images() {
        let trained = trained();
        trained.check(SHAPE).unwrap();
        let like = Unlike {
            layout: false,
            look: false,
        };
        for number in 100..140 {
            assert_eq!(trained.unlike(SHAPE, &disk(number)), like, "{number}");
        }
        let mirrored: Vec<u8> = disk(7)
            .chunks(SHAPE.width)
            .flat_map(|row| row.iter().rev().copied().collect::<Vec<_>>())
            .collect();
        let inverted: Vec<u8> = disk(7).iter().map(|value| 255 - value).collect();
        let dark: Vec<u8> = disk(7).iter().map(|value| value / 4).collect();
        let blank = vec![90; SHAPE.len()];
        let noise: Vec<u8> = (0..SHAPE.len())
            .map(|i| (i * i * 7919 % 256) as u8)
            .collect();
        for (image, layout, look) in [
            (mirrored, true, false),
            (inverted, true, true),
            (dark, false, true),
            (blank, true, true),
            (noise, true, true),
        ] {
            assert_eq!(trained.unlike(SHAPE, &image), Unlike { layout, look });
        }
    }

    /// Expected values from numpy 2.4.6: means of `image.reshape(8, 2, 8, 3)` over the axes 1 and 3, `std`, and sums of
    /// absolute differences of the image padded with `mode="edge"`.
    #[test]
    fn descriptions_are_those_of_numpy() {
        let image: Vec<u8> = (0..SHAPE.len()).map(|i| (i * i * 7 % 251) as u8).collect();
        let Described { layout, look } = Described::of(SHAPE, &image);
        let near = |got: f32, expected: f64| (f64::from(got) - expected).abs() < 1e-4;
        for (place, expected) in NUMPY_LAYOUT {
            assert!(near(layout[place], expected), "{place}: {}", layout[place]);
        }
        assert_eq!(layout.len(), 64);
        for (got, expected) in look.iter().zip(NUMPY_LOOK) {
            assert!(near(*got, expected), "{look:?}");
        }
    }

    const NUMPY_LAYOUT: [(usize, f64); 3] = [(0, -0.738_499), (13, 0.478_823), (63, -0.031_667)];
    const NUMPY_LOOK: [f64; 4] = [118.585_938, 72.397_182, 12.418_484, 15.562_374];

    #[test]
    fn colors_are_part_of_the_look() {
        let shape = ImageShape {
            channels: 3,
            ..SHAPE
        };
        let colored = |number, tint: u8| -> Vec<u8> {
            let pixels = disk(number).into_iter();
            pixels
                .flat_map(|v| [v, v, v.saturating_sub(tint)])
                .collect()
        };
        let images: Vec<Vec<u8>> = (0..60).map(|number| colored(number, 0)).collect();
        let trained = TrainingImages::of(shape, images.len(), |index| &images[index]).unwrap();
        trained.check(shape).unwrap();
        assert!(!trained.unlike(shape, &colored(70, 0)).look);
        assert!(trained.unlike(shape, &colored(70, 60)).look);
    }

    #[test]
    fn too_few_images_have_no_statistics() {
        let image = disk(0);
        assert!(TrainingImages::of(SHAPE, FEWEST - 1, |_| &image).is_none());
        // Equal images have no spread, but a distribution.
        let trained = TrainingImages::of(SHAPE, FEWEST, |_| &image).unwrap();
        assert!(!trained.unlike(SHAPE, &image).look);
    }

    #[test]
    fn statistics_of_another_shape_are_refused() {
        let mut trained = trained();
        let colored = ImageShape {
            channels: 3,
            ..SHAPE
        };
        trained.check(colored).unwrap_err();
        trained.look.spread[1] = 0.0;
        trained.check(SHAPE).unwrap_err();
    }
}
