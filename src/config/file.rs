//! Reads one configuration file and checks its keys and values.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Arc;

use contract::{ShowPath, files};
use engine::spec::{Diagnostic, Place, Source, suggest};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::hosts::{self, Hosts};
use super::site::{self, Site};
use super::{Setting, SettingKey};

/// Largest configuration file that is read, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// Keys for values of a pipeline, which a configuration file cannot set. Errors about them have a hint.
const PIPELINE_KEYS: [&str; 8] = [
    "seed", "set", "sets", "vars", "params", "stages", "models", "profiles",
];

/// Settings of one file.
#[derive(Debug, Default)]
pub(super) struct Settings {
    /// Defaults of options.
    pub(super) options: BTreeMap<SettingKey, Setting>,
    /// The table `[slurm]`.
    pub(super) site: Site,
    /// The tables `[ssh.HOST]`.
    pub(super) hosts: Hosts,
}

/// Reads the user's file. If it does not exist, there are no settings. Relative paths in it start at the
/// working directory.
///
/// # Errors
/// Every error in the file.
pub(super) fn read(path: &Path) -> Result<Settings, Vec<Diagnostic>> {
    match files::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Settings::default()),
        opened => read_opened(path, opened, None),
    }
}

/// Reads the file of the project in the folder `base`. Relative paths in the file start there. The file must
/// not be a link: a link could lead to any other file, and error messages would then show lines of that file.
///
/// # Errors
/// Every error in the file.
pub(super) fn read_project(path: &Path, base: &Path) -> Result<Settings, Vec<Diagnostic>> {
    read_opened(path, files::open_unlinked(path), Some(base))
}

fn read_opened(
    path: &Path,
    opened: io::Result<File>,
    base: Option<&Path>,
) -> Result<Settings, Vec<Diagnostic>> {
    let failed = |error: &dyn Display| {
        vec![Diagnostic::new(format!(
            "failed to read `{}`: {error}",
            path.shown()
        ))]
    };
    let bytes = opened.and_then(|file| files::read_open(&file, MOST_BYTES));
    let text = String::from_utf8(bytes.map_err(|error| failed(&error))?);
    parse(
        path,
        &text.map_err(|error| failed(&error.utf8_error()))?,
        base,
    )
}

fn parse(path: &Path, text: &str, base: Option<&Path>) -> Result<Settings, Vec<Diagnostic>> {
    let source = Source::file(path, text);
    let table = DeTable::parse(source.text()).map_err(|error| {
        let span = error.span().unwrap_or_default();
        vec![Diagnostic::at(&source.place(span), error.message())]
    })?;
    let mut settings = Settings::default();
    let mut errors = Vec::new();
    if let Some(table) = table.get_ref().get(site::TABLE).map(Spanned::get_ref)
        && let Some(table) = table.as_table()
    {
        settings.site = site::read(table, &source, &mut errors);
    }
    if let Some(tables) = table.get_ref().get(hosts::TABLE).map(Spanned::get_ref)
        && let Some(tables) = tables.as_table()
    {
        settings.hosts = hosts::read(tables, &source, &mut errors);
    }
    for (name, place, value) in entries(&table, &mut errors, &source) {
        let Some(key) = SettingKey::named(&name) else {
            let message = format!("unknown key `{name}`");
            errors.push(Diagnostic::at(&place, message).hint(hint(&name)));
            continue;
        };
        let place = source.place(value.span());
        match key.read(value.get_ref(), base) {
            Ok(value) => drop(settings.options.insert(key, Setting { value, place })),
            Err(expected) => errors.push(Diagnostic::at(&place, expected)),
        }
    }
    if errors.is_empty() {
        Ok(settings)
    } else {
        errors.sort_by(|a, b| a.place.cmp(&b.place));
        Err(errors)
    }
}

/// Returns the entries of a file with their full names and the places of these, and those of its tables.
fn entries<'a>(
    table: &'a Spanned<DeTable<'_>>,
    errors: &mut Vec<Diagnostic>,
    source: &Arc<Source>,
) -> Vec<(String, Place, &'a Spanned<DeValue<'a>>)> {
    let mut entries = Vec::new();
    for (name, value) in table.get_ref() {
        let keys = SettingKey::of_table(name.get_ref());
        match value.get_ref() {
            // Read by `site` and `hosts`.
            DeValue::Table(_) if [site::TABLE, hosts::TABLE].contains(&&**name.get_ref()) => {}
            DeValue::Table(inner) if !keys.is_empty() => {
                for (key, value) in inner {
                    let full = format!("{}.{}", name.get_ref(), key.get_ref());
                    entries.push((full, source.place(key.span()), value));
                }
            }
            _ if name.get_ref() == site::TABLE => {
                let message = format!("`{}` is a table", site::TABLE);
                let keys = site::keys().map(|(key, _)| key);
                let hint = suggest::list("keys", keys);
                errors.push(Diagnostic::at(&source.place(value.span()), message).hint(hint));
            }
            _ if name.get_ref() == hosts::TABLE => {
                let message = format!("`{}` is a table", hosts::TABLE);
                let place = source.place(value.span());
                errors.push(Diagnostic::at(&place, message).hint(hosts::a_host()));
            }
            _ if !keys.is_empty() => {
                let message = format!("`{}` is a table", name.get_ref());
                let hint = format!("its keys are `{}`", keys.join("`, `"));
                errors.push(Diagnostic::at(&source.place(value.span()), message).hint(hint));
            }
            _ => {
                let full = name.get_ref().to_string();
                entries.push((full, source.place(name.span()), value));
            }
        }
    }
    entries
}

