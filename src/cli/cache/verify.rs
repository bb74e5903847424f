//! `runner cache verify`: checks everything in the store.

use clap::Args;
use engine::error::Error;
use engine::run::files::Fault;
use engine::run::history::{History, folders};
use engine::run::record_check::faults;
use engine::wording;
use serde_json::json;
use store::{Finding, Store};

use super::{inside, size};
use crate::cli::pipeline::StoreArgs;
use crate::cli::unwritten;
use crate::report::Console;

/// Read everything in the store and list what is damaged or unreadable; exit code 1 if anything is
#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    store: StoreArgs,
    /// Set aside what is damaged, but not what is unreadable. The next run recreates what it needs.
    /// Results used only by runs that are set aside are no longer protected from `cache gc`
    #[arg(long)]
    repair: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let store = self.store.existing()?;
        let mut check = store.check()?;
        check.findings.extend(bad_runs(&store)?);
        check.findings.extend(bad_records(&store)?);
        if self.json {
            let findings = check.findings.iter().map(|finding| {
                json!({
                    "path": inside(&store, &finding.path).to_string(),
                    "what": finding.what,
                    "unreadable": finding.is_unread,
                })
            });
            let object = json!({
                "files": check.files,
                "bytes": check.bytes,
                "findings": findings.collect::<Vec<_>>(),
                "repaired": self.repair,
            });
            console.result(&object.to_string()).map_err(unwritten)?;
        } else {
            for finding in &check.findings {
                let line = format!("{} {}", inside(&store, &finding.path), finding.what);
                console.result(&line).map_err(unwritten)?;
            }
        }
        let read = format!(
            "{} read, {}",
            wording::counted(check.files, "file"),
            size(check.bytes)
        );
        let unread = check.findings.iter().filter(|found| found.is_unread);
        let unread = unread.count();
        let bad = check.findings.len() - unread;
        let unreadable = format!(
            "{unread} cannot be read but may be intact; make them readable and check again"
        );
        if self.repair && bad > 0 {
            store.repair(&check)?;
            console.message(&format!(
                "{read}: {bad} damaged, set aside in `v1/quarantine`; the next run recreates what it needs"
            ));
            if check.findings.iter().any(|found| is_run(&store, found)) {
                console.message(
                    "results used only by runs that were set aside are no longer protected from `runner \
                     cache gc`",
                );
            }
        }
        match (bad, unread) {
            (0, 0) => {
                console.message(&format!("{read}: no damage found"));
                Ok(())
            }
            (_, 0) if self.repair => Ok(()),
            (0, _) => Err(Error::Damaged(format!("{read}: {unreadable}"))),
            (_, _) if self.repair => Err(Error::Damaged(unreadable)),
            (bad, 0) => Err(Error::Damaged(format!(
                "{read}: {bad} damaged; `runner cache verify --repair` sets them aside"
            ))),
            (bad, _) => Err(Error::Damaged(format!(
                "{read}: {bad} damaged; `runner cache verify --repair` sets them aside; {unreadable}"
            ))),
        }
    }
}

/// The runs whose records are damaged or unreadable. A damaged run is set aside as a whole.
fn bad_runs(store: &Store) -> Result<Vec<Finding>, Error> {
    let runs = store.runs_folder();
    let history = History::read(&runs).map_err(Error::io("read", &runs))?;
    let findings = history.bad.into_iter().map(|run| match run.fault {
        Fault::Refused(_) => Finding {
            path: run.folder.join(run.file),
            what: run.fault.to_string(),
            is_unread: true,
        },
        Fault::Missing | Fault::Damaged(_) => {
            Finding::bad(&run.folder, format!("is a run whose {}", run.why()))
        }
    });
    Ok(findings.collect())
}

/// The records of metrics and events of runs that are damaged or unreadable. They are set aside alone, because no
/// result depends on them.
fn bad_records(store: &Store) -> Result<Vec<Finding>, Error> {
    let runs = store.runs_folder();
    let mut findings = Vec::new();
    for folder in folders(&runs).map_err(Error::io("read", &runs))? {
        for (file, fault) in faults(&folder) {
            let path = folder.join(file);
            findings.push(match fault {
                Fault::Refused(_) => Finding {
                    path,
                    what: fault.to_string(),
                    is_unread: true,
                },
                Fault::Damaged(why) => {
                    Finding::bad(&path, format!("is a damaged record of a run: {why}"))
                }
                Fault::Missing => continue,
            });
        }
    }
    Ok(findings)
}

fn is_run(store: &Store, finding: &Finding) -> bool {
    !finding.is_unread && finding.path.parent() == Some(&store.runs_folder())
}
