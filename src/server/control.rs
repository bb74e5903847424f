//! Starts and cancels runs, if the user allowed that.
//!
//! A run that is started here is a process of its own, in its own process group, and prints into a file. So it goes on
//! when the server ends, and Ctrl-C in the server's terminal does not reach it.

use std::collections::{HashSet, VecDeque};
use std::ffi::OsString;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::process::CommandExt;
use std::path::{Component, Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};

use contract::{ShowPath, files, lock, printable};
use engine::run::recorded;
use store::Store;

/// Number of started runs that are remembered.
const REMEMBERED: usize = 100;

/// Number of bytes that are shown of what a run printed.
const SHOWN: u64 = 16 << 10;

/// Command that starts runs.
#[derive(Clone, Debug)]
pub struct Launch {
    /// The program that runs pipelines.
    pub program: PathBuf,
    /// Its arguments before the options and the pipeline file.
    pub arguments: Vec<OsString>,
    /// Folder in which it is started. Only pipeline files below it can be run.
    pub folder: PathBuf,
}

pub(crate) struct Control {
    launch: Launch,
    started: Mutex<(u64, VecDeque<Arc<Started>>)>,
}

/// A run that was started here.
pub(crate) struct Started {
    number: u64,
    /// The command in words.
    pub(crate) command: String,
    process: u32,
    /// The runs of the store before it. Ids of the same second are in no order, so the newest is not enough.
    before: HashSet<String>,
    child: Mutex<(Child, Option<ExitStatus>)>,
    /// Its output.
    output: File,
    /// Its id, once it is known.
    run: Mutex<Option<String>>,
}

/// The reason why a run was not started.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum StartError {
    /// The request is wrong.
    Request(String),
    System(String),
}

impl Control {
    pub(crate) fn new(launch: Launch) -> Self {
        Self {
            launch,
            started: Mutex::default(),
        }
    }

    pub(crate) fn shown_folder(&self) -> String {
        self.launch.folder.shown()
    }

    /// Starts the run that a form describes. Returns the number under which its start is shown.
    pub(crate) fn start(&self, store: &Store, form: &[u8]) -> Result<u64, StartError> {
        let options = options(form, &self.launch.folder)?;
        let failed = |what: &str, error: std::io::Error| {
            StartError::System(format!("failed to {what}: {error}"))
        };
        let output = tempfile::tempfile().map_err(|error| failed("create a file", error))?;
        let before = runs(store).into_iter().collect();
        let print_to = || output.try_clone().map(Stdio::from);
        let child = Command::new(&self.launch.program)
            .args(&self.launch.arguments)
            .args(&options)
            .current_dir(&self.launch.folder)
            .stdin(Stdio::null())
            .stdout(print_to().map_err(|error| failed("create a file", error))?)
            .stderr(print_to().map_err(|error| failed("create a file", error))?)
            .process_group(0)
            .spawn()
            .map_err(|error| failed("start a process", error))?;
        let mut started = lock(&self.started);
        started.0 += 1;
        let number = started.0;
        started.1.push_back(Arc::new(Started {
            number,
            command: format!("runner run {}", options.join(" ")),
            process: child.id(),
            before,
            child: Mutex::new((child, None)),
            output,
            run: Mutex::default(),
        }));
        if started.1.len() > REMEMBERED {
            started.1.pop_front();
        }
        // Otherwise, processes that have ended would stay as zombies until somebody looks at them.
        started.1.iter().for_each(|started| {
            started.status();
        });
        Ok(number)
    }

    pub(crate) fn started(&self, number: u64) -> Option<Arc<Started>> {
        let started = lock(&self.started);
        let found = started.1.iter().find(|started| started.number == number);
        found.cloned()
    }
}

impl Started {
    /// The id of the run, once it has a record.
    pub(crate) fn run(&self, store: &Store) -> Option<String> {
        let mut run = lock(&self.run);
        if run.is_none() {
            *run = match self.status() {
                None => {
                    let run = store.run_of(self.process).ok().flatten();
                    // A run has an id before its first record, and no page until then.
                    run.filter(|run| !matches!(recorded::read(store, run, &mut None), Ok(None)))
                }
                Some(_) => self.only_run_since(store),
            };
        }
        run.clone()
    }

    /// The run that has begun since this was started, for a process that ended before its run was seen. `None` if there
    /// are several.
    fn only_run_since(&self, store: &Store) -> Option<String> {
        let ids = runs(store).into_iter();
        let mut new = ids.filter(|id| !self.before.contains(id));
        let found = new.next()?;
        new.next().is_none().then_some(found)
    }

    fn status(&self) -> Option<ExitStatus> {
        let mut child = lock(&self.child);
        if child.1.is_none() {
            child.1 = child.0.try_wait().ok().flatten();
        }
        child.1
    }

    /// `true` if its run is known, or there will be none.
    pub(crate) fn is_settled(&self, store: &Store) -> bool {
        self.run(store).is_some() || self.status().is_some()
    }

    /// Exit status of the process, if it has ended.
    pub(crate) fn ending(&self) -> Option<String> {
        let status = self.status()?;
        Some(match status.code() {
            Some(0) => "The command has ended. The list of runs has the run, unless there was nothing to run.".to_owned(),
            Some(code) => format!("The command failed with the exit code {code}."),
            None => "The command was killed.".to_owned(),
        })
    }

