//! `runner runs`: lists, shows and compares runs, and prints the output of their stages.

mod list;
mod logs;
mod show;

use clap::{Args, Subcommand};
use engine::error::Error;
use engine::run::history::BadRun;
use engine::run::recorded::{self, Recorded};
use engine::spec::suggest;
use engine::store::Store;

use super::compare::Compare;
use super::pipeline::StoreArgs;
use crate::report::Console;

/// List runs, show one, compare two, or print what stages wrote
#[derive(Debug, Args)]
pub struct Runs {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::List),
    Show(show::Show),
    /// Same as `runner compare`
    Diff(Compare),
    Logs(logs::Logs),
}

impl Runs {
    pub fn execute(self, console: &Console) -> Result<(), Error> {
        match self.command {
            Command::List(list) => list.execute(console),
            Command::Show(show) => show.execute(console),
            Command::Diff(diff) => diff.execute(console),
            Command::Logs(logs) => logs.execute(console),
        }
    }
}

/// The runs to choose from.
#[derive(Debug, Args)]
pub(in crate::cli) struct Among {
    #[command(flatten)]
    pub(in crate::cli) store: StoreArgs,
    /// Consider only runs of this pipeline; `latest` is the newest of them
    #[arg(long, value_name = "NAME")]
    pipeline: Option<String>,
}

/// Means the newest run; `latest~1` is the one before it.
const LATEST: &str = "latest";

/// Most candidates that an error lists.
const LISTED: usize = 5;

impl Among {
    /// Finds the run that `name` means: an id, the beginning of an id, `latest`, `latest~2`.
    pub(in crate::cli) fn find(
        &self,
        store: &Store,
        name: &str,
        console: &Console,
    ) -> Result<Recorded, Error> {
        if let Some(back) = steps_back(name)? {
            return self.latest(store, name, back, console);
        }
        let ids = recorded::ids(store).map_err(Error::io("read", &store.runs_folder()))?;
        let matching: Vec<&String> = match ids.iter().find(|id| *id == name) {
            Some(id) => vec![id],
            None => ids.iter().filter(|id| id.starts_with(name)).collect(),
        };
        let is_meant = |run: &Recorded| {
            self.pipeline
                .as_ref()
                .is_none_or(|p| *p == run.report.pipeline)
        };
        match matching.as_slice() {
            [id] => match recorded::read(store, id, &mut None) {
                Ok(Some(run)) if is_meant(&run) => Ok(run),
                Ok(Some(run)) => Err(Error::Usage(format!(
                    "run `{id}` is one of pipeline `{}`",
                    run.report.pipeline
                ))),
                Ok(None) => Err(Error::Usage(format!(
                    "run `{id}` left no record: it has just begun, or was killed before it did anything"
                ))),
                Err(bad) => Err(Error::Damaged(format!("run `{id}`: {}", bad.why()))),
            },
            [] => {
                let near = suggest::nearest(name, ids.iter().map(String::as_str));
                let near = near.map(|near| format!("did you mean `{near}`?"));
                let hint = near.unwrap_or_else(|| "`runner runs list` lists them".to_owned());
                Err(Error::Usage(format!("there is no run `{name}`; {hint}")))
            }
            several => {
                let listed: Vec<&str> = several.iter().take(LISTED).map(|id| id.as_str()).collect();
                let more = match several.len().saturating_sub(LISTED) {
                    0 => String::new(),
                    more => format!(" and {more} more"),
                };
                let listed = suggest::quoted(&listed);
                Err(Error::Usage(format!(
                    "`{name}` begins several runs: {listed}{more}"
                )))
            }
        }
    }

    fn latest(
        &self,
        store: &Store,
        name: &str,
        back: usize,
        console: &Console,
    ) -> Result<Recorded, Error> {
        let found = recorded::newest(store, self.pipeline.as_deref(), back + 1)
            .map_err(Error::io("read", &store.runs_folder()))?;
        warn(console, &found.bad);
        let mut runs = found.runs;
        if runs.len() > back {
            return Ok(runs.swap_remove(back));
        }
        let of = self
            .pipeline
            .as_ref()
            .map(|name| format!(" of pipeline `{name}`"));
        let of = of.unwrap_or_default();
        Err(Error::Usage(match runs.len() {
            0 => format!("there is no run{of} yet"),
            1 => format!("there is no run `{name}`; there is only one{of}"),
            count => format!("there is no run `{name}`; there are only {count}{of}"),
        }))
    }
}

/// Prints a warning for each run that cannot be read, because it may be the one that was requested.
fn warn(console: &Console, bad: &[BadRun]) {
    for bad in bad {
        console.say(&format!("warning: run `{}`: {}", bad.id(), bad.why()));
    }
}

/// Number of runs before the newest one that `name` means, as in `latest~2`. `None` if `name` does not
/// begin with `latest`.
fn steps_back(name: &str) -> Result<Option<usize>, Error> {
    let Some(rest) = name.strip_prefix(LATEST) else {
        return Ok(None);
    };
    let back = match rest.strip_prefix('~') {
        None if rest.is_empty() => Some(0),
        None => None,
        Some(back) => back.parse().ok().filter(|&back: &usize| back < usize::MAX),
    };
    match back {
        Some(back) => Ok(Some(back)),
        None => Err(Error::Usage(format!(
            "`{name}` is no run; the one before the newest is `latest~1`"
        ))),
    }
}

/// `2026-11-24 09:13:58Z`, for a time from a record.
pub(in crate::cli) fn when(time: &str) -> String {
    let parsed: Result<jiff::Timestamp, _> = time.parse();
    parsed.map_or_else(
        |_| time.to_owned(),
        |time| time.strftime("%Y-%m-%d %H:%M:%SZ").to_string(),
    )
}

/// The options of a run: `--profile real -S epochs=3`; empty if there were none.
fn options(run: &engine::event::RunReport) -> String {
    each_option(run).join(" ")
}

/// Like [`options`], with each option separate.
pub(in crate::cli) fn each_option(run: &engine::event::RunReport) -> Vec<String> {
    let profile = run.profile.iter().map(|name| format!("--profile {name}"));
    let sets = run.sets.iter().map(|set| format!("-S {set}"));
    profile.chain(sets).collect()
}
