//! Decodes RLE Lossless (DICOM PS3.5, annex G).

use super::attributes::Attributes;

/// Number of offsets in the header, each of four bytes after the number of segments.
const OFFSETS: usize = 15;

/// Decodes a frame to its values, with the samples of a pixel in sequence.
///
/// There is a segment for each byte of each sample, those with the most significant bytes first. `None` if the frame
/// is damaged.
pub(super) fn decode(frame: &[u8], attributes: &Attributes) -> Option<Vec<u16>> {
    let (samples, bytes) = (attributes.samples, attributes.allocated / 8);
    let (samples, bytes) = (usize::from(samples), usize::from(bytes));
    let pixels = usize::from(attributes.rows) * usize::from(attributes.columns);
    let word = |at: usize| Some(u32::from_le_bytes(*frame.get(at * 4..)?.first_chunk()?) as usize);
    let segments = word(0)?;
    if segments != samples * bytes || segments > OFFSETS {
        return None;
    }
    let mut values = vec![0u16; pixels * samples];
    for segment in 0..segments {
        let start = word(1 + segment)?;
        let end = match segment + 1 < segments {
            true => word(2 + segment)?,
            false => frame.len(),
        };
        let (sample, byte) = (segment / bytes, segment % bytes);
        let shift = 8 * (bytes - 1 - byte);
        let mut targets = values[sample..].iter_mut().step_by(samples);
        unpack(frame.get(start..end)?, pixels, |value| {
            if let Some(target) = targets.next() {
                *target |= u16::from(value) << shift;
            }
        })?;
    }
    Some(values)
}

/// Passes the `count` bytes of a segment on; `None` if it has fewer. Further bytes are padding.
fn unpack(mut segment: &[u8], count: usize, mut sink: impl FnMut(u8)) -> Option<()> {
    let mut left = count;
    while left > 0 {
        let (&header, rest) = segment.split_first()?;
        match header {
            0..=127 => {
                let length = usize::from(header) + 1;
                let (run, rest) = rest.split_at_checked(length)?;
                run.iter().take(left).for_each(|&byte| sink(byte));
                left = left.saturating_sub(length);
                segment = rest;
            }
            128 => segment = rest,
            129.. => {
                let length = 257 - usize::from(header);
                let (&byte, rest) = rest.split_first()?;
                (0..length.min(left)).for_each(|_| sink(byte));
                left = left.saturating_sub(length);
                segment = rest;
            }
        }
    }
    Some(())
}