    /// The end of what it has printed.
    pub(crate) fn output(&self) -> Option<String> {
        let mut file = self.output.try_clone().ok()?;
        let length = file.metadata().ok()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(SHOWN)))
            .ok()?;
        let mut bytes = Vec::new();
        file.take(SHOWN).read_to_end(&mut bytes).ok()?;
        let text = String::from_utf8_lossy(&bytes);
        (!text.is_empty()).then(|| printable(&text).into_owned())
    }
}

/// The ids of all runs of a store; none if they cannot be read.
fn runs(store: &Store) -> Vec<String> {
    recorded::ids(store).unwrap_or_default()
}

/// The options of `runner run` that a form describes.
fn options(form: &[u8], folder: &Path) -> Result<Vec<String>, StartError> {
    let wrong = |message: String| StartError::Request(message);
    let (mut file, mut options) = (None, Vec::new());
    for (name, value) in form_urlencoded::parse(form) {
        let value = value.trim();
        match &*name {
            "file" => file = Some(value.to_owned()),
            "profile" if value.is_empty() => {}
            "profile" => options.push(format!("--profile={value}")),
            "sets" => {
                let lines = value.lines().map(str::trim).filter(|line| !line.is_empty());
                options.extend(lines.map(|line| format!("--set={line}")));
            }
            name => {
                return Err(wrong(format!(
                    "The form has an unknown field `{}`.",
                    printable(name)
                )));
            }
        }
    }
    let file = file.filter(|file| !file.is_empty());
    let file = file.ok_or_else(|| wrong("The form names no pipeline file.".to_owned()))?;
    if options
        .iter()
        .chain([&file])
        .any(|text| text.contains('\0'))
    {
        return Err(wrong(
            "The form contains a character that no option can have.".to_owned(),
        ));
    }
    let path = Path::new(&file);
    let mut parts = path.components();
    if !parts.all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        let folder = folder.shown();
        return Err(wrong(format!(
            "The pipeline file must be given by a path below `{folder}`."
        )));
    }
    let is_file = files::leads_to(&folder.join(path), std::fs::Metadata::is_file);
    if !is_file.unwrap_or(false) {
        return Err(wrong(format!("There is no file `{}`.", path.shown())));
    }
    if !is_below(&folder.join(path), folder) {
        return Err(wrong(format!(
            "`{}` leads outside `{}`. Only files below that folder can be run.",
            path.shown(),
            folder.shown()
        )));
    }
    options.push("--".to_owned());
    options.push(file);
    Ok(options)
}

/// `true` if a file is below a folder, after all symbolic links are followed.
fn is_below(file: &Path, folder: &Path) -> bool {
    match (file.canonicalize(), folder.canonicalize()) {
        (Ok(file), Ok(folder)) => file.starts_with(folder),
        (Err(_), _) | (_, Err(_)) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(form: &str) -> Result<Vec<String>, StartError> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("deep")).unwrap();
        for file in ["p.yaml", "deep/-p.yaml"] {
            std::fs::write(folder.path().join(file), "").unwrap();
        }
        options(form.as_bytes(), folder.path())
    }

    #[test]
    fn a_form_becomes_options_that_cannot_be_mistaken_for_others() {
        let all = of("file=deep%2F-p.yaml&profile=-n&sets=a%3D1%0D%0A%0D%0A--force");
        let expected = [
            "--profile=-n",
            "--set=a=1",
            "--set=--force",
            "--",
            "deep/-p.yaml",
        ];
        assert_eq!(all.unwrap(), expected);
        assert_eq!(of("file=p.yaml&profile=&sets=").unwrap(), ["--", "p.yaml"]);
    }

    #[test]
    fn only_files_below_the_folder_are_run() {
        for form in [
            "",
            "file=",
            "file=missing.yaml",
            "file=deep",
            "file=..%2Fp.yaml",
            "file=%2Fetc%2Fpasswd",
            "file=deep%2F..%2F..%2Fp.yaml",
            "file=p.yaml%00",
            "file=p.yaml&profile=%00",
            "file=p.yaml&other=1",
        ] {
            assert!(matches!(of(form), Err(StartError::Request(_))), "{form}");
        }
    }

    #[test]
    fn links_that_lead_outside_are_refused() {
        let outside = tempfile::tempdir().unwrap();
        std::fs::write(outside.path().join("p.yaml"), "").unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("real.yaml"), "").unwrap();
        let link = |to: &Path, name: &str| {
            std::os::unix::fs::symlink(to, folder.path().join(name)).unwrap();
        };
        link(&outside.path().join("p.yaml"), "file.yaml");
        link(outside.path(), "deep");
        link(Path::new("real.yaml"), "inside.yaml");
        let of = |form: &str| options(form.as_bytes(), folder.path());
        for form in ["file=file.yaml", "file=deep%2Fp.yaml"] {
            let Err(StartError::Request(why)) = of(form) else {
                panic!("{form}");
            };
            assert!(why.contains("leads outside"), "{why}");
        }
        assert!(of("file=inside.yaml").is_ok());
    }
}
