//! Runs the program that a profile names in `credential_process`.

use std::process::{Command, Stdio};

use serde::Deserialize;

use super::Credentials;
use crate::secret::Secret;
use crate::settings::SetupError;

/// Longest output that is accepted, in bytes.
const LONGEST: usize = 64 << 10;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Output {
    version: u32,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
}

/// Runs the program and reads credentials from its output.
pub(super) fn run(command: &str) -> Result<Credentials, SetupError> {
    let wrong = |why: &str| {
        SetupError::new(format!(
            "the program in `credential_process` of the profile {why}; run it to see more"
        ))
    };
    // The command is in the user's own configuration. The shell splits it as its author expects.
    let output = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .map_err(|_| wrong("cannot be started"))?;
    if !output.status.success() {
        return Err(wrong("failed"));
    }
    if output.stdout.len() > LONGEST {
        return Err(wrong("printed too much"));
    }
    let output: Output =
        serde_json::from_slice(&output.stdout).map_err(|_| wrong("printed no credentials"))?;
    if output.version != 1 {
        return Err(wrong("printed credentials of an unknown version"));
    }
    Ok(Credentials {
        key: output.access_key_id,
        secret: Secret::new(output.secret_access_key),
        token: output.session_token.map(Secret::new),
    })
}
