//! The list of runs.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use askama::Template;
use engine::event::RunState;
use engine::wording;
use jiff::Timestamp;

use super::query::Sort;
use super::{ListQuery, pages, rendered, seconds_between, segment, state_name};
use crate::headlines::Headline;
use crate::index::{Listed, Row};

/// Number of runs on a page.
const ROWS: usize = 50;

const STATES: [&str; 5] = ["running", "succeeded", "failed", "cancelled", "killed"];

/// Number of metrics that the list has columns for.
const METRICS: usize = 3;

const COLUMNS: [(Sort, &str); 6] = Sort::ALL;

/// Parts of the list's page other than the list.
pub(crate) struct ListPage<'a> {
    pub(crate) query: &'a ListQuery,
    /// The folder below which pipeline files can be run; `None` if runs cannot be started.
    pub(crate) start: Option<String>,
}

#[derive(Template)]
#[template(path = "runs.html")]
struct RunsTemplate<'a> {
    query: &'a ListQuery,
    pipelines: Vec<&'a str>,
    /// Files of pipelines that were run, newest first.
    files: Vec<&'a str>,
    list: String,
    start: Option<String>,
}

impl RunsTemplate<'_> {
    fn title(&self) -> &'static str {
        "Runs"
    }

    fn events(&self) -> Option<String> {
        Some(format!("/events?{}", self.query.text()))
    }
}

#[derive(Template)]
#[template(path = "list.html")]
struct ListTemplate<'a> {
    query: &'a ListQuery,
    rows: Vec<&'a Row>,
    /// The metrics that have columns.
    metrics: Vec<Sort>,
    found: String,
    pages: usize,
}

/// The page with the list of runs.
pub(crate) fn list_page(rows: &[Arc<Row>], page: ListPage<'_>) -> String {
    let listed = rows.iter().filter_map(|row| row.run.as_ref().ok());
    let pipelines: BTreeSet<&str> = listed.clone().map(|run| run.pipeline.as_str()).collect();
    let mut files: Vec<&str> = Vec::new();
    for run in listed {
        if files.len() < 100 && !files.contains(&run.file.as_str()) {
            files.push(&run.file);
        }
    }
    rendered(&RunsTemplate {
        query: page.query,
        pipelines: pipelines.into_iter().collect(),
        files,
        list: list(rows, page.query),
        start: page.start,
    })
}

/// The list itself, which changes while runs go on.
pub(crate) fn list(rows: &[Arc<Row>], query: &ListQuery) -> String {
    let text = query.text.to_lowercase();
    let shown = rows
        .iter()
        .map(|row| &**row)
        .filter(|row| is_shown(row, query, &text));
    let mut shown: Vec<&Row> = shown.collect();
    sort(&mut shown, query);
    let pages = pages(shown.len(), ROWS);
    let query = ListQuery {
        page: query.page.min(pages),
        ..query.clone()
    };
    let found = match (shown.len(), rows.len()) {
        (found, all) if found == all => wording::counted(all, "run"),
        (found, all) => format!("{found} of {}", wording::counted(all, "run")),
    };
    let metrics = metrics(&shown, &query);
    let rows = shown.into_iter().skip((query.page - 1) * ROWS).take(ROWS);
    rendered(&ListTemplate {
        rows: rows.collect(),
        metrics,
        query: &query,
        found,
        pages,
    })
}

/// The headline metrics that most runs have, and the one that they are sorted by.
fn metrics(shown: &[&Row], query: &ListQuery) -> Vec<Sort> {
    let mut names: Vec<&str> = Vec::new();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for headline in shown.iter().flat_map(|row| row.headlines.iter()) {
        let count = counts.entry(&headline.name).or_default();
        if *count == 0 {
            names.push(&headline.name);
        }
        *count += 1;
    }
    // The sort is stable: of equally common metrics, those of newer runs come first.
    names.sort_by_key(|name| Reverse(counts[name]));
    names.truncate(METRICS);
    let names = names.into_iter().map(|name| Sort::Metric(name.to_owned()));
    let mut metrics: Vec<Sort> = names.collect();
    if matches!(query.sort, Sort::Metric(_)) && !metrics.contains(&query.sort) {
        metrics.push(query.sort.clone());
    }
    metrics
}

