//! The results of runs and stages, as HTML from the package `pages`, and the pictures in them.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use askama::Template;
use contract::analysis::Analysis;
use contract::lock;
use engine::event::RunState;
use engine::graph::Catalogue;
use engine::run::recorded::{self, Recorded};
use pages::page::{RunPage, SiteResults, SiteStage};
use pages::picture::{Datasets, Picture, Pictures, Shown, png};
use pages::{Extras, Links, Reader, RunView};
use store::Store;

use crate::live::{LiveRun, LiveStage};
use crate::page::run_address;

/// Number of stages of a run up to which its page shows its results. The pages of stages show them for all runs.
const MOST_STAGES: usize = 1000;
/// Number of runs whose results are kept, and for how long: the pipeline file, or what is in the store, may change.
const KEPT: usize = 8;
const FRESH: Duration = Duration::from_secs(30);
/// Number of stages that are read for the page of one.
const MOST_RELATED: usize = 200;
/// Largest picture: number of images, and length of the longer side of each, in pixels.
const MOST_IMAGES: usize = 1000;
const MOST_SIDE: u32 = 1024;

/// Finds what the caller knows about a run: its tables and the run before it.
pub type ExtrasOf = fn(&Store, &Recorded) -> Extras;

/// Results of runs that have ended, as HTML, newest last.
pub(crate) type Results = Mutex<VecDeque<(String, Instant, Arc<str>)>>;

/// What results are read from.
pub(crate) struct Sources<'a> {
    pub(crate) store: &'a Store,
    pub(crate) catalogue: &'a Catalogue,
    pub(crate) analysis: &'a dyn Analysis,
    pub(crate) extras: ExtrasOf,
    pub(crate) kept: &'a Results,
}

/// The results of a run so far. Those of a run with very many stages are left out.
pub(crate) fn of_run(sources: &Sources<'_>, run: &LiveRun) -> Arc<str> {
    if run.stages.len() > MOST_STAGES {
        return "<p class=\"note\">This run has too many stages to show all results here. The pages of its stages show them.</p>".into();
    }
    let id = &run.record.run;
    {
        let mut kept = lock(sources.kept);
        kept.retain(|(_, made, _)| made.elapsed() < FRESH);
        if let Some((.., html)) = kept.iter().find(|(known, ..)| known == id) {
            return Arc::clone(html);
        }
    }
    let Ok(Some(recorded)) = recorded::read(sources.store, id, &mut None) else {
        return "".into();
    };
    let extras = (sources.extras)(sources.store, &recorded);
    let html = view(sources, run, &recorded, extras, |page| {
        SiteResults(page).render()
    });
    let html: Arc<str> = html.into();
    if run.state != RunState::Running {
        let mut kept = lock(sources.kept);
        kept.push_back((id.clone(), Instant::now(), Arc::clone(&html)));
        if kept.len() > KEPT {
            kept.pop_front();
        }
    }
    html
}

