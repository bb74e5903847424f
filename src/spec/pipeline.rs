//! The typed document.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::IgnoredAny;

use super::name::{check_name, check_names};
use super::node::{Entry, Value};
use super::stage::StageSpec;
use super::table::TableSpec;
use super::{Diagnostic, Expansion, LoadOptions, Node, Vars, decode, overrides};

/// The version of the document format that is read.
const VERSION: u64 = 1;

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
    /// Stages that are not among `stages`, for an error in them.
    pub(crate) broken: Vec<String>,
    /// What is wrong with stages and tables so far. The graph has more to say, or does not.
    pub(crate) errors: Vec<Diagnostic>,
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

impl Pipeline {
    /// Applies profile, assignments and vars to a document, and types it.
    pub(super) fn resolve(
        file: &Path,
        mut document: Node,
        options: &LoadOptions,
    ) -> Result<Self, Vec<Diagnostic>> {
        let first = document.entries().first();
        let start = first
            .map_or(&document.place, |entry| &entry.key_place)
            .clone();
        if !matches!(document.value, Value::Map(_)) {
            let message = format!(
                "a pipeline is a map of keys, and this is {}",
                document.describe()
            );
            return Err(vec![Diagnostic::at(&start, message)]);
        }
        let Preamble { .. } = decode(&document, &start)?;

        let mut errors = Vec::new();
        overrides::apply_profile(&mut document, options.profile.as_deref(), &mut errors);
        for assignment in &options.sets {
            errors.extend(overrides::apply_set(&mut document, assignment).err());
        }
        none(errors)?;

        let mut expansion = Expansion::new();
        let vars = Vars::resolve(section(&document, "vars"), &mut expansion);
        interpolate_document(&mut document, &vars, &mut expansion);
        none(expansion.errors)?;

        let mut errors = Vec::new();
        let fields: Option<DocumentFields> = decode(&document, &start)
            .map_err(|found| errors.extend(found))
            .ok();
        let stages = section(&document, "stages");
        let mut broken = Vec::new();
        let stages = stages
            .iter()
            .filter_map(|entry| {
                let stage = StageSpec::read(entry, &mut errors);
                if stage.is_none() {
                    broken.push(entry.key.clone());
                }
                stage
            })
            .collect();
        let tables = section(&document, "tables");
        let tables = tables
            .iter()
            .filter_map(|entry| TableSpec::read(entry, &mut errors))
            .collect();
        let Some(fields) = fields else {
            return Err(errors);
        };
        fields.check(&document, &mut errors);

        Ok(Self {
            file: file.to_owned(),
            profile: options.profile.clone(),
            name: fields.name,
            seed: fields.seed,
            vars,
            models: section(&document, "models").to_vec(),
            stages,
            tables,
            broken,
            errors,
        })
    }
}

impl Pipeline {
    /// Whether a stage is written and cannot be read, which was reported.
    pub(crate) fn is_broken(&self, stage: &str) -> bool {
        self.broken.iter().any(|broken| broken == stage)
    }
}

impl DocumentFields {
    /// Reports what no type can say.
    fn check(&self, document: &Node, errors: &mut Vec<Diagnostic>) {
        let place = |key: &str| {
            document
                .get(key)
                .map_or(&document.place, |node| &node.place)
        };
        if self.version != VERSION {
            let message = format!(
                "document version {} is not known; this program reads version {VERSION}",
                self.version
            );
            errors.push(Diagnostic::at(place("version"), message));
        }
        check_name(&self.name, "a pipeline", place("name"), errors);
        for (key, what) in [
            ("vars", "a var"),
            ("profiles", "a profile"),
            ("models", "a model"),
            ("stages", "a stage"),
            ("tables", "a table"),
        ] {
            check_names(section(document, key), what, errors);
        }
        if section(document, "stages").is_empty() {
            errors.push(Diagnostic::at(
                place("stages"),
                "a pipeline needs at least one stage",
            ));
        }
    }
}

/// The entries of a part of the document; none if it is not there.
fn section<'a>(document: &'a Node, key: &str) -> &'a [Entry] {
    document.get(key).map(Node::entries).unwrap_or_default()
}

fn none(errors: Vec<Diagnostic>) -> Result<(), Vec<Diagnostic>> {
    if errors.is_empty() {
        Ok(())
    } else {
        Err(errors)
    }
}

/// Replaces `${…}` everywhere but in the vars themselves, and in what depends on an instance.
fn interpolate_document(document: &mut Node, vars: &Vars, expansion: &mut Expansion) {
    let mut replace = |node: &mut Node| {
        if let Some(replaced) = vars.interpolate(node, None, expansion) {
            *node = replaced;
        }
    };
    for section in document.entries_mut() {
        match section.key.as_str() {
            "vars" | "profiles" => {}
            "stages" if !section.value.entries().is_empty() => {
                for stage in section.value.entries_mut() {
                    if stage.value.entries().is_empty() {
                        replace(&mut stage.value);
                    }
                    let fields = stage.value.entries_mut().iter_mut();
                    for field in
                        fields.filter(|field| !matches!(field.key.as_str(), "params" | "inputs"))
                    {
                        replace(&mut field.value);
                    }
                }
            }
            _ => replace(&mut section.value),
        }
    }
}
