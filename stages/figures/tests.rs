//! Draws every figure except those of sweeps, in ordinary and in awkward cases. `RUNNER_TEST_FIGURES=FOLDER` keeps
//! the pictures for inspection.

use std::path::{Path, PathBuf};

use contract::{Direction, ImageShape, Metric};

use super::chart::{Series, line_chart};
use super::confusion::confusion;
use super::grid::{Row, grid};
use super::heat_maps::{Cell, Legend, heat_maps};
use super::roc::roc;
use crate::metrics::Confusion;

/// A folder for pictures: temporary, unless the pictures are kept.
pub(super) struct Folder {
    path: PathBuf,
    _temporary: Option<tempfile::TempDir>,
}

impl Folder {
    pub(super) fn new() -> Self {
        match std::env::var_os("RUNNER_TEST_FIGURES") {
            Some(path) => Self {
                path: path.into(),
                _temporary: None,
            },
            None => {
                let temporary = tempfile::tempdir().unwrap();
                Self {
                    path: temporary.path().to_owned(),
                    _temporary: Some(temporary),
                }
            }
        }
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }
}

/// Asserts that a PNG has the bytes that it had when its digest was noted. Stages write such files: if their bytes
/// change, the versions of the kinds must be raised.
pub(super) fn assert_unchanged(path: &Path, digest: u64) {
    let bytes = std::fs::read(path).unwrap();
    let found = contract::random::fnv1a(&bytes);
    assert_eq!(found, digest, "{}: {found:#018x}", path.display());
}

pub(super) fn pixels(path: &Path) -> image::RgbImage {
    image::open(path).unwrap().to_rgb8()
}

/// Number of pixels of exactly this color.
pub(super) fn count(picture: &image::RgbImage, color: [u8; 3]) -> usize {
    picture.pixels().filter(|pixel| pixel.0 == color).count()
}

/// Returns whether nothing touches the picture's edge, as clipped text would.
pub(super) fn margins_are_white(picture: &image::RgbImage) -> bool {
    let (width, height) = picture.dimensions();
    picture
        .enumerate_pixels()
        .filter(|&(x, y, _)| x < 6 || y < 6 || x >= width - 6 || y >= height - 6)
        .all(|(_, _, pixel)| pixel.0 == [255; 3])
}

const BLUE: [u8; 3] = [0x00, 0x72, 0xb2];
const VERMILION: [u8; 3] = [0xd5, 0x5e, 0x00];

fn series(name: &str, dashed: bool, values: &[f64]) -> Series {
    let points = values
        .iter()
        .enumerate()
        .map(|(i, &value)| (i as f64 + 1.0, value))
        .collect();
    Series {
        name: name.to_owned(),
        points,
        dashed,
    }
}

#[test]
fn grid_shows_every_pixel_enlarged() {
    let folder = Folder::new();
    let shape = ImageShape {
        height: 32,
        width: 16,
        channels: 1,
    };
    let (dark, light): (Vec<u8>, Vec<u8>) = (vec![10; shape.len()], vec![200; shape.len()]);
    let rows = [
        Row {
            label: "NORMAL",
            images: vec![&dark, &light, &dark],
        },
        Row {
            label: "PNEUMONIA",
            images: vec![&light],
        },
    ];
    grid(&rows, shape, &folder.file("grid.png")).unwrap();
    let picture = pixels(&folder.file("grid.png"));
    // The images are 16 pixels wide and are enlarged six times, to at least 96.
    assert_eq!(count(&picture, [10; 3]), 2 * shape.len() * 36);
    assert!(margins_are_white(&picture));
    assert_unchanged(&folder.file("grid.png"), 0xd2c0_662d_b425_208c);
}

#[test]
fn grid_keeps_colors_and_refuses_wrong_sizes() {
    let folder = Folder::new();
    let shape = ImageShape {
        height: 128,
        width: 128,
        channels: 3,
    };
    let red: Vec<u8> = [250, 10, 20].repeat(128 * 128);
    grid(
        &[Row {
            label: "",
            images: vec![&red; 2],
        }],
        shape,
        &folder.file("color.png"),
    )
    .unwrap();
    assert_eq!(
        count(&pixels(&folder.file("color.png")), [250, 10, 20]),
        2 * 128 * 128
    );
    let row = Row {
        label: "",
        images: vec![&red[1..]],
    };
    assert!(grid(&[row], shape, &folder.file("wrong.png")).is_err());
    grid(&[], shape, &folder.file("empty.png")).unwrap();
}

#[test]
fn line_chart_shows_its_lines() {
    let folder = Folder::new();
    let training = [
        0.71, 0.82, 0.855, 0.88, 0.9, 0.905, 0.92, 0.93, 0.935, 0.95, 0.947, 0.96,
    ];
    let validation = [
        0.72,
        0.8,
        0.81,
        0.87,
        0.85,
        0.89,
        f64::NAN,
        0.9,
        0.88,
        0.93,
        0.91,
        0.92,
    ];
    let lines = [
        series("training", false, &training),
        series("validation", true, &validation),
    ];
    let path = folder.file("accuracy.png");
    line_chart(&path, "model 6: accuracy", "epoch", "accuracy", &lines).unwrap();
    let picture = pixels(&path);
    assert!(count(&picture, BLUE) > 3000 && count(&picture, VERMILION) > 1500);
    assert!(margins_are_white(&picture));

    let first = std::fs::read(&path).unwrap();
    assert_unchanged(&path, 0xde9c_8f15_b051_54fc);
    line_chart(&path, "model 6: accuracy", "epoch", "accuracy", &lines).unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), first);
}

