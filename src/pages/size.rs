//! Formats sizes.

/// A size in bytes: `812 B`, `1.4 MB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["kB", "MB", "GB", "TB"];
    if bytes < 1000 {
        return format!("{bytes} B");
    }
    let mut size = bytes as f64;
    let mut unit = "B";
    for next in UNITS {
        if size < 999.5 {
            break;
        }
        size /= 1000.0;
        unit = next;
    }
    match size < 9.95 {
        true => format!("{size:.1} {unit}"),
        false => format!("{size:.0} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        let sizes = [0, 999, 1000, 9_960, 1_421_108, 999_600, 3_000_000_000];
        let sizes: Vec<String> = sizes.into_iter().map(size).collect();
        let expected = [
            "0 B", "999 B", "1.0 kB", "10 kB", "1.4 MB", "1.0 MB", "3.0 GB",
        ];
        assert_eq!(sizes, expected);
    }
}
