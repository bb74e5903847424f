//! [`Column`]: what a column shows, and its values.

use engine::error::Error;
use engine::spec::suggest;
use engine::wording;

use super::entry::{Entry, name};
use super::instances::{metric, names_of, of_instances, rest};
use super::value::Value;
use crate::cli::record_text::{options, when};

/// Columns about the run itself.
const BUILT_IN: [&str; 7] = [
    "pipeline", "profile", "state", "started", "took", "stages", "options",
];

/// Role of a column, the most important first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    State,
    Metric,
    Pipeline,
    /// An option or an axis of a sweep.
    Setting,
    Started,
    Took,
    Stages,
}

/// A column of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    name: String,
}

/// Splits names that are separated by commas. Commas in brackets belong to the name of an instance.
pub(super) fn names(text: &str) -> Result<Vec<String>, String> {
    let (mut names, mut depth) = (vec![String::new()], 0usize);
    for character in text.chars() {
        match character {
            ',' if depth == 0 => {
                names.push(String::new());
                continue;
            }
            '[' => depth += 1,
            ']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if let Some(last) = names.last_mut() {
            last.push(character);
        }
    }
    let names: Vec<String> = names.iter().map(|name| name.trim().to_owned()).collect();
    match names.iter().any(String::is_empty) {
        true => Err("a name of a column is empty".to_owned()),
        false => Ok(names),
    }
}

/// The heads of all columns.
pub(super) fn heads(columns: &[Column]) -> Vec<String> {
    let columns = columns.iter().map(|column| name(&column.name));
    std::iter::once("run".to_owned()).chain(columns).collect()
}

impl Column {
    pub(super) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Role of the column. Parameters of stages that `--columns` names count as metrics.
    pub(super) fn role(&self, entries: &[Entry<'_>]) -> Role {
        match self.name.as_str() {
            "state" => Role::State,
            "pipeline" => Role::Pipeline,
            "profile" | "options" => Role::Setting,
            "started" => Role::Started,
            "took" => Role::Took,
            "stages" => Role::Stages,
            name if entries.iter().any(|entry| entry.given(name).is_some()) => Role::Setting,
            _ => Role::Metric,
        }
    }

    /// Rejects a column that no entry has, if there are entries.
    pub(super) fn check(&self, entries: &[Entry<'_>]) -> Result<(), Error> {
        let has_value = |entry: &Entry<'_>| self.value(entry) != Value::Missing;
        let is_built_in = BUILT_IN.contains(&self.name.as_str());
        if entries.is_empty() || is_built_in || entries.iter().any(has_value) {
            return Ok(());
        }
        let mut known: Vec<String> = BUILT_IN.map(str::to_owned).to_vec();
        let end = format!(".{}", self.name);
        for entry in entries {
            let sets = entry.run.report.sets.iter();
            known.extend(sets.filter_map(|set| Some(set.split_once('=')?.0.to_owned())));
            for instance in entry.instances() {
                known.extend(names_of(instance));
            }
        }
        let name = &self.name;
        // The name of a metric without its stage.
        let whole = known.iter().find(|known| known.ends_with(&end));
        let hint = match whole {
            Some(whole) => Some(format!("did you mean `{whole}`?")),
            None => suggest::hint("columns", name, known.iter().map(String::as_str)),
        };
        let hint = hint.map_or(String::new(), |hint| format!("; {hint}"));
        let message = format!("no run has a parameter or metric `{name}`{hint}");
        Err(Error::Usage(message))
    }

    /// If the name is that of a parameter and of a metric, returns the unambiguous names of both: `cnn.params.epochs`
    /// and `cnn.metrics.epochs`.
    pub(super) fn both(&self, entries: &[Entry<'_>]) -> Option<[Self; 2]> {
        if entries
            .iter()
            .any(|entry| entry.given(&self.name).is_some())
        {
            return None;
        }
        let of_entry = |entry: &Entry<'_>| {
            let instances = entry.instances();
            instances.into_iter().find_map(|instance| {
                let name = rest(&self.name, instance)?;
                let is_both =
                    metric(instance, name).is_some() && instance.params.contains_key(name);
                let stage = self.name.strip_suffix(name)?;
                let column = |what: &str| Self::named(&format!("{stage}{what}.{name}"));
                is_both.then(|| [column("params"), column("metrics")])
            })
        };
        entries.iter().find_map(of_entry)
    }

    /// The value of an entry.
    pub(super) fn value(&self, entry: &Entry<'_>) -> Value {
        let report = &entry.run.report;
        match self.name.as_str() {
            "pipeline" => Value::Text(report.pipeline.clone()),
            "profile" => Value::of_text(report.profile.as_deref()),
            "state" => Value::Text(match entry.trial() {
                Some(trial) => trial.state.clone(),
                None => report.state.to_string(),
            }),
            // The stages of a trial do not start together, and trials share stages.
            "started" | "stages" if entry.trial().is_some() => Value::Missing,
            "started" => Value::Text(when(&report.started)),
            "took" => match entry.seconds() {
                Some(seconds) => Value::Seconds(seconds),
                None => Value::Missing,
            },
            "stages" => Value::Text(wording::counts(&report.counts)),
            "options" => Value::Text(options(report)),
            name => match entry.given(name) {
                Some(text) => Value::parsed(text),
                None => of_instances(name, &entry.instances()),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::names;

    #[test]
    fn commas_in_brackets_belong_to_a_name() {
        assert_eq!(
            names("state, evaluate[a,b].f1,cnn.rate").unwrap(),
            ["state", "evaluate[a,b].f1", "cnn.rate"]
        );
        names("state,,took").unwrap_err();
        names("").unwrap_err();
    }
}
