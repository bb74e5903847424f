//! `runner lineage`: shows what an artifact was made from, or what was made from it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use clap::Args;
use contract::{ShowPath, files};
use engine::error::Error;
use engine::explain::lineage::{self, LineageAction, downstream, upstream};
use engine::explain::maker::{Maker, makers};
use engine::plan::{PlanOptions, State};
use engine::run::planned;
use engine::run::replay::known_graph;
use serde_json::{Value, json};
use store::keys::Key;
use store::{ActionRecord, Store, shown_at};

use super::explain::record;
use super::pipeline::{Overrides, StoreArgs, catalogue, find};
use super::unwritten;
use crate::report::Console;

/// Show what an artifact was made from, back to its sources; or what was made from it
#[derive(Debug, Args)]
pub(super) struct Lineage {
    /// File or folder under `latest/`, digest of an output, or key of a record; with ARTIFACT, a pipeline file
    #[arg(value_name = "PATH|DIGEST|PIPELINE")]
    subject: String,
    /// STAGE or STAGE.PORT of the pipeline
    artifact: Option<String>,
    /// Show what was made from the artifact, instead of what it was made from
    #[arg(long)]
    downstream: bool,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    store: StoreArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// The subject of a lineage: an action, and one of its outputs or all of them.
struct Subject {
    record: ActionRecord,
    port: Option<String>,
}

impl Lineage {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let store = self.store.existing()?;
        let subject = match &self.artifact {
            Some(name) => self.of_pipeline(&store, name)?,
            None => self.of_store(&store)?,
        };
        let parse = catalogue().parse;
        let found = if self.downstream {
            downstream(&store, parse, &subject.record, subject.port.as_deref())?
        } else {
            upstream(&store, parse, &subject.record)
        };
        let runs = store.runs_folder();
        let makers = makers(&runs).map_err(Error::io("read", &runs))?;
        let view = View::new(&found, &makers, self.downstream);
        let text = if self.json {
            view.object(&subject).to_string()
        } else {
            view.text(&subject)
        };
        console.result(&text).map_err(unwritten)
    }

    fn of_pipeline(&self, store: &Store, artifact: &str) -> Result<Subject, Error> {
        let experiment = self.overrides.experiment(Path::new(&self.subject))?;
        let graph = known_graph(experiment, Some(store))?;
        // A value of a matrix may contain a dot, but the name of a port does not.
        let (name, port) = match artifact.rsplit_once('.') {
            Some((name, port)) if graph.find(artifact).is_empty() => (name, Some(port)),
            _ => (artifact, None),
        };
        let nodes = find(&graph, "lineage", name)?;
        let &[node] = nodes.as_slice() else {
            let names = nodes
                .iter()
                .map(|&node| graph.stages[node].name.to_string());
            return Err(Error::Usage(format!(
                "`{name}` matches several stages; name one of them: `{}`",
                names.collect::<Vec<_>>().join("`, `")
            )));
        };
        let ports = graph.stages[node].outputs.iter();
        let ports = ports.map(|port| port.name.as_str());
        if let Some(port) = port
            && !ports.clone().any(|known| known == port)
        {
            let hint = engine::spec::suggest::hint("outputs", port, ports);
            let hint = hint.map(|hint| format!("; {hint}")).unwrap_or_default();
            return Err(Error::Usage(format!(
                "`{name}` has no output `{port}`{hint}"
            )));
        }
        let plan = planned(&graph, store, &PlanOptions::default())?;
        match &plan.action(node).state {
            State::Cached(record) => Ok(Subject {
                record: (**record).clone(),
                port: port.map(str::to_owned),
            }),
            _ => Err(Error::Usage(format!(
                "the store has no result of `{name}` as the pipeline declares it now; `runner explain` \
                 shows why; give a path under `latest/` for the last result"
            ))),
        }
    }

    fn of_store(&self, store: &Store) -> Result<Subject, Error> {
        let path = Path::new(&self.subject);
        if files::exists(path).map_err(Error::io("access", path))? {
            let shown = shown_at(path).ok_or_else(|| {
                Error::Usage(format!(
                    "`{}` is not an output under `latest/`; if it is a pipeline, name a stage as well",
                    path.shown()
                ))
            })?;
            let mut records = store.records()?.into_iter();
            let record = records.find(|record| record.outputs == shown.outputs);
            let port = shown.port;
            return record
                .map(|record| Subject { record, port })
                .ok_or_else(|| {
                    Error::Usage(format!(
                        "the record of `{}` is no longer in the store",
                        path.shown()
                    ))
                });
        }
        let prefix = &self.subject;
        let is_hex = prefix.len() >= 8 && prefix.bytes().all(|b| b.is_ascii_hexdigit());
        if !is_hex {
            return Err(Error::Usage(format!(
                "`{prefix}` is not a file, and not a digest or key of at least eight digits"
            )));
        }
        for record in store.records()? {
            let starts = |(_, tree): &(_, &store::keys::Digest)| {
                tree.to_string().starts_with(prefix.as_str())
            };
            let port = record.outputs.iter().find(starts);
            if let Some(port) = port.map(|(port, _)| port.clone()) {
                let port = Some(port);
                return Ok(Subject { record, port });
            }
        }
        record(store, prefix).map(|record| Subject { record, port: None })
    }
}

