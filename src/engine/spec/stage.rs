//! A stage as it is written: its kind, its matrix, what it takes up.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value as Any;

use super::limits::{self, Retries};
use super::name::{LONGEST_NAME, Named, check_names};
use super::node::Entry;
use super::seeds::{self, SeedCount};
use super::{Diagnostic, Node, Place, decode};

/// A stage as it is written.
pub(crate) struct StageSpec {
    /// With the names that its file is included under: `base.xrays`.
    pub name: String,
    /// What the names in it mean, by its position in the pipeline's scopes.
    pub scope: usize,
    /// Its name, as the key of the stage.
    pub place: Place,
    pub kind: String,
    pub kind_place: Place,
    /// `params: …` and `inputs: …`, with their `${…}` still in them.
    pub params: Option<Entry>,
    pub inputs: Option<Entry>,
    pub matrix: Vec<Axis>,
    pub resources: Resources,
    /// `resources: …`, as it is written.
    pub resources_entry: Option<Entry>,
    pub timeout: Option<Duration>,
    pub retries: Option<Retries>,
    pub seed: Option<u64>,
    /// Times that it is repeated, each with another seed.
    pub seeds: Option<SeedCount>,
}

/// An axis of a stage's matrix: a name and its values, in the order they are written.
pub(crate) struct Axis {
    pub name: String,
    /// Each value as text, which names the instance, and as it is.
    pub values: Vec<(String, Node)>,
}

/// What an instance of a stage takes up while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Resources {
    /// Threads, 1 unless given. `run` refuses more than the machine has cores. A stage without it gets one thread;
    /// if it was measured to keep more cores busy in an earlier run, no others run on those meanwhile.
    #[schemars(range(min = 1))]
    pub cpus: Option<usize>,
    /// GPUs. A stage that trains or predicts takes one where `device` says so; with 0 it stays on the CPU,
    /// with 1 it must have one. A program gets as many, and sees no others; without it it is given none, and
    /// sees those that `runner` sees.
    pub gpus: Option<usize>,
    /// GPU memory that it needs at most, in bytes (`8GiB`): stages that say so share a GPU while it has room.
    /// Without it a stage has its GPU to itself.
    #[serde(deserialize_with = "limits::bytes")]
    #[schemars(schema_with = "limits::bytes_schema")]
    pub gpu_memory: Option<u64>,
    /// Most memory that its process may hold for itself, in bytes (`512MiB`). Stages run at the same time while
    /// the machine has the memory for all of them; `run` refuses more than that. Without it, the memory that was
    /// measured in an earlier run counts.
    #[serde(deserialize_with = "limits::bytes")]
    #[schemars(schema_with = "limits::bytes_schema")]
    pub memory: Option<u64>,
}

/// A stage: a named step of a pipeline.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Stage")]
pub(crate) struct StageFields {
    /// What it does; `runner kinds` lists them.
    kind: String,
    /// How it does it; `runner kinds KIND` lists them.
    #[serde(rename = "params")]
    #[schemars(with = "Option<BTreeMap<String, Any>>")]
    _params: Option<IgnoredAny>,
    /// What it takes, by role: the outputs of other stages.
    #[serde(rename = "inputs")]
    #[schemars(with = "Option<BTreeMap<String, Any>>")]
    _inputs: Option<IgnoredAny>,
    /// Axes: the stage is there once for every combination of their values, `${matrix.AXIS}` in its
    /// parameters and inputs.
    #[serde(rename = "matrix")]
    #[schemars(with = "Option<Named<Values>>")]
    _matrix: Option<BTreeMap<String, Vec<IgnoredAny>>>,
    /// What it takes up while it runs.
    #[serde(default)]
    resources: Option<Resources>,
    /// Longest time that a try at it may take.
    #[serde(default, deserialize_with = "limits::duration")]
    #[schemars(schema_with = "limits::duration_schema")]
    timeout: Option<Duration>,
    /// How often it is tried again when the system failed it.
    retries: Option<Retries>,
    /// Its own seed, in place of the pipeline's.
    seed: Option<u64>,
    /// Times that it, and what follows from it, is repeated: with its seed, the next one, and so on.
    #[serde(rename = "seeds")]
    #[schemars(with = "Option<usize>", range(min = 1, max = 1_000))]
    _seeds: Option<usize>,
}

/// Names and numbers, each spelling once: `3.1` and `3.10` are two values.
#[derive(JsonSchema)]
#[schemars(transparent, inline)]
#[expect(dead_code, reason = "describes, and holds nothing")]
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
    /// Reads a stage; what is wrong with it is reported.
    pub fn read(entry: &Entry, errors: &mut Vec<Diagnostic>) -> Option<Self> {
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
            errors.push(Diagnostic::at(place, "a stage needs at least 1 cpu"));
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
            seed: fields.seed,
            seeds,
        })
    }
}

/// The place of one of a stage's `resources`; `stage` where it is not written.
pub(crate) fn resource_place<'a>(
    resources: Option<&'a Entry>,
    name: &str,
    stage: &'a Place,
) -> &'a Place {
    let resource = resources.and_then(|resources| resources.value.get(name));
    resource.map_or(stage, |resource| &resource.place)
}

impl Axis {
    /// Reads an axis, leaving out the values that are reported.
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

/// The text of a value of an axis, fit to name an instance and its folder.
fn axis_text(item: &Node) -> Result<String, Diagnostic> {
    let Some(text) = item.scalar_text() else {
        return Err(Diagnostic::at(
            &item.place,
            format!("expected a name or a number, found {}", item.describe()),
        )
        .hint(
            "a value of an axis names an instance; put lists and maps under `models:` or `vars:`"
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
