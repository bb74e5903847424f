//! `runner config trust`: records the user's consent to settings of a project.

use clap::Args;
use engine::error::Error;

use crate::config::{self, project_folder};
use crate::report::Console;

/// Allow the settings of this project's `.runner.toml` that reach outside the project
///
/// A project can set where its artifacts are kept, a shared cache, and where its stages run. A folder outside the
/// project, a shared cache and the tables `[slurm]` and `[ssh.HOST]` take effect only after this command, which prints what
/// it allows and stores the consent in `trusted.json` next to the user's `config.toml`. The consent applies to the current values; if they change, run the command again.
#[derive(Debug, Args)]
pub(super) struct Trust {
    /// Revoke the consent for this project
    #[arg(long)]
    revoke: bool,
}

impl Trust {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let folder = project_folder().map_err(|error| Error::Invalid(vec![error]))?;
        let Some(folder) = folder else {
            let message = "there is no `.runner.toml` here or above, up to the folder with `.git`";
            return Err(Error::Usage(message.to_owned()));
        };
        let Some(file) = config::Trust::file() else {
            let message =
                "there is no folder to store the consent in; set `XDG_CONFIG_HOME` or `HOME`";
            return Err(Error::Usage(message.to_owned()));
        };
        let mut trust = config::Trust::read().map_err(|error| Error::Invalid(vec![error]))?;
        if self.revoke {
            if !trust.revoke(&folder) {
                console.message("there was no consent for this project");
                return Ok(());
            }
            trust.write(&file).map_err(Error::io("write", &file))?;
            console.message("the consent for this project was revoked");
            return Ok(());
        }
        let config = config::Config::load().map_err(Error::Invalid)?;
        let mut allowed = Vec::new();
        for (key, setting) in config.untrusted() {
            trust.add(&folder, key, &setting.value);
            allowed.push(format!(
                "allowed: `{}` is `{}` ({})",
                key.name(),
                setting.value,
                setting.place
            ));
        }
        for (name, setting) in config.untrusted_places() {
            trust.add_place(&folder, &name, setting);
            allowed.push(format!(
                "allowed: `{name}` is `{}` ({})",
                setting.text(),
                setting.place
            ));
        }
        if allowed.is_empty() {
            console.message("no setting of this project needs consent");
            return Ok(());
        }
        trust.write(&file).map_err(Error::io("write", &file))?;
        console.message(&allowed.join("\n"));
        Ok(())
    }
}
