use super::*;

fn split(seed: u64, images: usize, size: usize) -> Vec<(u32, Vec<u8>)> {
    let phantom = Phantom {
        images,
        ..Phantom::default()
    };
    let pool = phantom.offer(seed).train;
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

/// Writes a contact sheet for a person to judge, where `RUNNER_PHANTOM_SHEET` names a folder.
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
