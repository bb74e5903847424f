//! Arguments that several subcommands share: a pipeline, its overrides, and a store.

use std::fs::Metadata;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches, ValueEnum};
use contract::analysis::Analysis;
use contract::{Precision, ShowPath, files};
use engine::devices::DeviceChoice;
use engine::error::Error;
use engine::graph::{Catalogue, Graph};
use engine::launch::worker::Kinds;
use engine::plan::rehash_sources;
use engine::spec::{Executor, KeyOption, LoadOptions, Place, Source, suggest};
use engine::sweep::Experiment;
use petgraph::graph::NodeIndex;
use remote::Remote;
use serde::{Deserialize, Serialize};
use store::{FORMAT, Matching, Store};

use super::command_line::variable;
use super::executors;
use super::remote::{RemoteArgs, none_set};
use crate::config::{Config, SettingKey};

/// A pipeline file and its overrides.
#[derive(Debug, Args)]
pub(super) struct PipelineArgs {
    /// Pipeline file
    pub file: PathBuf,
    #[command(flatten)]
    pub overrides: Overrides,
}

#[derive(Clone, Debug, Default, Args, Serialize, Deserialize)]
/// Options that change values of a pipeline.
pub(super) struct Overrides {
    // Must come first: clap removes values from its matches when it reads them.
    #[command(flatten)]
    #[serde(skip)]
    sources: Sources,
    /// Use the vars of this profile
    #[arg(long, value_name = "NAME", env = "RUNNER_PROFILE")]
    pub profile: Option<String>,
    /// Set a var, or any value by its path: epochs=3, stages.cnn.params.epochs=3
    #[arg(short = 'S', long = "set", value_name = "NAME=VALUE")]
    sets: Vec<String>,
    /// Device for training and prediction: auto, cpu, cuda, cuda:0
    #[arg(long, value_name = "DEVICE", env = "RUNNER_DEVICE", value_parser = checked::<DeviceChoice>)]
    #[serde(default)]
    device: Option<String>,
    /// Precision of multiplications on GPUs: tf32, float32
    #[arg(long, value_name = "NAME", env = "RUNNER_PRECISION", value_parser = checked::<Precision>)]
    #[serde(default)]
    precision: Option<String>,
    /// Where stages run that name no executor: local, slurm, ssh:HOST
    #[arg(long, value_name = "PLACE", env = "RUNNER_EXECUTOR", value_parser = checked::<Executor>)]
    #[serde(default)]
    executor: Option<String>,
    /// Folders outside the project from which files may be included, separated by `:`
    #[arg(
        long,
        value_name = "DIR",
        env = "RUNNER_INCLUDE_FROM",
        value_delimiter = ':'
    )]
    #[serde(default)]
    include_from: Vec<PathBuf>,
    /// `true` if the pipeline's file was named by a saved plan, not by the user.
    #[arg(skip)]
    #[serde(skip)]
    pub is_from_plan: bool,
}

/// Origin of the values of options that set a key of the pipeline; `None` if that is not known.
#[derive(Clone, Copy, Debug, Default)]
struct Sources {
    device: Option<ValueSource>,
    precision: Option<ValueSource>,
    executor: Option<ValueSource>,
}

impl FromArgMatches for Sources {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self {
            device: matches.value_source(SettingKey::Device.name()),
            precision: matches.value_source(SettingKey::Precision.name()),
            executor: matches.value_source(SettingKey::Executor.name()),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// `Sources` has no arguments of its own.
impl Args for Sources {
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

/// Returns `text` unchanged if it can be parsed as a `T`.
fn checked<T: FromStr<Err = String>>(text: &str) -> Result<String, String> {
    text.parse::<T>().map(|_| text.to_owned())
}

/// Location of the store.
#[derive(Clone, Debug, Args)]
pub(super) struct StoreArgs {
    /// Folder of the store
    #[arg(
        long,
        value_name = "DIR",
        env = "RUNNER_ARTIFACTS",
        default_value = "artifacts"
    )]
    artifacts: PathBuf,
    /// Results that a plan may use for stages that compute: those of this kind of processor, or of any kind
    #[arg(
        long = "match",
        id = "match",
        value_name = "KIND",
        env = "RUNNER_MATCH",
        value_enum,
        default_value = "same"
    )]
    matching: MatchKind,
    #[command(flatten)]
    remote: RemoteArgs,
}

