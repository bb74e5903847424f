//! Checks and collects what a program made.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use contract::{
    Failure, Folder, Gathered, METRICS_FILE, Made, Mount, Program, ShowPath, files, json, one_line,
};

use super::declared::MetricsFile;
use super::{METRICS_PORT, metrics, paths};

/// Maximum number of files that an error names.
const NAMED: usize = 3;
/// Longest path of a folder that is searched for undeclared files, in bytes.
const LONGEST: usize = 2048;
/// Number of bytes that are compared at a time.
const PIECE: u64 = 1 << 18;

/// The outputs that a program must make.
pub(super) struct Outputs<'a> {
    /// Paths of the outputs, by port.
    pub paths: &'a BTreeMap<String, PathBuf>,
    pub metrics: Option<&'a MetricsFile>,
    /// Names of files and folders that need not be declared.
    pub ignore: &'a BTreeSet<String>,
}

impl Outputs<'_> {
    /// Returns every output: a path in `scratch`, or the metrics in the form that tables need.
    pub(super) fn gather(&self, scratch: &Folder, program: &Program) -> Result<Gathered, Failure> {
        check_copies(scratch, program)?;
        let linked = |path| Some((path, scratch.link_on(path)?));
        if let Some((output, link)) = self.all().find_map(linked) {
            let (output, link) = (output.shown(), link.shown());
            return Err(Failure::Data(if output == link {
                format!(
                    "the output `{output}` is a symbolic link; have the program copy its target instead"
                )
            } else {
                format!(
                    "the output `{output}` is reached through the symbolic link `{link}`; have the program \
                     create a folder there instead"
                )
            }));
        }
        let missing = self.all().filter(|path| scratch.stat(path).is_err());
        let missing: Vec<&Path> = missing.collect();
        if !missing.is_empty() {
            return Err(Failure::Data(format!(
                "the program did not create {}, which the pipeline declares as output",
                named(missing)
            )));
        }
        let known = Known {
            ignore: self.ignore,
            mounted: &program.mounted,
            declared: self.all().map(paths::normal).collect(),
        };
        let mut undeclared = Vec::new();
        known.find_others(scratch, Path::new(""), &mut undeclared)?;
        if !undeclared.is_empty() {
            undeclared.sort();
            return Err(Failure::Data(format!(
                "the program created {}, which the pipeline does not declare; list it under `outputs`, or \
                 under `ignore` if it is not needed",
                named(undeclared.iter().map(PathBuf::as_path))
            )));
        }
        let places = self.paths.iter();
        let places = places.map(|(port, path)| (port.clone(), Made::At(path.clone())));
        let mut made: BTreeMap<String, Made> = places.collect();
        let mut warnings = Vec::new();
        if let Some(declared) = self.metrics {
            let path = &declared.file;
            let mut measured = metrics::read(scratch, path)?;
            declared
                .apply(&mut measured.metrics)
                .map_err(|why| metrics::wrong(path, &why))?;
            warnings.extend(measured.warnings());
            let file = Made::File {
                name: METRICS_FILE.into(),
                text: json::text(&measured.metrics).map_err(|e| Failure::io("write", path, e))?,
            };
            made.insert(METRICS_PORT.to_owned(), file);
        }
        Ok(Gathered { made, warnings })
    }

    /// Returns the paths at which the outputs must be.
    pub(super) fn all(&self) -> impl Iterator<Item = &Path> {
        self.paths
            .values()
            .map(PathBuf::as_path)
            .chain(self.metrics.map(|metrics| metrics.file.as_path()))
    }
}

/// Files that are allowed in the scratch folder.
struct Known<'a> {
    ignore: &'a BTreeSet<String>,
    mounted: &'a BTreeMap<PathBuf, Mount>,
    declared: HashSet<PathBuf>,
}

impl Known<'_> {
    /// Adds to `undeclared` every file below `at` that is not allowed.
    fn find_others(
        &self,
        scratch: &Folder,
        at: &Path,
        undeclared: &mut Vec<PathBuf>,
    ) -> Result<(), Failure> {
        let unread = |e: io::Error| Failure::io("read", at, e);
        for (name, kind) in scratch.entries(at).map_err(unread)? {
            let path = at.join(&name);
            let is_ignored = name.to_str().is_some_and(|name| self.ignore.contains(name));
            if is_ignored || self.mounted.contains_key(&path) || self.declared.contains(&path) {
                continue;
            }
            if kind.is_dir() && path.as_os_str().len() <= LONGEST {
                self.find_others(scratch, &path, undeclared)?;
            } else {
                undeclared.push(path);
            }
        }
        Ok(())
    }
}

/// Checks that the program did not write to its copies of inputs. On a file system that cannot clone, a large
/// input is a hard link to the store's own file, and a program that writes to it fails. Such a program must
/// fail on every file system.
fn check_copies(scratch: &Folder, program: &Program) -> Result<(), Failure> {
    for (path, mount) in &program.mounted {
        let Mount::Copied {
            role,
            original,
            inode,
            changed,
        } = mount
        else {
            continue;
        };
        // A program may remove its inputs. A file that it puts in their place is its own.
        let Ok(stat) = scratch.stat(path) else {
            continue;
        };
        let now = (stat.st_ctime, stat.st_ctime_nsec);
        if stat.st_ino != *inode || *changed == Some(now) {
            continue;
        }
        let is_equal = scratch
            .file(path)
            .and_then(|copy| is_equal(copy, files::open(original)?));
        if !is_equal.map_err(|e| Failure::io("read", path, e))? {
            return Err(Failure::Data(format!(
                "the program changed its input `{role}`; to change an input, have the program copy it first"
            )));
        }
    }
    Ok(())
}

/// Returns `true` if two files have the same content.
fn is_equal(mut a: impl Read, mut b: impl Read) -> io::Result<bool> {
    let (mut of_a, mut of_b) = (Vec::new(), Vec::new());
    loop {
        of_a.clear();
        of_b.clear();
        a.by_ref().take(PIECE).read_to_end(&mut of_a)?;
        b.by_ref().take(PIECE).read_to_end(&mut of_b)?;
        if of_a != of_b || of_a.is_empty() {
            return Ok(of_a == of_b);
        }
    }
}

/// Formats the first few of `paths` and the number of the others.
fn named<'a>(paths: impl IntoIterator<Item = &'a Path>) -> String {
    let mut paths = paths.into_iter();
    let first = paths.by_ref().take(NAMED);
    let names = first.map(|path| format!("`{}`", one_line(&path.to_string_lossy())));
    let names: Vec<String> = names.collect();
    let more = match paths.count() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    names.join(", ") + &more
}
