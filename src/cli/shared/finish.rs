//! The end of the uploads of a run.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use engine::error::Error;
use engine::wording;
use signal_hook::consts::{SIGINT, SIGTERM};
use store::{Store, Traffic};

use crate::cli::cache::size;
use crate::report::{Console, Verbosity};

/// Time between looks at whether uploads have ended.
const LOOK: Duration = Duration::from_millis(20);

/// Waits for the uploads of a run, unless it was interrupted. Ctrl-C ends the wait. What is not uploaded is left for
/// `runner push`.
pub(in crate::cli) fn finish(store: &Store, console: &Console, ended: &Result<(), Error>) {
    let Some(remote) = store.remote() else {
        return;
    };
    let is_interrupted = Arc::new(AtomicBool::new(matches!(ended, Err(Error::Interrupted(_)))));
    for signal in [SIGINT, SIGTERM] {
        // Without a handler, the signal ends the process, which loses nothing either.
        let _ = signal_hook::flag::register(signal, Arc::clone(&is_interrupted));
    }
    let waiting = remote.waiting();
    if waiting > 0
        && !is_interrupted.load(Ordering::Relaxed)
        && console.verbosity > Verbosity::Quiet
    {
        console.message(&format!(
            "uploading {} to the shared cache; Ctrl-C leaves the rest for `runner push`",
            wording::counted(waiting, "record")
        ));
    }
    while remote.waiting() > 0 && !is_interrupted.load(Ordering::Relaxed) {
        std::thread::sleep(LOOK);
    }
    let left = remote.finish();
    let Traffic { received, sent } = remote.traffic();
    if received + sent > 0 && console.verbosity > Verbosity::Quiet {
        let (received, sent) = (size(received), size(sent));
        console.message(&format!("shared cache: {received} received, {sent} sent"));
    }
    if left > 0 {
        console.message(&format!(
            "{} not uploaded to the shared cache; `runner push` uploads what is left",
            match left {
                1 => "1 record was".to_owned(),
                left => format!("{left} records were"),
            }
        ));
    }
}
