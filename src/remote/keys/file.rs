//! Files that hold private keys.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use contract::{ShowPath, files};

use super::{KeyError, PrivateKey};

/// Longest key file, in bytes.
const LONGEST: u64 = 64 << 10;

/// Writes a key to a new file that only its owner can read. Missing folders are created.
///
/// # Errors
/// If there is such a file already, or it cannot be written.
pub fn write_new(path: &Path, key: &PrivateKey) -> Result<(), KeyError> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => KeyError(format!(
            "`{}` exists already; a new key would make records signed with the old one unacceptable, so move the old \
             file away first",
            path.shown()
        )),
        _ => KeyError(format!("failed to write `{}`: {error}", path.shown())),
    };
    if let Some(folder) = path.parent() {
        files::create_folders(folder).map_err(failed)?;
    }
    let mut options = File::options();
    options.write(true).create_new(true).mode(0o600);
    let mut file = files::open_with(path, &mut options).map_err(failed)?;
    let text = format!(
        "# Signs records of a shared cache. Keep this file to yourself.\n# Others accept them with this public key:\n\
         # {}\n{}\n",
        key.public(),
        key.line()
    );
    let written = file
        .write_all(text.as_bytes())
        .and_then(|()| file.sync_all());
    if written.is_err() {
        // A torn file would only confuse.
        let _ = fs::remove_file(path);
    }
    written.map_err(failed)
}

/// Reads a key from its file.
///
/// # Errors
/// If the file is missing or damaged, or if others can read it.
pub fn read_private(path: &Path) -> Result<PrivateKey, KeyError> {
    let failed = |error: io::Error| KeyError(format!("failed to read `{}`: {error}", path.shown()));
    let file = files::open(path).map_err(failed)?;
    let mode = file.metadata().map_err(failed)?.mode();
    if mode & 0o077 != 0 {
        return Err(KeyError(format!(
            "others can read the private key in `{}` (mode {:04o}); if it is still yours alone, run `chmod 600`",
            path.shown(),
            fs::Permissions::from_mode(mode).mode() & 0o7777
        )));
    }
    let bytes = files::read_open(&file, LONGEST).map_err(failed)?;
    let text = String::from_utf8(bytes)
        .map_err(|_| KeyError(format!("`{}` is no key file", path.shown())))?;
    let mut lines = text
        .lines()
        .filter(|line| !line.trim().is_empty() && !line.trim_start().starts_with('#'));
    match (lines.next(), lines.next()) {
        (Some(line), None) => PrivateKey::of_line(line)
            .map_err(|KeyError(why)| KeyError(format!("`{}`: {why}", path.shown()))),
        _ => Err(KeyError(format!(
            "`{}` must have exactly one key",
            path.shown()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_private_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("keys/signing");
        let key = PrivateKey::generate("laptop").unwrap();
        write_new(&path, &key).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(read_private(&path).unwrap().public(), key.public());
        let error = write_new(&path, &key).unwrap_err().to_string();
        assert!(error.contains("exists already"), "{error}");

        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let error = read_private(&path).unwrap_err().to_string();
        assert!(error.contains("chmod 600"), "{error}");
    }
}
