//! Names the kind of this machine's processor: processors of one kind give the same bits.
//!
//! | decides bits | how the name tells it |
//! | --- | --- |
//! | vector instructions: loops are compiled for several, and products add in the order of their width | `x86-avx512`, `x86-avx2`, `x86`, `arm-neon` or the architecture |
//! | functions such as `exp` of the system's C library | a suffix, if they round differently than those of glibc 2.36 on x86-64 with FMA |
//! | sizes of caches | not at all: [`product`](super::product) divides its work by shape alone |
//! | number of threads | not at all |

use std::hint::black_box;
use std::sync::LazyLock;

/// Returns the kind of processor, such as `x86-avx512`: lowercase letters, digits and `-`.
pub fn kind() -> &'static str {
    static KIND: LazyLock<String> = LazyLock::new(|| match functions() {
        GLIBC => instructions().to_owned(),
        other => format!("{}-libm{:04x}", instructions(), other & 0xffff),
    });
    &KIND
}

/// Returns the widest vector instructions that loops use. Like the crates that choose loops at run time, counts AVX-512
/// and AVX2 only together with their companion features.
fn instructions() -> &'static str {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512cd")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl")
        {
            return "x86-avx512";
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return "x86-avx2";
        }
        "x86"
    }
    #[cfg(not(target_arch = "x86_64"))]
    if cfg!(target_arch = "aarch64") {
        "arm-neon"
    } else {
        std::env::consts::ARCH
    }
}

/// The value of [`functions`] with glibc.
const GLIBC: u64 = 0x75d0_ca9b_64ad_1293;

/// Returns a hash of the results of the C library's functions for a few thousand arguments.
fn functions() -> u64 {
    type Single = fn(f32) -> f32;
    type Double = fn(f64) -> f64;
    const SINGLE: [Single; 5] = [f32::exp, f32::exp_m1, f32::ln, f32::ln_1p, f32::tanh];
    const DOUBLE: [Double; 6] = [
        f64::exp,
        f64::exp_m1,
        f64::ln,
        f64::ln_1p,
        f64::sin,
        f64::cos,
    ];
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    // The hash of Fowler, Noll and Vo, 64 bits, one word at a time.
    let mut add = |bits: u64| hash = (hash ^ bits).wrapping_mul(0x0000_0100_0000_01b3);
    for step in 1..=2000_u32 {
        let argument = f64::from(step) * 0.003_7;
        // The compiler must not compute the results itself.
        let (single, double) = (black_box(argument as f32), black_box(argument));
        SINGLE
            .iter()
            .for_each(|function| add(function(single).to_bits().into()));
        DOUBLE
            .iter()
            .for_each(|function| add(function(double).to_bits()));
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_is_a_short_name() {
        let kind = kind();
        assert!((1..=40).contains(&kind.len()), "{kind}");
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(kind.chars().all(is_plain), "{kind}");
    }

    #[test]
    fn functions_give_the_same_results_every_time() {
        assert_eq!(functions(), functions());
    }
}