fn hint(name: &str) -> Option<String> {
    if PIPELINE_KEYS.contains(&name) {
        return Some("to change results, set values in the pipeline or on the command line".into());
    }
    let names = SettingKey::ALL.map(SettingKey::name);
    let tables = [site::TABLE, hosts::TABLE];
    suggest::hint("keys", name, names.into_iter().chain(tables))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(text: &str) -> String {
        let errors = parse(Path::new(".runner.toml"), text, None).unwrap_err();
        let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
        errors.join("\n\n")
    }

    #[test]
    fn values_are_read_as_the_text_that_their_options_take() {
        let text = "artifacts = \"store\"\njobs = 0x2\nprofile = 'gpu'\nkeep_going = true\nmemory = \"8GiB\"\ntimeout = \"1h 30m\"\nretries = 0\n";
        let settings = parse(Path::new("f"), text, Some(Path::new("..")))
            .unwrap()
            .options;
        let values: Vec<(&str, &str)> = settings
            .iter()
            .map(|(key, setting)| (key.name(), setting.value.as_str()))
            .collect();
        assert_eq!(
            values,
            [
                ("artifacts", "../store"),
                ("jobs", "2"),
                ("memory", "8GiB"),
                ("profile", "gpu"),
                ("keep_going", "true"),
                ("timeout", "1h 30m"),
                ("retries", "0"),
            ]
        );
        assert_eq!(settings[&SettingKey::Jobs].place.to_string(), "f:2:8");
    }

    #[test]
    fn all_mistakes_are_shown_at_their_places() {
        assert_eq!(
            errors("jobs = 0\njob = 2\nretries = \"3\"\n"),
            "\
error: `jobs` takes a whole number from 1 to 65535, found 0
  --> .runner.toml:1:8
    |
  1 | jobs = 0
    |        ^

error: unknown key `job`
  --> .runner.toml:2:1
    |
  2 | job = 2
    | ^^^
    = hint: did you mean `jobs`?

error: `retries` takes a whole number from 0 to 100, found the string `3`
  --> .runner.toml:3:11
    |
  3 | retries = \"3\"
    |           ^^^"
        );
        let torn = errors("jobs = [1,\n");
        assert!(torn.contains(" --> .runner.toml:1:"), "{torn}");
        assert!(errors("timeout = \"soon\"").contains("expected a time such as"));
        assert!(errors("keep_going = 1").contains("`true` or `false`, found 1"));
        assert!(errors("artifacts = ''").contains("takes a folder, found an empty string"));
        assert!(errors("profile = []").contains("takes a profile's name, found array"));
    }

    #[test]
    fn keys_of_a_table_have_its_name_before_a_dot() {
        let text = "[remote]\nurl = \"file:///shared\"\nmode = \"read\"\nkeys = \"team.keys\"\n";
        let settings = parse(Path::new("f"), text, Some(Path::new("..")))
            .unwrap()
            .options;
        let values = settings
            .iter()
            .map(|(key, setting)| (key.name(), setting.value.as_str()));
        assert_eq!(
            values.collect::<Vec<_>>(),
            [
                ("remote.url", "file:///shared"),
                ("remote.mode", "read"),
                ("remote.keys", "../team.keys")
            ]
        );
        assert_eq!(
            errors("[remote]\nulr = 's3://b'\nmode = 'both'\n"),
            "\
error: unknown key `remote.ulr`
  --> .runner.toml:2:1
    |
  2 | ulr = 's3://b'
    | ^^^
    = hint: did you mean `remote.url`?

error: `remote.mode` takes `\"read\"`, `\"write\"` or `\"read-write\"`, found the string `both`
  --> .runner.toml:3:8
    |
  3 | mode = 'both'
    |        ^^^^^^"
        );
        let refused = errors("remote = 's3://b'");
        assert!(
            refused.contains("its keys are `url`, `mode`, `keys`"),
            "{refused}"
        );
        let refused = errors("remote.url = 'ftp://b'");
        assert!(refused.contains("`remote.url`: "), "{refused}");
    }

    #[test]
    fn the_table_of_slurm_is_read_with_the_other_settings() {
        let text = "jobs = 2\n[slurm]\npartition = 'gpu'\n[[slurm.gpu_types]]\nname = 'a100'\nmemory = 40960\n";
        let settings = parse(Path::new("f"), text, None).unwrap();
        assert_eq!(settings.options.len(), 1);
        assert_eq!(settings.site["partition"].text(), "gpu");
        assert_eq!(settings.site["partition"].place.to_string(), "f:3:13");
        let types = settings.site["gpu_types"].text();
        assert_eq!(types, r#"[{"memory":40960,"name":"a100"}]"#);

        let refused = errors("slurm = 3\njob = 1\nslrum.qos = 'x'");
        assert!(refused.contains("`slurm` is a table"), "{refused}");
        assert!(refused.contains("`partition`, `account`"), "{refused}");
        assert!(refused.contains("did you mean `slurm`?"), "{refused}");
    }

    #[test]
    fn keys_of_a_pipeline_are_refused_with_a_hint() {
        for key in PIPELINE_KEYS {
            let refused = errors(&format!("{key} = 3"));
            assert!(
                refused.contains("in the pipeline or on the command line"),
                "{refused}"
            );
        }
    }
}