/// The details of a stage and its results.
pub(crate) fn of_stage(sources: &Sources<'_>, run: &LiveRun, stage: &LiveStage) -> String {
    let Ok(Some(mut recorded)) = recorded::read(sources.store, &run.record.run, &mut None) else {
        return String::new();
    };
    let related = related(run, &stage.planned.name);
    recorded
        .stages
        .retain(|stage| related.contains(stage.planned.name.as_str()));
    let name = &stage.planned.name;
    view(sources, run, &recorded, Extras::default(), |page| {
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
    sources: &Sources<'_>,
    run: &LiveRun,
    recorded: &Recorded,
    extras: Extras,
    render: impl FnOnce(RunPage<'_>) -> Result<String, askama::Error>,
) -> String {
    let reader = reader(sources);
    let datasets = Datasets::new(reader);
    let mut view = RunView::read(reader, &datasets, recorded, extras);
    // The ids of this site depend on all stages of the run, and `recorded` may be a part of them.
    let ids = run
        .stages
        .iter()
        .map(|stage| (stage.planned.name.as_str(), &stage.id));
    let ids: HashMap<&str, &String> = ids.collect();
    for stage in &mut view.stages {
        if let Some(id) = ids.get(stage.name.as_str()) {
            stage.id.clone_from(id);
        }
    }
    let links = Links::Site {
        run: run_address(&run.record.run),
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
    let stages = || run.stages.iter().map(|stage| &stage.planned);
    let by_name: HashMap<&str, _> = stages().map(|stage| (stage.name.as_str(), stage)).collect();
    let mut related = HashSet::from([name]);
    let mut open = VecDeque::from([name]);
    while let Some(next) = open.pop_front() {
        let inputs = by_name
            .get(next)
            .into_iter()
            .flat_map(|stage| &stage.inputs);
        for input in inputs {
            if related.len() < MOST_RELATED && related.insert(&input.from) {
                open.push_back(&input.from);
            }
        }
    }
    let consumers = stages().filter(|stage| stage.inputs.iter().any(|input| input.from == name));
    related.extend(
        consumers
            .take(MOST_RELATED)
            .map(|stage| stage.name.as_str()),
    );
    related
}

fn reader<'a>(sources: &Sources<'a>) -> Reader<'a> {
    Reader {
        store: sources.store,
        catalogue: sources.catalogue,
        analysis: sources.analysis,
    }
}

/// Gives each picture an address that describes it, so that the server need not remember it.
struct Addresses;

impl Pictures for Addresses {
    fn place(&self, picture: &Picture) -> Option<Shown> {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let name = match picture {
            Picture::Sheet {
                dataset,
                images,
                columns,
                side,
            } => {
                let images: Vec<String> = images.iter().map(ToString::to_string).collect();
                query.append_pair("images", &images.join("-"));
                query.append_pair("columns", &columns.to_string());
                query.append_pair("side", &side.to_string());
                format!("sheet-{dataset}")
            }
            Picture::Image {
                dataset,
                image,
                side,
            } => {
                query.append_pair("images", &image.to_string());
                query.append_pair("side", &side.to_string());
                format!("image-{dataset}")
            }
            Picture::File { output, name } => {
                query.append_pair("name", name);
                format!("file-{output}")
            }
        };
        Some(Shown {
            src: format!("/pictures/{name}?{}", query.finish()),
            size: None,
        })
    }
}

/// The PNG of the picture that an address describes.
pub(crate) fn picture(sources: &Sources<'_>, picture: &str, query: &str) -> Option<Vec<u8>> {
    let picture = described(picture, query)?;
    let reader = reader(sources);
    let bytes = png(reader, &Datasets::new(reader), &picture)?;
    // Results may contain any file under the name of a picture.
    bytes.starts_with(b"\x89PNG\r\n\x1a\n").then_some(bytes)
}

fn described(picture: &str, query: &str) -> Option<Picture> {
    let (kind, digest) = picture.split_once('-')?;
    let digest = digest.parse().ok()?;
    let values: HashMap<_, _> = form_urlencoded::parse(query.as_bytes()).collect();
    let side = || {
        let side: u32 = values.get("side")?.parse().ok()?;
        (1..=MOST_SIDE).contains(&side).then_some(side)
    };
    match kind {
        "sheet" => {
            let images = values.get("images")?.split('-').map(str::parse);
            let images: Vec<usize> = images.collect::<Result<_, _>>().ok()?;
            let columns: usize = values.get("columns")?.parse().ok()?;
            let is_small = (1..=MOST_IMAGES).contains(&images.len());
            let is_right = is_small && (1..=MOST_IMAGES).contains(&columns);
            is_right.then(|| {
                Some(Picture::Sheet {
                    dataset: digest,
                    images,
                    columns,
                    side: side()?,
                })
            })?
        }
        "image" => Some(Picture::Image {
            dataset: digest,
            image: values.get("images")?.parse().ok()?,
            side: side()?,
        }),
        "file" => Some(Picture::File {
            output: digest,
            name: values.get("name")?.clone().into_owned(),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use store::keys::Digest;

    use super::*;

    #[test]
    fn a_picture_is_found_again_by_its_address() {
        let digest = Digest::derive("test", b"a");
        for picture in [
            Picture::Sheet {
                dataset: digest,
                images: vec![0, 7, 3],
                columns: 2,
                side: 64,
            },
            Picture::Image {
                dataset: digest,
                image: 5,
                side: 96,
            },
            Picture::File {
                output: digest,
                name: "a/\"b\"&<c>.png".to_owned(),
            },
        ] {
            let address = Addresses.place(&picture).unwrap().src;
            let (path, query) = address
                .strip_prefix("/pictures/")
                .unwrap()
                .split_once('?')
                .unwrap();
            assert_eq!(described(path, query), Some(picture));
        }
    }

    #[test]
    fn pictures_that_would_take_too_much_are_refused() {
        let digest = Digest::derive("test", b"a");
        let sheet = format!("sheet-{digest}");
        let many = vec!["1"; MOST_IMAGES + 1].join("-");
        for query in [
            String::new(),
            "images=1&columns=1&side=0".to_owned(),
            "images=1&columns=1&side=9999".to_owned(),
            "images=1&columns=0&side=9".to_owned(),
            "images=x&columns=1&side=9".to_owned(),
            format!("images={many}&columns=1&side=9"),
        ] {
            assert_eq!(described(&sheet, &query), None, "{query}");
        }
        for name in ["", "sheet", "sheet-00", "other-00"] {
            assert_eq!(described(name, "images=1&columns=1&side=9"), None);
        }
    }
}
