//! Finds the artifact that an argument names, either by the stage that made it or by its digest.

use clap::Args;
use engine::error::Error;
use engine::plan::action_key;
use engine::spec::suggest;
use store::keys::{Digest, Key};
use store::{ActionRecord, Lookup, Reading, Shown, Store};

use super::hint::{Known, Wanted};
use crate::cli::pipeline::StoreArgs;

/// An artifact on the command line.
#[derive(Clone, Debug, Args)]
pub(in crate::cli) struct ArtifactArgs {
    /// `STAGE.PORT` or `STAGE[VALUE].PORT` for the newest result; or the beginning of any artifact's digest (at
    /// least 8 digits)
    #[arg(value_name = "ARTIFACT")]
    pub artifact: String,
    /// Pipeline of the stage, if several pipelines have a stage of that name
    #[arg(long, value_name = "NAME")]
    pub pipeline: Option<String>,
    #[command(flatten)]
    pub store: StoreArgs,
}

/// An artifact that was found.
pub(in crate::cli) struct FoundArtifact {
    pub digest: Digest,
    /// The place where `latest` shows it, and its port.
    pub shown: Option<(Shown, String)>,
    /// Record of the action that made it, if that is known.
    pub record: Option<ActionRecord>,
}

/// Fewest digits of an abbreviated digest.
const DIGITS: usize = 8;

/// Maximum number of candidates that an error lists.
const LISTED: usize = 5;

impl FoundArtifact {
    /// `cnn[model1].model`, or the digest if `latest` does not show it.
    pub(in crate::cli) fn name(&self) -> String {
        match &self.shown {
            Some((shown, port)) => format!("{}.{port}", shown.instance),
            None => self.digest.to_string(),
        }
    }
}

impl ArtifactArgs {
    pub(super) fn find(&self, store: &Store) -> Result<FoundArtifact, Error> {
        self.find_of_type(store, None)
    }

    /// Like [`find`](Self::find), but if several artifacts match the argument, only those that are `wanted` count.
    pub(in crate::cli) fn find_of_type(
        &self,
        store: &Store,
        wanted: Option<&Wanted<'_>>,
    ) -> Result<FoundArtifact, Error> {
        let mut all = store.shown()?;
        if let Some(name) = &self.pipeline {
            check_pipelines(&all, std::slice::from_ref(name))?;
            all.retain(|shown| shown.pipeline == *name);
        }
        let mut found: Vec<(&Shown, &String)> = all.iter().flat_map(|s| self.ports(s)).collect();
        // If the argument is the full name of an artifact, such as `cnn.model`, it does not also match
        // `cnn[1].model` of another pipeline.
        let is_full = |(shown, port): &(&Shown, &String)| {
            self.artifact == format!("{}.{port}", shown.instance)
        };
        if found.iter().any(is_full) {
            found.retain(is_full);
        }
        if let (Some(wanted), 2..) = (wanted, found.len()) {
            found.retain(|(shown, port)| (wanted.is)(&shown.outputs[*port]));
            if found.is_empty() {
                let (argument, one) = (&self.artifact, wanted.one);
                let known = Known::of(&all, Some(wanted)).listed(wanted);
                return Err(Error::Usage(format!("`{argument}` is not {one}; {known}")));
            }
        }
        match found.as_slice() {
            [(shown, port)] => Ok(FoundArtifact {
                digest: shown.outputs[*port],
                shown: Some(((*shown).clone(), (*port).clone())),
                record: record(store, shown),
            }),
            [] => self.by_digest(store, &all, wanted),
            several => Err(self.ambiguous(several)),
        }
    }

    /// Returns `true` if the argument is the name of a stage, an instance or an artifact that `latest` shows.
    pub(in crate::cli) fn matches(&self, store: &Store) -> Result<bool, Error> {
        let mut all = store.shown()?;
        all.retain(|shown| {
            self.pipeline
                .as_ref()
                .is_none_or(|name| shown.pipeline == *name)
        });
        Ok(all.iter().any(|shown| self.ports(shown).next().is_some()))
    }

