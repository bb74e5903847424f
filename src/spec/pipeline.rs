//! The typed document.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::node::{Entry, Value};
use super::{Diagnostic, Expansion, LoadOptions, Node, Place, Vars, decode, overrides};

/// The version of the document format that is read.
const VERSION: u64 = 1;

/// The longest name, and the longest value of an axis, in bytes: both become names of folders.
const LONGEST_NAME: usize = 64;

/// A pipeline as it is written, with its profile, assignments and vars applied.
pub struct Pipeline {
    pub file: PathBuf,
    pub profile: Option<String>,
    pub name: String,
    /// The seed of every stage that has none of its own.
    pub seed: u64,
    pub(crate) vars: Vars,
    /// Lists of layers by name.
    pub(crate) models: Vec<Entry>,
    pub(crate) stages: Vec<StageSpec>,
    pub(crate) tables: Vec<TableSpec>,
}

/// A stage as it is written.
pub(crate) struct StageSpec {
    pub name: String,
    /// Its name, as the key of the stage.
    pub place: Place,
    pub kind: String,
    pub kind_place: Place,
    /// `params: …` and `inputs: …`, with their `${…}` still in them.
    pub params: Option<Entry>,
    pub inputs: Option<Entry>,
    pub matrix: Vec<Axis>,
    pub resources: Resources,
    pub seed: Option<u64>,
}

/// An axis of a stage's matrix: a name and its values, in the order they are written.
pub(crate) struct Axis {
    pub name: String,
    /// Each value as text, which names the instance, and as it is.
    pub values: Vec<(String, Node)>,
}

/// What an instance of a stage takes up while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Resources {
    /// Threads, 1 or more. Default 1.
    pub cpus: usize,
    /// GPUs. Default 0.
    pub gpus: usize,
}

impl Default for Resources {
    fn default() -> Self {
        Self { cpus: 1, gpus: 0 }
    }
}