fn is_shown(row: &Row, query: &ListQuery, text: &str) -> bool {
    let contains = |field: &str| field.to_lowercase().contains(text);
    match &row.run {
        Ok(run) => {
            (query.pipeline.is_empty() || run.pipeline == query.pipeline)
                && (query.state.is_empty() || state_name(run.state) == query.state)
                && (contains(&row.id) || contains(&run.pipeline) || contains(&run.options))
        }
        // It could be any run, unless a pipeline or a state was chosen.
        Err(_) => query.pipeline.is_empty() && query.state.is_empty() && contains(&row.id),
    }
}

/// Sorts rows that are in the order in which the runs began, newest first. That order decides between equal rows.
fn sort(rows: &mut [&Row], query: &ListQuery) {
    if query.sort == Sort::Started {
        if !query.descending {
            rows.reverse();
        }
        return;
    }
    if let Sort::Metric(name) = &query.sort {
        sort_by_metric(rows, name, query.descending);
        return;
    }
    let compare = |a: &Listed, b: &Listed| match query.sort {
        Sort::Run | Sort::Started | Sort::Metric(_) => Ordering::Equal,
        Sort::Pipeline => a.pipeline.cmp(&b.pipeline),
        Sort::State => state_name(a.state).cmp(state_name(b.state)),
        Sort::Took => a.took_seconds().total_cmp(&b.took_seconds()),
        Sort::Stages => a.stages.cmp(&b.stages),
    };
    rows.sort_by(|a, b| {
        let order = match (&a.run, &b.run) {
            _ if query.sort == Sort::Run => a.id.cmp(&b.id),
            (Ok(a), Ok(b)) => compare(a, b),
            // Unreadable runs come last in both directions.
            (Ok(_), Err(_)) => return Ordering::Less,
            (Err(_), Ok(_)) => return Ordering::Greater,
            (Err(_), Err(_)) => Ordering::Equal,
        };
        if query.descending {
            order.reverse()
        } else {
            order
        }
    });
}

/// Sorts rows by a metric. Those without it come last in both directions.
fn sort_by_metric(rows: &mut [&Row], name: &str, is_descending: bool) {
    let key = |row: &Row| row.headline(name)?.sort_key(is_descending);
    rows.sort_by(|a, b| match (key(a), key(b)) {
        (Some(a), Some(b)) if is_descending => b.total_cmp(&a),
        (Some(a), Some(b)) => a.total_cmp(&b),
        (a, b) => a.is_none().cmp(&b.is_none()),
    });
}

impl Listed {
    fn is_running(&self) -> bool {
        self.state == RunState::Running
    }

    fn since(&self) -> String {
        self.started
            .map(|started| started.to_string())
            .unwrap_or_default()
    }

    /// Wall time so far, in seconds.
    fn took_seconds(&self) -> f64 {
        let so_far = || {
            let started = self.started?;
            Some(seconds_between(started, Timestamp::now()))
        };
        self.seconds.or_else(so_far).unwrap_or_default()
    }

    fn took(&self) -> String {
        wording::duration(self.took_seconds())
    }

    fn stages_text(&self) -> String {
        let counts = wording::counts(&self.counts);
        match self.counts.total() {
            ended if ended == self.stages => counts,
            0 => format!("none of {}", self.stages),
            ended => format!("{ended} of {}: {counts}", self.stages),
        }
    }
}

impl Row {
    fn headline(&self, name: &str) -> Option<&Headline> {
        self.headlines.iter().find(|one| one.name == name)
    }

    /// The value in the column of a metric.
    fn metric(&self, column: &Sort) -> String {
        let Sort::Metric(name) = column else {
            return String::new();
        };
        self.headline(name).map_or_else(String::new, Headline::text)
    }

    fn address(&self) -> String {
        format!("/runs/{}", segment(&self.id))
    }
}
