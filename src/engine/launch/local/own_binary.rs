//! Starts this binary again as a child process.

use std::io;
use std::path::PathBuf;
use std::process::Command;

use contract::files;

/// Returns a command that runs this program again, for work that takes memory and time.
///
/// On Linux this is the running binary even if its file was replaced meanwhile: another build's results would
/// be recorded as this one's.
pub fn own_binary() -> io::Result<Command> {
    let running = PathBuf::from("/proc/self/exe");
    let mut command = Command::new(if files::exists(&running)? {
        running
    } else {
        std::env::current_exe()?
    });
    // Training frees its tensors after every step and allocates the same sizes in the next. The allocator
    // keeps the pages, because the system would clear each page that it gets back.
    command.env("MIMALLOC_PURGE_DELAY", "-1");
    Ok(command)
}
