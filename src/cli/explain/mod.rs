//! `runner explain`: explains why stages run, ran or are cached, or how two records differ.

mod last;

use std::path::{Path, PathBuf};

use clap::Args;
use contract::{ShowPath, files};
use engine::error::Error;
use engine::explain::maker::{Maker, makers};
use engine::explain::{
    Cause, Explanation, Hit, LastExecution, Why, explain, explain_all, last_execution, trace,
};
use engine::forecast::{Forecast, Machine, RecordScope, Totals, forecast, totals};
use engine::graph::Graph;
use engine::plan::{Change, Plan, PlanOptions, PlannedAction, State, changes};
use engine::run::history::History;
use engine::run::planned;
use engine::run::replay::known_graph;
use engine::scheduler::Capacity;
use engine::wording;
use serde_json::{Value, json};
use store::keys::Fingerprint;
use store::keys::Key;
use store::{ActionRecord, Store};

use crate::cli::pipeline::{Overrides, SourceArgs, StoreArgs, catalogue, find};
use crate::cli::record_diff::{self, day_and_time};
use crate::cli::resources::ResourceArgs;
use crate::cli::unwritten;
use crate::report::Console;

/// Fewest digits of an abbreviated key.
const SHORTEST_PREFIX: usize = 8;

/// Explain why a stage runs or ran last (back to the change that causes it), or is cached; or how two records differ
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// Pipeline file; or the beginning of a record's key (at least eight digits)
    #[arg(value_name = "PIPELINE|KEY")]
    subject: String,
    /// Stage, or the key of another record [default: explain everything that makes stages run]
    #[arg(value_name = "STAGE|KEY")]
    object: Option<String>,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    sources: SourceArgs,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Explain {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        // A file takes precedence over a key of the same name.
        let file = Path::new(&self.subject);
        let is_file = files::exists(file).map_err(Error::io("access", file))?;
        match self.object.as_deref() {
            Some(other) if !is_file && is_prefix(&self.subject) && is_prefix(other) => {
                self.compare(&self.subject, other, console)
            }
            name => self.explain(&PathBuf::from(&self.subject), name, console),
        }
    }

    fn explain(&self, file: &Path, name: Option<&str>, console: &Console) -> Result<(), Error> {
        let experiment = self.overrides.experiment(file)?;
        let store = self.sources.open(&self.store)?;
        let graph = known_graph(experiment, Some(&store))?;
        let nodes = name.map(|name| find(&graph, "explain", name)).transpose()?;
        let plan = planned(&graph, &store, &PlanOptions::default())?;
        let capacity = ResourceArgs::default().capacity(&graph, &Machine::current(store.root()));
        let forecast = forecast(
            &graph,
            &plan,
            &store,
            catalogue().parse,
            &capacity,
            RecordScope::All,
        );
        let explainer = Explainer {
            graph: &graph,
            plan: &plan,
            store: &store,
            forecast: &forecast,
            capacity: &capacity,
        };
        let text = match nodes {
            None => explainer.all(self.json),
            Some(nodes) => {
                let actions = nodes.iter().map(|&node| plan.action(node));
                let stages: Vec<&PlannedAction> = actions.collect();
                explainer.stages(&stages, self.json)?
            }
        };
        console.result(&text).map_err(unwritten)
    }

    fn compare(&self, a: &str, b: &str, console: &Console) -> Result<(), Error> {
        let store = self.store.existing()?;
        let [a, b] = [record(&store, a)?, record(&store, b)?];
        let before = |key: &Key| Some(store.recall(key)?.fingerprint);
        let differences =
            |_: &Key, from: &Fingerprint, to: &Fingerprint| changes(&store, from, to, &[]);
        let found = trace(
            b.action_key,
            &a.fingerprint,
            &b.fingerprint,
            &before,
            &before,
            &differences,
        );
        let text = if self.json {
            record_diff::object(&store, &a, &b, &found).to_string()
        } else {
            record_diff::text(&store, &a, &b, &found)
        };
        console.result(&text).map_err(unwritten)
    }
}

fn is_prefix(text: &str) -> bool {
    let digits = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
    (SHORTEST_PREFIX..=64).contains(&text.len()) && text.bytes().all(digits)
}

/// The record whose action or content key starts with `prefix`.
///
/// # Errors
/// If there is none, or several.
pub(super) fn record(store: &Store, prefix: &str) -> Result<ActionRecord, Error> {
    let keys = store.record_keys()?;
    let mut found = keys
        .into_iter()
        .filter(|key| key.to_string().starts_with(prefix));
    match (found.next(), found.next()) {
        (Some(key), None) => store
            .recall(&key)
            .ok_or_else(|| Error::Damaged(format!("the record `{key}` is damaged"))),
        (None, _) => Err(Error::Usage(format!(
            "there is no record under a key that starts with `{prefix}`"
        ))),
        (Some(a), Some(b)) => Err(Error::Usage(format!(
            "several keys start with `{prefix}`: `{}`, `{}`",
            a.short(),
            b.short()
        ))),
    }
}

