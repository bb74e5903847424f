use clap::Args;
use serde_json::json;

use super::{inside, size};
use crate::cli::pipeline::StoreArgs;
use crate::cli::unwritten;
use crate::error::Error;
use crate::report::{Console, wording};

/// Read everything in the store and list what is bad; exit code 1 if something is
#[derive(Debug, Args)]
pub struct Verify {
    #[command(flatten)]
    store: StoreArgs,
    /// Set aside what is bad; the next run makes anew what it needs of it
    #[arg(long)]
    repair: bool,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Verify {
    pub fn execute(self, console: &Console) -> Result<(), Error> {
        let store = self.store.existing()?;
        let check = store.check()?;
        if self.json {
            let findings = check.findings.iter().map(|finding| {
                json!({ "path": inside(&store, &finding.path).to_string(), "what": finding.what })
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
        match check.findings.len() {
            0 => {
                console.say(&format!("{read}: all is sound"));
                Ok(())
            }
            bad if self.repair => {
                store.repair(&check)?;
                console.say(&format!(
                    "{read}: {bad} bad, set aside in v1/quarantine; run again to make anew what is needed"
                ));
                Ok(())
            }
            bad => Err(Error::Damaged(format!(
                "{read}: {bad} bad; `runner cache verify --repair` sets them aside"
            ))),
        }
    }
}
