//! Ends processes that a program leaves behind.
//!
//! A program can start a process that outlives it, in a session of its own (`setsid`), so that no
//! signal to the program's group reaches it. Such a process could write to the program's outputs, or
//! take cores and memory forever. On Linux this process is therefore the *subreaper* of everything
//! that it starts (prctl(2)): a process whose parent ends becomes a child of this process. This process
//! ends such a child once the program that left it behind has ended.
//!
//! A resource limit that nothing else uses shows to which program a process belongs: the hard limit
//! `RLIMIT_RTTIME`. It is more than a hundred thousand years, and one microsecond less for each
//! further program. It is inherited and can only be lowered. A process whose limit is not that of a
//! running program is ended too.

use std::collections::BTreeSet;
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::Duration;

use contract::lock;

/// Finds and ends the processes that programs leave behind.
#[derive(Debug, Default)]
pub(super) struct Leftovers {
    /// Ids of the processes that this one has started and not reaped, and of those that were its
    /// children before it started any.
    children: Arc<Mutex<BTreeSet<i32>>>,
    /// Tags of the running programs.
    tags: Mutex<Tags>,
    /// Held while leftovers are ended: two threads that look at the same processes would both report them.
    ending: Mutex<()>,
}

#[derive(Debug, Default)]
struct Tags {
    used: u64,
    running: BTreeSet<u64>,
}

/// Distinguishes the processes of one program from those of others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag(u64);

/// Processes that were left behind, by name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct LeftBehind {
    pub ended: Vec<String>,
    /// Names and ids of the processes that could not be ended.
    pub alive: Vec<String>,
}

impl LeftBehind {
    /// Describes the processes in a sentence. `None` if there were none, or if all of them have ended and
    /// `are_expected` is set.
    pub(super) fn wording(&self, are_expected: bool) -> Option<String> {
        let counted = |names: &[String]| {
            let mut shown: Vec<&str> = names.iter().map(String::as_str).take(NAMED).collect();
            if names.len() > NAMED {
                shown.push("…");
            }
            let processes = if names.len() == 1 {
                "process"
            } else {
                "processes"
            };
            format!("{} {processes} ({})", names.len(), shown.join(", "))
        };
        let pronoun = |names: &[String]| if names.len() == 1 { "it" } else { "them" };
        match (self.ended.as_slice(), self.alive.as_slice()) {
            ([], []) => None,
            (_, []) if are_expected => None,
            (ended, []) => Some(format!(
                "left {} running; runner ended {}",
                counted(ended),
                pronoun(ended)
            )),
            (_, alive) => Some(format!(
                "left {} running; runner could not end {1}, so end {1} yourself",
                counted(alive),
                pronoun(alive)
            )),
        }
    }
}

/// Maximum number of process names in a message.
const NAMED: usize = 3;
/// Interval at which dead orphans are reaped.
const REAP: Duration = Duration::from_millis(500);

impl Leftovers {
    /// Returns a tag for a program that is about to start.
    pub(super) fn tag(&self) -> Tag {
        let mut tags = lock(&self.tags);
        if tags.used == 0 {
            // A shell that became this process by `exec` may have left it children.
            self.children().extend(system::children());
            system::become_subreaper();
            self.reap_from_now_on();
        }
        tags.used += 1;
        let tag = tags.used;
        tags.running.insert(tag);
        Tag(tag)
    }

    /// Reaps orphans that end by themselves, until this value is dropped. Otherwise they would stay as
    /// zombies as long as a program runs, and count against the limit of processes.
    fn reap_from_now_on(&self) {
        let children = Arc::downgrade(&self.children);
        let reap = move || {
            while let Some(children) = children.upgrade() {
                system::reap_orphans(&|id| lock(&children).contains(&id));
                drop(children);
                thread::sleep(REAP);
            }
        };
        let thread = thread::Builder::new().name("orphans".to_owned());
        if let Err(error) = thread.spawn(reap) {
            tracing::debug!(%error, "failed to start a thread; zombies stay until their program ends");
        }
    }

    /// Ends the processes that the program of `tag` left behind. The program itself has ended. `kill_group`
    /// kills its process group; processes that end by this count as left behind.
    pub(super) fn end(&self, tag: Tag, kill_group: &dyn Fn()) -> LeftBehind {
        lock(&self.tags).running.remove(&tag.0);
        let runs = |theirs| lock(&self.tags).running.contains(&theirs);
        self.end_all_but(&runs, kill_group)
    }

    /// Ends the processes that any program left behind.
    pub(super) fn end_all(&self) -> LeftBehind {
        self.end_all_but(&|_| false, &|| ())
    }

    /// Returns the ids of the known children. The lock is held while a process is started, so that it is not
    /// taken for an orphan before its id is added.
    pub(super) fn children(&self) -> MutexGuard<'_, BTreeSet<i32>> {
        lock(&self.children)
    }

    fn end_all_but(&self, runs: &dyn Fn(u64) -> bool, kill_group: &dyn Fn()) -> LeftBehind {
        let _ending = lock(&self.ending);
        system::end_orphans(&|id| self.children().contains(&id), runs, kill_group)
    }
}

impl Tag {
    /// Makes the child of `command` set the tag's limit before it becomes the program. The child also closes
    /// every inherited descriptor except standard input, output and error: the process that started runner
    /// may have files open that a program must not see.
    pub(super) fn apply(self, command: &mut Command) {
        let Self(tag) = self;
        let prepare = move || {
            system::close_inherited();
            system::mark(tag)
        };
        // SAFETY: between fork and exec, `prepare` makes two system calls and allocates nothing.
        unsafe { command.pre_exec(prepare) };
    }
}

#[cfg(target_os = "linux")]
mod system {
    use std::io;
    use std::thread;
    use std::time::{Duration, Instant};