/// Everything that explanations are made from.
struct Explainer<'a> {
    graph: &'a Graph,
    plan: &'a Plan,
    store: &'a Store,
    forecast: &'a Forecast,
    capacity: &'a Capacity,
}

impl Explainer<'_> {
    fn all(&self, json: bool) -> String {
        let causes = explain_all(self.graph, self.store, self.plan);
        if json {
            let causes: Vec<Value> = causes
                .iter()
                .map(|cause| self.cause_object(cause))
                .collect();
            return json!({ "pipeline": self.graph.pipeline, "causes": causes }).to_string();
        }
        if causes.is_empty() {
            return "no stage would run; `runner explain PIPELINE STAGE` tells why a stage ran last".to_owned();
        }
        let lines: Vec<String> = causes.iter().map(|cause| self.cause(cause)).collect();
        lines.join("\n")
    }

    fn stages(&self, actions: &[&PlannedAction], json: bool) -> Result<String, Error> {
        let runs = self.store.runs_folder();
        let history = History::read(&runs).map_err(Error::io("read", &runs))?;
        if json {
            let objects = actions.iter().map(|&action| {
                let mut object = match self.explanation(action) {
                    Explanation::Hit(hit) => self.hit_object(action, &hit)?,
                    Explanation::Miss(causes) => {
                        let causes = causes.iter().map(|cause| self.cause_object(cause));
                        let mut object = self.object(action);
                        object["causes"] = causes.collect();
                        object
                    }
                };
                let last = self.last_execution(action, &history);
                object["last_execution"] = last::object(last.as_ref());
                Ok(object)
            });
            let objects = objects.collect::<Result<Vec<Value>, Error>>()?;
            let pipeline = &self.graph.pipeline;
            return Ok(json!({ "pipeline": pipeline, "stages": objects }).to_string());
        }
        let texts = actions.iter().map(|&action| {
            let text = match self.explanation(action) {
                Explanation::Hit(hit) => self.hit(action, &hit)?,
                Explanation::Miss(causes) => self.miss(action, &causes),
            };
            let last = self.last_execution(action, &history);
            Ok(text + &last.as_ref().map(last::text).unwrap_or_default())
        });
        Ok(texts.collect::<Result<Vec<String>, Error>>()?.join("\n"))
    }

    fn explanation(&self, action: &PlannedAction) -> Explanation {
        explain(self.graph, self.store, self.plan, action.node)
    }

    fn last_execution(&self, action: &PlannedAction, history: &History) -> Option<LastExecution> {
        let stages = &self.graph.stages;
        let sources = |name: &str| {
            let mut nodes = stages.node_indices();
            let node = nodes.find(|&node| stages[node].name.to_string() == name);
            node.map_or_else(Vec::new, |node| stages[node].stage.sources())
        };
        let (pipeline, name) = (&self.graph.pipeline, self.name(action.node));
        last_execution(self.store, history, pipeline, &name, &sources)
    }

    fn miss(&self, action: &PlannedAction, causes: &[Cause]) -> String {
        let mut text = match &action.state {
            State::Waits(upstream) => format!(
                "{} runs if the result of {} changes",
                self.name(action.node),
                self.name(*upstream)
            ),
            _ => format!("{} will run", self.name(action.node)),
        };
        for cause in causes {
            text.push_str(&format!("\n  {}", self.cause(cause)));
            if cause.path.len() > 1 {
                let way: Vec<String> = cause.path.iter().rev().map(|&n| self.name(n)).collect();
                text.push_str(&format!("\n    {}", way.join(" → ")));
            }
        }
        text
    }

    /// `augmented.params.shear 0.2 → 0.3, 7 stages follow, about 42 min`.
    fn cause(&self, cause: &Cause) -> String {
        let name = self.name(cause.node());
        let mut text = match &cause.why {
            Why::Change(change @ Change::Param(_)) => format!("{name}.{change}"),
            why => format!("{name}: {why}"),
        };
        let followers = cause.followers.len();
        if followers > 0 {
            let verb = if followers == 1 { "follows" } else { "follow" };
            text.push_str(&format!(", {} {verb}", wording::stages(followers)));
        }
        let totals = self.totals(cause);
        if let Some(seconds) = totals.seconds {
            text.push_str(&format!(", {}", wording::about_in_words(seconds)));
            if totals.known < totals.stages {
                text.push_str(&format!(" ({} of {} known)", totals.known, totals.stages));
            }
        }
        text
    }

    /// Total resources of all stages that run because of `cause`.
    fn totals(&self, cause: &Cause) -> Totals {
        let nodes = cause.followers.iter().copied().chain([cause.node()]);
        let meant = nodes.filter_map(|node| {
            let estimate = self.forecast.stages.get(&node)?;
            Some((node, estimate.clone()))
        });
        totals(self.graph, self.plan, &meant.collect(), self.capacity)
    }

    fn hit(&self, action: &PlannedAction, hit: &Hit) -> Result<String, Error> {
        let record = &hit.record;
        let maker = self.maker(hit)?;
        let by = maker.map_or(String::new(), |maker| {
            let own = self.name(action.node);
            let stage = match (maker.stage == own, maker.pipeline == self.graph.pipeline) {
                (true, true) => String::new(),
                (_, true) => format!(" as {}", maker.stage),
                (_, false) => format!(" as {} of {}", maker.stage, maker.pipeline),
            };
            format!(" by run {}{stage}", maker.run)
        });
        let found = if hit.made_as == record.action_key {
            format!("found by its action key {}", record.action_key.short())
        } else {
            format!(
                "found by its content key {}: the inputs have the same content as for action {}",
                record.content_key.short(),
                hit.made_as.short()
            )
        };
        let runs_again: Vec<String> = self.dependencies(action);
        Ok(format!(
            "{} is cached\n  made {}{by} in {}\n  {found}\n  runs again if any of these changes: {}",
            self.name(action.node),
            day_and_time(&record.finished),
            wording::duration(record.seconds),
            runs_again.join(", ")
        ))
    }

    /// Lists, as text, what can change the fingerprint of a stage.
    fn dependencies(&self, action: &PlannedAction) -> Vec<String> {
        let instance = &self.graph.stages[action.node];
        let mut all = vec!["its params".to_owned()];
        for source in instance.stage.sources() {
            all.push(format!("the files in {}", source.path.shown()));
        }
        for (name, id) in &action.fingerprint.tools {
            all.push(format!("program {name} ({id})"));
        }
        for (producer, link) in self.graph.inputs(action.node) {
            all.push(format!("{}.{}", self.name(producer), link.port));
        }
        all.push(format!("seed {}", instance.seed));
        let kind = instance.kind;
        all.push(format!("{} version {}", kind.name, kind.version));
        if kind.computes {
            all.push(format!("device {}", instance.device));
            let processor = action.fingerprint.processor.iter();
            all.extend(processor.map(|kind| format!("processor {kind}")));
        }
        all
    }

    fn maker(&self, hit: &Hit) -> Result<Option<Maker>, Error> {
        let runs = self.store.runs_folder();
        let mut makers = makers(&runs).map_err(Error::io("read", &runs))?;
        Ok(makers.remove(&hit.made_as))
    }

    fn object(&self, action: &PlannedAction) -> Value {
        let state = match action.state {
            State::Cached(_) => "cached",
            State::Runs(_) => "runs",
            State::Waits(_) => "waits",
        };
        json!({
            "name": self.name(action.node),
            "state": state,
            "key": action.action_key,
        })
    }

    fn cause_object(&self, cause: &Cause) -> Value {
        let names = |nodes: &mut dyn Iterator<Item = petgraph::graph::NodeIndex>| {
            nodes.map(|node| self.name(node)).collect::<Vec<_>>()
        };
        json!({
            "stage": self.name(cause.node()),
            "cause": cause.why.to_string(),
            "way": names(&mut cause.path.iter().copied()),
            "followers": names(&mut cause.followers.iter().copied()),
            "estimate": self.totals(cause),
        })
    }

    fn hit_object(&self, action: &PlannedAction, hit: &Hit) -> Result<Value, Error> {
        let maker = self.maker(hit)?;
        let mut object = self.object(action);
        object["found_by"] = match hit.made_as == hit.record.action_key {
            true => "action".into(),
            false => "content".into(),
        };
        object["made_as"] = json!(hit.made_as);
        object["content_key"] = json!(hit.record.content_key);
        object["finished"] = json!(hit.record.finished);
        object["seconds"] = json!(hit.record.seconds);
        object["run"] = json!(maker.map(|maker| maker.run));
        object["depends_on"] = json!(self.dependencies(action));
        Ok(object)
    }

    fn name(&self, node: petgraph::graph::NodeIndex) -> String {
        self.graph.stages[node].name.to_string()
    }
}
