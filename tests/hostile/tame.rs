//! Programs that do what they should.

use std::fs;
use std::io;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use super::place::files_below;

/// Size in bytes of the larger of two input files. Attacks are made on both sizes.
const LARGE: usize = 3 << 20;

/// Makes the folder that all other stages read.
pub(crate) fn produce() -> io::Result<()> {
    fs::create_dir("data")?;
    fs::write("data/small", "small\n")?;
    fs::write("data/large", vec![b'x'; LARGE])
}

/// Makes the outputs that the pipeline declares for the hostile stage.
pub(crate) fn outputs() -> io::Result<()> {
    let read = digest(Path::new("in"))?;
    fs::write("result", &read)?;
    fs::create_dir_all("made/sub")?;
    fs::write("made/a", "a\n")?;
    fs::write("made/sub/b", "b\n")?;
    fs::create_dir_all("below")?;
    fs::write("below/nested", "nested\n")?;
    fs::create_dir_all("ignored")?;
    fs::write("metrics.json", r#"{"score": 0.5}"#)
}

/// Digests folders twice, 0.2 s apart, and writes both results.
pub(crate) fn digest_twice(output: &str, folders: &[&str]) -> io::Result<()> {
    let all = || -> io::Result<String> {
        let digests = folders.iter().map(|folder| digest(Path::new(folder)));
        Ok(digests.collect::<io::Result<Vec<_>>>()?.join("\n"))
    };
    let first = all()?;
    sleep(Duration::from_millis(200));
    fs::write(output, format!("{first}\n{}", all()?))
}

/// Returns the names, sizes and FNV-1a hashes of all files below a folder.
fn digest(folder: &Path) -> io::Result<String> {
    let mut files = files_below(folder)?;
    files.sort();
    let mut lines = String::new();
    for file in files {
        let bytes = fs::read(&file)?;
        let hash = bytes.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
        });
        lines += &format!("{} {} {hash:016x}\n", file.display(), bytes.len());
    }
    Ok(lines)
}
