//! The typed document.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value as Any;

use super::name::{self, Named, check_name, check_names};
use super::node::{Entry, Value};
use super::stage::{StageFields, StageSpec};
use super::table::{TableFields, TableSpec};
use super::{Diagnostic, Expansion, LoadOptions, Node, Vars, decode, overrides};

/// The version of the document format that is read.
pub const VERSION: u64 = 1;

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

/// A pipeline of `runner`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DocumentFields {
    /// The version of this format.
    #[schemars(extend("const" = VERSION))]
    version: u64,
    /// Names the folder of the newest outputs, `artifacts/latest/NAME`.
    #[schemars(schema_with = "name::schema")]
    name: String,
    /// The seed of every stage that has none of its own.
    #[serde(default)]
    seed: u64,
    /// Values for `${NAME}`; `-S NAME=VALUE` changes one.
    #[serde(rename = "vars")]
    #[schemars(with = "Option<Named<Any>>")]
    _vars: Option<IgnoredAny>,
    /// Other values for vars, by the name that `--profile` takes.
    #[serde(rename = "profiles")]
    #[schemars(with = "Option<Named<Option<Named<Any>>>>")]
    _profiles: Option<IgnoredAny>,
    /// Lists of layers, by the name that parameters take in place of one.
    #[serde(rename = "models")]
    #[schemars(with = "Option<Named<Vec<Any>>>")]
    _models: Option<BTreeMap<String, Vec<IgnoredAny>>>,
    /// What there is to do.
    #[serde(rename = "stages")]
    #[schemars(with = "Named<StageFields>", extend("minProperties" = 1))]
    _stages: Names,
    /// Tables of metrics, printed after a run.
    #[serde(rename = "tables")]
    #[schemars(with = "Option<Named<TableFields>>")]
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
        let Preamble { .. } = decode(&document, &start).map_err(|error| vec![error])?;

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

        let fields: DocumentFields = decode(&document, &start).map_err(|error| vec![error])?;
        let mut errors = Vec::new();
        fields.check(&document, &mut errors);
        let stages = section(&document, "stages");
        let stages = stages
            .iter()
            .filter_map(|entry| StageSpec::read(entry, &mut errors))
            .collect();
        let tables = section(&document, "tables");
        let tables = tables
            .iter()
            .filter_map(|entry| TableSpec::read(entry, &mut errors))
            .collect();
        none(errors)?;

        Ok(Self {
            file: file.to_owned(),
            profile: options.profile.clone(),
            name: fields.name,
            seed: fields.seed,
            vars,
            models: section(&document, "models").to_vec(),
            stages,
            tables,
        })
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
