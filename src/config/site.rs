//! The table `[slurm]`: settings of a site with Slurm.
//!
//! They have no options on the command line, so they are not [`SettingKey`](super::SettingKey)s. A project's file
//! overrides the user's key by key.

use std::collections::BTreeMap;
use std::sync::Arc;

use engine::spec::{Diagnostic, Place, Source, suggest};
use serde_json::{Map, Number, Value};
use slurm::Settings;
use toml::de::{DeTable, DeValue};

use super::key::{found, whole};

/// Name of the table.
pub(super) const TABLE: &str = "slurm";

/// All keys with what they take and their built-in defaults, as shown to the user.
const KEYS: [(&str, &str, &str); 18] = [
    ("partition", "a name", "the site's"),
    ("account", "a name", "the site's"),
    ("qos", "a name", "the site's"),
    ("constraint", "features of nodes", "none"),
    ("extra", "a list of strings", "none"),
    ("modules", "a list of strings", "none"),
    ("setup", "a list of strings", "none"),
    ("container", "a list of strings", "none"),
    ("binary", "a path", "that of the driver"),
    ("processor", "a kind of processor", "that of the driver"),
    ("gpu", "the model of a GPU", "none"),
    (
        "gpu_types",
        "a list of tables such as `{ name = \"a100\", memory = 40960 }`",
        "none",
    ),
    ("max_jobs", "a whole number", "1000"),
    ("memory", "a whole number of MiB", "the site's"),
    ("time_limit", "a whole number of minutes", "none"),
    ("grace", "a whole number of seconds", "120"),
    ("poll", "a number of seconds", "10"),
    ("late", "a number of seconds", "60"),
];

/// A value in the table.
#[derive(Clone, Debug, PartialEq)]
pub struct SiteSetting {
    pub value: Value,
    pub place: Place,
}

/// Values by key, without the table's name.
pub(super) type Site = BTreeMap<&'static str, SiteSetting>;

impl SiteSetting {
    pub fn text(&self) -> String {
        text(&self.value)
    }
}

/// Returns a value as text: a string without quotes, and others as in JSON.
pub fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// Returns the keys of the table, without its name, each with its default as shown to the user.
pub fn keys() -> impl Iterator<Item = (&'static str, &'static str)> {
    KEYS.into_iter().map(|(key, _, default)| (key, default))
}

/// Returns the name of a key with that of the table.
pub fn full_name(key: &str) -> String {
    format!("{TABLE}.{key}")
}

/// Reads the table of one file. Adds every error to `errors`.
pub(super) fn read(
    table: &DeTable<'_>,
    source: &Arc<Source>,
    errors: &mut Vec<Diagnostic>,
) -> Site {
    let mut site = Site::new();
    for (name, value) in table {
        let known = KEYS.into_iter().find(|(key, ..)| *key == name.get_ref());
        let Some((key, expected, _)) = known else {
            let message = format!("unknown key `{}`", full_name(name.get_ref()));
            let place = source.place(name.span());
            let hint = suggest::hint("keys", name.get_ref(), keys().map(|(key, _)| key));
            errors.push(Diagnostic::at(&place, message).hint(hint));
            continue;
        };
        let place = source.place(value.span());
        match read_value(key, expected, value.get_ref()) {
            Ok(value) => drop(site.insert(key, SiteSetting { value, place })),
            Err(message) => errors.push(Diagnostic::at(&place, message)),
        }
    }
    // A wrong type hides no other error.
    errors.extend(settings(&site).err().into_iter().flatten());
    site
}

/// Converts a value if it has the right type.
///
/// # Errors
/// A message that describes the expected value.
fn read_value(key: &str, expected: &str, value: &DeValue<'_>) -> Result<Value, String> {
    let name = full_name(key);
    let is_list = matches!(value, DeValue::Array(_));
    let wrong = || format!("`{name}` takes {expected}, found {}", found(value));
    let json = json(value).ok_or_else(wrong)?;
    match decode([(key, json.clone())]) {
        Ok(_) => Ok(json),
        // The mistake is inside the list.
        Err(error) if is_list && expected.starts_with("a list") => {
            Err(format!("`{name}` takes {expected}: {error}"))
        }
        Err(_) => Err(wrong()),
    }
}

/// Returns the settings of a site, with defaults for those that are not set.
///
/// # Errors
/// For each value that cannot be used, with its place.
pub(super) fn settings(site: &Site) -> Result<Settings, Vec<Diagnostic>> {
    let values = site
        .iter()
        .map(|(key, setting)| (*key, setting.value.clone()));
    let settings = decode(values).map_err(|error| {
        vec![Diagnostic::new(format!(
            "failed to read `[{TABLE}]`: {error}"
        ))]
    })?;
    let diagnostic = |error: &slurm::Error| {
        let key = match error {
            slurm::Error::Setting { setting, .. } => setting,
            // Only this setting is a path.
            _ => "binary",
        };
        // A default can be wrong only together with a value that was set.
        let setting = site.get(key).or_else(|| site.get("time_limit"));
        let message = error.to_string();
        let diagnostic = match setting {
            Some(setting) => Diagnostic::at(&setting.place, message),
            None => Diagnostic::new(message),
        };
        diagnostic.hint(error.hint())
    };
    match settings.check() {
        Ok(()) => Ok(settings),
        Err(errors) => Err(errors.iter().map(diagnostic).collect()),
    }
}

fn decode<'a>(
    values: impl IntoIterator<Item = (&'a str, Value)>,
) -> Result<Settings, serde_json::Error> {
    let values = values
        .into_iter()
        .map(|(key, value)| (key.to_owned(), value));
    serde_json::from_value(Value::Object(values.collect::<Map<_, _>>()))
}