/// Values of `--match`.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum MatchKind {
    /// Results of this kind of processor (`runner doctor` shows it)
    Same,
    /// Results of every kind: they differ in the last bits
    Any,
}

impl From<MatchKind> for Matching {
    fn from(kind: MatchKind) -> Self {
        match kind {
            MatchKind::Same => Self::Same,
            MatchKind::Any => Self::Any,
        }
    }
}

/// Options for reading sources.
#[derive(Debug, Args)]
pub(super) struct SourceArgs {
    /// Read all source files again, even if their sizes and times are unchanged
    #[arg(long)]
    rehash: bool,
}

impl SourceArgs {
    /// Opens a store for planning.
    pub(super) fn open(&self, store: &StoreArgs) -> Result<Store, Error> {
        Ok(self.prepared(store.open()?))
    }

    /// Like [`SourceArgs::open`], without a shared cache.
    pub(super) fn alone(&self, store: &StoreArgs) -> Result<Store, Error> {
        Ok(self.prepared(store.alone()?))
    }

    /// Prepares a store for planning.
    pub(super) fn prepared(&self, mut store: Store) -> Store {
        if self.rehash {
            rehash_sources(&mut store);
        }
        store
    }
}

impl PipelineArgs {
    /// Same as [`Overrides::experiment`] for this file.
    pub(super) fn experiment(&self) -> Result<Experiment, Error> {
        self.overrides.experiment(&self.file)
    }
}

impl Overrides {
    /// Reads `file`, and checks it against the available stage kinds.
    pub(super) fn experiment(&self, file: &Path) -> Result<Experiment, Error> {
        let options = LoadOptions {
            profile: self.profile.clone(),
            options: self.options().iter().map(KeyValue::option).collect(),
            sets: self.sets.clone(),
            include_from: self.include_from.clone(),
            processors: executors::processors(),
            is_foreign: self.is_from_plan,
        };
        Experiment::read(file, &options, catalogue()).map_err(Error::Invalid)
    }

    /// The overrides that a run was started with, from its record.
    pub(super) fn recorded(profile: Option<String>, sets: Vec<String>) -> Self {
        Self {
            profile,
            sets,
            ..Self::default()
        }
    }

    /// All overrides as assignments; later ones win. Those from `--set` come last, because the other
    /// options may come from a variable or a configuration file.
    pub(super) fn sets(&self) -> Vec<String> {
        let options = self.options();
        let options = options.iter();
        let options = options.map(|option| format!("{}={}", option.key.name(), option.value));
        options.chain(self.sets.iter().cloned()).collect()
    }

    /// The assignments of `--set`, as typed.
    pub(super) fn typed(&self) -> &[String] {
        &self.sets
    }

    fn options(&self) -> Vec<KeyValue<'_>> {
        let Sources {
            device,
            precision,
            executor,
        } = self.sources;
        [
            (SettingKey::Device, &self.device, device),
            (SettingKey::Precision, &self.precision, precision),
            (SettingKey::Executor, &self.executor, executor),
        ]
        .into_iter()
        .filter_map(|(key, value, source)| {
            let value = value.as_deref()?;
            Some(KeyValue { key, value, source })
        })
        .collect()
    }
}

/// An option that sets a key of the pipeline document.
struct KeyValue<'a> {
    key: SettingKey,
    value: &'a str,
    source: Option<ValueSource>,
}

impl KeyValue<'_> {
    fn option(&self) -> KeyOption {
        KeyOption {
            key: self.key.name(),
            value: self.value.to_owned(),
            place: self.place(),
            is_typed: self.source == Some(ValueSource::CommandLine),
        }
    }

    /// The place where the value was set.
    fn place(&self) -> Place {
        let (name, value) = (self.key.name(), self.value);
        let source = match self.source {
            Some(ValueSource::EnvVariable) => {
                Source::variable(format!("{}={value}", variable(name)))
            }
            Some(ValueSource::DefaultValue) => {
                let config = Config::load().ok();
                let setting = config.as_ref().and_then(|config| config.get(self.key));
                if let Some(setting) = setting {
                    return setting.place.clone();
                }
                Source::option(format!("--{name} {value}"))
            }
            _ => Source::option(format!("--{name} {value}")),
        };
        let end = source.text().len();
        source.place(end - value.len()..end)
    }
}

