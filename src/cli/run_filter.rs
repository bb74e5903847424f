//! [`RunFilter`]: finds the run that an argument means. All subcommands about runs share it.

use clap::Args;
use engine::error::Error;
use engine::run::history::BadRun;
use engine::run::recorded::{self, Recorded};
use engine::spec::suggest;
use store::Store;

use super::pipeline::StoreArgs;
use crate::report::Console;

/// The runs to choose from.
#[derive(Debug, Args)]
pub(super) struct RunFilter {
    #[command(flatten)]
    pub(super) store: StoreArgs,
    /// Consider only runs of this pipeline; `latest` is the newest of them
    #[arg(long, value_name = "NAME")]
    pub(super) pipeline: Option<String>,
}

/// Means the newest run; `latest~1` is the one before it.
const LATEST: &str = "latest";

/// Maximum number of candidates that an error lists.
const LISTED: usize = 5;

impl RunFilter {
    /// Finds the run that `name` means: an id, the beginning of an id, `latest`, `latest~2`.
    pub(super) fn find(
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
                    "run `{id}` belongs to pipeline `{}`",
                    run.report.pipeline
                ))),
                Ok(None) => Err(Error::Usage(format!(
                    "run `{id}` has no record: it has just started, or was killed at its start"
                ))),
                Err(bad) => Err(Error::Damaged(format!("run `{id}`: {}", bad.why()))),
            },
            [] => {
                let near = suggest::nearest(name, ids.iter().map(String::as_str));
                let near = near.map(|near| format!("did you mean `{near}`?"));
                let hint = near.unwrap_or_else(|| "`runner runs list` lists all runs".to_owned());
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
                    "`{name}` matches several runs: {listed}{more}"
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
pub(super) fn warn(console: &Console, bad: &[BadRun]) {
    for bad in bad {
        console.message(&format!("warning: run `{}`: {}", bad.id(), bad.why()));
    }
}

/// Number of runs that `name` goes back from the newest: 2 for `latest~2`. `None` if `name` does not begin with
/// `latest`.
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
            "`{name}` is not a run; the run before the newest is `latest~1`"
        ))),
    }
}
