//! Drives a [`Queue`] with one thread for each running action.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use contract::lock;

use super::{Grant, Outcome, Queue};

/// Executes actions.
pub trait Executor: Sync {
    /// Executes the action at `index` with the resources of `grant`. It is called at most once for each
    /// action, after everything upstream has outputs, on a thread that does nothing else meanwhile. Returns
    /// [`Outcome::Cancelled`] soon after a stop was requested.
    fn execute(&self, index: usize, grant: &Grant) -> Outcome;
}

/// Runs the queue until no action runs and none can start. Returns the outcome of each action. Once
/// `cancelled` is set no further action starts, and the rest counts as cancelled.
///
/// # Panics
/// If the executor panics, after the other running actions have ended.
pub fn run(mut queue: Queue, executor: &dyn Executor, cancelled: &AtomicBool) -> Vec<Outcome> {
    let (start, starts) = mpsc::channel::<(usize, Grant)>();
    let starts = Mutex::new(starts);
    thread::scope(|scope| {
        // Moved in, so that it is dropped at the end of the scope: that ends the
        // threads that wait for actions.
        let start = start;
        let (ended, endings) = mpsc::channel();
        let (mut running, mut threads) = (0_usize, 0_usize);
        let mut panic = None;
        loop {
            while let Some(next) = startable(&mut queue, cancelled) {
                running += 1;
                // The receiver outlives the scope.
                let _ = start.send(next);
                if running > threads {
                    let (ended, starts) = (ended.clone(), &starts);
                    let work = move || execute(executor, starts, &ended);
                    match thread::Builder::new().spawn_scoped(scope, work) {
                        Ok(_) => threads += 1,
                        // The existing threads take the action when they are free.
                        Err(error) => {
                            tracing::warn!("failed to start a thread: {error}");
                            break;
                        }
                    }
                }
            }
            if threads == 0 && running > 0 {
                execute_next(executor, &starts, &ended);
            }
            if running == 0 {
                break;
            }
            let Ok((index, outcome)) = endings.recv() else {
                break;
            };
            running -= 1;
            let outcome = outcome.unwrap_or_else(|payload| {
                panic.get_or_insert(payload);
                queue.close();
                Outcome::Failed
            });
            queue.finish(index, outcome);
        }
        if let Some(payload) = panic {
            resume_unwind(payload);
        }
    });
    let rest = if cancelled.load(Ordering::SeqCst) {
        Outcome::Cancelled
    } else {
        Outcome::Skipped
    };
    queue.into_outcomes(rest)
}

/// Executes actions one by one until no more can come.
fn execute(
    executor: &dyn Executor,
    starts: &Mutex<Receiver<(usize, Grant)>>,
    ended: &Sender<(usize, thread::Result<Outcome>)>,
) {
    while execute_next(executor, starts, ended) {}
}

/// Waits for the next action and executes it. Returns `false` if no more can come.
fn execute_next(
    executor: &dyn Executor,
    starts: &Mutex<Receiver<(usize, Grant)>>,
    ended: &Sender<(usize, thread::Result<Outcome>)>,
) -> bool {
    let next = lock(starts).recv();
    let Ok((index, grant)) = next else {
        return false;
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| executor.execute(index, &grant)));
    // The receiver lives until every running action has reported.
    let _ = ended.send((index, outcome));
    true
}

fn startable(queue: &mut Queue, cancelled: &AtomicBool) -> Option<(usize, Grant)> {
    if cancelled.load(Ordering::SeqCst) {
        None
    } else {
        queue.start()
    }
}