#[test]
fn line_chart_copes_with_awkward_series() {
    let folder = Folder::new();
    let chart = |name: &str, lines: &[Series]| {
        line_chart(&folder.file(name), name, "epoch", "loss", lines).unwrap();
        pixels(&folder.file(name))
    };
    assert!(
        count(
            &chart("single.png", &[series("training", false, &[0.37])]),
            BLUE
        ) > 100
    );
    let constant = [
        series("a", false, &[1.0; 20]),
        series("b", true, &[1.0; 20]),
    ];
    assert!(count(&chart("constant.png", &constant), VERMILION) > 1000);
    chart("nothing.png", &[]);
    chart(
        "no-number.png",
        &[series("training", false, &[f64::NAN, f64::INFINITY])],
    );
    chart(
        "huge.png",
        &[
            series("training", false, &[-1e300, 2e300]),
            series("tiny", false, &[1e-300]),
        ],
    );
    let many: Vec<Series> = (0..7)
        .map(|k| {
            series(
                &format!("a rather long name {k}"),
                k % 2 == 1,
                &[f64::from(k), f64::from(-k * k)],
            )
        })
        .collect();
    assert!(margins_are_white(&chart("many.png", &many)));
    assert_unchanged(&folder.file("many.png"), 0x39a8_ab40_ed7a_fe18);
    let path = folder.file("title.png");
    let title = "a title far too long for its picture ".repeat(4);
    line_chart(&path, &title, "epoch", "loss", &many).unwrap();
    assert!(margins_are_white(&pixels(&path)));
}

#[test]
fn roc_shows_curve_and_operating_point() {
    let folder = Folder::new();
    let auc = Metric {
        interval: Some([0.9431, 0.9722]),
        ..Metric::new(0.9587, Some(Direction::Maximize))
    };
    let curve = vec![
        (0.0, 0.0),
        (0.0, 0.6),
        (0.1, 0.8),
        (0.1, 0.92),
        (0.3, 0.97),
        (1.0, 1.0),
    ];
    let operating = Some(("threshold 0.62".to_owned(), (0.1, 0.92)));
    roc(
        &folder.file("roc.png"),
        "ROC: PNEUMONIA",
        curve,
        (&auc, contract::analysis::Over::Groups),
        operating,
    )
    .unwrap();
    let picture = pixels(&folder.file("roc.png"));
    assert_unchanged(&folder.file("roc.png"), 0x582a_9367_56e4_6b52);
    assert!(count(&picture, BLUE) > 3000 && count(&picture, VERMILION) > 100);
    assert!(margins_are_white(&picture));
}

#[test]
fn confusion_matrix_is_colored_by_row() {
    let folder = Folder::new();
    let matrix = Confusion::new(&[0, 0, 0, 1, 1], &[0, 0, 0, 0, 1], 2);
    let classes = ["NORMAL".to_owned(), "PNEUMONIA".to_owned()];
    confusion(
        &folder.file("confusion.png"),
        "624 images",
        &classes,
        &matrix,
    )
    .unwrap();
    let picture = pixels(&folder.file("confusion.png"));
    assert_unchanged(&folder.file("confusion.png"), 0x78a2_6462_884c_8485);
    // One cell is entirely blue, except for its text.
    assert!(count(&picture, BLUE) > 30_000);
    assert!(margins_are_white(&picture));
}

#[test]
fn a_page_of_heat_maps_shows_every_picture_unchanged() {
    let folder = Folder::new();
    let shape = ImageShape {
        height: 40,
        width: 30,
        channels: 3,
    };
    let violet = [91, 20, 90].repeat(40 * 30);
    let green = [20, 200, 40].repeat(40 * 30);
    let cell = |name: &str| Cell {
        image: &violet,
        overlay: &green,
        lines: vec!["predicted PNEUMONIA (0.982)".to_owned(), name.to_owned()],
    };
    let long = "a rather long name of an image that must be made smaller to fit";
    let cells = [cell("a.png"), cell(long), cell("c.png")];
    let scale: Vec<u8> = (0..120).flat_map(|step| [step, 2 * step, 7]).collect();
    let legend = Legend {
        title: "Places that speak for the predicted class",
        scale: &scale,
        ends: ["0", "largest value"],
    };
    let path = folder.file("heat_maps.png");
    heat_maps(&legend, &cells, shape, &path).unwrap();
    let picture = pixels(&path);
    assert_eq!(count(&picture, [91, 20, 90]), 3 * 40 * 30);
    assert_eq!(count(&picture, [20, 200, 40]), 3 * 40 * 30);
    assert_eq!(count(&picture, [119, 238, 7]), 2 * 24);
    assert!(margins_are_white(&picture));
    assert_unchanged(&path, 0xa975_3608_17bd_ca11);
}
