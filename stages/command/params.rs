//! [`Params`]: the parameters of the kind `command`, and their checks.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use contract::{Invalid, Text};
use schemars::JsonSchema;
use serde::Deserialize;

use super::declared::{MetricsFile, MetricsForm};
use super::environment::Environment;
use super::outputs::Outputs;
use super::shell::{Argv, Shell};
use super::{METRICS_PORT, paths};

/// Parameters of the kind `command`. Paths of outputs and keys of `files` are relative to the scratch folder.
/// Paths of sources in `code` and `files` are relative to the working directory.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Command")]
pub struct Params {
    /// The program and its arguments, as a list; with `shell`, one text for that shell.
    pub argv: Argv,
    /// Shell that runs `argv`. `true` runs `bash -eo pipefail -c`, which stops at the first command that
    /// fails, also inside a pipe. `sh` runs `/bin/sh -ec`, for which only the last command of a pipe counts.
    /// A command whose reader stops early (`… | head`) is killed by SIGPIPE, which bash treats as a failure:
    /// write `… | sed -n 1,10p`, or `set +o pipefail` first.
    #[serde(default)]
    pub shell: Shell,
    /// Files and folders of the program itself, such as `train.py`. They are copied to the same path in the
    /// scratch folder and made executable. A change in one of them runs the stage again. In folders, names
    /// that start with a dot, `__pycache__`, `m.pyc` beside `m.py`, and files that a `.runnerignore` leaves
    /// out are neither copied nor part of the key.
    #[serde(default)]
    #[schemars(with = "Vec<Text>")]
    pub code: Vec<PathBuf>,
    /// Files and folders to read, by the path that they get in the scratch folder: `images: data/xrays`. They
    /// are also copied (cloned, if the file system supports it), and a change in one of them runs the stage
    /// again.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Text>")]
    pub files: BTreeMap<String, PathBuf>,
    /// Environment variables of the program: `NAME` for its current value, or `NAME=VALUE`. Names and values
    /// are part of the key and are stored as plain text, so they must not contain secrets. The program also
    /// sees `PATH`, `RUNNER_SEED` (part of the key), `RUNNER_CPUS` and `OMP_NUM_THREADS` (the stage's cpus),
    /// `PYTHONDONTWRITEBYTECODE=1`, and `CUDA_VISIBLE_DEVICES` if it is set or `resources.gpus` is given.
    #[serde(default)]
    #[schemars(with = "Vec<Text>")]
    pub env: Environment,
    /// Programs that the stage depends on, by name, each with a command that prints its version: `python3:
    /// python3 --version`. `runner run` runs this command the first time, and again if the program's file
    /// has changed; its output is part of the key. For a name without a command, the content of its file is
    /// part of the key. The same applies to the program that `argv` begins with, even if it is not listed.
    /// Programs that a shell command calls are part of the key only if they are listed.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Option<Text>>")]
    pub tools: BTreeMap<String, Option<String>>,
    /// Output ports, each with the file or folder that the program makes for it. For a file, the name and the
    /// bytes are kept, but not the mode. A `command` stage with this output as its input `ROLE` finds the
    /// files, read-only, in the folder `ROLE`.
    ///
    /// If an input is a list, or refers to a stage with an axis that this stage lacks, the input's folder has
    /// a subfolder for each artifact, even if there is only one: `ROLE/0` for the first item of a list,
    /// `ROLE/sample=A` for the instance with this value (`ROLE/sample=A,rep=1` with two axes), and
    /// `ROLE/0/sample=A` for an instance of the first item. `ROLE/index.json` lists the artifacts,
    /// with `instance` (`count[A]`), `axes` (`{"sample": "A"}`), `path` (`sample=A`), and the path of its
    /// `file` if the artifact is a single file.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Text>")]
    pub outputs: BTreeMap<String, PathBuf>,
    /// JSON file of numbers that the program makes, such as `{"loss": 0.3}`. It becomes the output port `metrics`, for
    /// tables. `metrics: { file: metrics.json, names: { loss: { direction: minimize } } }` declares the numbers, so
    /// that their names are checked before the program runs, and their values after it.
    #[serde(default)]
    #[schemars(with = "Option<MetricsForm>")]
    pub metrics: Option<MetricsFile>,
    /// Folder inside the scratch folder in which the program starts.
    #[serde(default)]
    #[schemars(with = "Option<Text>")]
    pub folder: Option<PathBuf>,
    /// Names of files and folders that the program may leave behind and that nobody needs, such as
    /// `__pycache__`.
    #[serde(default)]
    #[schemars(with = "BTreeSet<Text>")]
    pub ignore: BTreeSet<String>,
}

impl Params {
    /// Returns the arguments, the program first.
    pub(super) fn words(&self) -> Vec<String> {
        self.argv.words(self.shell)
    }

