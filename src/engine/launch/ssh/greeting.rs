//! The beginning of every conversation: the host says which program it runs.

use std::io::BufRead;

use contract::FORMAT_VERSION;

use super::protocol::{Hello, PROTOCOL, read_hello};
use super::trouble::Trouble;

/// Reads the first message of a host, and compares both programs. The facts about the other program are harmless to show.
pub(super) fn greet(
    from: &mut dyn BufRead,
    this: &Hello,
    (host, binary): (&str, &str),
) -> Result<Hello, Trouble> {
    let mut hello = read_hello(from).map_err(Trouble::of)?;
    for text in [&mut hello.build, &mut hello.platform] {
        *text = contract::one_line(text).into_owned();
    }
    let is_same = hello.protocol == this.protocol
        && hello.version == this.version
        && hello.format == this.format
        // Programs for different platforms have different files.
        && (hello.build == this.build || hello.platform != this.platform);
    if is_same {
        return Ok(hello);
    }
    let text = |hello: &Hello| format!("{} for {}", hello.build, hello.platform);
    Err(Trouble::Refused(format!(
        "`{binary}` on `{host}` is runner {}, and this is runner {}: both must be the same; copy this one there",
        text(&hello),
        text(this)
    )))
}

/// Returns the facts about this program. `build` names its file.
pub(in crate::launch) fn this_program(build: String) -> Hello {
    Hello {
        protocol: PROTOCOL,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        format: FORMAT_VERSION,
        platform: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        build,
    }
}
