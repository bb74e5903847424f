//! Measures how far apart copies and different radiographs are. The numbers in `docs/leakage.md` are printed
//! by `cargo test --release -p stages --lib -- leakage::tests::real --nocapture`.

use std::path::{Path, PathBuf};
use std::time::Instant;

use image::GrayImage;
use images::{Resizer, fit_bytes};
use rayon::prelude::*;

use super::super::copies::Set;
use super::super::scan::{bounds, nearest};
use super::super::sketch::{Detail, Sketches};
use super::CHANGES;
use crate::data::Dataset;
use crate::data::tests::{gray, packed, real_data};

/// Reads radiographs with their names, sorted by path.
fn radiographs(root: &Path, split: &str) -> Vec<(String, GrayImage)> {
    let mut files: Vec<PathBuf> = ["NORMAL", "PNEUMONIA"]
        .iter()
        .flat_map(|class| std::fs::read_dir(root.join(split).join(class)).unwrap())
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let read = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        (name, image::open(path).unwrap().into_luma8())
    };
    files.par_iter().map(read).collect()
}

fn at_size(images: &[GrayImage], size: usize) -> Dataset {
    let pixels: Vec<Vec<u8>> = images
        .par_iter()
        .map_init(Resizer::new, |resizer, image| {
            let from = (image.width() as usize, image.height() as usize);
            fit_bytes(image.as_raw().clone(), from, 1, gray(size), resizer)
        })
        .collect();
    packed(gray(size), &pixels)
}

/// Returns the patient of a radiograph: `person7_virus`, `IM-0115`. Radiographs of one patient are different
/// images.
fn patient(name: &str) -> &str {
    let (separator, from) = match name.strip_prefix("NORMAL2-") {
        Some(_) => ('-', 11),
        None if name.starts_with("person") => ('_', name.find('_').unwrap() + 1),
        None => ('-', 3),
    };
    let end = name[from..]
        .find(separator)
        .map_or(name.len(), |at| from + at);
    &name[..end]
}

#[test]
#[expect(clippy::print_stderr, reason = "the documentation quotes the output")]
fn a_bound_lies_between_copies_and_different_radiographs() {
    let Some(root) = real_data("chest-xray") else {
        return;
    };
    let [train, test] = ["train", "test"].map(|split| radiographs(&root, split));
    let names: Vec<&str> = train
        .iter()
        .chain(&test)
        .map(|(name, _)| name.as_str())
        .collect();
    let images: Vec<GrayImage> = train
        .iter()
        .chain(&test)
        .map(|(_, image)| image.clone())
        .collect();
    let changed: Vec<Vec<GrayImage>> = CHANGES
        .iter()
        .map(|(_, change)| test.par_iter().map(|(_, image)| change(image)).collect())
        .collect();
    for size in [8, 12, 16, 32, 64, 224] {
        let all = at_size(&images, size);
        let all = Set::new("all", &all);
        let sketches = &all.sketches;
        let [_, bound] = bounds(sketches.side());
        eprintln!("{size}×{size} pixels, copies have a similarity of at least {bound:.3}");

        // For each image, the nearest one with different pixels.
        let distinct = |i: usize, j: usize| images[i].as_raw() != images[j].as_raw();
        let [mut other, mut same] = [Vec::new(), Vec::new()];
        let best: Vec<[f64; 2]> = (0..images.len())
            .into_par_iter()
            .map(|i| {
                let mut best = [-1.0; 2];
                for j in (0..images.len()).filter(|&j| j != i) {
                    let similarity = sketches.similarity(i, sketches, j, Detail::Fine);
                    let patient = usize::from(patient(names[i]) == patient(names[j]));
                    if similarity > best[patient] && distinct(i, j) {
                        best[patient] = similarity;
                    }
                }
                best
            })
            .collect();
        for [of_other, of_same] in best {
            other.push(of_other);
            same.extend((of_same > -1.0).then_some(of_same));
        }
        eprintln!("  nearest of another patient: {}", quantiles(&mut other));
        eprintln!("  nearest of the same patient: {}", quantiles(&mut same));
        let false_copies = other.iter().chain(&same).filter(|&&s| s >= bound).count();
        eprintln!(
            "  images with a false copy: {false_copies} of {}",
            images.len()
        );
        assert_eq!(false_copies, 0);

        let test_images = at_size(&images[train.len()..], size);
        let originals = Set::new("test", &test_images);
        for ((name, _), changed) in CHANGES.iter().zip(&changed) {
            let changed = at_size(changed, size);
            let changed = Set::new("changed", &changed);
            let similarity = |i| {
                changed
                    .sketches
                    .similarity(i, &originals.sketches, i, Detail::Fine)
            };
            let mut similarities: Vec<f64> = (0..test.len()).map(similarity).collect();
            let found = changed.copies_of(&originals, &|| Ok(())).unwrap();
            // Some test images occur twice.
            let same = |i: usize, j: usize| test[i].1 == test[j].1;
            let right = found
                .iter()
                .filter(|copy| same(copy.image, copy.of))
                .count();
            eprintln!(
                "  {name}: {} found of {}; {}",
                right,
                test.len(),
                quantiles(&mut similarities)
            );
            // Clipping removes the differences between some images.
            let least = match name.starts_with("20 % more contrast") {
                true => test.len() * 99 / 100,
                false => test.len(),
            };
            assert!(right >= least, "{name} at {size}: {right}");
            // No image is taken for a copy of a different one.
            assert_eq!(right, found.len(), "{name} at {size}");
        }
    }
}

