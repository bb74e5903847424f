//! Kind `command`: any program as a stage.
//!
//! The program runs in a scratch folder of its own, which holds its inputs (each under its role), its
//! code and its files, and nothing else. What it leaves at the declared places becomes the stage's
//! outputs; anything else it leaves is an error, since nobody would ever find it again.

mod environment;
mod metrics;
mod mounts;
mod outputs;
mod paths;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::contract::{
    ArtifactType, Context, External, Failure, Invalid, KindInfo, Port, Program, Request, Segment,
    Signature, Source, Stage,
};
use environment::Environment;
use outputs::Outputs;

pub const INFO: KindInfo = KindInfo {
    name: "command",
    version: 1,
    doc: "runs a program on declared inputs and keeps its declared outputs",
    inputs: &[],
    outputs: &[],
    has_primary: false,
    model_params: &[],
    declares_ports: true,
    computes: false,
};

/// The output port of the metrics.
const METRICS_PORT: &str = "metrics";

/// Parameters of the kind `command`. All paths of outputs and mounts are relative to the scratch
/// folder in which the program runs; those of `code` and `files` lead there from the working directory.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Command")]
pub struct Params {
    /// The program and its arguments, a list; with `shell: true` one text for `/bin/sh -ec`, which stops
    /// at the first command that fails.
    pub argv: Argv,
    /// Whether a shell reads `argv`.
    #[serde(default)]
    pub shell: bool,
    /// Files and folders of the program itself, as `train.py`: copied to the same path in the scratch
    /// folder, executable. A change in one runs the stage again. Of a folder names that start with a
    /// dot, and what a `.runnerignore` in it leaves out, do not count and are not there.
    #[serde(default)]
    pub code: Vec<PathBuf>,
    /// Files and folders to read, by the path that they get in the scratch folder: `images: data/xrays`.
    /// They are copied, too (cloned, where the file system can), and a change in one runs the stage again.
    #[serde(default)]
    pub files: BTreeMap<String, PathBuf>,
    /// What the program sees of the environment: `NAME`, with the value it has now, or `NAME=VALUE`. Names
    /// and values are part of the key, and kept in plain in the store: no secrets. It also sees `PATH`,
    /// `RUNNER_SEED` (part of the key), `RUNNER_CPUS` and `OMP_NUM_THREADS` (the stage's cpus), and
    /// `PYTHONDONTWRITEBYTECODE=1`.
    #[serde(default)]
    #[schemars(with = "Vec<String>")]
    pub env: Environment,
    /// Output ports: the file or folder that the program makes for each. Of a file its name and bytes are
    /// kept, not its mode; a stage that takes it finds it read-only in the folder of its role: `ROLE/…`, or
    /// `ROLE/0/…`, `ROLE/1/…` and so on where the role takes several.
    #[serde(default)]
    pub outputs: BTreeMap<String, PathBuf>,
    /// A JSON file of numbers that the program makes: the output port `metrics`, for tables.
    #[serde(default)]
    pub metrics: Option<PathBuf>,
    /// Where in the scratch folder the program starts.
    #[serde(default)]
    pub folder: Option<PathBuf>,
    /// Names of files and folders that the program may leave behind, and nobody needs: `__pycache__`.
    #[serde(default)]
    pub ignore: BTreeSet<String>,
}

/// What to run.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "expected a list of texts, or with `shell: true` one text"
)]
pub enum Argv {
    /// For a shell.
    Line(String),
    /// The program and its arguments.
    Words(Vec<Word>),
}

/// An argument: a number or a truth value is taken as it would be written.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "expected a text or a number")]
pub enum Word {
    Text(String),
    Plain(Plain),
}

/// What YAML reads as something else than text.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Plain {
    Number(serde_json::Number),
    Bool(bool),
}

impl Word {
    fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Plain(Plain::Number(number)) => number.to_string(),
            Self::Plain(Plain::Bool(bool)) => bool.to_string(),
        }
    }
}

impl Params {
    /// The arguments, the program first.
    fn words(&self) -> Vec<String> {
        match &self.argv {
            Argv::Line(line) => vec!["/bin/sh".to_owned(), "-ec".to_owned(), line.clone()],
            Argv::Words(words) => words.iter().map(Word::text).collect(),
        }
    }

    /// What is wrong with the parameters themselves.
    pub(crate) fn checked(self) -> Result<Self, Invalid> {
        self.check_argv()?;
        for (index, path) in self.code.iter().enumerate() {
            let hint = "`files` takes a path from anywhere, with the name that it gets here";
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
                    Invalid::new(format!("`{port}` is no name for an output"))
                        .hint("a name has letters, digits, `_` and `-`, and starts with a letter"),
                );
            }
            if port == METRICS_PORT && self.metrics.is_some() {
                return wrong(Invalid::new(
                    "`metrics` names this output already; leave out one of them",
                ));
            }
        }
        if let Some(path) = &self.metrics {
            paths::check(path).map_err(|e| e.under("metrics"))?;
        }
        if let Some(folder) = &self.folder {
            paths::check(folder).map_err(|e| e.under("folder"))?;
        }
        Ok(self)
    }

    fn check_argv(&self) -> Result<(), Invalid> {
        let error = match (&self.argv, self.shell) {
            (Argv::Line(_), false) => Invalid::new("expected a list of texts")
                .hint("as [python3, train.py]; with `shell: true` one text, which a shell reads"),
            (Argv::Words(_), true) => Invalid::new("expected one text, as `shell` is true")
                .hint("a shell reads a text; a list needs none"),
            (Argv::Words(words), _) if words.first().is_none_or(|word| word.text().is_empty()) => {
                Invalid::new("there is no program to run")
            }
            _ => {
                let words = self.words();
                let Some(index) = words.iter().position(|word| word.contains('\0')) else {
                    return Ok(());
                };
                return Err(Invalid::new("an argument cannot hold a NUL character")
                    .at(index)
                    .under("argv"));
            }
        };
        Err(error.under("argv"))
    }

    fn declared(&self) -> Outputs<'_> {
        Outputs {
            paths: &self.outputs,
            metrics: self.metrics.as_deref(),
            ignore: &self.ignore,
        }
    }
}