/// The code that workers run.
pub(super) const KINDS: Kinds = Kinds {
    execute: stages::execute,
    stack_size: stages::STACK_SIZE,
};

/// The analysis of what the stage kinds write.
pub(super) const ANALYSIS: &dyn Analysis = stages::analysis::RESULTS;

/// The available stage kinds and GPUs.
pub(super) fn catalogue() -> Catalogue {
    Catalogue {
        kinds: stages::kinds(),
        parse: stages::parse,
        gpus: stages::gpus::survey,
        processor: stages::device::processor,
    }
}

impl StoreArgs {
    pub(super) fn folder(&self) -> &Path {
        &self.artifacts
    }

    /// Opens the store, and attaches the shared cache if one is set.
    pub(super) fn open(&self) -> Result<Store, Error> {
        let mut store = self.alone()?;
        self.remote.attach(&mut store)?;
        Ok(store)
    }

    /// Opens the store without a shared cache.
    pub(super) fn alone(&self) -> Result<Store, Error> {
        let mut store = Store::open(&self.artifacts).map_err(Error::Store)?;
        store.set_matching(self.matching.into());
        Ok(store)
    }

    /// Opens the store and attaches the shared cache, which must be set.
    pub(super) fn shared(&self) -> Result<(Store, Arc<Remote>), Error> {
        let mut store = self.alone()?;
        let remote = self.remote.attach(&mut store)?.ok_or_else(none_set)?;
        Ok((store, remote))
    }

    /// Opens the shared cache for a store, to which it is not attached.
    pub(super) fn remote_of(&self, store: &Store) -> Result<Remote, Error> {
        self.remote.open(store)?.ok_or_else(none_set)
    }

    /// Returns the options of the shared cache.
    pub(super) fn remote(&self) -> &RemoteArgs {
        &self.remote
    }

    /// Opens the store if it exists, and never creates one.
    pub(super) fn if_exists(&self) -> Result<Option<Store>, Error> {
        self.exists()?.then(|| self.open()).transpose()
    }

    /// Returns whether the store exists.
    ///
    /// # Errors
    /// If this cannot be determined, for example because a parent folder cannot be entered.
    pub(super) fn exists(&self) -> Result<bool, Error> {
        let home = self.artifacts.join(FORMAT);
        files::leads_to(&home, Metadata::is_dir).map_err(Error::io("access", &home))
    }

    /// Opens the store, which must already exist. Unlike [`StoreArgs::open`], never creates one.
    pub(super) fn existing(&self) -> Result<Store, Error> {
        if !self.exists()? {
            return Err(Error::Usage(format!(
                "there is no store in `{}`; run a pipeline first, or give the folder of a store with `--artifacts`",
                self.artifacts.shown()
            )));
        }
        self.open()
    }
}

/// The instances that `name` selects: every instance of `cnn`, or only `cnn[model1]`. `option` is the
/// argument that errors mention.
pub(super) fn find(graph: &Graph, option: &str, name: &str) -> Result<Vec<NodeIndex>, Error> {
    let found = graph.find(name);
    if !found.is_empty() {
        return Ok(found);
    }
    // For a mistyped instance, suggest instances; else suggest stages only.
    let instances = graph.stages.node_weights();
    let mut names: Vec<String> = if name.contains('[') {
        instances.map(|i| i.name.to_string()).collect()
    } else {
        instances.map(|i| i.name.stage.clone()).collect()
    };
    names.sort();
    names.dedup();
    let hint = suggest::hint("stages", name, names.iter().map(String::as_str));
    let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
    let file = graph.file.shown();
    Err(Error::Usage(format!(
        "`{option} {name}` names no stage of `{file}`{hint}"
    )))
}
