//! The results of runs and stages, as HTML from the package `pages`.

mod kept;
mod pictures;

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;

use askama::Template;
use contract::analysis::Analysis;
use engine::graph::Catalogue;
use engine::run::recorded::{self, Recorded};
use pages::page::{RunPage, SiteResults, SiteStage};
use pages::picture::Datasets;
use pages::{Extras, Links, Reader, RunView};
use store::Store;

pub(crate) use kept::{Found, Kept, Part, Version};
pub(crate) use pictures::{is_png, picture};

use crate::live::{LiveRun, LiveStage};
use crate::page::run_address;
use pictures::Addresses;

/// Number of stages of a run up to which its page shows the results of all stages.
pub(crate) const MOST_STAGES: usize = 1000;
/// Number of stages that are read besides those that a page shows, because these were made from them.
const MOST_RELATED: usize = 200;

/// Finds what the caller knows about a run: its tables and the run before it.
pub type ExtrasOf = fn(&Store, &Recorded) -> Extras;

/// Sources of results.
#[derive(Clone)]
pub(crate) struct Sources {
    pub(crate) store: Arc<Store>,
    pub(crate) catalogue: Catalogue,
    pub(crate) analysis: &'static dyn Analysis,
    pub(crate) extras: ExtrasOf,
}

/// Facts about a run that are known before its results are read.
pub(crate) struct RunOutline {
    id: String,
    /// The ids of stages on this site, by name.
    ids: HashMap<String, String>,
    /// Names of the stages whose results are shown, and of those that these were made from; `None` for all.
    shown: Option<HashSet<String>>,
}

impl RunOutline {
    /// Outlines a run whose page shows the results of the stages `listed`, or of all stages.
    pub(crate) fn new(run: &LiveRun, listed: Option<&[&LiveStage]>) -> Self {
        let ids = run.stages.iter();
        let shown = listed.map(|listed| {
            let names: Vec<&str> = listed.iter().map(|stage| &*stage.planned.name).collect();
            let shown = with_makers(run, &names);
            shown.into_iter().map(str::to_owned).collect()
        });
        Self {
            id: run.record.run.clone(),
            ids: ids
                .map(|stage| (stage.planned.name.clone(), stage.id.clone()))
                .collect(),
            shown,
        }
    }
}

/// The results of a run so far.
pub(crate) fn of_run(sources: &Sources, outline: &RunOutline) -> String {
    let Ok(Some(recorded)) = recorded::read(&sources.store, &outline.id, &mut None) else {
        return String::new();
    };
    let extras = (sources.extras)(&sources.store, &recorded);
    view(sources, outline, &recorded, extras, |page| {
        SiteResults(page).render()
    })
}

/// The details of a stage and its results.
pub(crate) fn of_stage(sources: &Sources, run: &LiveRun, stage: &LiveStage) -> String {
    let Ok(Some(mut recorded)) = recorded::read(&sources.store, &run.record.run, &mut None) else {
        return String::new();
    };
    let related = related(run, &stage.planned.name);
    recorded
        .stages
        .retain(|stage| related.contains(stage.planned.name.as_str()));
    // The page shows the error by itself, at its beginning.
    for recorded in &mut recorded.stages {
        if let Some(end) = &mut recorded.end
            && recorded.planned.name == stage.planned.name
        {
            end.error = None;
        }
    }
    let name = &stage.planned.name;
    let outline = RunOutline::new(run, None);
    view(sources, &outline, &recorded, Extras::default(), |page| {
        let at = page
            .view
            .stages
            .iter()
            .position(|stage| stage.name == *name);
        at.map_or(Ok(String::new()), |at| SiteStage { page, at }.render())
    })
}

/// Reads the view of a run and renders it.
fn view(
    sources: &Sources,
    outline: &RunOutline,
    recorded: &Recorded,
    extras: Extras,
    render: impl FnOnce(RunPage<'_>) -> Result<String, askama::Error>,
) -> String {
    let shown = outline.shown.as_ref();
    let shown: Option<HashSet<&str>> =
        shown.map(|shown| shown.iter().map(String::as_str).collect());
    let reader = Reader {
        shown: shown.as_ref(),
        ..reader(sources)
    };
    let datasets = Datasets::new(reader);
    let mut view = RunView::read(reader, &datasets, recorded, extras);
    // The ids of this site depend on all stages of the run, and `recorded` may be a part of them.
    for stage in &mut view.stages {
        if let Some(id) = outline.ids.get(&stage.name) {
            stage.id.clone_from(id);
        }
    }
    if let Some(shown) = &shown {
        let stages = &view.stages;
        view.programs
            .retain(|&at| shown.contains(stages[at].name.as_str()));
    }
    let links = Links::Site {
        run: run_address(&outline.id),
    };
    let page = RunPage {
        view: &view,
        links: &links,
        pictures: &Addresses,
    };
    render(page).unwrap_or_else(|error| {
        tracing::error!("failed to render results: {error}");
        String::new()
    })
}

/// The stages that the page of a stage names: those that it was made from, and those that use it.
fn related<'a>(run: &'a LiveRun, name: &'a str) -> HashSet<&'a str> {
    let stages = run.stages.iter().map(|stage| &stage.planned);
    let consumers = stages.filter(|stage| stage.inputs.iter().any(|input| input.from == name));
    let mut related = with_makers(run, &[name]);
    related.extend(
        consumers
            .take(MOST_RELATED)
            .map(|stage| stage.name.as_str()),
    );
    related
}

/// Stages, and those that they were made from.
fn with_makers<'a>(run: &'a LiveRun, names: &[&'a str]) -> HashSet<&'a str> {
    let stages = run.stages.iter().map(|stage| &stage.planned);
    let by_name: HashMap<&str, _> = stages.map(|stage| (stage.name.as_str(), stage)).collect();
    let mut found: HashSet<&str> = names.iter().copied().collect();
    let most = found.len() + MOST_RELATED;
    let mut open: VecDeque<&str> = names.iter().copied().collect();
    while let Some(next) = open.pop_front() {
        let inputs = by_name
            .get(next)
            .into_iter()
            .flat_map(|stage| &stage.inputs);
        for input in inputs {
            if found.len() < most && found.insert(&input.from) {
                open.push_back(&input.from);
            }
        }
    }
    found
}

fn reader(sources: &Sources) -> Reader<'_> {
    Reader {
        store: &sources.store,
        catalogue: &sources.catalogue,
        analysis: sources.analysis,
        shown: None,
    }
}
