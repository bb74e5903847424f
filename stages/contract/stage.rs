//! [`Stage`]: a stage kind with its parameters, as the engine sees it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    Context, Expected, External, Failure, Invalid, MetricInfo, Port, Signature, Source, Tool, Work,
};

/// A stage kind with its parameters. The engine plans and runs every stage through this trait.
///
/// `canonical`, `check`, `warnings`, `sources` and `work` are pure. `preflight` and `tools` look at files but
/// change nothing.
pub trait Stage: Send + Sync {
    /// Returns the parameters with every default filled in, in one fixed form. This form enters the
    /// fingerprint.
    fn canonical(&self) -> Value;

    /// Checks the parameters' ranges and whether they fit the inputs. Returns the signature of every output
    /// port. An optional input that is absent is an empty list.
    fn check(
        &self,
        inputs: &BTreeMap<String, Vec<Signature>>,
    ) -> Result<BTreeMap<String, Signature>, Invalid>;

    /// Returns `true` if another seed may give different outputs.
    fn depends_on_seed(&self) -> bool {
        true
    }

    /// Returns the files and folders outside the store that the stage reads.
    fn sources(&self) -> Vec<Source> {
        Vec::new()
    }

    /// Returns the programs on this machine that the stage runs. Looks at the machine's files.
    fn tools(&self) -> Vec<Tool> {
        Vec::new()
    }

    /// Lists parameters with which the stage would run but give a meaningless result. Called only after `check`
    /// has passed.
    fn warnings(&self, _inputs: &BTreeMap<String, Vec<Signature>>) -> Vec<Invalid> {
        Vec::new()
    }

    /// Checks the sources, cheaply, for problems that would make the stage fail. Returns the number of
    /// classes of the datasets that the stage makes, if the sources determine it. Called only for a stage
    /// that will run.
    fn preflight(&self) -> Result<Option<usize>, Invalid> {
        Ok(None)
    }

    /// Returns the names of the classes of the datasets that the stage makes, or of the predictions that it measures
    /// without images, if its parameters or its sources determine them. A source that cannot be read is not an error here. Called for every copy of the pipeline, so it
    /// must be fast.
    fn class_names(&self) -> Option<Vec<String>> {
        None
    }

    /// Checks the names of classes in the parameters against `classes`, those of the images that the stage is trained
    /// on.
    fn check_classes(&self, _classes: &[String]) -> Result<(), Invalid> {
        Ok(())
    }

    /// Returns why the dataset on an output port will have no images, if its parameters or sources determine this.
    /// Fast, like `class_names`.
    fn lacks_images(&self, _port: &str) -> Option<Invalid> {
        None
    }

    /// Returns which stages can resume from this stage's checkpoints; `None` if the stage keeps no checkpoints.
    fn resumable(&self) -> Option<Resumable> {
        None
    }

    /// Returns the output ports, if the kind leaves them to each stage.
    fn outputs(&self) -> Vec<Port> {
        Vec::new()
    }

    /// Returns the metrics on an output port, if the kind leaves its ports to each stage; `None` if their names are not
    /// known before the stage has run. The engine asks [`Output::metrics`](super::Output::metrics) for other kinds.
    fn metrics(&self, _port: &str) -> Option<Vec<MetricInfo>> {
        None
    }

    /// Returns the stage as [`External`] if a user's program does its work. `run` is never called then.
    fn external(&self) -> Option<&dyn External> {
        None
    }

    /// Returns the resources that the stage will need. `inputs` have the signatures for which `check` passed.
    fn work(&self, _inputs: &BTreeMap<String, Vec<Expected>>) -> Work {
        Work::default()
    }

    /// Does the work: reads the inputs of `context` and writes the folder of every output port.
    fn run(&self, context: &Context<'_>) -> Result<(), Failure>;
}

/// Describes which stages can resume from a stage's checkpoints: equal stages, and stages that differ only in
/// parameters that determine where the work ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resumable {
    /// Keys of parameters that do not affect the state of the work at any point before its end. Work that starts
    /// with one value and continues with a larger one is the same to the bit as work done with the larger one
    /// throughout.
    pub open_ended: &'static [&'static str],
    /// A parameter that is not open-ended in this stage, although users might expect it to be, and the reason.
    pub bound: Option<(&'static str, &'static str)>,
}
