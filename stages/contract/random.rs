//! Random streams: one for every use. Each is a function of the seed, its purpose and up to two indices.
//!
//! A stream never depends on how much of another was consumed, so results do not depend on threads,
//! order of completion or resuming.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Returns the stream for `purpose` (`"shuffle"`, `"augment"`) under `seed`, with up to two indices (for
/// example, an epoch and an image).
pub fn stream(seed: u64, purpose: &str, indices: [u64; 2]) -> ChaCha8Rng {
    let mut key = [0; 32];
    for (chunk, word) in
        key.chunks_exact_mut(8)
            .zip([seed, fnv1a(purpose.as_bytes()), indices[0], indices[1]])
    {
        chunk.copy_from_slice(&word.to_le_bytes());
    }
    ChaCha8Rng::from_seed(key)
}

/// Returns `count` random values in [0, 1). They replace images where only time and memory matter.
pub fn uniform(count: usize, seed: u64) -> Vec<f32> {
    let mut random = stream(seed, "uniform", [0, 0]);
    (0..count).map(|_| random.random()).collect()
}

/// Returns the 64-bit FNV-1a checksum. It detects accidental differences; a
/// collision can be made on purpose.
pub fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use rand::Rng;

    use super::{fnv1a, stream};

    /// Test vectors of the algorithm's authors (Fowler, Noll and Vo).
    #[test]
    fn the_checksum_is_fnv_1a() {
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
    }

    #[test]
    fn streams_differ_by_each_of_their_parts() {
        let draws = [
            stream(1, "a", [0, 0]).next_u64(),
            stream(2, "a", [0, 0]).next_u64(),
            stream(1, "b", [0, 0]).next_u64(),
            stream(1, "a", [1, 0]).next_u64(),
            stream(1, "a", [0, 1]).next_u64(),
        ];
        let distinct: std::collections::BTreeSet<_> = draws.iter().collect();
        assert_eq!(distinct.len(), draws.len());
        assert_eq!(stream(1, "a", [0, 0]).next_u64(), draws[0]);
    }
}
