//! A stage as declared in a pipeline file ([`StageSpec`]): its kind, matrix, resources, limits and seeds.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value as Any;

use super::executor::Executor;
use super::limits::{self, Retries};
use super::name::{LONGEST_NAME, Named, check_names};
use super::node::Entry;
use super::seeds::{self, SeedCount};
use super::{Diagnostic, Node, Place, decode};

/// A stage as declared in a pipeline file.
pub(crate) struct StageSpec {
    /// The stage's name, with the prefixes of included files: `base.xrays`.
    pub name: String,
    /// Index, among the pipeline's scopes, of the scope in which names in the stage are resolved.
    pub scope: usize,
    /// Place of the stage's name, which is its key.
    pub place: Place,
    pub kind: String,
    pub kind_place: Place,
    /// The entries `params` and `inputs`, not interpolated yet.
    pub params: Option<Entry>,
    pub inputs: Option<Entry>,
    pub matrix: Vec<Axis>,
    pub resources: Resources,
    /// The entry `resources` as written.
    pub resources_entry: Option<Entry>,
    pub timeout: Option<Duration>,
    pub retries: Option<Retries>,
    /// `None`: the pipeline's.
    pub executor: Option<Executor>,
    pub pack: Option<Pack>,
    pub seed: Option<u64>,
    /// The pipeline's positive class, for stages that measure a classifier.
    pub positive: Option<Entry>,
    /// Number of repetitions, each with a different seed.
    pub seeds: Option<SeedCount>,
}

/// An axis of a stage's matrix: a name, and values in the order in which they are written.
pub(crate) struct Axis {
    pub name: String,
    /// Each value as text, for instance names, and as a node.
    pub values: Vec<(String, Node)>,
}

/// Resources that an instance of a stage takes while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Resources {
    /// Number of threads, 1 by default. `run` refuses more threads than the machine has cores, unless
    /// `--jobs` allows them. If it is not set and an earlier run measured that the stage keeps more cores
    /// busy, no other stage runs on those cores meanwhile.
    #[schemars(range(min = 1))]
    pub cpus: Option<usize>,
    /// Number of GPUs. A stage that trains or predicts takes one if `device` is a GPU; with 0 it stays on the
    /// CPU, and with 1 it requires a GPU. A program gets this number of GPUs and sees no others. If it is not
    /// set, a program is assigned no GPU and sees those that `runner` sees.
    pub gpus: Option<usize>,
    /// GPU memory that the stage needs at most, with its unit (`8GiB`). Stages that set it share a GPU while the
    /// GPU's memory suffices. Without it, a stage has its GPU to itself.
    #[serde(deserialize_with = "limits::bytes")]
    #[schemars(schema_with = "limits::bytes_schema")]
    pub gpu_memory: Option<u64>,
    /// Memory that the stage's process may hold at most, with its unit (`512MiB`), not counting mapped files.
    /// Stages run at the same time while there is enough memory for all of them. `run` refuses a stage that
    /// requests more than `--memory`, which is all memory of the machine by default. If it is not set, the memory
    /// measured in an earlier run is used to decide what runs at the same time.
    #[serde(deserialize_with = "limits::bytes")]
    #[schemars(schema_with = "limits::bytes_schema")]
    pub memory: Option<u64>,
}

/// Number of instances of a stage that share one Slurm job, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "u32")]
pub struct Pack(u32);

impl Pack {
    pub const MOST: u32 = 10_000;

    pub const fn get(self) -> u32 {
        self.0
    }
}

impl TryFrom<u32> for Pack {
    type Error = String;

    fn try_from(number: u32) -> Result<Self, Self::Error> {
        match number {
            1..=Self::MOST => Ok(Self(number)),
            _ => Err(format!("expected a number from 1 to {}", Self::MOST)),
        }
    }
}

/// A stage of a pipeline.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Stage")]
pub(crate) struct StageFields {
    /// The stage's kind, which defines what it does. `runner kinds` lists all kinds.
    kind: String,
    /// Parameters of the kind. `runner kinds KIND` describes them.
    #[serde(rename = "params")]
    #[schemars(with = "Option<BTreeMap<String, Any>>")]
    _params: Option<IgnoredAny>,
    /// Inputs by role: references to outputs of other stages.
    #[serde(rename = "inputs")]
    #[schemars(with = "Option<BTreeMap<String, Any>>")]
    _inputs: Option<IgnoredAny>,
    /// Axes with their values. The stage has one instance for every combination of values; `${matrix.AXIS}`
    /// inserts a value into its parameters and inputs.
    #[serde(rename = "matrix")]
    #[schemars(with = "Option<Named<Values>>")]
    _matrix: Option<BTreeMap<String, Vec<IgnoredAny>>>,
    /// Resources that the stage takes while it runs.
    #[serde(default)]
    resources: Option<Resources>,
    /// Time limit of each attempt.
    #[serde(default, deserialize_with = "limits::duration")]
    #[schemars(schema_with = "limits::duration_schema")]
    timeout: Option<Duration>,
    /// Number of retries after a failure of the system or of a program, or after a time or memory limit was
    /// exceeded. Bad data and diverged training are not retried.
    retries: Option<Retries>,
    /// Where the stage runs: `local` (this machine), `slurm` or `ssh:HOST`. Default: the pipeline's `executor`.
    executor: Option<Executor>,
    /// Number of instances that share one Slurm job. Use it for stages that take seconds.
    #[schemars(with = "Option<u32>", range(min = 1, max = Pack::MOST))]
    pack: Option<Pack>,
    /// Seed of this stage. Default: the pipeline's seed.
    seed: Option<u64>,
    /// Number of repetitions of this stage and everything that depends on it: with its seed, the next one,
    /// and so on.
    #[serde(rename = "seeds")]
    #[schemars(with = "Option<usize>", range(min = 1, max = 1_000))]
    _seeds: Option<usize>,
}

