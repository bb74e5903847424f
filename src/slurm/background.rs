//! Submits a program as a job that is not followed, such as the driver itself.
//!
//! The program gets SIGTERM before the time limit, and the job is put back into the queue when it has ended. So it must
//! be able to go on where it was, as a driver is. If
//! the program succeeds or ends by itself, the job ends with its exit code.

use std::ffi::OsString;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use contract::files;

use crate::client::Client;
use crate::quote::{one_line_path, word};
use crate::{Error, Settings};

/// Comment and name of these jobs in Slurm.
const COMMENT: &str = "runner:driver";
const NAME: &str = "runner-driver";

/// Shortest useful time limit, in minutes: each start waits in the queue again.
pub const SHORTEST: u32 = 10;

/// A program to run as a job.
#[derive(Clone, Debug)]
pub struct Background {
    /// The program and its arguments.
    pub command: Vec<OsString>,
    /// Folder in which it runs.
    pub folder: PathBuf,
    /// Folder for its log, which must exist on nodes as well.
    pub logs: PathBuf,
    pub cpus: u32,
    /// Memory in bytes.
    pub memory: u64,
    /// Time limit in minutes. `None` means the site's default.
    pub minutes: Option<u32>,
    /// Variable that gets the id of the job.
    pub id_variable: &'static str,
    /// Variables that are set unless the environment has them. Values are letters and digits.
    pub defaults: Vec<(&'static str, String)>,
}

impl Client {
    /// Submits a program. Returns the id of the job. Modules and lines of the site are used, but no container: a driver
    /// needs Slurm's commands.
    ///
    /// # Errors
    /// If Slurm refuses it or does not answer, or a path cannot be written in a script.
    pub fn submit_in_background(
        &self,
        settings: &Settings,
        job: &Background,
    ) -> Result<u32, Error> {
        files::create_folders(&job.logs).map_err(Error::io("create", &job.logs))?;
        // Slurm keeps a copy of the script.
        let script = script(settings, job)?;
        let file = tempfile::NamedTempFile::new()
            .and_then(|mut file| file.write_all(script.as_bytes()).map(|()| file))
            .map_err(Error::io("write", &std::env::temp_dir()))?;
        let mut arguments = vec![
            "--nodes=1".to_owned(),
            "--ntasks=1".to_owned(),
            format!("--cpus-per-task={}", job.cpus),
            format!("--mem={}M", (job.memory >> 20).max(1)),
        ];
        arguments.extend(job.minutes.map(|minutes| format!("--time={minutes}")));
        arguments.extend(settings.place_options());
        arguments.extend([
            "--parsable".to_owned(),
            "--requeue".to_owned(),
            "--open-mode=append".to_owned(),
            format!("--signal=B:USR1@{}", settings.grace),
            format!("--comment={COMMENT}"),
            format!("--job-name={NAME}"),
            format!("--chdir={}", one_line_path(&job.folder)?),
            "--output=/dev/null".to_owned(),
            one_line_path(file.path())?.to_owned(),
        ]);
        self.sbatch(&arguments, None)
    }

    /// Sends SIGTERM to the program of a job that [`Client::submit_in_background`] submitted. Returns `false` if
    /// there is no such job.
    ///
    /// # Errors
    /// If Slurm does not answer or refuses it.
    pub fn terminate_in_background(&self, id: u32) -> Result<bool, Error> {
        let queue = self.queue()?;
        let is_it = |seen: &crate::Seen| {
            let is_named = seen.comment == COMMENT || seen.name == NAME;
            seen.id.job == id && is_named && !seen.state.is_over()
        };
        if !queue.iter().any(is_it) {
            return Ok(false);
        }
        let arguments = ["--batch", "--signal=TERM"].map(str::to_owned);
        let arguments = [&arguments[..], &[id.to_string()]].concat();
        self.run("scancel", &arguments)?;
        Ok(true)
    }
}

/// Returns the path of the log of a job.
pub fn log_of(logs: &Path, id: u32) -> PathBuf {
    logs.join(format!("{id}.log"))
}

fn script(settings: &Settings, job: &Background) -> Result<String, Error> {
    let mut text = String::from("#!/bin/bash\n");
    for line in &settings.extra {
        text += line;
        text.push('\n');
    }
    text += &format!(
        "exec >>{}/\"$SLURM_JOB_ID.log\" 2>&1\n",
        word(one_line_path(&job.logs)?)
    );
    text += &settings.preparation();
    text += &format!("export {}=\"$SLURM_JOB_ID\"\n", job.id_variable);
    for (name, value) in &job.defaults {
        text += &format!("export {name}=\"${{{name}:-{value}}}\"\n");
    }
    let words = job.command.iter().map(|argument| {
        let text = std::str::from_utf8(argument.as_bytes());
        text.map(word).map_err(|_| Error::PathNotText {
            path: argument.into(),
        })
    });
    let words = words.collect::<Result<Vec<_>, _>>()?;
    text += &format!("run() {{ exec {}; }}\n", words.join(" "));
    Ok(text + BODY)
}

/// The shell stays as the parent, because it puts the job back into the queue. A signal interrupts `wait`, so it is
/// repeated while the program lives.
const BODY: &str = r#"
limit= stopped= child=
pass_on() {
  stopped=1
  [ -z "$child" ] || kill -s TERM "$child" 2>/dev/null
}
trap 'limit=1; pass_on' USR1
trap pass_on TERM INT
run </dev/null &
child=$!
[ -z "$stopped" ] || pass_on
while :; do
  wait "$child"
  code=$?
  kill -0 "$child" 2>/dev/null || break
done
if [ "$code" -gt 128 ]; then
  wait "$child" 2>/dev/null
  second=$?
  [ "$second" -eq 127 ] || code=$second
fi
if [ -n "$limit" ] && [ "$code" -ne 0 ]; then
  for try in 1 2 3; do
    scontrol requeue "$SLURM_JOB_ID" && exit 0
    sleep 5
  done
fi
exit "$code"
"#;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::process::{Child, Command, Stdio};
    use std::thread;
    use std::time::Duration;

