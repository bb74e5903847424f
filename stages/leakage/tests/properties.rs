//! Properties that hold for any images.

use contract::ImageShape;
use image::GrayImage;
use rayon::ThreadPoolBuilder;

use super::super::copies::{Likeness, Set};
use super::super::scan::{affordable, bounds, copies, nearest};
use super::super::sketch::{Detail, Sketches};
use super::{CHANGES, picture, recoloured};
use crate::data::Dataset;
use crate::data::tests::{gray, packed};

fn dataset(images: &[GrayImage]) -> Dataset {
    let size = images[0].width() as usize;
    let pixels: Vec<Vec<u8>> = images.iter().map(|image| image.as_raw().clone()).collect();
    packed(gray(size), &pixels)
}

fn pictures(size: u32, seeds: std::ops::Range<u64>) -> Vec<GrayImage> {
    seeds.map(|seed| picture(size, seed)).collect()
}

#[test]
fn a_change_that_keeps_the_order_of_gray_values_does_not_change_a_sketch() {
    let image = recoloured(&picture(48, 3), |v| 0.4 * v);
    let brighter = recoloured(&image, |v| 1.5 * v + 0.3);
    assert_ne!(image, brighter);
    let images = dataset(&[image, brighter]);
    let sketches = Sketches::of(&images);
    assert_eq!(
        sketches.sketch(0, Detail::Fine),
        sketches.sketch(1, Detail::Fine)
    );
    assert!((sketches.similarity(0, &sketches, 1, Detail::Fine) - 1.0).abs() < 1e-6);
}

#[test]
fn color_is_compared_by_its_luma() {
    let gray_image = picture(24, 1);
    let color: Vec<u8> = gray_image.as_raw().iter().flat_map(|&v| [v; 3]).collect();
    let shape = ImageShape {
        channels: 3,
        ..gray(24)
    };
    let (gray, color) = (dataset(&[gray_image]), packed(shape, &[color]));
    assert_eq!(
        Sketches::of(&gray).sketch(0, Detail::Fine),
        Sketches::of(&color).sketch(0, Detail::Fine)
    );
}

#[test]
fn an_image_of_one_gray_matches_equal_images_only() {
    let black = GrayImage::new(32, 32);
    let images = dataset(&[black.clone(), picture(32, 1), black]);
    let set = Set::new("train", &images);
    let found = set.repeats(&|| Ok(())).unwrap();
    let [copy] = found.as_slice() else {
        panic!("{found:?}");
    };
    assert_eq!(
        (copy.image, copy.of, copy.likeness),
        (2, 0, Likeness::SamePixels)
    );
    assert_eq!(
        set.sketches.similarity(0, &set.sketches, 1, Detail::Fine),
        0.0
    );
}

#[test]
fn an_empty_set_has_nothing_in_common_with_any() {
    let (some, none) = (dataset(&[picture(32, 1)]), packed(gray(32), &[]));
    let (some, none) = (Set::new("some", &some), Set::new("none", &none));
    let stop = || Ok(());
    assert!(some.copies_of(&none, &stop).unwrap().is_empty());
    assert!(none.copies_of(&some, &stop).unwrap().is_empty());
    let nearest = nearest(&some.sketches, &none.sketches, |_| None, &stop).unwrap();
    assert_eq!(nearest, [None]);
}

/// Compares across tiles, and in tiles that are not full.
#[test]
fn each_changed_image_is_found_among_many() {
    let originals = pictures(48, 0..300);
    let mut others = pictures(48, 1000..1270);
    let planted: Vec<(usize, usize)> = CHANGES
        .iter()
        .enumerate()
        .map(|(c, (_, change))| {
            let (at, original) = (c * 29, 299 - c * 33);
            others[at] = change(&originals[original]);
            (at, original)
        })
        .collect();
    let (originals, others) = (dataset(&originals), dataset(&others));
    let (originals, others) = (Set::new("a", &originals), Set::new("b", &others));
    let found = others.copies_of(&originals, &|| Ok(())).unwrap();
    let pairs: Vec<(usize, usize)> = found.iter().map(|copy| (copy.image, copy.of)).collect();
    assert_eq!(pairs, planted);
}

#[test]
fn a_repeated_image_is_a_copy_of_one_before_it() {
    let mut images = pictures(32, 0..300);
    images[7] = images[290].clone();
    images[299] = recoloured(&images[290], |v| v.powf(0.8));
    let images = dataset(&images);
    let found = Set::new("train", &images).repeats(&|| Ok(())).unwrap();
    let found: Vec<_> = found
        .iter()
        .map(|copy| (copy.image, copy.of, copy.likeness))
        .collect();
    assert_eq!(
        found,
        [(290, 7, Likeness::SamePixels), (299, 7, Likeness::Near)]
    );
}

#[test]
fn tiles_find_the_same_images_as_a_comparison_of_single_pairs() {
    let images = dataset(&pictures(20, 0..200));
    let sketches = Sketches::of(&images);
    let found = nearest(&sketches, &sketches, Some, &|| Ok(())).unwrap();
    for (i, found) in found.iter().enumerate() {
        let found = found.unwrap();
        let similarity = |j: usize| sketches.similarity(i, &sketches, j, Detail::Fine);
        let others = (0..200).filter(|&j| j != i);
        let best = others.map(similarity).max_by(f64::total_cmp).unwrap();
        assert!((similarity(found.index) - best).abs() < 1e-6);
        assert!((found.similarity - best).abs() < 1e-6);
    }
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let images = dataset(&pictures(32, 0..400));
    let all = |threads: usize| {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .unwrap();
        pool.install(|| {
            let sketches = Sketches::of(&images);
            let values: Vec<i16> = (0..400)
                .flat_map(|i| sketches.sketch(i, Detail::Fine).to_vec())
                .collect();
            let nearest = nearest(&sketches, &sketches, Some, &|| Ok(())).unwrap();
            (
                values,
                nearest,
                copies(&sketches, &sketches, true, &|| Ok(())).unwrap(),
            )
        })
    };
    assert_eq!(all(1), all(3));
}

#[test]
fn sums_of_products_are_exact_in_single_precision() {
    let images = dataset(&pictures(64, 0..20));
    let sketches = Sketches::of(&images);
    for i in 0..20 {
        let length = sketches.length(i, Detail::Fine);
        assert!((3990.0..4096.0).contains(&length), "{length}");
    }
}

#[test]
fn a_search_stops_when_asked_to() {
    let images = dataset(&pictures(16, 0..10));
    let set = Set::new("train", &images);
    let stopped = set.repeats(&|| Err(contract::Failure::Cancelled));
    assert_eq!(stopped, Err(contract::Failure::Cancelled));
}

#[test]
fn fewer_frequencies_need_a_higher_similarity() {
    let fine: Vec<f64> = (1..=24).map(|side| bounds(side)[1]).collect();
    assert!(fine.windows(2).all(|pair| pair[0] > pair[1]), "{fine:?}");
    assert!((fine[23] - 0.9).abs() < 1e-12 && fine[0] < 1.0);
    for side in 1..=24 {
        let [coarse, fine] = bounds(side);
        // The first look must not reject what the second would accept.
        assert!(coarse < bounds(side.min(12))[1] && fine >= 0.9);
    }
}

#[test]
fn a_comparison_that_would_take_hours_is_not_started() {
    assert!(affordable(100_000, 100_000));
    assert!(affordable(10_000, 5_216) && affordable(7, 0));
    assert!(!affordable(1_000_000, 100_000));
}
