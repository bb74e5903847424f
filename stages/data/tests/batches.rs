use contract::ImageShape;

use super::{gray, packed};
use crate::data::{Augmenting, Dataset, Policy, Scale, Zoom, fill_batch, shuffled};

/// A policy that uses every transform.
fn strong() -> Policy {
    Policy {
        rotation: 20.0,
        width_shift: 0.1,
        height_shift: 0.1,
        shear: 10.0,
        zoom: Zoom {
            low: 0.8,
            high: 1.2,
        },
        horizontal_flip: true,
        vertical_flip: true,
        brightness: [0.7, 1.3],
    }
}

fn pictures(n: usize, size: usize) -> Dataset {
    let picture = |k: usize| {
        let pixel = |at: usize| ((at * 37 + at / size * 11 + k * 101) % 256) as u8;
        (0..size * size).map(pixel).collect()
    };
    packed(gray(size), &(0..n).map(picture).collect::<Vec<_>>())
}

fn fill(dataset: &Dataset, indices: &[usize], policy: &Policy, epoch: u64) -> Vec<f32> {
    let mut out = vec![f32::NAN; indices.len() * dataset.shape().len()];
    let augment = Augmenting {
        policy,
        seed: 5,
        epoch,
    };
    fill_batch(dataset, indices, Scale::Unit, Some(&augment), &mut out);
    out
}

#[test]
fn bytes_become_planes_of_floats() {
    let shape = ImageShape {
        height: 1,
        width: 2,
        channels: 3,
    };
    let dataset = packed(shape, &[vec![0; 6], vec![0, 51, 102, 153, 204, 255]]);
    let mut out = [f32::NAN; 6];
    fill_batch(&dataset, &[1], Scale::Unit, None, &mut out);
    assert_eq!(out, [0.0, 0.6, 0.2, 0.8, 0.4, 1.0]);
    fill_batch(&dataset, &[1], Scale::Symmetric, None, &mut out);
    assert_eq!((out[0], out[5]), (-1.0, 1.0));
    assert!((out[1] - 0.2).abs() < 1e-6);
}

#[test]
fn an_epochs_order_is_a_permutation_of_its_own() {
    let order = shuffled(100, 3, 7);
    let mut sorted = order.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (0..100).collect::<Vec<_>>());
    assert_eq!(order, shuffled(100, 3, 7));
    assert_ne!(order, shuffled(100, 3, 8));
    assert_ne!(order, shuffled(100, 4, 7));
    assert!(shuffled(0, 3, 7).is_empty());
}

#[test]
fn a_policy_that_does_nothing_changes_nothing() {
    let dataset = pictures(3, 9);
    let indices = [2, 0];
    let mut plain = vec![0.0; 2 * 81];
    fill_batch(&dataset, &indices, Scale::Unit, None, &mut plain);
    assert_eq!(fill(&dataset, &indices, &Policy::default(), 1), plain);
}

#[test]
fn a_transform_does_not_depend_on_its_batch() {
    let dataset = pictures(40, 12);
    let all: Vec<usize> = (0..40).collect();
    let together = fill(&dataset, &all, &strong(), 2);
    for i in all {
        let alone = fill(&dataset, &[i], &strong(), 2);
        assert_eq!(alone, together[i * 144..][..144]);
    }
}

#[test]
fn batches_do_not_depend_on_the_number_of_threads() {
    let dataset = pictures(64, 12);
    let indices = shuffled(64, 1, 1);
    let with = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads);
        let pool = pool.build().unwrap();
        pool.install(|| fill(&dataset, &indices, &strong(), 3))
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn every_epoch_and_image_has_its_own_transform() {
    let same = vec![pictures(1, 12).image(0).to_vec(); 2];
    let dataset = packed(gray(12), &same);
    let first = fill(&dataset, &[0, 1], &strong(), 0);
    assert_ne!(first[..144], first[144..]);
    assert_ne!(first, fill(&dataset, &[0, 1], &strong(), 1));
}
