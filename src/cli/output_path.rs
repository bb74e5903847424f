//! Checks paths that commands write to, before anything is computed.
//!
//! A path that cannot be meant is a wrong argument, as if its option were misspelled: a folder in place of a file, a file
//! in place of a folder, or a file in a folder that does not exist. Everything else that fails is a refusal of the system:
//! no permission, no space.

use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use contract::{ShowPath, files};
use engine::atomic_file;
use engine::error::Error;
use rustix::io::Errno;

/// Checks that `path` can be that of a file, which `option` takes.
///
/// # Errors
/// If it is a folder, or is in a folder that does not exist, or cannot be accessed.
pub(super) fn check_file(path: &Path, option: &str) -> Result<(), Error> {
    let shown = path.shown();
    if path.as_os_str().as_encoded_bytes().ends_with(b"/") || is_folder(path)? {
        return Err(Error::Usage(format!(
            "`{shown}` is a folder; give a file with `{option}`"
        )));
    }
    let parent = parent(path);
    if is_folder(parent)? {
        return Ok(());
    }
    let why = match file_in(parent)? {
        Some(file) => format!("`{}` is not a folder", file.shown()),
        None => format!("there is no folder `{}`", parent.shown()),
    };
    Err(Error::Usage(format!(
        "`{shown}` cannot be written, because {why}"
    )))
}

/// Checks that `path` is a folder, or that folders can be created up to there.
///
/// # Errors
/// If it or something above it is a file, or cannot be accessed.
pub(super) fn check_folder(path: &Path) -> Result<(), Error> {
    match file_in(path)? {
        Some(file) => Err(Error::Usage(format!("`{}` is not a folder", file.shown()))),
        None => Ok(()),
    }
}

/// Returns `true` if `path` is a folder with files or folders in it, and `false` if a folder can be created there.
///
/// # Errors
/// As for [`check_folder`].
pub(super) fn is_filled(path: &Path) -> Result<bool, Error> {
    check_folder(path)?;
    match fs::read_dir(path) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("read", path)(error)),
    }
}

/// Follows links to the file that `path` means, as [`atomic_file::destination`].
///
/// # Errors
/// If the path means no regular file, or cannot be accessed.
pub(super) fn destination(path: &Path) -> Result<PathBuf, Error> {
    atomic_file::destination(path).map_err(|cause| match cause.kind() {
        io::ErrorKind::PermissionDenied => Error::io("access", path)(cause),
        _ => Error::Usage(format!("`{}` cannot be written: {cause}", path.shown())),
    })
}

fn is_folder(path: &Path) -> Result<bool, Error> {
    match files::leads_to(path, Metadata::is_dir) {
        // It leads nowhere, and has a message of its own.
        Err(error) if Errno::from_io_error(&error) == Some(Errno::LOOP) => Ok(false),
        found => found.map_err(Error::io("access", path)),
    }
}

/// Returns the longest part of a path that exists, if it is not a folder.
fn file_in(path: &Path) -> Result<Option<&Path>, Error> {
    for part in path.ancestors().filter(|part| *part != Path::new("")) {
        if files::exists(part).map_err(Error::io("access", part))? {
            return Ok((!is_folder(part)?).then_some(part));
        }
    }
    Ok(None)
}

/// Returns `true` if two paths mean the same entry of the same folder, whether it exists or not.
pub(super) fn is_same(one: &Path, other: &Path) -> bool {
    let place = |path: &Path| {
        let folder = parent(path).canonicalize().ok()?;
        Some(folder.join(path.file_name()?))
    };
    one == other || place(one).is_some_and(|one| Some(one) == place(other))
}

/// Returns the folder of a file.
pub(super) fn parent(path: &Path) -> &Path {
    let parent = path.parent().filter(|parent| *parent != Path::new(""));
    parent.unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn paths_to_the_same_entry_are_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("folder")).unwrap();
        symlink("folder", at("link")).unwrap();
        assert!(is_same(Path::new("new"), Path::new("new")));
        assert!(is_same(Path::new("new"), Path::new("./new/")));
        assert!(is_same(&at("folder/new"), &at("link/new")));
        assert!(!is_same(&at("folder/new"), &at("new")));
        assert!(!is_same(&at("no/new"), &at("nothing/new")));
    }

    #[test]
    fn paths_that_cannot_be_meant_are_wrong_arguments() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("file"), "").unwrap();
        fs::create_dir(at("folder")).unwrap();
        for (link, target) in [
            ("to-folder", "folder"),
            ("to-file", "file"),
            ("loop", "loop"),
        ] {
            symlink(target, at(link)).unwrap();
        }
        let says = |result: Result<(), Error>| match result {
            Ok(()) => String::new(),
            Err(Error::Usage(message)) => message.replace(&at("").shown(), ""),
            Err(other) => panic!("{other}"),
        };
        for (path, expected) in [
            ("file", ""),
            ("to-file", ""),
            ("new", ""),
            ("to-folder/new", ""),
            ("folder", "`folder` is a folder; give a file with `-o`"),
            (
                "to-folder",
                "`to-folder` is a folder; give a file with `-o`",
            ),
            ("new/", "`new/` is a folder; give a file with `-o`"),
            (
                "file/x",
                "`file/x` cannot be written, because `file` is not a folder",
            ),
            (
                "no/x",
                "`no/x` cannot be written, because there is no folder `no`",
            ),
        ] {
            assert_eq!(says(check_file(&at(path), "-o")), expected, "{path}");
        }
        for (path, expected) in [
            ("folder", ""),
            ("to-folder", ""),
            ("a/b", ""),
            ("file", "`file` is not a folder"),
            ("file/a/b", "`file` is not a folder"),
        ] {
            assert_eq!(says(check_folder(&at(path))), expected, "{path}");
        }
        check_folder(Path::new(".")).unwrap();
        check_file(Path::new("new"), "-o").unwrap();
        let leads_nowhere = says(destination(&at("loop")).map(drop));
        assert!(
            leads_nowhere.starts_with("`loop` cannot be written: "),
            "{leads_nowhere}"
        );
    }
}
