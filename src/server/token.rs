//! [`Token`]: the secret that lets a user's browser and programs use the server.

use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use contract::files;
use rustix::rand::{GetRandomFlags, getrandom};

/// Number of random bytes.
const BYTES: usize = 16;

/// Age at which a kept token is replaced. Addresses with the token stay in the history of browsers and terminals.
const MOST_AGE: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// 128 random bits, as hexadecimal digits.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

impl Token {
    /// A new token.
    ///
    /// # Errors
    /// If the system has no random numbers.
    pub fn random() -> io::Result<Self> {
        let mut bytes = [0; BYTES];
        let mut filled = 0;
        while filled < BYTES {
            filled += getrandom(&mut bytes[filled..], GetRandomFlags::empty())?;
        }
        Ok(Self(
            bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        ))
    }

    /// The token in `file`, or a new one that is written there. With a kept token, pages that are open in a browser
    /// continue when the server starts again. It is replaced if it is older than a month, and if other users could
    /// read it.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn kept(file: &Path) -> io::Result<Self> {
        if let Some(token) = Self::read(file)? {
            return Ok(token);
        }
        let token = Self::random()?;
        let folder = file.parent().unwrap_or(Path::new("."));
        files::create_folders(folder)?;
        // Only its owner can read a new temporary file.
        let mut fresh = tempfile::NamedTempFile::new_in(folder)?;
        writeln!(fresh, "{}", token.0)?;
        fresh.persist(file)?;
        // Another server may have replaced the file at the same time. The last one to do so decides.
        Ok(Self::read(file)?.unwrap_or(token))
    }

    fn read(file: &Path) -> io::Result<Option<Self>> {
        let open = match files::open_unlinked(file) {
            Err(error) if files::is_absence(&error) => return Ok(None),
            open => open?,
        };
        if !is_private(&open)? {
            return Ok(None);
        }
        let bytes = files::read_open(&open, 1 << 10)?;
        let text = String::from_utf8_lossy(&bytes);
        Ok(Self::parse(text.trim_end()))
    }

    /// The token that `text` is, if it is one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let is_token = text.len() == 2 * BYTES && text.bytes().all(|b| b.is_ascii_hexdigit());
        is_token.then(|| Self(text.to_owned()))
    }

    /// `true` if `given` is this token. The time that this takes depends on the length of `given` only.
    pub(crate) fn is(&self, given: &str) -> bool {
        let pairs = self.0.bytes().zip(given.bytes());
        let differences = pairs.fold(0, |differences, (own, other)| differences | (own ^ other));
        std::hint::black_box(differences) == 0 && self.0.len() == given.len()
    }

    /// The token as text, for an address or a cookie.
    pub fn text(&self) -> &str {
        &self.0
    }
}

/// Hides the secret.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

/// `true` if only its owner, who is this user, can read a file, and whether it is young enough.
fn is_private(file: &File) -> io::Result<bool> {
    let metadata: fs::Metadata = file.metadata()?;
    let is_own = metadata.uid() == rustix::process::geteuid().as_raw();
    let age = SystemTime::now().duration_since(metadata.modified()?);
    let is_young = age.is_ok_and(|age| age < MOST_AGE);
    Ok(is_own && metadata.mode() & 0o077 == 0 && is_young)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_token_is_kept_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("deep/token");
        let token = Token::kept(&file).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert_eq!(Token::kept(&file).unwrap(), token);

        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        let second = Token::kept(&file).unwrap();
        assert_ne!(second, token, "others could read the first");

        let past = SystemTime::now() - MOST_AGE - Duration::from_secs(60);
        let open = File::options().write(true).open(&file).unwrap();
        open.set_modified(past).unwrap();
        assert_ne!(Token::kept(&file).unwrap(), second, "the second is old");

        fs::write(&file, "0123").unwrap();
        assert_eq!(Token::kept(&file).unwrap().text().len(), 32);
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        Token::kept(&file).unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        Token::kept(&link).unwrap_err();
    }

    #[test]
    fn only_the_whole_token_is_right() {
        let token = Token::random().unwrap();
        assert!(token.is(token.text()));
        for wrong in ["", &token.text()[1..], &format!("{}0", token.text())] {
            assert!(!token.is(wrong));
        }
        assert_ne!(token, Token::random().unwrap());
    }
}
