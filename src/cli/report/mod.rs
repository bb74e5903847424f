//! `runner report`: writes a page about a run.

mod extras;
mod place;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use contract::{ShowPath, files};
use engine::error::Error;
use engine::event::{RunReport, RunState};
use engine::graph::Graph;
use engine::plan::{Plan, PlanOptions};
use engine::run::planned;
use engine::run::recorded::{self, Recorded};
use engine::run::replay::replay;
use engine::spec::parse_bytes;
use pages::page::report;
use pages::picture::{Collected, Datasets, PicturesAre};
use pages::{Extras, Reader, RunView, size};
use store::Store;

use super::pipeline::{ANALYSIS, Overrides, StoreArgs, catalogue};
use super::run_filter::{self, RunFilter};
use crate::report::Console;
use place::Place;

/// Most runs of a pipeline that are searched for one with the given settings.
const SEARCHED: usize = 20;

/// Write a page about a run: results, figures, misclassified images, data, stages and how to reproduce it
#[derive(Debug, Args)]
pub(super) struct Report {
    /// Pipeline file, for its tables and expectations [default: the file of RUN, if it is still there]. Without FILE
    /// and `--run`, the latest run is reported
    file: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    store: StoreArgs,
    /// Run to report: an id, the beginning of an id, `latest`, or `latest~N` for the Nth run before the latest
    /// [default: the newest run of the pipeline with these settings]
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// File to write; with a `/` at the end, a folder for `index.html` and the pictures as files; `-` for standard
    /// output. An existing file is replaced only if it is a report
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    output: PathBuf,
    /// Maximum total size of the images in one file; a report with more needs a folder
    #[arg(long, value_name = "SIZE", default_value = "50MB", value_parser = parse_bytes)]
    image_limit: u64,
}

/// The run that a report is about.
struct Subject<'a> {
    run: Recorded,
    /// `None` if its pipeline cannot be read any more.
    pipeline: Option<Pipeline<'a>>,
    /// Sentences that the reader should know first.
    notices: Vec<String>,
}

/// A pipeline as it is now, with the results in the store.
struct Pipeline<'a> {
    graph: Graph,
    plan: Plan,
    /// The copies of the pipeline that tables show.
    shown: Vec<usize>,
    outcomes: engine::run::Outcomes<'a>,
}

impl Report {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let place = Place::of(&self.output)?;
        let store = self.store.existing()?;
        let Subject {
            run,
            pipeline,
            notices,
        } = self.subject(&store, console)?;
        let extras = extras::extras(&store, &run, pipeline, notices);
        let catalogue = catalogue();
        let reader = Reader {
            store: &store,
            catalogue: &catalogue,
            analysis: ANALYSIS,
            shown: None,
        };
        let datasets = Datasets::new(reader);
        let view = RunView::read(reader, &datasets, &run, extras);
        let colors = ANALYSIS.theme_colors();
        let internal = |error: pages::page::Failure| Error::Internal(error.to_string());
        let are = match place {
            Place::Output | Place::File(_) => PicturesAre::Inside {
                limit: self.image_limit,
            },
            Place::Folder(_) => PicturesAre::Beside,
        };
        let pictures = Collected::new(reader, &datasets, are);
        let text = report(&view, &pictures, are, &colors).map_err(internal)?;
        if let Some(bytes) = pictures.excess() {
            return Err(Error::Usage(format!(
                "the images of this report take {}, and one file may contain {}; write a folder instead: `-o {}`",
                size(bytes),
                size(self.image_limit),
                place.as_folder()
            )));
        }
        let Some(written) = place.write(console, &text, pictures.into_files())? else {
            return Ok(());
        };
        console.message(&format!(
            "wrote {}: run {}, {}",
            written.shown(),
            run.report.run,
            run.report.state
        ));
        Ok(())
    }

    /// The run to report, and its pipeline.
    fn subject<'a>(&self, store: &'a Store, console: &Console) -> Result<Subject<'a>, Error> {
        let mut notices = Vec::new();
        let (run, pipeline) = match (&self.run, &self.file) {
            (None, Some(file)) => {
                let pipeline = Pipeline::read(store, file, &self.overrides)?;
                let run = newest(store, &pipeline, console)?;
                (run, Some(pipeline))
            }
            (name, _) => {
                let name = name.as_deref().unwrap_or("latest");
                let run = self.named(store, name, console)?;
                let pipeline = self.pipeline_of(store, &run.report, &mut notices)?;
                (run, pipeline)
            }
        };
        Ok(Subject {
            run,
            pipeline,
            notices,
        })
    }

    /// The run that `--run` names. `latest` means that of the pipeline file, if there is one.
    fn named(&self, store: &Store, name: &str, console: &Console) -> Result<Recorded, Error> {
        let file = self.file.as_ref();
        let pipeline = file
            .map(|file| self.overrides.experiment(file))
            .transpose()?;
        let filter = RunFilter {
            store: self.store.clone(),
            pipeline: pipeline.map(|experiment| experiment.pipeline),
        };
        filter.find(store, name, console)
    }

    /// The pipeline of a run: the given file, or else the one that the run was started with, with its settings.
    fn pipeline_of<'a>(
        &self,
        store: &'a Store,
        report: &RunReport,
        notices: &mut Vec<String>,
    ) -> Result<Option<Pipeline<'a>>, Error> {
        if let Some(file) = &self.file {
            return Pipeline::read(store, file, &self.overrides).map(Some);
        }
        Ok(recorded_pipeline(store, report, notices))
    }
}

