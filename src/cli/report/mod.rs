//! `runner report`: writes a page about a run.

mod extras;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use clap::Args;
use contract::{ShowPath, files};
use engine::atomic_file::{self, Flush};
use engine::error::Error;
use engine::event::{RunReport, RunState};
use engine::graph::Graph;
use engine::plan::{Plan, PlanOptions};
use engine::run::planned;
use engine::run::recorded::{self, Recorded};
use engine::run::replay::replay;
use pages::page::{PicturesAre, report};
use pages::picture::{Collected, Datasets, MOST_BYTES};
use pages::{Extras, Reader, RunView};
use store::Store;

use super::pipeline::{ANALYSIS, Overrides, StoreArgs, catalogue};
use super::run_filter::{self, RunFilter};
use super::{output_file, unwritten};
use crate::report::Console;

/// Most runs of a pipeline that are searched for one with the given settings.
const SEARCHED: usize = 20;
/// Prefix of the names of files before they are renamed.
const FRESH: &str = ".tmp-report-";
/// Name of the document in a folder.
const INDEX: &str = "index.html";

/// Write a page about a run: results, figures, misclassified images, data, stages and how to reproduce it
#[derive(Debug, Args)]
pub(super) struct Report {
    /// Pipeline file, for its tables and expectations [default: the file of RUN, if it is still there]. Without FILE and
    /// `--run`, the latest run is reported
    file: Option<PathBuf>,
    #[command(flatten)]
    overrides: Overrides,
    #[command(flatten)]
    store: StoreArgs,
    /// Run to report: an id, the beginning of an id, `latest`, or `latest~N` for the Nth run before the latest
    /// [default: the newest run of the pipeline with these settings]
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// File to write; with a `/` at the end, a folder for `index.html` and the pictures as files; `-` for standard output.
    /// An existing file is replaced only if it is a report
    #[arg(short, long, value_name = "FILE", default_value = "report.html")]
    output: PathBuf,
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
        let mut notices = Vec::new();
        let (run, pipeline) = match (&self.run, &self.file) {
            (None, Some(file)) => {
                let pipeline = Pipeline::read(&store, file, &self.overrides)?;
                let run = newest(&store, &pipeline, console)?;
                (run, Some(pipeline))
            }
            (name, _) => {
                let name = name.as_deref().unwrap_or("latest");
                let run = self.named(&store, name, console)?;
                let pipeline = self.pipeline_of(&store, &run.report, &mut notices)?;
                (run, pipeline)
            }
        };
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
        let (pictures, are) = match place {
            Place::Output | Place::File(_) => {
                (Collected::inside(reader, &datasets), PicturesAre::Inside)
            }
            Place::Folder(_) => (Collected::beside(reader, &datasets), PicturesAre::Beside),
        };
        let text = report(&view, &pictures, are, &colors).map_err(internal)?;
        if are == PicturesAre::Inside && pictures.bytes() > MOST_BYTES {
            return Err(Error::Usage(format!(
                "the report would contain more than {} MB of images; write a folder instead: `-o report/`",
                MOST_BYTES / 1_000_000
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

/// Returns the parts of a run's live page that are not in its folder, read with the pipeline that the run was started with.
pub(super) fn extras_of(store: &Store, run: &Recorded) -> Extras {
    let mut notices = Vec::new();
    let pipeline = recorded_pipeline(store, &run.report, &mut notices);
    extras::extras(store, run, pipeline, notices)
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

    /// Whether a run executed exactly what the pipeline declares now, or a part of it.
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

/// Destination of a report.
enum Place {
    /// Standard output.
    Output,
    File(PathBuf),
    Folder(PathBuf),
}

impl Place {
    /// Checks that a report can be written, before anything is computed.
    fn of(output: &Path) -> Result<Self, Error> {
        if output == Path::new("-") {
            return Ok(Self::Output);
        }
        let is_folder = files::leads_to(output, std::fs::Metadata::is_dir)
            .map_err(Error::io("access", output))?;
        if is_folder || output.as_os_str().as_encoded_bytes().ends_with(b"/") {
            output_file::REPORT.check(&output.join(INDEX))?;
            return Ok(Self::Folder(output.to_owned()));
        }
        let file = atomic_file::destination(output).map_err(Error::io("write", output))?;
        output_file::REPORT.check(&file)?;
        Ok(Self::File(file))
    }

    /// Writes a document and its pictures. Returns the path of the document, if it is a file.
    fn write(
        self,
        console: &Console,
        text: &str,
        pictures: BTreeMap<String, Vec<u8>>,
    ) -> Result<Option<PathBuf>, Error> {
        match self {
            Self::Output => {
                console.raw(text.as_bytes()).map_err(unwritten)?;
                Ok(None)
            }
            Self::File(file) => {
                put(&file, text.as_bytes()).map_err(Error::io("write", &file))?;
                Ok(Some(file))
            }
            Self::Folder(folder) => {
                let images = folder.join("images");
                let index = folder.join(INDEX);
                files::create_folders(&images).map_err(Error::io("create", &images))?;
                // The document comes last: it refers to the pictures.
                for (name, png) in pictures {
                    let file = folder.join(name);
                    put(&file, &png).map_err(Error::io("write", &file))?;
                }
                put(&index, text.as_bytes()).map_err(Error::io("write", &index))?;
                Ok(Some(index))
            }
        }
    }
}

fn put(file: &Path, bytes: &[u8]) -> io::Result<()> {
    atomic_file::write(file, FRESH, Flush::No, |to| to.write_all(bytes))
}
