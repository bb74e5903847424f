//! `runner images`: the test images and the predictions for them, as one table.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use clap::Args;
use contract::{KindInfo, ShowPath, Usage};
use engine::atomic_file::{self, Flush};
use engine::error::Error;
use engine::graph::InstanceName;
use engine::plan::PlanOptions;
use engine::run::failures::Failures;
use engine::run::folds::Predicted;
use engine::run::measurements::Measurements;
use engine::run::replay::replay;
use engine::run::{Outcomes, planned};
use engine::spec::suggest;
use petgraph::graph::NodeIndex;

use super::pipeline::{ANALYSIS, PipelineArgs, StoreArgs};
use super::{output_file, unwritten};
use crate::report::Console;
use crate::report::predictions::{self, Listed};

/// List the test images with the predictions for them, as CSV; in a cross-validation, the out-of-fold predictions of all
/// folds
#[derive(Debug, Args)]
pub(super) struct Images {
    #[command(flatten)]
    pipeline: PipelineArgs,
    /// Stage or instances that made the predictions: evaluate, 'evaluate[large]', 'evaluate[fold=2]',
    /// 'evaluate[large,fold=2]' [default: all that made some]
    stage: Option<String>,
    #[command(flatten)]
    store: StoreArgs,
    /// List only misclassified images, those whose predicted class is not their label
    #[arg(long)]
    wrong: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
    /// Write to FILE instead of standard output; `-` is standard output
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

impl Images {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let output = self.output.as_deref();
        let output = output.filter(|file| *file != Path::new("-"));
        if let Some(file) = output {
            output_file::TESTED.check(file)?;
        }
        let mut experiment = self.pipeline.experiment()?;
        let store = self.store.open()?;
        replay(&mut experiment, &store)?;
        let graph = experiment.graph();
        let plan = planned(graph, &store, &PlanOptions::default())?;
        let mut outcomes = Outcomes::new(&store);
        outcomes.stored(&plan, &Failures::default());
        let shown = experiment.shown();
        let results = Measurements::new(graph, &store, &outcomes.outputs, &shown, &[], ANALYSIS);
        let nodes = match &self.stage {
            Some(name) => self.named(&results, name)?,
            None => self.all(&results)?,
        };
        let predicted = results
            .predictions(&nodes)
            .map_err(|why| self.without_predictions(&results, &nodes, &why))?;
        check_classes(&predicted)?;
        let listed = match self.wrong {
            true => Listed::Wrong,
            false => Listed::All,
        };
        let text = match self.json {
            true => predictions::json(&predicted, listed),
            false => predictions::csv(&predicted, listed),
        };
        let Some(file) = output else {
            return console.result(&text).map_err(unwritten);
        };
        atomic_file::write(file, ".tmp-images-", Flush::No, |to| {
            to.write_all(text.as_bytes())
        })
        .map_err(Error::io("write", file))
    }

    /// The instances that a name means.
    fn named(&self, results: &Measurements<'_>, name: &str) -> Result<Vec<NodeIndex>, Error> {
        let found = results.instances(|instance| instance.matches(name));
        if !found.is_empty() {
            return Ok(found);
        }
        let all = results.instances(|_| true).into_iter();
        let names: Vec<&InstanceName> = all.map(|node| &results.graph.stages[node].name).collect();
        // If only the values in brackets are wrong, instances of the stage are suggested.
        let stage = name.split('[').next().unwrap_or_default();
        let instances = names.iter().filter(|instance| instance.stage == stage);
        let instances: Vec<String> = instances.map(ToString::to_string).collect();
        let (noun, known) = match instances.is_empty() {
            true => {
                let stages = names.iter().map(|instance| instance.stage.clone());
                ("stage", stages.collect())
            }
            false => ("instance", instances),
        };
        let hint = suggest::hint(&format!("{noun}s"), name, known.iter().map(String::as_str));
        let hint = hint.map_or(String::new(), |hint| format!("; {hint}"));
        Err(Error::Usage(format!("there is no {noun} `{name}`{hint}")))
    }

    /// Returns the error for instances without predictions. `why` names one of them.
    fn without_predictions(
        &self,
        results: &Measurements<'_>,
        nodes: &[NodeIndex],
        why: &str,
    ) -> Error {
        let stages = &results.graph.stages;
        let makes_some = |node: &NodeIndex| measures(stages[*node].kind);
        if nodes.iter().any(makes_some) {
            return self.incomplete(why);
        }
        let makers = results.instances(|_| true).into_iter().filter(makes_some);
        let makers: Vec<&str> = makers
            .map(|node| stages[node].name.stage.as_str())
            .collect();
        let hint = match suggest::distinct(makers).as_slice() {
            [] => "add a stage of the kind `evaluate`".to_owned(),
            makers => format!("name a stage that makes some: {}", suggest::quoted(makers)),
        };
        let stages = nodes.iter().map(|&node| stages[node].name.stage.as_str());
        let stages = suggest::quoted(&suggest::distinct(stages));
        Error::Usage(format!("{stages} makes no predictions; {hint}"))
    }

    /// All instances of the stages that made predictions.
    fn all(&self, results: &Measurements<'_>) -> Result<Vec<NodeIndex>, Error> {
        let has_some = |node: &NodeIndex| results.predictions(&[*node]).is_ok();
        let with_some = results.instances(|_| true);
        let with_some: BTreeSet<&str> = with_some
            .iter()
            .filter(|node| has_some(node))
            .map(|&node| results.graph.stages[node].name.stage.as_str())
            .collect();
        let nodes = results.instances(|name| with_some.contains(name.stage.as_str()));
        match nodes.is_empty() {
            true => Err(self.incomplete("there are no predictions")),
            false => Ok(nodes),
        }
    }

    fn incomplete(&self, why: &str) -> Error {
        let file = self.pipeline.file.shown();
        Error::Usage(format!("{why}; `runner run {file}` makes the results"))
    }
}

/// Returns `true` if stages of a kind predict test images.
fn measures(kind: &KindInfo) -> bool {
    let mut inputs = kind.inputs.iter();
    inputs.any(|input| input.usage == Usage::Measures)
}

/// Fails if the predictions of several stages are about different classes, which do not fit into one table.
fn check_classes(predicted: &[Predicted<'_>]) -> Result<(), Error> {
    let mut pairs = predicted.windows(2);
    let differing = pairs.find(|pair| pair[0].evaluation.classes != pair[1].evaluation.classes);
    let Some([one, other]) = differing else {
        return Ok(());
    };
    let names: [&InstanceName; 2] = [&one.instance, &other.instance];
    let [one, other] = names.map(ToString::to_string);
    Err(Error::Usage(format!(
        "`{one}` and `{other}` predict different classes; name one of them"
    )))
}