/// The pipeline that a run was started with, with its settings. If there is none any more, a notice says why.
fn recorded_pipeline<'a>(
    store: &'a Store,
    report: &RunReport,
    notices: &mut Vec<String>,
) -> Option<Pipeline<'a>> {
    let file = PathBuf::from(&report.file);
    let overrides = Overrides::recorded(report.profile.clone(), report.sets.clone());
    let is_there = files::leads_to(&file, std::fs::Metadata::is_file);
    let why = match is_there {
        Ok(true) => match Pipeline::read(store, &file, &overrides) {
            Ok(pipeline) if pipeline.graph.pipeline == report.pipeline => {
                return Some(pipeline);
            }
            Ok(_) => "describes another pipeline now",
            Err(_) => "has errors now",
        },
        _ => "is not there",
    };
    notices.push(format!(
        "Tables and expectations are left out, because the pipeline file {} {why}.",
        file.shown()
    ));
    None
}

/// Returns the parts of a run's live page that are not in its folder, read with the pipeline that the run was started
/// with.
pub(super) fn extras_of(store: &Store, run: &Recorded) -> Extras {
    let mut notices = Vec::new();
    let pipeline = recorded_pipeline(store, &run.report, &mut notices);
    extras::extras(store, run, pipeline, notices)
}

/// Returns the content of the pipeline file that a run was started with. If it describes other stages now, or is not
/// there, the error is a sentence that says so.
pub(super) fn pipeline_file(store: &Store, run: &Recorded) -> Result<Vec<u8>, String> {
    let file = PathBuf::from(&run.report.file);
    let absent = |why: &str| {
        let file = file.shown();
        format!("the pipeline file `{file}` {why}, so the recorded stages take its place")
    };
    let mut notices = Vec::new();
    let Some(pipeline) = recorded_pipeline(store, &run.report, &mut notices) else {
        return Err(absent(
            "cannot be read any more, or describes another pipeline",
        ));
    };
    if !pipeline.is_of(run) {
        return Err(absent(
            "or the data that it names has changed since the run",
        ));
    }
    files::read(&file, files::MOST_TEXT).map_err(|_| absent("cannot be read"))
}

impl<'a> Pipeline<'a> {
    fn read(store: &'a Store, file: &Path, overrides: &Overrides) -> Result<Self, Error> {
        let mut experiment = overrides.experiment(file)?;
        let outcomes = replay(&mut experiment, store)?;
        let shown = experiment.shown();
        let graph = experiment.into_graph();
        let plan = planned(&graph, store, &PlanOptions::default())?;
        Ok(Self {
            graph,
            plan,
            shown,
            outcomes,
        })
    }

    /// `true` if a run executed exactly what the pipeline declares now, or a part of it.
    fn is_of(&self, run: &Recorded) -> bool {
        let actions = self.plan.actions.iter();
        let now: BTreeMap<String, _> = actions
            .map(|action| {
                let name = self.graph.stages[action.node].name.to_string();
                (name, action.action_key)
            })
            .collect();
        let mut stages = run.stages.iter().map(|stage| &stage.planned);
        stages.all(|stage| now.get(&stage.name) == Some(&stage.key))
    }
}

/// The newest run of a pipeline with its current settings, preferably one that succeeded, or else the newest run of the
/// pipeline.
fn newest(store: &Store, pipeline: &Pipeline<'_>, console: &Console) -> Result<Recorded, Error> {
    let name = &pipeline.graph.pipeline;
    let found = recorded::newest(store, Some(name), SEARCHED)
        .map_err(Error::io("read", &store.runs_folder()))?;
    run_filter::warn(console, &found.bad);
    let mut runs = found.runs;
    let with_settings: Vec<usize> = (0..runs.len())
        .filter(|&at| pipeline.is_of(&runs[at]))
        .collect();
    let has_succeeded = |at: &usize| runs[*at].report.state == RunState::Succeeded;
    // A run that was cancelled made only a part of the results.
    let succeeded = with_settings.iter().copied().find(has_succeeded);
    let chosen = succeeded.or(with_settings.first().copied());
    match (runs.is_empty(), chosen) {
        (true, _) => Err(Error::Usage(format!(
            "there is no run of pipeline `{name}` in this store yet; `runner run {}` makes one",
            pipeline.graph.file.shown()
        ))),
        (false, None) => Ok(runs.swap_remove(0)),
        (false, Some(at)) => {
            if at > 0 {
                let newest = &runs[0].report;
                let why = match with_settings.contains(&0) {
                    false => "has other settings".to_owned(),
                    true => format!("has not succeeded ({})", newest.state),
                };
                console.message(&format!(
                    "note: the newest run, `{}`, {why}; `--run latest` reports it",
                    newest.run
                ));
            }
            Ok(runs.swap_remove(at))
        }
    }
}
