//! Finds the project folder of a pipeline, from which files may be included. Recognizes pipeline files, so that
//! errors do not quote other files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use contract::files;

use super::Source;

/// File name of a project's configuration, which is in the project folder.
pub const PROJECT_FILE: &str = ".runner.toml";

/// Returns whether a folder is a project folder: it contains a configuration file or a Git repository.
///
/// # Errors
/// Fails if this cannot be checked, for example because the folder cannot be accessed.
pub fn is_project(folder: &Path) -> io::Result<bool> {
    Ok(files::exists(&folder.join(PROJECT_FILE))? || files::exists(&folder.join(".git"))?)
}

/// Returns the project folder of a pipeline: the nearest one above the file, or else the file's own folder.
/// Symbolic links are resolved. If a folder cannot be checked, the file's own folder is returned, so that fewer
/// files may be included.
pub(crate) fn project_of(file: &Path) -> PathBuf {
    let folder = match file.parent() {
        Some(folder) if folder.as_os_str().is_empty() => Path::new("."),
        Some(folder) => folder,
        None => file,
    };
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let project = folder
        .ancestors()
        .find_map(|above| match is_project(above) {
            Ok(true) => Some(above),
            Ok(false) => None,
            Err(_) => Some(&*folder),
        });
    project.unwrap_or(&folder).to_owned()
}

/// Returns whether a line of a text begins with the key `version`, as in every pipeline. Errors must not show the
/// content of any other file that the user did not choose: it may be confidential.
pub(super) fn is_pipeline(source: &Source) -> bool {
    source.text().lines().any(|line| {
        let line = match line.strip_prefix('{') {
            Some(inside) => inside.trim_start(),
            None => line,
        };
        let key = line.trim_start_matches(['"', '\'']);
        let rest = key.strip_prefix("version");
        rest.is_some_and(|rest| rest.trim_start_matches(['"', '\'', ' ']).starts_with(':'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pipeline_is_recognized_by_its_version() {
        let is = |text: &str| is_pipeline(&Source::file(Path::new("p.yaml"), text));
        for pipeline in [
            "version: 1\nname: a\n",
            "# a comment\n\n\"version\": 1\n",
            "{version: 1, name: a}",
            "{ 'version' : 1 }",
            "name: a\r\nversion: 1",
        ] {
            assert!(is(pipeline), "{pipeline}");
        }
        for other in [
            "",
            "AWS_SECRET=abc123\nTOKEN=zzz\n",
            "  version: 1\n",
            "versions: 1\n",
            "password: hunter2 # version: 1\n",
        ] {
            assert!(!is(other), "{other}");
        }
    }

    #[test]
    fn the_project_of_a_file_is_the_nearest_above_it() {
        let folder = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(folder.path()).unwrap();
        fs::create_dir_all(root.join("a/b/c")).unwrap();
        assert_eq!(project_of(&root.join("a/b/c/p.yaml")), root.join("a/b/c"));
        fs::create_dir(root.join(".git")).unwrap();
        assert_eq!(project_of(&root.join("a/b/c/p.yaml")), root);
        fs::write(root.join("a/b").join(PROJECT_FILE), "").unwrap();
        assert_eq!(project_of(&root.join("a/b/c/p.yaml")), root.join("a/b"));
    }
}
