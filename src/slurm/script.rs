//! The batch script of a submission.
//!
//! There is one script for single jobs, arrays and packs. Element N of an array runs the lines from N × pack of the
//! list of jobs, `at_once` of them at a time. The shell stays as the parent, outside a container, because it requeues
//! the job: after the signal before the time limit (`USR1`) it passes the signal on, waits until the stages have saved
//! their checkpoints, and asks Slurm to start the job again if one of them wants to go on (exit code [`AGAIN`]).
//!
//! `TERM` is passed on as well but never requeues: it comes from `scancel`, from preemption (which Slurm requeues
//! itself) or at the time limit. If requeueing is refused, the job ends with [`AGAIN`], and the driver submits the
//! rest again.

use crate::Settings;
use crate::quote::{word, words};
use crate::resources::Pack;

/// Exit code of a stage that saved a checkpoint and wants to go on (`EX_TEMPFAIL` of sysexits.h), and of a job that
/// could not be requeued.
pub const AGAIN: i32 = 75;

/// Name of the script in the folder of a submission.
pub(crate) const SCRIPT: &str = "script";
/// Name of the list of job folders, one on each line, in the folder of a submission.
pub(crate) const LIST: &str = "jobs";

/// Variable with the tag of the submission, by which a node knows whether its job still has the claim.
pub const TAG_VARIABLE: &str = "RUNNER_SUBMISSION";

/// Returns the script of the submission `tag`. `binary` is run on the node as `BINARY node JOB_FOLDER`, and
/// `submission` is the folder of the list of jobs. Both fit on one line.
pub(crate) fn script(
    settings: &Settings,
    tag: &str,
    binary: &str,
    submission: &str,
    pack: Pack,
) -> String {
    let mut text = String::from("#!/bin/bash\n");
    for line in &settings.extra {
        text += line;
        text.push('\n');
    }
    text += &format!("submission={}\n", word(submission));
    text += OPEN_LOG;
    text += &settings.preparation();
    let command = words(settings.container.iter().map(String::as_str)) + &word(binary);
    text += &format!(
        "export {TAG_VARIABLE}={}\nlist={}\nsize={}\nat_once={}\nrun() {{ exec {command} node \"$1\"; }}\n",
        word(tag),
        word(&format!("{submission}/{LIST}")),
        pack.size,
        pack.at_once
    );
    text + BODY
}

impl Settings {
    /// Returns the lines that prepare the environment of a job: modules and the site's own lines.
    pub(crate) fn preparation(&self) -> String {
        let mut text = String::new();
        for module in &self.modules {
            text += &format!("module load {} || exit 1\n", word(module));
        }
        for line in &self.setup {
            text += line;
            text.push('\n');
        }
        text
    }
}

/// Sends what the script prints to a log in the folder of the submission.
const OPEN_LOG: &str = r#"exec >>"$submission/slurm${SLURM_ARRAY_TASK_ID:+-$SLURM_ARRAY_TASK_ID}.log" 2>&1
"#;

/// The part that is the same for all submissions. The log of each job is in its folder. Standard input is empty, so
/// that no stage waits for it.
const BODY: &str = r#"
signalled= stopped= again=
pass_on() {
  stopped=1
  local child
  for child in $(jobs -p); do kill -s "$1" "$child" 2>/dev/null; done
}
trap 'signalled=1; pass_on USR1' USR1
trap 'pass_on TERM' TERM

mapfile -t -s "$(( ${SLURM_ARRAY_TASK_ID:-0} * size ))" -n "$size" folders <"$list" || exit 1
if [ "${#folders[@]}" -eq 0 ]; then
  echo "no jobs in $list for element ${SLURM_ARRAY_TASK_ID:-0}" >&2
  exit 1
fi
worst=0
children=()
# Waits until the child at position $1 has ended. A signal interrupts `wait`, so it is repeated.
finish() {
  local code
  while :; do
    wait "${children[$1]}"
    code=$?
    kill -0 "${children[$1]}" 2>/dev/null || break
  done
  # After an interruption, the child may have ended before the loop asked again.
  if [ "$code" -gt 128 ]; then
    wait "${children[$1]}" 2>/dev/null
    local second=$?
    [ "$second" -eq 127 ] || code=$second
  fi
  if [ "$code" -eq 75 ]; then again=1; elif [ "$code" -gt "$worst" ]; then worst=$code; fi
}
next=0
for folder in "${folders[@]}"; do
  if [ "$(( ${#children[@]} - next ))" -ge "$at_once" ]; then
    finish "$next"
    next=$(( next + 1 ))
  fi
  if [ -n "$stopped" ]; then
    again=1
    break
  fi
  # `run` replaces the subshell, so signals reach the program.
  run "$folder" </dev/null >>"$folder/log" 2>&1 &
  children+=("$!")
done
while [ "$next" -lt "${#children[@]}" ]; do
  finish "$next"
  next=$(( next + 1 ))
done
if [ -n "$again" ]; then
  if [ -n "$signalled" ]; then
    for try in 1 2 3; do
      scontrol requeue "$SLURM_JOB_ID" && exit 0
      sleep 5
    done
  fi
  exit 75