    /// Checks the parameters and returns them with each path in its normal spelling. Keys of `files` stay as
    /// written, because errors refer to them.
    pub(crate) fn checked(mut self) -> Result<Self, Invalid> {
        self.check_argv()?;
        for (index, path) in self.code.iter().enumerate() {
            let hint = "for a path elsewhere, use `files: { NAME: PATH }`; `NAME` is its new path";
            paths::check(path).map_err(|e| e.hint(hint).at(index).under("code"))?;
        }
        for name in self.files.keys() {
            paths::check(Path::new(name)).map_err(|e| e.under(name).under("files"))?;
        }
        for (port, path) in &self.outputs {
            let wrong = |e: Invalid| Err(e.under(port).under("outputs"));
            if let Err(error) = paths::check(path) {
                return wrong(error);
            }
            if !is_name(port) {
                return wrong(
                    Invalid::new(format!("`{port}` is not a valid name for an output"))
                        .hint("use up to 64 letters, digits, `_` and `-`, starting with a letter"),
                );
            }
            if port == METRICS_PORT && self.metrics.is_some() {
                return wrong(Invalid::new(
                    "the parameter `metrics` already declares this output; remove one of the two",
                ));
            }
        }
        if let Some(metrics) = &self.metrics {
            paths::check(&metrics.file)
                .and_then(|()| metrics.check())
                .map_err(|e| e.under("metrics"))?;
        }
        for (name, version) in &self.tools {
            let wrong = |message: String| Err(Invalid::new(message).under(name).under("tools"));
            if name.is_empty()
                || name.contains('\0')
                || (name.contains('/') && !name.starts_with('/'))
            {
                return wrong(format!(
                    "`{name}` is neither the name of a program in `PATH` nor an absolute path"
                ));
            }
            if version
                .as_deref()
                .is_some_and(|v| v.trim().is_empty() || v.contains('\0'))
            {
                return wrong(format!(
                    "the version command of `{name}` is empty or contains a NUL character"
                ));
            }
        }
        if let Some(folder) = &self.folder {
            paths::check(folder).map_err(|e| e.under("folder"))?;
        }
        let paths = self.code.iter_mut().chain(self.outputs.values_mut());
        let metrics = self.metrics.iter_mut().map(|metrics| &mut metrics.file);
        for path in paths.chain(metrics).chain(&mut self.folder) {
            *path = paths::normal(path);
        }
        let ignore = std::mem::take(&mut self.ignore).into_iter();
        self.ignore = ignore.map(ignored).collect::<Result<_, _>>()?;
        Ok(self)
    }

    /// Returns the entries of `files`: the path in the scratch folder as it is written, its normal spelling,
    /// and the source.
    pub(super) fn mounts(&self) -> impl Iterator<Item = (&str, PathBuf, &Path)> {
        self.files.iter().map(|(name, source)| {
            let place = paths::normal(Path::new(name));
            (name.as_str(), place, source.as_path())
        })
    }

    fn check_argv(&self) -> Result<(), Invalid> {
        let has_shell = !self.shell.program().is_empty();
        let error = match &self.argv {
            Argv::Line(_) if !has_shell => Invalid::new("expected a list of texts").hint(
                "write `[python3, train.py]`, or set `shell: true` to run one text in a shell",
            ),
            Argv::Words(_) if has_shell => {
                Invalid::new("expected one text, because `shell` is set")
                    .hint("write the command as one text, or remove `shell`")
            }
            Argv::Words(words) if words.first().is_none_or(String::is_empty) => {
                Invalid::new("`argv` must begin with the name of a program")
            }
            _ => {
                let words = self.words();
                let Some(index) = words.iter().position(|word| word.contains('\0')) else {
                    return Ok(());
                };
                return Err(Invalid::new("an argument cannot contain a NUL character")
                    .at(index)
                    .under("argv"));
            }
        };
        Err(error.under("argv"))
    }

    pub(super) fn declared(&self) -> Outputs<'_> {
        Outputs {
            paths: &self.outputs,
            metrics: self.metrics.as_ref(),
            ignore: &self.ignore,
        }
    }
}

/// Returns the name that an entry of `ignore` means: `__pycache__` for `./__pycache__/`.
fn ignored(name: String) -> Result<String, Invalid> {
    let wrong = |message: String| Invalid::new(message).under("ignore");
    paths::check(Path::new(&name))
        .map_err(|_| wrong(format!("`{name}` is not the name of a file")))?;
    let normal = paths::normal(Path::new(&name));
    match normal.to_str() {
        Some(normal) if !normal.contains('/') => Ok(normal.to_owned()),
        _ => Err(wrong(format!("`{name}` is a path, not a name"))
            .hint("write only its last part: a name is ignored in every folder")),
    }
}

/// Returns `true` if `name` may be the name of an output port.
fn is_name(name: &str) -> bool {
    name.starts_with(|char: char| char.is_ascii_alphabetic())
        && name.len() <= 64
        && name
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || "_-".contains(char))
}
