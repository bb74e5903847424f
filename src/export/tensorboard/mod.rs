//! Event files for TensorBoard.
//!
//! | content of a run | in TensorBoard |
//! | --- | --- |
//! | stage instance | run, in a folder with its name |
//! | column of a history | scalar `epochs/COLUMN`, by epoch |
//! | metric | scalar `metrics/NAME` at step 0, with `metrics/NAME.low` and `.high` for its interval |
//! | PNG of a figure | image `PORT/NAME`; of `NAME-0010.png`, image `PORT/NAME` at step 10 |
//! | instance with results | session of the HParams tab, with the parameters of everything that it was made from |
//!
//! Values are 32-bit floats, as in every event file. The time of an event is the end of its stage, because records do
//! not contain the time of each epoch.

mod events;
mod hparams;
mod proto;

use contract::ArtifactType;
use engine::error::Error;
use engine::wording;
use store::component;

use crate::folder::NewFolder;
use crate::record::{Instance, Record};
use events::Events;
use hparams::Sessions;
use proto::Image;

/// Largest picture that is exported, in bytes. TensorBoard keeps pictures in memory.
const LARGEST: u64 = 16 << 20;

/// Writes event files. Returns a summary, and notes about what is left out.
///
/// # Errors
/// If results are damaged, or files cannot be written.
pub fn write(record: &Record<'_>, folder: &NewFolder) -> Result<(String, Vec<String>), Error> {
    let sessions = Sessions::of(record);
    let name = format!(
        "events.out.tfevents.{:010}.{}",
        record.started.as_second(),
        record.report.run
    );
    let mut written = Written::default();
    if !sessions.is_empty() {
        let mut events = Events::new(record.started);
        sessions.add_experiment(record, &mut events);
        folder.write(&name, &events.into_bytes())?;
    }
    for (at, instance) in record.instances.iter().enumerate() {
        let mut events = Events::new(record.time_of(instance));
        sessions.add(record, at, &mut events);
        let before = written.scalars + written.images;
        scalars(instance, &mut events, &mut written);
        images(record, instance, &mut events, &mut written)?;
        if written.scalars + written.images > before {
            written.runs += 1;
            let file = format!("{}/{name}", component(&instance.name));
            folder.write(&file, &events.into_bytes())?;
        }
    }
    let summary = format!(
        "{}, {}, {}",
        wording::counted(written.runs, "run"),
        wording::counted(written.scalars, "scalar"),
        wording::counted(written.images, "image"),
    );
    Ok((summary, written.notes))
}

#[derive(Default)]
struct Written {
    runs: usize,
    scalars: usize,
    images: usize,
    notes: Vec<String>,
}

/// Tag of a metric.
fn metric_tag(name: &str) -> String {
    format!("metrics/{name}")
}

fn scalars(instance: &Instance, events: &mut Events, written: &mut Written) {
    for curve in &instance.curves {
        let tag = format!("epochs/{}", curve.name);
        for &(epoch, value) in &curve.points {
            events.scalar(&tag, epoch, value);
        }
        written.scalars += 1;
    }
    for (name, metric) in &instance.metrics {
        let tag = metric_tag(name);
        events.scalar(&tag, 0, metric.value);
        written.scalars += 1;
        for (value, end) in metric.interval.into_iter().flatten().zip(["low", "high"]) {
            if value.is_finite() {
                events.scalar(&format!("{tag}.{end}"), 0, value);
                written.scalars += 1;
            }
        }
    }
}

fn images(
    record: &Record<'_>,
    instance: &Instance,
    events: &mut Events,
    written: &mut Written,
) -> Result<(), Error> {
    let figures = instance.outputs.iter();
    let figures = figures.filter(|output| output.artifact == Some(ArtifactType::Figure));
    for output in figures {
        for (name, blob) in &output.tree.files {
            let Some(stem) = stem(name) else { continue };
            if blob.bytes > LARGEST {
                let limit = pages::size(LARGEST);
                let stage = &instance.name;
                let note = format!("`{name}` of `{stage}` is larger than {limit} and left out");
                written.notes.push(note);
                continue;
            }
            let png = record.file(output, name)?;
            // A program may give any file this name.
            let Some(image) = image(png) else { continue };
            let (stem, step) = step_of(stem);
            events.image(&format!("{}/{stem}", output.port), step, image);
            written.images += 1;
        }
    }
    Ok(())
}

/// The name of a PNG file without its extension; `None` for other files.
fn stem(name: &str) -> Option<&str> {
    let (stem, extension) = name.rsplit_once('.')?;
    extension.eq_ignore_ascii_case("png").then_some(stem)
}

/// Splits the name of a picture that is one of a series: `epoch-0010` into `epoch` and 10. Other pictures have step 0.
fn step_of(stem: &str) -> (&str, u64) {
    let split = stem.rsplit_once('-');
    let series = split.filter(|(name, number)| {
        !name.is_empty() && number.len() >= 4 && number.bytes().all(|byte| byte.is_ascii_digit())
    });
    let series = series.and_then(|(name, number)| Some((name, number.parse().ok()?)));
    series.unwrap_or((stem, 0))
}

/// Describes a PNG by its header; `None` if it is not one.
fn image(encoded: Vec<u8>) -> Option<Image> {
    let header = encoded.strip_prefix(b"\x89PNG\r\n\x1a\n")?.get(8..18)?;
    let side = |bytes: &[u8]| bytes.try_into().map(i32::from_be_bytes).ok();
    let (width, height) = (side(&header[..4])?, side(&header[4..8])?);
    // Colour types of PNG: gray, RGB, palette, gray with alpha, RGB with alpha.
    let colorspace = match header[9] {
        0 => 1,
        4 => 2,
        6 => 4,
        _ => 3,
    };
    (width > 0 && height > 0).then_some(Image {
        height,
        width,
        colorspace,
        encoded,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_of_a_series_have_steps() {
        assert_eq!(step_of("epoch-0010"), ("epoch", 10));
        for plain in ["roc", "top-5", "-0010", "epoch-00x0"] {
            assert_eq!(step_of(plain), (plain, 0));
        }
        assert_eq!(stem("a.b/roc.PNG"), Some("a.b/roc"));
        assert_eq!(stem("leakage.json"), None);
    }

    #[test]
    fn only_pictures_are_images() {
        let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        png.extend([0, 0, 1, 2, 0, 0, 0, 7, 8, 6]);
        let found = image(png.clone()).unwrap();
        assert_eq!((found.width, found.height, found.colorspace), (258, 7, 4));
        assert!(image(png[..20].to_vec()).is_none());
        assert!(image(b"<svg>".to_vec()).is_none());
    }
}
