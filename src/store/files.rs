//! Files and folders on disk: reading them safely, removing them, and names that are safe in paths.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub(super) use contract::files::{copy, create_folders, exists, is, is_absence, leads_to, sync};
use contract::{Folder, files};

use super::digest_open;
use crate::keys::Digest;

/// Largest record or list of files that is read into memory, in bytes. A list of a million files takes 120 MB.
const MOST_BYTES: u64 = 1 << 30;

/// Returns the permissions to request when a file is created. The umask still applies.
pub(super) fn mode(bits: u32) -> Permissions {
    Permissions::from_mode(bits)
}

/// Returns the digest of a file's content and its length in bytes.
pub(super) fn digest(file: &Path) -> io::Result<(Digest, u64)> {
    let file = files::open(file)?;
    let bytes = file.metadata()?.len();
    digest_open(&file, bytes)
}

/// Result of reading one of the store's files.
pub enum Found {
    Bytes(Vec<u8>),
    Missing,
    /// Not a file of the store: a folder, a link, a device, or a file that is larger than any file of the store.
    Foreign,
}

/// Like [`Found`], but before the file is read.
pub(super) enum Opened {
    File(File),
    Missing,
    Foreign,
}

/// Opens a file of the store for reading. Does not follow links, and does not block on a pipe.
pub(super) fn open(path: &Path) -> io::Result<Opened> {
    match files::open_unlinked(path) {
        Ok(file) => Ok(Opened::File(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Opened::Missing),
        Err(error) if files::is_unfit(&error) => Ok(Opened::Foreign),
        Err(error) => Err(error),
    }
}

/// Reads a file of the store.
pub fn read(path: &Path) -> io::Result<Found> {
    match files::read_unlinked(path, MOST_BYTES) {
        Ok(bytes) => Ok(Found::Bytes(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Missing),
        Err(error) if files::is_unfit(&error) => Ok(Found::Foreign),
        Err(error) => Err(error),
    }
}

/// Like [`digest`], but returns `None` if there is no file, or no regular file.
pub(super) fn digest_plain(file: &Path) -> io::Result<Option<(Digest, u64)>> {
    match open(file) {
        Ok(Opened::File(file)) => {
            let bytes = file.metadata()?.len();
            digest_open(&file, bytes).map(Some)
        }
        Ok(Opened::Missing | Opened::Foreign) => Ok(None),
        Err(error) if is_absence(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Removes whatever is at `path`, with everything in it. It may be gone already. Links are removed, not
/// followed. A file system mounted inside is an error.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(metadata) if metadata.is_dir() => Folder::remove(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Returns whether `name` is a single path component, and so cannot lead out of the folder it is joined to.
pub(super) fn is_component(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\\', '\0'])
}

/// Longest file name that `component` returns, in bytes. File systems allow 255.
const LONGEST: usize = 200;

/// Converts `name` to one component of a path. Separators, control characters, `%` and a leading dot become
/// `%XX`. A very long name is truncated and ends in a hash, so that it stays unique.
pub fn component(name: &str) -> String {
    let mut safe = String::with_capacity(name.len());
    for (index, character) in name.char_indices() {
        let odd = matches!(character, '/' | '\\' | '%') || character.is_control();
        if odd || (index == 0 && character == '.') {
            let mut bytes = [0; 4];
            for byte in character.encode_utf8(&mut bytes).bytes() {
                safe.push_str(&format!("%{byte:02X}"));
            }
        } else {
            safe.push(character);
        }
    }
    if safe.is_empty() {
        safe.push('%');
    }
    if safe.len() > LONGEST {
        safe.truncate(safe.floor_char_boundary(LONGEST - 13));
        safe.push('~');
        safe.push_str(&Digest::from(blake3::hash(name.as_bytes())).short());
    }
    safe
}

/// Returns the name from which [`component`] made a component. For a truncated name, returns the beginning.
pub(super) fn name_of(component: &str) -> String {
    let mut bytes = Vec::with_capacity(component.len());
    let mut rest = component.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(escaped) if byte == b'%' => {
                bytes.push(escaped);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(byte);
                rest = tail;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_component_can_be_converted_back_to_its_name(name in "[a-c./\\\\%\n\\[\\]é25]{1,24}") {
            prop_assert!(is_component(&component(&name)));
            prop_assert_eq!(name_of(&component(&name)), name);
        }
    }
}