/// Converts a value of TOML to JSON. `None` for a date, a number that is too large, and one that is not finite.
fn json(value: &DeValue<'_>) -> Option<Value> {
    Some(match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Integer(_) => whole(value)?.into(),
        DeValue::Float(float) => {
            let float = float.as_str().parse().ok()?;
            Value::Number(Number::from_f64(float)?)
        }
        DeValue::Boolean(boolean) => Value::Bool(*boolean),
        DeValue::Datetime(_) => return None,
        DeValue::Array(items) => {
            let items = items.iter().map(|item| json(item.get_ref()));
            Value::Array(items.collect::<Option<_>>()?)
        }
        DeValue::Table(entries) => {
            let entries = entries.iter().map(|(key, value)| {
                let value = json(value.get_ref())?;
                Some((key.get_ref().to_string(), value))
            });
            Value::Object(entries.collect::<Option<_>>()?)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn read_text(text: &str) -> Result<Settings, String> {
        let source = Source::file(Path::new(".runner.toml"), text);
        let table = DeTable::parse(source.text()).unwrap();
        let mut errors = Vec::new();
        let site = read(table.get_ref(), &source, &mut errors);
        errors.sort_by(|a, b| a.place.cmp(&b.place));
        let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
        match errors.is_empty() {
            true => Ok(settings(&site).unwrap()),
            false => Err(texts.join("\n\n")),
        }
    }

    #[test]
    fn the_keys_and_defaults_are_those_of_the_settings() {
        let defaults = serde_json::to_value(Settings::default()).unwrap();
        let defaults = defaults.as_object().unwrap();
        let names = keys().map(|(key, _)| key);
        assert_eq!(
            names.collect::<Vec<_>>(),
            defaults.keys().collect::<Vec<_>>()
        );
        for (key, shown) in keys() {
            if let Value::Number(number) = &defaults[key] {
                assert_eq!(number.as_f64(), shown.parse().ok(), "{key}");
            }
        }
    }

    #[test]
    fn the_documentation_has_every_key() {
        let text = include_str!("../../docs/cluster.md");
        for (key, _) in keys() {
            let row = text
                .lines()
                .find(|line| line.starts_with(&format!("| `{key}` |")));
            assert!(row.is_some_and(|row| row.split('|').count() == 6), "{key}");
        }
    }

    #[test]
    fn values_of_every_type_are_read() {
        let text = r##"
            partition = "gpu"
            extra = ["#SBATCH --exclusive"]
            setup = ['source "$HOME/env"']
            binary = "/opt/runner"
            processor = "x86-avx512"
            gpu_types = [{ name = "a100", memory = 40960 }]
            max_jobs = 2_000
            poll = 5
            late = 0.5
        "##;
        let expected = Settings {
            partition: Some("gpu".to_owned()),
            extra: vec!["#SBATCH --exclusive".to_owned()],
            setup: vec!["source \"$HOME/env\"".to_owned()],
            binary: Some("/opt/runner".into()),
            processor: Some("x86-avx512".to_owned()),
            gpu_types: vec![slurm::GpuType {
                name: "a100".to_owned(),
                memory: 40960,
            }],
            max_jobs: 2000,
            poll: 5.0,
            late: 0.5,
            ..Settings::default()
        };
        assert_eq!(read_text(text).unwrap(), expected);
        assert_eq!(read_text("").unwrap(), Settings::default());
    }

    #[test]
    fn all_mistakes_are_shown_at_their_places() {
        let text = "partiton = 'gpu'\nmax_jobs = '3'\nmodules = ['gcc', 3]\npoll = inf\nqos = 'a b'\nextra = ['--exclusive']\n";
        assert_eq!(
            read_text(text).unwrap_err(),
            "\
error: unknown key `slurm.partiton`
  --> .runner.toml:1:1
    |
  1 | partiton = 'gpu'
    | ^^^^^^^^
    = hint: did you mean `partition`?

error: `slurm.max_jobs` takes a whole number, found the string `3`
  --> .runner.toml:2:12
    |
  2 | max_jobs = '3'
    |            ^^^

error: `slurm.modules` takes a list of strings: invalid type: integer `3`, expected a string
  --> .runner.toml:3:11
    |
  3 | modules = ['gcc', 3]
    |           ^^^^^^^^^^

error: `slurm.poll` takes a number of seconds, found float
  --> .runner.toml:4:8
    |
  4 | poll = inf
    |        ^^^

error: `slurm.qos` is not a name: \"a b\"
  --> .runner.toml:5:7
    |
  5 | qos = 'a b'
    |       ^^^^^
    = hint: use the name that `sinfo` or `sacctmgr` shows

error: `slurm.extra` has a line that is not an option: \"--exclusive\"
  --> .runner.toml:6:9
    |
  6 | extra = ['--exclusive']
    |         ^^^^^^^^^^^^^^^
    = hint: write each line as in a batch script: \"#SBATCH --exclusive\""
        );
    }

    #[test]
    fn a_default_that_does_not_fit_to_a_value_is_shown_at_the_value() {
        let refused = read_text("time_limit = 1").unwrap_err();
        assert!(refused.contains(".runner.toml:1:14"), "{refused}");
        assert!(refused.contains("`slurm.grace` is 120 s"), "{refused}");
        let refused = read_text("gpu_types = [{ name = 'a100' }]").unwrap_err();
        assert!(refused.contains("missing field `memory`"), "{refused}");
        let refused = read_text("gpu_types = { name = 'a100' }").unwrap_err();
        assert!(refused.contains("takes a list of tables"), "{refused}");
        assert!(read_text("max_jobs = -1").is_err());
        assert!(read_text("max_jobs = 99999999999999999999").is_err());
        assert!(read_text("binary = 2020-01-01").is_err());
    }
}