/// A lineage prepared for display.
struct View<'a> {
    by_key: HashMap<Key, &'a LineageAction>,
    order: &'a [LineageAction],
    makers: &'a BTreeMap<Key, Maker>,
    downstream: bool,
}

impl<'a> View<'a> {
    fn new(
        lineage: &'a lineage::Lineage,
        makers: &'a BTreeMap<Key, Maker>,
        downstream: bool,
    ) -> Self {
        let by_key = lineage.actions.iter().map(|action| (action.key, action));
        Self {
            by_key: by_key.collect(),
            order: &lineage.actions,
            makers,
            downstream,
        }
    }

    /// An indented tree. An action that appeared before is repeated without what is below it.
    fn text(&self, subject: &Subject) -> String {
        let mut lines = Vec::new();
        let mut shown = HashSet::new();
        let port = subject.port.clone().unwrap_or_default();
        let mut open = vec![(0, String::new(), port, subject.record.action_key)];
        while let Some((depth, role, port, key)) = open.pop() {
            let indent = "  ".repeat(depth);
            let role = if role.is_empty() {
                role
            } else {
                format!("{role}: ")
            };
            let port = if port.is_empty() {
                port
            } else {
                format!(".{port}")
            };
            let is_new = shown.insert(key);
            let action = self.by_key.get(&key).copied();
            let leads_on =
                |action: &&LineageAction| !action.links.is_empty() || !action.sources.is_empty();
            let again = match action.filter(leads_on) {
                Some(_) if !is_new => " (above)",
                _ => "",
            };
            let tools = action
                .filter(|_| is_new)
                .into_iter()
                .flat_map(LineageAction::tools);
            let tools: Vec<String> = tools
                .map(|(name, id)| format!("{indent}  program {name}: {id}"))
                .collect();
            let name = self.name(&key);
            let detail = action.map_or(String::new(), |action| detail(action, is_new));
            lines.push(format!("{indent}{role}{name}{port}{detail}{again}"));
            lines.extend(tools);
            let Some(action) = action.filter(|_| is_new) else {
                continue;
            };
            for source in &action.sources {
                let files = source
                    .files
                    .map_or(String::new(), |files| format!(", {files} files"));
                lines.push(format!(
                    "{indent}  source {}: {}{files}",
                    source.param,
                    source.digest.short()
                ));
            }
            open.extend(action.links.iter().rev().map(|link| {
                // Downstream, the port belongs to the action on the line above.
                match self.downstream {
                    true => {
                        let role = format!("{} → {}", link.port, link.role);
                        (depth + 1, role, String::new(), link.key)
                    }
                    false => (depth + 1, link.role.clone(), link.port.clone(), link.key),
                }
            }));
        }
        lines.join("\n")
    }

    fn name(&self, key: &Key) -> String {
        match self.makers.get(key) {
            Some(maker) => maker.stage.clone(),
            None => self
                .by_key
                .get(key)
                .and_then(|action| action.record.as_ref())
                .map_or("(no record)".to_owned(), |r| r.fingerprint.kind.clone()),
        }
    }

    fn object(&self, subject: &Subject) -> Value {
        let actions = self.order.iter().map(|action| {
            let maker = self.makers.get(&action.key);
            let fingerprint = action.record.as_ref().map(|record| &record.fingerprint);
            let sources = action.sources.iter().map(|source| {
                json!({ "param": source.param, "digest": source.digest, "files": source.files })
            });
            let links = action
                .links
                .iter()
                .map(|link| json!({ "role": link.role, "port": link.port, "key": link.key }));
            let params: serde_json::Map<String, Value> = action.params.iter().cloned().collect();
            json!({
                "key": action.key,
                "stage": maker.map(|maker| &maker.stage),
                "pipeline": maker.map(|maker| &maker.pipeline),
                "run": maker.map(|maker| &maker.run),
                "kind": fingerprint.map(|f| &f.kind),
                "version": fingerprint.map(|f| f.version),
                "seed": fingerprint.map(|f| f.seed),
                "finished": action.record.as_ref().map(|record| &record.finished),
                "outputs": action.record.as_ref().map(|record| &record.outputs),
                "params": params,
                "tools": action.tools().map(|(name, id)| (name.clone(), id.to_string().into()))
                    .collect::<serde_json::Map<String, Value>>(),
                "sources": sources.collect::<Vec<_>>(),
                if self.downstream { "consumers" } else { "inputs" }: links.collect::<Vec<_>>(),
            })
        });
        json!({
            "key": subject.record.action_key,
            "port": subject.port,
            "actions": actions.collect::<Vec<_>>(),
        })
    }
}

/// Kind, key and parameters of an action: `  train-cnn 1f0c9a2b77d0, epochs 8`. The parameters are included
/// only if `whole` is set.
fn detail(action: &LineageAction, whole: bool) -> String {
    const LONGEST: usize = 40;
    let key = action.key.short();
    let Some(record) = &action.record else {
        return format!(" {key}");
    };
    let mut text = format!("  {} {key}", record.fingerprint.kind);
    for (name, value) in action.params.iter().filter(|_| whole) {
        let mut value = match value {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        if value.chars().count() > LONGEST {
            value = value.chars().take(LONGEST - 1).chain(['…']).collect();
        }
        text.push_str(&format!(", {name} {value}"));
    }
    text
}
