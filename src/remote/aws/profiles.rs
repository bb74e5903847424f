//! [`Profile`]: a section of `~/.aws/credentials` and `~/.aws/config`.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};

use contract::{ShowPath, files, one_line};

use crate::settings::SetupError;

/// Values by name. A value below another one, as in `s3 =` followed by indented lines, is named `s3.name`.
type Section = HashMap<String, String>;

/// The settings of a profile.
pub(super) struct Profile {
    pub(super) name: String,
    credentials: Section,
    config: Section,
    /// The section `[services …]` that it names.
    services: Section,
}

impl Profile {
    /// Reads the profile `named`, or the default one, which need not exist.
    pub(super) fn read(
        named: Option<&str>,
        credentials: Option<PathBuf>,
        config: Option<PathBuf>,
    ) -> Result<Self, SetupError> {
        let name = named.unwrap_or("default").to_owned();
        let mut credentials = sections(credentials.as_deref())?;
        let mut config = sections(config.as_deref())?;
        let own = credentials.remove(&name);
        let mut settings = config.remove(&format!("profile {name}"));
        if settings.is_none() && name == "default" {
            settings = config.remove("default");
        }
        if named.is_some() && own.is_none() && settings.is_none() {
            return Err(SetupError::new(format!(
                "there is no profile `{}` in `~/.aws/credentials` or `~/.aws/config`; correct `AWS_PROFILE`",
                one_line(&name)
            )));
        }
        let settings = settings.unwrap_or_default();
        let services = settings.get("services");
        let services = services.and_then(|name| config.remove(&format!("services {name}")));
        Ok(Self {
            name,
            credentials: own.unwrap_or_default(),
            config: settings,
            services: services.unwrap_or_default(),
        })
    }

    pub(super) fn get(&self, name: &str) -> Option<String> {
        let value = self.credentials.get(name).or_else(|| self.config.get(name));
        value.filter(|value| !value.is_empty()).cloned()
    }

    /// Returns a setting for one service.
    pub(super) fn service(&self, service: &str, name: &str) -> Option<String> {
        self.services.get(&format!("{service}.{name}")).cloned()
    }
}

/// Reads a file of sections. A missing file has none.
fn sections(path: Option<&Path>) -> Result<HashMap<String, Section>, SetupError> {
    let Some(path) = path else {
        return Ok(HashMap::new());
    };
    match files::read_text(path, files::MOST_TEXT) {
        Ok(text) => Ok(parse(&text)),
        Err(error) if files::is_absence(&error) => Ok(HashMap::new()),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Err(SetupError::new(format!(
            "`{}` is not UTF-8 text",
            path.shown()
        ))),
        Err(error) => Err(SetupError::new(format!(
            "failed to read `{}`: {error}",
            path.shown()
        ))),
    }
}

fn parse(text: &str) -> HashMap<String, Section> {
    let mut sections: HashMap<String, Section> = HashMap::new();
    let mut section = String::new();
    let mut above = None;
    for line in text.lines() {
        let is_below = line.starts_with([' ', '\t']);
        let line = uncommented(line).trim();
        if line.is_empty() {
            continue;
        }
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
        {
            // Any number of spaces may separate the words.
            section = name.split_whitespace().collect::<Vec<_>>().join(" ");
            above = None;
            sections.entry(section.clone()).or_default();
            continue;
        }
        let Some((name, value)) = line.split_once('=') else {
            continue;
        };
        let (name, value) = (name.trim().to_ascii_lowercase(), value.trim().to_owned());
        let name = match &above {
            Some(above) if is_below => format!("{above}.{name}"),
            _ => {
                above = Some(name.clone());
                name
            }
        };
        sections
            .entry(section.clone())
            .or_default()
            .insert(name, value);
    }
    sections
}

/// Removes a comment: one that begins the line, or that follows a space.
fn uncommented(line: &str) -> &str {
    if line.trim_start().starts_with(['#', ';']) {
        return "";
    }
    let end = [" #", "\t#", " ;", "\t;"]
        .iter()
        .filter_map(|mark| line.find(mark))
        .min();
    &line[..end.unwrap_or(line.len())]
}
