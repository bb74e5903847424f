use std::io;
use std::path::PathBuf;
use std::process::Command;

use contract::files;

/// This program again, for work that takes memory and time.
///
/// On Linux the running binary even if its file was replaced meanwhile: another build's results
/// would be recorded as this one's.
pub fn own_binary() -> io::Result<Command> {
    let running = PathBuf::from("/proc/self/exe");
    let mut command = Command::new(if files::exists(&running)? {
        running
    } else {
        std::env::current_exe()?
    });
    // Training frees its tensors after every step and wants the same again in the next: the allocator
    // had better not return them to the system, which would clear every page anew.
    command.env("MIMALLOC_PURGE_DELAY", "-1");
    Ok(command)
}
