//! `runner keys`: makes and shows the key that signs results.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use contract::{ShowPath, files};
use engine::error::Error;
use remote::keys::{PrivateKey, read_private, write_new};
use serde_json::json;

use super::remote::key_file;
use super::unwritten;
use crate::report::Console;

/// Make or show the key that signs the results that this user uploads to a shared cache
///
/// The private key is in the file `key` next to the user's configuration file, and only its owner can read it. If it is
/// there, every upload is signed. Others accept only signed results with `--remote-keys FILE`, where the file has one
/// public key per line.
#[derive(Debug, Args)]
pub(super) struct Keys {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    New(New),
    Show(Show),
}

/// Make a key, and print its public half
#[derive(Debug, Args)]
struct New {
    /// Text that tells others whose key it is
    #[arg(long, value_name = "TEXT")]
    comment: Option<String>,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

/// Print the public half of the key
#[derive(Debug, Args)]
struct Show {
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Keys {
    pub(super) fn execute(self, console: &Console) -> Result<(), Error> {
        let Some(file) = key_file() else {
            let message = "there is no folder for the key; set `XDG_CONFIG_HOME` or `HOME`";
            return Err(Error::Usage(message.to_owned()));
        };
        match self.command {
            Command::New(new) => {
                let comment = new.comment.unwrap_or_else(user);
                let key =
                    PrivateKey::generate(&comment).map_err(|e| Error::System(e.to_string()))?;
                write_new(&file, &key).map_err(|e| Error::Usage(e.to_string()))?;
                console.message(&format!(
                    "the private key is in `{}`; keep it to yourself, and give this line to others:",
                    file.shown()
                ));
                print(console, &file, &key, new.json)
            }
            Command::Show(show) => {
                if !files::exists(&file).map_err(Error::io("access", &file))? {
                    let message = "there is no key yet; `runner keys new` makes one";
                    return Err(Error::Usage(message.to_owned()));
                }
                let key = read_private(&file).map_err(|e| Error::Usage(e.to_string()))?;
                print(console, &file, &key, show.json)
            }
        }
    }
}

fn print(console: &Console, file: &PathBuf, key: &PrivateKey, json: bool) -> Result<(), Error> {
    let public = key.public().to_string();
    let text = match json {
        true => json!({ "public": public, "file": file }).to_string(),
        false => public,
    };
    console.result(&text).map_err(unwritten)
}

/// The name of this user, as far as the environment says it.
fn user() -> String {
    let name = ["USER", "LOGNAME"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok());
    name.unwrap_or_default()
}
