//! Lists of images, with one path per line.

use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use contract::{ShowPath, files};
use engine::error::Error;

/// Largest list, in bytes.
const MOST_BYTES: u64 = 256 << 20;

/// Reads the paths in `file`, or in standard input if it is `-`. Empty lines are left out.
///
/// # Errors
/// If the list cannot be read, is too large, or has no path or an impossible one.
pub(super) fn read(file: &Path) -> Result<Vec<PathBuf>, Error> {
    let is_input = file == Path::new("-");
    let shown = match is_input {
        true => "standard input".to_owned(),
        false => format!("`{}`", file.shown()),
    };
    let bytes = match is_input {
        true => input(),
        false => files::read(file, MOST_BYTES),
    };
    let bytes = bytes
        .map_err(|e| Error::Usage(format!("failed to read a list of images from {shown}: {e}")))?;
    paths(&bytes).map_err(|why| Error::Usage(format!("{shown}{why}")))
}

fn input() -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    io::stdin().take(MOST_BYTES + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > MOST_BYTES {
        true => Err(io::Error::other("it is too large")),
        false => Ok(bytes),
    }
}

/// Returns the paths in a list. An error continues a sentence that begins with the name of the list.
fn paths(bytes: &[u8]) -> Result<Vec<PathBuf>, String> {
    let mut paths = Vec::new();
    for (number, line) in (1..).zip(bytes.split(|&byte| byte == b'\n')) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.contains(&0) {
            return Err(format!(
                ", line {number}: a path has a zero byte; write one path per line"
            ));
        }
        if !line.is_empty() {
            paths.push(PathBuf::from(OsStr::from_bytes(line)));
        }
    }
    match paths.is_empty() {
        true => Err(" has no path of an image; write one per line".to_owned()),
        false => Ok(paths),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_is_a_path() {
        let found = paths(b"a b.png\r\n\n./c\xff.png\nlast").unwrap();
        let expected = [&b"a b.png"[..], b"./c\xff.png", b"last"];
        assert_eq!(
            found,
            expected.map(|path| Path::new(OsStr::from_bytes(path)))
        );
        assert_eq!(
            paths(b"a\nb\0c\0").unwrap_err(),
            ", line 2: a path has a zero byte; write one path per line"
        );
        for empty in [b"".as_slice(), b"\n\r\n"] {
            assert!(paths(empty).unwrap_err().contains("no path of an image"));
        }
    }
}