    /// The ports of an instance that match the argument.
    fn ports<'a>(&self, shown: &'a Shown) -> impl Iterator<Item = (&'a Shown, &'a String)> {
        let stage = shown.instance.split('[').next().unwrap_or_default();
        let names = [shown.instance.as_str(), stage];
        shown.outputs.keys().filter_map(move |port| {
            let is_meant = names
                .iter()
                .any(|name| self.artifact == *name || self.artifact == format!("{name}.{port}"));
            is_meant.then_some((shown, port))
        })
    }

    fn ambiguous(&self, several: &[(&Shown, &String)]) -> Error {
        let wanted = &self.artifact;
        let mut pipelines: Vec<&str> = several.iter().map(|(s, _)| s.pipeline.as_str()).collect();
        pipelines.dedup();
        let mut names: Vec<String> = several
            .iter()
            .map(|(s, port)| format!("{}.{port}", s.instance))
            .collect();
        names.sort();
        names.dedup();
        if names.len() == 1 {
            let pipelines = suggest::quoted(&pipelines);
            return Error::Usage(format!(
                "`{wanted}` is in several pipelines; choose one with `--pipeline`: {pipelines}"
            ));
        }
        let listed: Vec<&str> = names.iter().take(LISTED).map(String::as_str).collect();
        let more = match names.len().saturating_sub(LISTED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let listed = suggest::quoted(&listed);
        Error::Usage(format!(
            "`{wanted}` matches several artifacts; name one of them: {listed}{more}"
        ))
    }

    fn by_digest(
        &self,
        store: &Store,
        all: &[Shown],
        of_type: Option<&Wanted<'_>>,
    ) -> Result<FoundArtifact, Error> {
        let wanted = &self.artifact;
        let is_hex = wanted
            .bytes()
            .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !is_hex || wanted.len() < DIGITS {
            return Err(self.unknown(all, of_type));
        }
        let digest = match store.trees_beginning(wanted)?.as_slice() {
            [] => return Err(Error::Usage(format!("there is no artifact `{wanted}`"))),
            [digest] => *digest,
            several => {
                let count = several.len();
                let message = format!(
                    "the digests of {count} artifacts begin with `{wanted}`; give more digits"
                );
                return Err(Error::Usage(message));
            }
        };
        let shown = all.iter().find_map(|shown| {
            let mut outputs = shown.outputs.iter();
            let (port, _) = outputs.find(|(_, output)| **output == digest)?;
            Some((shown.clone(), port.clone()))
        });
        let record = match shown.as_ref().and_then(|(shown, _)| record(store, shown)) {
            Some(record) => Some(record),
            None => maker(store, &digest)?,
        };
        Ok(FoundArtifact {
            digest,
            shown,
            record,
        })
    }

    /// Returns the argument without the names of axes, if that is the name of an artifact.
    fn without_names_of_axes(&self, all: &[Shown]) -> Option<String> {
        let values = self.artifact.matches(',').count() + 1;
        (1..=values).find_map(|count| {
            let artifact = unnamed(&self.artifact, count)?;
            let positional = Self {
                artifact,
                ..self.clone()
            };
            let mut all = all.iter();
            let is_known = all.any(|shown| positional.ports(shown).next().is_some());
            is_known.then_some(positional.artifact)
        })
    }

    fn unknown(&self, all: &[Shown], wanted: Option<&Wanted<'_>>) -> Error {
        if let Some(positional) = self.without_names_of_axes(all) {
            return Error::Usage(format!(
                "there is no artifact `{}`; write the values of a matrix without the names of axes: `{positional}`",
                self.artifact
            ));
        }
        let known = Known::of(all, wanted);
        let hint = known.near(&self.artifact).unwrap_or_else(|| match wanted {
            Some(wanted) => known.listed(wanted),
            None => {
                "`runner artifacts ls` lists artifacts; a digest needs at least 8 digits".to_owned()
            }
        });
        Error::Usage(format!("there is no artifact `{}`; {hint}", self.artifact))
    }
}

/// Removes the names of axes before the first `count` values in brackets: `cnn[model=large,fold=2]` becomes
/// `cnn[large,fold=2]`.
fn unnamed(artifact: &str, count: usize) -> Option<String> {
    let (stage, after) = artifact.split_once('[')?;
    let (values, rest) = after.rsplit_once(']')?;
    let value = |(i, value): (usize, &str)| match value.split_once('=') {
        Some((_, value)) if i < count => value.trim().to_owned(),
        _ => value.trim().to_owned(),
    };
    let values: Vec<String> = values.split(',').enumerate().map(value).collect();
    Some(format!("{stage}[{}]{rest}", values.join(",")))
}

/// Rejects names of pipelines that `latest` does not show.
pub(super) fn check_pipelines(all: &[Shown], names: &[String]) -> Result<(), Error> {
    let mut known: Vec<&str> = all.iter().map(|shown| shown.pipeline.as_str()).collect();
    known.dedup();
    for name in names {
        if !known.contains(&name.as_str()) {
            let hint = suggest::hint("pipelines", name, known);
            let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            return Err(Error::Usage(format!(
                "there are no results of pipeline `{name}`{hint}"
            )));
        }
    }
    Ok(())
}

/// The key of the action that made the outputs in `shown`; `None` if it is not known.
pub(super) fn key(store: &Store, shown: &Shown) -> Option<Key> {
    let last = store.last_fingerprint(&shown.pipeline, &shown.instance)?;
    Some(action_key(&last))
}

/// The record of the action that made the outputs in `shown`; `None` if no record has exactly these outputs.
pub(super) fn record(store: &Store, shown: &Shown) -> Option<ActionRecord> {
    let record = recorded(store, &key(store, shown)?)?;
    (record.outputs == shown.outputs).then_some(record)
}

pub(super) fn recorded(store: &Store, key: &Key) -> Option<ActionRecord> {
    match store.results().look_up(&[*key]) {
        Ok(mut found) => match found.pop()? {
            Lookup::Hit(record) => Some(*record),
            Lookup::Absent | Lookup::Damaged | Lookup::OutputMissing { .. } => None,
        },
        Err(error) => {
            tracing::warn!(
                "failed to read the record of action `{}`: {error}",
                key.short()
            );
            None
        }
    }
}

/// The newest record that has this output.
fn maker(store: &Store, digest: &Digest) -> Result<Option<ActionRecord>, Error> {
    let records = store.inventory()?.records;
    let records = records.into_iter().filter_map(|found| {
        let Reading::Sound(record) = found.record else {
            return None;
        };
        // The same record is stored a second time under its content key.
        (found.key == record.action_key && record.outputs.values().any(|d| d == digest))
            .then_some(record)
    });
    Ok(records.max_by(|a, b| a.finished.cmp(&b.finished)))
}