/// Formats the least, the 1 %, the median, the 99 % and the greatest value.
fn quantiles(values: &mut [f64]) -> String {
    values.sort_by(f64::total_cmp);
    let at = |share: f64| values[((values.len() - 1) as f64 * share) as usize];
    let [least, low, median, high, most] = [0.0, 0.01, 0.5, 0.99, 1.0].map(at);
    format!(
        "least {least:.3}, 1 % {low:.3}, median {median:.3}, 99 % {high:.3}, greatest {most:.3}"
    )
}

/// Run with `cargo test --release -p stages --lib -- leakage::tests::real::speed --ignored --nocapture`.
#[test]
#[ignore = "measures times, tests nothing"]
#[expect(clippy::print_stderr, reason = "the documentation quotes the output")]
fn speed() {
    let random = |count: usize, size: usize, seed: u64| {
        let noise: Vec<Vec<u8>> = (0..count)
            .into_par_iter()
            .map(|i| {
                let values = contract::random::uniform(size * size, seed + i as u64);
                values.into_iter().map(|v| (v * 255.0) as u8).collect()
            })
            .collect();
        packed(gray(size), &noise)
    };
    let timed =
        |what: &str, start: Instant| eprintln!("{what}: {:.2} s", start.elapsed().as_secs_f64());
    let stop = || Ok(());
    for size in [32, 224] {
        let images = random(5216, size, 1);
        let start = Instant::now();
        Sketches::of(&images);
        timed(&format!("sketches of 5,216 images of {size}×{size}"), start);
    }
    let [train, test, generated] =
        [(5216, 1), (624, 20_000), (10_000, 40_000)].map(|(count, seed)| random(count, 32, seed));
    let [train, test, generated] =
        [&train, &test, &generated].map(|images| Set::new("set", images));
    let start = Instant::now();
    test.copies_of(&train, &stop).unwrap();
    timed("copies among 624 of 5,216", start);
    let start = Instant::now();
    train.repeats(&stop).unwrap();
    timed("repeats in 5,216", start);
    let start = Instant::now();
    generated.copies_of(&train, &stop).unwrap();
    timed("copies among 10,000 of 5,216", start);
    let start = Instant::now();
    nearest(&generated.sketches, &train.sketches, |_| None, &stop).unwrap();
    timed("nearest of 10,000 among 5,216", start);
    let large = random(100_000, 32, 100_000);
    let start = Instant::now();
    let large = Set::new("large", &large);
    timed("sketches of 100,000 images of 32×32", start);
    let start = Instant::now();
    large.repeats(&stop).unwrap();
    timed("repeats in 100,000", start);
}