/// Whether an output port may have the name.
fn is_name(name: &str) -> bool {
    name.starts_with(|char: char| char.is_ascii_alphabetic())
        && name.len() <= 64
        && name
            .chars()
            .all(|char| char.is_ascii_alphanumeric() || "_-".contains(char))
}

impl Stage for Params {
    fn canonical(&self) -> Value {
        let code = self.code.iter();
        // A shell is in the words already.
        json!({
            "argv": self.words(),
            "shell": false,
            "code": code.map(|path| json!({ "path": path, "content": null })).collect::<Vec<_>>(),
            "files": self.files,
            "env": self.env,
            "outputs": self.outputs,
            "metrics": self.metrics,
            "folder": self.folder,
            "ignore": self.ignore,
        })
    }

    fn check(
        &self,
        inputs: &BTreeMap<String, Vec<Signature>>,
    ) -> Result<BTreeMap<String, Signature>, Invalid> {
        // Whatever lies in the scratch folder has a place of its own.
        let mut places = paths::Places::default();
        for role in inputs.keys() {
            places.take(Path::new(role), "the input", Invalid::new)?;
        }
        for (index, path) in self.code.iter().enumerate() {
            places.take(path, "the code", |m| {
                Invalid::new(m).at(index).under("code")
            })?;
        }
        for name in self.files.keys() {
            let wrong = |m| Invalid::new(m).under(name).under("files");
            places.take(Path::new(name), "the file", wrong)?;
        }
        for (port, path) in &self.outputs {
            let wrong = |m| Invalid::new(m).under(port).under("outputs");
            places.take(path, "the output", wrong)?;
        }
        if let Some(path) = &self.metrics {
            places.take(path, "the output", |m| Invalid::new(m).under("metrics"))?;
        }
        let signature = |port: Port| match port.yields {
            ArtifactType::Metrics => (port.name, Signature::Metrics),
            _ => (port.name, Signature::Files),
        };
        Ok(self.outputs().into_iter().map(signature).collect())
    }

    fn sources(&self) -> Vec<Source> {
        let key = |key: &str| Segment::Key(key.to_owned());
        let code = self.code.iter().enumerate().map(|(index, path)| Source {
            param: vec![key("code"), Segment::Index(index), key("content")],
            path: path.clone(),
        });
        let files = self.files.iter().map(|(name, path)| Source {
            param: vec![key("files"), key(name)],
            path: path.clone(),
        });
        code.chain(files).collect()
    }

    fn preflight(&self) -> Result<(), Invalid> {
        let words = self.words();
        let program = Path::new(words.first().map_or("", String::as_str));
        // One that comes with the code, or that an input brings, is not there yet.
        if program.components().count() > 1 && program.is_relative() {
            return Ok(());
        }
        environment::find(program)
            .map(drop)
            .map_err(|failure| Invalid::new(failure).at(0).under("argv"))
    }

    fn outputs(&self) -> Vec<Port> {
        let files = self.outputs.keys().map(|name| Port {
            name: name.clone(),
            yields: ArtifactType::Files,
        });
        let metrics = self.metrics.iter().map(|_| Port {
            name: METRICS_PORT.to_owned(),
            yields: ArtifactType::Metrics,
        });
        files.chain(metrics).collect()
    }

    fn external(&self) -> Option<&dyn External> {
        Some(self)
    }

    fn run(&self, _: &Context<'_>) -> Result<(), Failure> {
        Err(Failure::Internal(
            "a command is run by the engine itself".to_owned(),
        ))
    }
}

impl External for Params {
    fn prepare(&self, request: &Request) -> Result<Program, Failure> {
        let scratch = &request.staging;
        let mounted = mounts::mount(self, request, scratch)?;
        let folder = match &self.folder {
            Some(folder) => scratch.join(folder),
            None => scratch.clone(),
        };
        if self.folder.is_some() {
            std::fs::create_dir_all(&folder).map_err(|e| Failure::io("create", &folder, e))?;
        }
        let argv = self.words();
        let name = Path::new(argv.first().map_or("", String::as_str));
        let path = if name.components().count() > 1 {
            folder.join(name)
        } else {
            environment::find(name).map_err(Failure::Data)?
        };
        Ok(Program {
            path,
            argv,
            env: self.env.of(request),
            folder,
            mounted,
        })
    }

    fn gather(
        &self,
        request: &Request,
        program: &Program,
    ) -> Result<BTreeMap<String, PathBuf>, Failure> {
        self.declared().gather(&request.staging, &program.mounted)
    }
}