    use rustix::process::{
        Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, waitpid,
    };

    use contract::files::system_text;

    use super::LeftBehind;

    /// A program's limit is this minus its tag, in microseconds.
    const HIGHEST: u64 = 1 << 62;
    /// Time that processes have to end after SIGKILL. Those in a blocked system call take longer.
    const PATIENCE: Duration = Duration::from_secs(2);
    const POLL: Duration = Duration::from_millis(2);

    pub(super) fn become_subreaper() {
        if let Err(error) = set_child_subreaper(Some(getpid())) {
            tracing::debug!(%error, "failed to become a subreaper; leftovers of programs are not found");
        }
    }

    /// Marks every descriptor from 3 on to be closed when the program starts. Does
    /// nothing on kernels before 5.11.
    pub(super) fn close_inherited() {
        // SAFETY: the arguments are plain integers, and the call only sets a flag on descriptors.
        unsafe {
            libc::syscall(
                libc::SYS_close_range,
                3,
                libc::c_uint::MAX,
                libc::CLOSE_RANGE_CLOEXEC,
            )
        };
    }

    pub(super) fn mark(tag: u64) -> io::Result<()> {
        let limit = libc::rlimit {
            rlim_cur: HIGHEST - tag,
            rlim_max: HIGHEST - tag,
        };
        // SAFETY: the pointer is to a live struct of the type that the call takes.
        match unsafe { libc::setrlimit(libc::RLIMIT_RTTIME, &raw const limit) } {
            0 => Ok(()),
            // The process has a smaller hard limit already.
            _ if io::Error::last_os_error().raw_os_error() == Some(libc::EPERM) => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// Returns the tag in the limits of a process, if it has one.
    fn tag_of(pid: Pid) -> Option<u64> {
        let limits = system_text(format!("/proc/{}/limits", pid.as_raw_nonzero())).ok()?;
        let mut lines = limits.lines();
        let line = lines.find_map(|line| line.strip_prefix("Max realtime timeout"))?;
        let hard: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
        HIGHEST.checked_sub(hard).filter(|&tag| tag < HIGHEST / 2)
    }

    fn name_of(pid: Pid) -> String {
        let name = system_text(format!("/proc/{}/comm", pid.as_raw_nonzero()));
        name.unwrap_or_default().trim_end().to_owned()
    }

    /// Returns the ids of the main thread's children. The kernel makes processes whose parents ended
    /// children of that thread.
    pub(super) fn children() -> Vec<i32> {
        let own = getpid().as_raw_nonzero();
        let children = system_text(format!("/proc/self/task/{own}/children"));
        let children = children.unwrap_or_default();
        let ids = children.split_whitespace();
        ids.filter_map(|id| id.parse().ok()).collect()
    }

    /// Reaps children that are not `known` and have ended.
    pub(super) fn reap_orphans(known: &dyn Fn(i32) -> bool) {
        let orphans = children().into_iter().filter(|&id| !known(id));
        for pid in orphans.filter_map(Pid::from_raw) {
            let _ = waitpid(Some(pid), WaitOptions::NOHANG);
        }
    }

    /// Returns the living children that are not `known`, except those with the tag of a program for which `runs`
    /// is true. Reaps the dead ones.
    fn orphans(known: &dyn Fn(i32) -> bool, runs: &dyn Fn(u64) -> bool) -> Vec<Pid> {
        let orphans = children().into_iter().filter(|&id| !known(id));
        let orphans = orphans.filter_map(Pid::from_raw);
        // Any other answer means that the process has ended, or was a child that has been reaped since.
        let lives = |pid: &Pid| matches!(waitpid(Some(*pid), WaitOptions::NOHANG), Ok(None));
        let orphans = orphans.filter(lives);
        orphans
            .filter(|&pid| !tag_of(pid).is_some_and(runs))
            .collect()
    }

    /// Ends children that are not `known`, except those with the tag of a program for which `runs` is true. Calls
    /// `kill_group` after the first look, so that processes that it kills are counted.
    pub(super) fn end_orphans(
        known: &dyn Fn(i32) -> bool,
        runs: &dyn Fn(u64) -> bool,
        kill_group: &dyn Fn(),
    ) -> LeftBehind {
        let started = Instant::now();
        let mut left = LeftBehind::default();
        let mut seen = Vec::new();
        let mut count = |pids: &[Pid], left: &mut LeftBehind| {
            for &pid in pids {
                if !seen.contains(&pid) {
                    seen.push(pid);
                    left.ended.push(name_of(pid));
                }
            }
        };
        count(&orphans(known, runs), &mut left);
        kill_group();
        loop {
            let waiting = orphans(known, runs);
            count(&waiting, &mut left);
            for &pid in &waiting {
                let _ = kill_process(pid, Signal::KILL);
            }
            if waiting.is_empty() {
                return left;
            }
            if started.elapsed() > PATIENCE {
                let alive = waiting.into_iter();
                left.alive = alive
                    .map(|pid| format!("{}, id {}", name_of(pid), pid.as_raw_nonzero()))
                    .collect();
                return left;
            }
            thread::sleep(POLL);
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod system {
    use std::io;

    use super::LeftBehind;

    pub fn become_subreaper() {}

    pub fn children() -> Vec<i32> {
        Vec::new()
    }

    pub fn close_inherited() {}

    pub fn mark(_tag: u64) -> io::Result<()> {
        Ok(())
    }

    pub fn reap_orphans(_known: &dyn Fn(i32) -> bool) {}

    pub fn end_orphans(
        _known: &dyn Fn(i32) -> bool,
        _runs: &dyn Fn(u64) -> bool,
        kill_group: &dyn Fn(),
    ) -> LeftBehind {
        kill_group();
        LeftBehind::default()
    }
}