    use super::*;

    fn job(folder: &Path, command: &[&str]) -> Background {
        Background {
            command: command.iter().map(OsString::from).collect(),
            folder: folder.to_owned(),
            logs: folder.to_owned(),
            cpus: 1,
            memory: 1 << 30,
            minutes: None,
            id_variable: "RUNNER_TEST_JOB",
            defaults: vec![("RUNNER_TEST_DEFAULT", "slurm".to_owned())],
        }
    }

    /// Starts a script as Slurm would, with a stand-in for `scontrol`.
    fn start(folder: &Path, job: &Background) -> Child {
        let text = script(&Settings::default(), job).unwrap();
        let path = folder.join("script");
        fs::write(&path, text).unwrap();
        let scontrol = format!("#!/bin/sh\necho \"$@\" >>{}/requeued\n", folder.display());
        fs::write(folder.join("scontrol"), scontrol).unwrap();
        let executable = fs::Permissions::from_mode(0o755);
        fs::set_permissions(folder.join("scontrol"), executable).unwrap();
        let search = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
        let mut command = Command::new("bash");
        command
            .arg(path)
            .env("PATH", search)
            .env("SLURM_JOB_ID", "7");
        command.stdin(Stdio::null()).spawn().unwrap()
    }

    fn log(folder: &Path) -> String {
        fs::read_to_string(log_of(folder, 7)).unwrap_or_default()
    }

    #[test]
    fn arguments_stay_as_they_are_and_the_exit_code_is_returned() {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path();
        let text =
            "printf '%s|' \"$0\" \"$@\" \"$RUNNER_TEST_DEFAULT\" \"$RUNNER_TEST_JOB\"; exit 4";
        let job = job(folder, &["sh", "-c", text, "it's", "a  b", "$(x)", "-n"]);
        assert_eq!(start(folder, &job).wait().unwrap().code(), Some(4));
        assert_eq!(log(folder), "it's|a  b|$(x)|-n|slurm|7|");
        assert!(!folder.join("requeued").exists());
    }

    /// Returns the exit code, and what `scontrol` was asked, after a signal.
    fn signalled(signal: &str) -> (Option<i32>, String) {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path();
        let text = "trap 'echo stopped; exit 5' TERM; echo ready; while :; do sleep 0.05; done";
        let mut child = start(folder, &job(folder, &["bash", "-c", text]));
        while log(folder).is_empty() {
            thread::sleep(Duration::from_millis(10));
        }
        let pid = child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.unwrap().success());
        let code = child.wait().unwrap().code();
        assert_eq!(log(folder), "ready\nstopped\n");
        let requeued = fs::read_to_string(folder.join("requeued"));
        (code, requeued.unwrap_or_default())
    }

    #[test]
    fn the_signal_before_the_limit_requeues_and_a_termination_does_not() {
        assert_eq!(signalled("USR1"), (Some(0), "requeue 7\n".to_owned()));
        assert_eq!(signalled("TERM"), (Some(5), String::new()));
    }

    #[test]
    fn an_argument_that_is_no_text_is_an_error() {
        use std::os::unix::ffi::OsStringExt;
        let mut job = job(Path::new("/tmp"), &["runner"]);
        job.command.push(OsString::from_vec(vec![0xff]));
        let error = script(&Settings::default(), &job).unwrap_err();
        assert!(error.to_string().contains("not valid UTF-8"), "{error}");
    }
}