/// Names, numbers or booleans. Each spelling may occur once: `3.1` and `3.10` are two values.
#[derive(JsonSchema)]
#[schemars(transparent, inline)]
#[expect(dead_code, reason = "exists only for its schema")]
struct Values(
    #[schemars(
        length(min = 1),
        extend("items" = {
            "type": ["string", "number", "boolean"], "pattern": "^[A-Za-z0-9_+.-]{1,64}$"
        })
    )]
    Vec<Any>,
);

impl StageSpec {
    /// Reads a stage and adds its errors to `errors`. Returns `None` if it cannot be decoded.
    pub(crate) fn read(entry: &Entry, errors: &mut Vec<Diagnostic>) -> Option<Self> {
        let Entry {
            key: name,
            key_place: place,
            value: node,
        } = entry;
        let fields: StageFields = match decode(node, place) {
            Ok(fields) => fields,
            Err(found) => {
                errors.extend(found);
                return None;
            }
        };
        let axes = node.get("matrix").map(Node::entries).unwrap_or_default();
        check_names(axes, "an axis", errors);
        let matrix = axes.iter().map(|axis| Axis::read(axis, errors)).collect();
        let resources = fields.resources.unwrap_or_default();
        if resources.cpus == Some(0) {
            let place = resource_place(node.entry("resources"), "cpus", place);
            errors.push(Diagnostic::at(place, "a stage needs at least 1 CPU"));
        }
        let seeds = node.entry("seeds");
        let seeds = seeds.and_then(|entry| seeds::read(entry, errors));
        Some(Self {
            name: name.clone(),
            scope: 0,
            place: place.clone(),
            kind: fields.kind,
            kind_place: node.get("kind").map_or(place, |kind| &kind.place).clone(),
            params: node.entry("params").cloned(),
            inputs: node.entry("inputs").cloned(),
            matrix,
            resources,
            resources_entry: node.entry("resources").cloned(),
            timeout: fields.timeout,
            retries: fields.retries,
            executor: fields.executor,
            pack: fields.pack,
            seed: fields.seed,
            positive: None,
            seeds,
        })
    }
}

/// Returns the place of one of a stage's `resources`, or `stage` if that resource is not set.
pub(crate) fn resource_place<'a>(
    resources: Option<&'a Entry>,
    name: &str,
    stage: &'a Place,
) -> &'a Place {
    let resource = resources.and_then(|resources| resources.value.get(name));
    resource.map_or(stage, |resource| &resource.place)
}

impl Axis {
    /// Reads an axis and adds its errors to `errors`. Leaves out values that cannot name an instance.
    fn read(entry: &Entry, errors: &mut Vec<Diagnostic>) -> Self {
        let name = entry.key.clone();
        let mut values: Vec<(String, Node)> = Vec::new();
        let mut places: HashMap<String, Place> = HashMap::new();
        for item in entry.value.items() {
            let text = match axis_text(item) {
                Ok(text) => text,
                Err(error) => {
                    errors.push(error);
                    continue;
                }
            };
            if let Some(first) = places.get(&text) {
                let message = format!("duplicate value `{text}` on the axis `{name}`");
                errors.push(
                    Diagnostic::at(&item.place, message).note(format!("first given at {first}")),
                );
            } else {
                places.insert(text.clone(), item.place.clone());
            }
            values.push((text, item.clone()));
        }
        if entry.value.items().is_empty() {
            errors.push(Diagnostic::at(
                &entry.key_place,
                format!("the axis `{name}` has no values"),
            ));
        }
        Self { name, values }
    }
}

/// Returns the text of an axis value. Fails if the text cannot be part of the names of instances and folders.
fn axis_text(item: &Node) -> Result<String, Diagnostic> {
    let Some(text) = item.scalar_text() else {
        return Err(Diagnostic::at(
            &item.place,
            format!("expected a name, a number or a boolean, found {}", item.describe()),
        )
        .hint(
            "values of an axis are part of instance names, so put lists and maps under `models:` or `vars:`"
                .to_owned(),
        ));
    };
    let fits = |char: char| char.is_ascii_alphanumeric() || "_-+.".contains(char);
    if text.is_empty() || text.len() > LONGEST_NAME || !text.chars().all(fits) {
        return Err(
            Diagnostic::at(&item.place, format!("`{text}` cannot name an instance")).hint(format!(
                "a value of an axis has 1 to {LONGEST_NAME} letters, digits, `_`, `-`, `+` or `.`"
            )),
        );
    }
    Ok(text)
}