fi
exit "$worst"
"#;

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;
    use std::process::{Command, Stdio};

    use super::*;

    /// A folder whose name has everything that a shell could misread.
    const NAME: &str = "a b'c\"$(touch hacked)`touch hacked`;*\\";

    fn program(path: &Path, text: &str) {
        fs::write(path, text).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A folder with jobs, a program that plays the binary, and one that plays `scontrol`.
    fn site(jobs: usize, binary: &str) -> tempfile::TempDir {
        let temporary = tempfile::tempdir().unwrap();
        let folder = temporary.path().join(NAME);
        fs::create_dir(&folder).unwrap();
        let mut list = String::new();
        for number in 0..jobs {
            let job = folder.join(format!("job {number}"));
            fs::create_dir(&job).unwrap();
            list += &format!("{}\n", job.to_str().unwrap());
        }
        fs::write(folder.join(LIST), list).unwrap();
        program(&folder.join("run'ner"), binary);
        let scontrol = format!(
            "#!/bin/sh\necho \"$@\" >>{}\n",
            word(folder.join("requeued").to_str().unwrap())
        );
        program(&temporary.path().join("scontrol"), &scontrol);
        temporary
    }

    fn command(site: &Path, settings: &Settings, pack: Pack, element: usize) -> Command {
        let folder = site.join(NAME);
        let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
        let text = script(
            settings,
            "abc",
            &path("run'ner"),
            folder.to_str().unwrap(),
            pack,
        );
        fs::write(folder.join(SCRIPT), text).unwrap();
        let mut command = Command::new("bash");
        let search = format!("{}:{}", site.display(), std::env::var("PATH").unwrap());
        command.arg(folder.join(SCRIPT)).current_dir(site);
        command.env("PATH", search).env("SLURM_JOB_ID", "77");
        command.env("SLURM_ARRAY_TASK_ID", element.to_string());
        command
    }

    fn log(site: &Path, job: usize) -> String {
        fs::read_to_string(site.join(NAME).join(format!("job {job}/log"))).unwrap_or_default()
    }

    #[test]
    fn no_path_is_read_as_code() {
        let site = site(1, "#!/bin/sh\necho \"$# $1 $2\"; cat; exit 3\n");
        let mut settings = Settings::default();
        settings.setup.push("export MINE='one two'".to_owned());
        settings.container = vec!["env".to_owned(), "X=a b;'".to_owned()];
        let status = command(site.path(), &settings, Pack::NONE, 0)
            .status()
            .unwrap();
        assert_eq!(status.code(), Some(3));
        let job = site.path().join(NAME).join("job 0");
        assert_eq!(log(site.path(), 0), format!("2 node {}\n", job.display()));
        assert!(!site.path().join("hacked").exists());
    }

    #[test]
    fn an_element_runs_its_lines_and_returns_the_worst_code() {
        let site = site(
            5,
            "#!/bin/sh\necho \"$2\"\ncase \"$2\" in *3) exit 4;; *4) exit 2;; esac\n",
        );
        let pack = Pack {
            size: 3,
            at_once: 2,
        };
        let code = |element| {
            let status = command(site.path(), &Settings::default(), pack, element).status();
            status.unwrap().code()
        };
        assert_eq!(code(0), Some(0));
        assert!((0..3).all(|job| !log(site.path(), job).is_empty()));
        assert!(log(site.path(), 3).is_empty());
        assert_eq!(code(1), Some(4));
        assert!((3..5).all(|job| !log(site.path(), job).is_empty()));
        assert_eq!(code(2), Some(1), "there is no such element");
    }

    /// Starts a script with two jobs that wait for a signal and want to go on, and sends one to the shell.
    fn signalled(signal: &str) -> (Option<i32>, Vec<String>, String) {
        let site = site(
            3,
            "#!/bin/bash\ntrap 'echo USR1; exit 75' USR1\ntrap 'echo TERM; exit 75' TERM\necho ready >\"$2/ready\"\n\
             while :; do sleep 0.05; done\n",
        );
        let pack = Pack {
            size: 3,
            at_once: 2,
        };
        let mut child = command(site.path(), &Settings::default(), pack, 0)
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let ready = |job: usize| site.path().join(NAME).join(format!("job {job}/ready"));
        while !(ready(0).exists() && ready(1).exists()) {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let pid = child.id().to_string();
        let sent = Command::new("kill").args(["-s", signal, &pid]).status();
        assert!(sent.unwrap().success());
        let code = child.wait().unwrap().code();
        assert!(!ready(2).exists(), "nothing starts after a signal");
        let requeued = fs::read_to_string(site.path().join(NAME).join("requeued"));
        let logs = (0..2).map(|job| log(site.path(), job)).collect();
        (code, logs, requeued.unwrap_or_default())
    }

    #[test]
    fn the_signal_before_the_limit_requeues() {
        let (code, logs, requeued) = signalled("USR1");
        assert_eq!(code, Some(0));
        assert_eq!(logs, ["USR1\n", "USR1\n"]);
        assert_eq!(requeued, "requeue 77\n");
    }

    #[test]
    fn a_termination_does_not_requeue() {
        let (code, logs, requeued) = signalled("TERM");
        assert_eq!(code, Some(AGAIN));
        assert_eq!(logs, ["TERM\n", "TERM\n"]);
        assert_eq!(requeued, "");
    }
}
