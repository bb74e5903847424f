use super::*;

fn split(seed: u64, images: usize, size: usize) -> Vec<(u32, Vec<u8>)> {
    let phantom = Phantom {
        images,
        ..Phantom::default()
    };
    let pool = phantom.offer(seed, SplitUse::default()).train;
    let wanted: Vec<usize> = (0..images).collect();
    let shape = ImageShape {
        height: size,
        width: size,
        channels: 1,
    };
    let mut out = Vec::new();
    pool.read(&wanted, shape, &mut |i, image| {
        out.push((pool.examples()[i].label, image.to_vec()));
        Ok(())
    })
    .unwrap();
    out
}

fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// If these digests change, increase `dataset::INFO.version`.
#[test]
fn the_same_seed_gives_the_same_bytes_everywhere() {
    let digest = |size| fnv1a(split(42, 6, size).into_iter().flat_map(|(_, image)| image));
    assert_eq!(
        [digest(32), digest(64)],
        [6728232706145088392, 16125996888653442655]
    );
}

#[test]
fn an_image_depends_only_on_its_seed_split_and_index() {
    let images = split(1, 10, 32);
    assert_eq!(images[..5], split(1, 10, 32)[..5]);
    assert_ne!(images[0], split(2, 10, 32)[0]);
    let alone = draw(
        1,
        "train",
        7,
        images[7].0 == 1,
        Phantom::default().subtle,
        32,
    );
    assert_eq!(images[7].1, alone);
    assert_ne!(
        alone,
        draw(
            1,
            "test",
            7,
            images[7].0 == 1,
            Phantom::default().subtle,
            32
        )
    );
}

#[test]
fn the_share_of_pneumonia_is_exact_and_evenly_spread() {
    let labels: Vec<u32> = split(1, 200, 8).iter().map(|(label, _)| *label).collect();
    assert_eq!(labels.iter().sum::<u32>(), 120);
    for ten in labels.chunks(10) {
        assert_eq!(ten.iter().sum::<u32>(), 6);
    }
}

#[test]
fn three_channels_are_equal() {
    let pool = Phantom::default().offer(1, SplitUse::default()).test;
    let shape = ImageShape {
        height: 28,
        width: 28,
        channels: 3,
    };
    pool.read(&[0, 3], shape, &mut |_, image| {
        assert_eq!(image.len(), shape.len());
        assert!(
            image
                .as_chunks::<3>()
                .0
                .iter()
                .all(|[r, g, b]| r == g && g == b)
        );
        Ok(())
    })
    .unwrap();
}

/// Returns the area under the ROC curve of a statistic of the images.
fn auc(images: &[(u32, Vec<u8>)], statistic: impl Fn(&[u8]) -> f64) -> f64 {
    let of = |label| -> Vec<f64> {
        let class = images.iter().filter(|(l, _)| *l == label);
        class.map(|(_, image)| statistic(image)).collect()
    };
    let (healthy, diseased) = (of(0), of(1));
    let wins: f64 = diseased
        .iter()
        .flat_map(|s| {
            healthy
                .iter()
                .map(move |h| if s > h { 1.0 } else { 0.5 * f64::from(s == h) })
        })
        .sum();
    wins / (healthy.len() * diseased.len()) as f64
}

/// Disease is visible, but brightness alone does not find it.
#[test]
fn no_trivial_statistic_separates_the_classes() {
    const SIZE: usize = 32;
    let images = split(3, 600, SIZE);
    let mean = |image: &[u8]| image.iter().map(|&v| f64::from(v)).sum::<f64>() / image.len() as f64;
    let region = |image: &[u8]| {
        let at = |row: usize| [4..12, 20..28].map(|columns| mean(&image[row * SIZE..][columns]));
        (10..20).flat_map(at).sum::<f64>()
    };
    let darkest = |image: &[u8]| {
        let mut sorted = image.to_vec();
        sorted.sort_unstable();
        f64::from(sorted[SIZE * SIZE / 5])
    };
    let spread = |image: &[u8]| {
        let mean = mean(image);
        -image
            .iter()
            .map(|&v| (f64::from(v) - mean).powi(2))
            .sum::<f64>()
    };
    for (name, auc) in [
        ("mean", auc(&images, mean)),
        ("lung regions", auc(&images, region)),
        ("darkest fifth", auc(&images, darkest)),
        ("spread", auc(&images, spread)),
    ] {
        assert!((0.5..0.9).contains(&auc), "{name}: {auc}");
    }
}

/// Writes a contact sheet for a person to judge, if `RUNNER_PHANTOM_SHEET` names a folder.
#[test]
fn contact_sheet() {
    let Some(folder) = std::env::var_os("RUNNER_PHANTOM_SHEET") else {
        return;
    };
    for (size, columns) in [(28, 16), (32, 16), (64, 12), (128, 8), (256, 4)] {
        let start = std::time::Instant::now();
        let images = split(7, columns * 8, size);
        let seconds = start.elapsed().as_secs_f64();
        let mut sheet = image::GrayImage::new((columns * size) as u32, (4 * size) as u32);
        for label in [0, 1] {
            let class = images.iter().filter(|(l, _)| *l == label);
            for (i, (_, pixels)) in class.take(2 * columns).enumerate() {
                let (x, y) = (
                    i % columns * size,
                    (2 * label as usize + i / columns) * size,
                );
                for (at, value) in pixels.iter().enumerate() {
                    let (px, py) = (x + at % size, y + at / size);
                    sheet.put_pixel(px as u32, py as u32, image::Luma([*value]));
                }
            }
        }
        let name = format!("{size}-{:.1}ms.png", 1e3 * seconds / images.len() as f64);
        sheet
            .save(std::path::Path::new(&folder).join(name))
            .unwrap();
    }
}