/// A table as it is written; the graph says what its names mean.
pub(crate) struct TableSpec {
    pub name: String,
    pub place: Place,
    pub node: Node,
    pub fields: TableFields,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TableFields {
    pub title: Option<String>,
    pub rows: String,
    pub columns: Vec<ColumnFields>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ColumnFields {
    pub title: Option<String>,
    pub metric: String,
    #[serde(default)]
    pub paper: BTreeMap<String, f64>,
}

/// What must be known of a document before its vars are.
#[derive(Deserialize)]
struct Preamble {
    #[serde(rename = "vars")]
    _vars: Option<Names>,
    #[serde(rename = "profiles")]
    _profiles: Option<BTreeMap<String, Option<Names>>>,
}

/// Keys with any values.
type Names = BTreeMap<String, IgnoredAny>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DocumentFields {
    version: u64,
    name: String,
    #[serde(default)]
    seed: u64,
    #[serde(rename = "vars")]
    _vars: Option<IgnoredAny>,
    #[serde(rename = "profiles")]
    _profiles: Option<IgnoredAny>,
    #[serde(rename = "models")]
    _models: Option<BTreeMap<String, Vec<IgnoredAny>>>,
    #[serde(rename = "stages")]
    _stages: Names,
    #[serde(rename = "tables")]
    _tables: Option<Names>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StageFields {
    kind: String,
    #[serde(rename = "params")]
    _params: Option<IgnoredAny>,
    #[serde(rename = "inputs")]
    _inputs: Option<IgnoredAny>,
    #[serde(rename = "matrix")]
    _matrix: Option<BTreeMap<String, Vec<IgnoredAny>>>,
    #[serde(default)]
    resources: Option<Resources>,
    seed: Option<u64>,
}

impl Pipeline {
    /// Applies profile, assignments and vars to a document, and types it.
    pub(super) fn resolve(
        file: &Path,
        mut document: Node,
        options: &LoadOptions,
    ) -> Result<Self, Vec<Diagnostic>> {
        let start = document
            .entries()
            .first()
            .map_or(&document.place, |entry| &entry.key_place)
            .clone();
        if !matches!(document.value, Value::Map(_)) {
            let is = document.describe();
            return Err(vec![Diagnostic::at(
                &start,
                format!("a pipeline is a map of keys, and this is {is}"),
            )]);
        }
        decode::<Preamble>(&document, &start).map_err(|error| vec![error])?;

        let mut expansion = Expansion::new();
        overrides::apply_profile(
            &mut document,
            options.profile.as_deref(),
            &mut expansion.errors,
        );
        for assignment in &options.sets {
            if let Err(error) = overrides::apply_set(&mut document, assignment) {
                expansion.errors.push(error);
            }
        }
        done(&mut expansion)?;

        let vars = Vars::resolve(
            document.get("vars").map(Node::entries).unwrap_or_default(),
            &mut expansion,
        );
        interpolate_document(&mut document, &vars, &mut expansion);
        done(&mut expansion)?;

        let fields: DocumentFields = decode(&document, &start).map_err(|error| vec![error])?;
        let errors = &mut expansion.errors;
        let place_of = |key: &str| {
            document
                .entry(key)
                .map_or(&start, |entry| &entry.value.place)
                .clone()
        };
        if fields.version != VERSION {
            let message = format!(
                "document version {} is not known; this program reads version {VERSION}",
                fields.version
            );
            errors.push(Diagnostic::at(&place_of("version"), message));
        }
        if let Some(problem) = name_problem(&fields.name) {
            errors.push(
                Diagnostic::at(
                    &place_of("name"),
                    format!("`{}` is no name for a pipeline", fields.name),
                )
                .hint(problem),
            );
        }
        let section = |key: &str| document.get(key).map(Node::entries).unwrap_or_default();
        for (key, what) in [
            ("vars", "var"),
            ("profiles", "profile"),
            ("models", "model"),
            ("stages", "stage"),
            ("tables", "table"),
        ] {
            check_names(section(key), what, errors);
        }
        if section("stages").is_empty() {
            errors.push(Diagnostic::at(
                &place_of("stages"),
                "a pipeline needs at least one stage",
            ));
        }
        let stages = section("stages")
            .iter()
            .filter_map(|entry| report(StageSpec::read(entry), errors))
            .collect();
        let tables = section("tables")
            .iter()
            .filter_map(|entry| report(TableSpec::read(entry), errors))
            .collect();
        let models = section("models").to_vec();
        done(&mut expansion)?;

        let profile = options.profile.clone();
        Ok(Self {
            file: file.to_owned(),
            profile,
            name: fields.name,
            seed: fields.seed,
            vars,
            models,
            stages,
            tables,
        })
    }
}

/// Replaces `${…}` everywhere but in the vars themselves, and in what depends on an instance.
fn interpolate_document(document: &mut Node, vars: &Vars, expansion: &mut Expansion) {
    let Value::Map(sections) = &mut document.value else {
        return;
    };
    for section in sections
        .iter_mut()
        .filter(|section| !matches!(section.key.as_str(), "vars" | "profiles"))
    {
        let Value::Map(stages) = &mut section.value.value else {
            replace(&mut section.value, vars, expansion);
            continue;
        };
        if section.key != "stages" {
            replace(&mut section.value, vars, expansion);
            continue;
        }
        for stage in stages {
            let Value::Map(fields) = &mut stage.value.value else {
                replace(&mut stage.value, vars, expansion);
                continue;
            };
            for field in fields
                .iter_mut()
                .filter(|field| !matches!(field.key.as_str(), "params" | "inputs"))
            {
                replace(&mut field.value, vars, expansion);
            }
        }
    }
}

fn replace(node: &mut Node, vars: &Vars, expansion: &mut Expansion) {
    if let Some(replaced) = vars.interpolate(node, None, expansion) {
        *node = replaced;
    }
}

impl StageSpec {
    fn read(entry: &Entry) -> Result<Self, Vec<Diagnostic>> {
        let Entry {
            key: name,
            key_place: place,
            value: node,
        } = entry;
        let fields: StageFields = decode(node, place).map_err(|error| vec![error])?;
        let kind_place = node.get("kind").map_or(place, |kind| &kind.place).clone();
        let mut errors = Vec::new();
        let axes = node.get("matrix").map(Node::entries).unwrap_or_default();
        check_names(axes, "axis", &mut errors);
        let matrix = axes
            .iter()
            .filter_map(|axis| report(Axis::read(axis), &mut errors))
            .collect();
        let resources = fields.resources.unwrap_or_default();
        if resources.cpus == 0 {
            let place = node
                .get("resources")
                .and_then(|resources| resources.get("cpus"))
                .map_or(place, |cpus| &cpus.place);
            errors.push(Diagnostic::at(place, "a stage needs at least 1 cpu"));
        }
        done_with(errors, || Self {
            name: name.clone(),
            place: place.clone(),
            kind: fields.kind,
            kind_place,
            params: node.entry("params").cloned(),
            inputs: node.entry("inputs").cloned(),
            matrix,
            resources,
            seed: fields.seed,
        })
    }
}

impl Axis {
    fn read(entry: &Entry) -> Result<Self, Vec<Diagnostic>> {
        let mut errors = Vec::new();
        let mut values: Vec<(String, Node)> = Vec::new();
        for item in entry.value.items() {
            match axis_text(item) {
                Err(error) => errors.push(error),
                Ok(text) => {
                    if let Some((_, first)) = values.iter().find(|(known, _)| *known == text) {
                        let error = Diagnostic::at(
                            &item.place,
                            format!("duplicate value `{text}` on the axis `{}`", entry.key),
                        );
                        errors.push(error.note(format!("first given at {}", first.place)));
                    }
                    values.push((text, item.clone()));
                }
            }
        }
        if entry.value.items().is_empty() {
            errors.push(Diagnostic::at(
                &entry.key_place,
                format!("the axis `{}` has no values", entry.key),
            ));
        }
        done_with(errors, || Self {
            name: entry.key.clone(),
            values,
        })
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

impl TableSpec {
    fn read(entry: &Entry) -> Result<Self, Vec<Diagnostic>> {
        let Entry {
            key: name,
            key_place: place,
            value: node,
        } = entry;
        let fields = decode(node, place).map_err(|error| vec![error])?;
        Ok(Self {
            name: name.clone(),
            place: place.clone(),
            node: node.clone(),
            fields,
        })
    }
}

/// Why a name is none.
fn name_problem(name: &str) -> Option<String> {
    let first = |char: char| char.is_ascii_alphabetic() || char == '_';
    let rest = |char: char| char.is_ascii_alphanumeric() || char == '_' || char == '-';
    let good = name.starts_with(first) && name.chars().all(rest) && name.len() <= LONGEST_NAME;
    (!good).then(|| {
        format!("a name has letters, digits, `_` and `-`, starts with a letter or `_`, and is at most {LONGEST_NAME} long")
    })
}

fn check_names(entries: &[Entry], what: &str, errors: &mut Vec<Diagnostic>) {
    for entry in entries {
        if let Some(problem) = name_problem(&entry.key) {
            errors.push(
                Diagnostic::at(
                    &entry.key_place,
                    format!("`{}` is no name for a {what}", entry.key),
                )
                .hint(problem),
            );
        }
    }
}

fn report<T>(result: Result<T, Vec<Diagnostic>>, errors: &mut Vec<Diagnostic>) -> Option<T> {
    result.map_err(|new| errors.extend(new)).ok()
}

fn done(expansion: &mut Expansion) -> Result<(), Vec<Diagnostic>> {
    done_with(std::mem::take(&mut expansion.errors), || ())
}

fn done_with<T>(errors: Vec<Diagnostic>, value: impl FnOnce() -> T) -> Result<T, Vec<Diagnostic>> {
    if errors.is_empty() {
        Ok(value())
    } else {
        Err(errors)
    }
}
