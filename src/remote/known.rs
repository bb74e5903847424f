//! [`Known`]: answers to earlier lookups, in a file of this machine.
//!
//! Records are remembered for a week, and their absence for a short time. The file saves requests; no result depends
//! on it, because a record's outputs are verified when they are fetched. Processes that write it at the same time may
//! lose answers of each other.
//!
//! The first line names the format. Each further line is an answer as JSON: name, time in seconds since 1970, and the
//! record or `null`. A damaged line is ignored.

use std::collections::HashMap;
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Mutex;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use contract::{files, lock};
use serde::de::IgnoredAny;
use store::keys::Key;
use store::unseal;

const FIRST_LINE: &str = "runner known answers v1";
/// Time for which a record is remembered, in seconds.
const PRESENCE: i64 = 7 * 24 * 3600;
/// Largest file, in bytes. The oldest answers are left out.
const MOST_BYTES: u64 = 64 << 20;
/// Time between writes of a few answers.
const BETWEEN: Duration = Duration::from_secs(30);
/// Number of answers that are worth a write at once.
const MANY: usize = 500;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Answer {
    at: i64,
    content: Content,
}

impl Answer {
    fn bytes(&self) -> u64 {
        match &self.content {
            Content::Record(record) => record.len() as u64,
            Content::Absent | Content::Forgotten => 0,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Content {
    Record(String),
    Absent,
    /// Replaces an older answer, and is not written.
    Forgotten,
}

#[derive(Debug, Default)]
struct State {
    /// `None` until the file was read.
    answers: Option<HashMap<Key, Answer>>,
    /// Bytes of the answers that were added.
    bytes: u64,
    is_changed: bool,
    saved: Option<Instant>,
}

#[derive(Debug)]
pub(crate) struct Known {
    path: PathBuf,
    absence: Duration,
    state: Mutex<State>,
}

impl Known {
    pub(crate) fn new(path: PathBuf, absence: Duration) -> Self {
        Self {
            path,
            absence,
            state: Mutex::default(),
        }
    }

    /// Returns the answer for a name, if one is remembered: the record, or that there is none.
    pub(crate) fn get(&self, name: &Key) -> Option<Option<Vec<u8>>> {
        let mut state = lock(&self.state);
        let answers = state.answers.get_or_insert_with(|| self.read());
        let answer = answers.get(name)?;
        if !self.is_valid(answer, now()) {
            return None;
        }
        match &answer.content {
            // The file may be damaged. The remote is then asked.
            Content::Record(record) if unseal::<IgnoredAny>(record.as_bytes()).is_err() => None,
            Content::Record(record) => Some(Some(record.clone().into_bytes())),
            Content::Absent => Some(None),
            Content::Forgotten => None,
        }
    }

    pub(crate) fn remember(&self, name: &Key, record: Option<&[u8]>) {
        let content = match record.map(str::from_utf8) {
            Some(Ok(text)) => Content::Record(text.to_owned()),
            None => Content::Absent,
            // A record that is no text is damaged.
            Some(Err(_)) => return,
        };
        self.set(name, content);
    }

    pub(crate) fn forget(&self, name: &Key) {
        self.set(name, Content::Forgotten);
    }

    fn set(&self, name: &Key, content: Content) {
        let answer = Answer { at: now(), content };
        let mut state = lock(&self.state);
        let state = &mut *state;
        let answers = state.answers.get_or_insert_with(|| self.read());
        // More than this would not be written either.
        state.bytes = state.bytes.saturating_add(answer.bytes());
        if state.bytes > 2 * MOST_BYTES && matches!(answer.content, Content::Record(_)) {
            answers.remove(name);
            return;
        }
        state.is_changed = true;
        answers.insert(*name, answer);
    }

    /// Like [`Known::save`], but not for every few answers: the whole file is written each time.
    pub(crate) fn save_at_times(&self, new: usize) {
        let saved = lock(&self.state).saved;
        let is_due = saved.is_none_or(|saved| saved.elapsed() > BETWEEN);
        if new >= MANY || (new > 0 && is_due) {
            self.save();
        }
    }

    /// Writes the file if there are new answers. The disk may be full or read-only; nothing depends on the file.
    pub(crate) fn save(&self) {
        let mut state = lock(&self.state);
        if !state.is_changed {
            return;
        }
        state.is_changed = false;
        state.saved = Some(Instant::now());
        let Some(answers) = &mut state.answers else {
            return;
        };
        for (name, answer) in self.read() {
            let own = answers.entry(name).or_insert_with(|| answer.clone());
            if own.at < answer.at {
                *own = answer;
            }
        }
        let _ = self.write(answers);
    }

    fn write(&self, answers: &HashMap<Key, Answer>) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or(&self.path);
        files::create_folders(folder)?;
        let mut file = io::BufWriter::new(tempfile::NamedTempFile::new_in(folder)?);
        writeln!(file, "{FIRST_LINE}")?;
        let mut newest: Vec<_> = answers.iter().collect();
        newest.sort_unstable_by_key(|(name, answer)| (-answer.at, *name));
        let mut left = MOST_BYTES;
        for (name, answer) in newest {
            let record = match &answer.content {
                Content::Record(record) => Some(record),
                Content::Absent => None,
                Content::Forgotten => continue,
            };
            let line = serde_json::to_string(&(name.to_string(), answer.at, record))?;
            let Some(rest) = left.checked_sub(line.len() as u64 + 1) else {
                break;
            };
            left = rest;
            writeln!(file, "{line}")?;
        }
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.persist(&self.path)?;
        Ok(())
    }

    fn read(&self) -> HashMap<Key, Answer> {
        let bytes = files::read_unlinked(&self.path, 2 * MOST_BYTES).unwrap_or_default();
        let mut lines = bytes.split(|byte| *byte == b'\n');
        if lines.next() != Some(FIRST_LINE.as_bytes()) {
            return HashMap::new();
        }
        let now = now();
        let answers = lines.filter_map(|line| {
            let (name, at, record): (String, i64, Option<String>) =
                serde_json::from_slice(line).ok()?;
            let content = record.map_or(Content::Absent, Content::Record);
            let answer = Answer { at, content };
            let is_valid = self.is_valid(&answer, now);
            is_valid.then_some((name.parse().ok()?, answer))
        });
        answers.collect()
    }

    fn is_valid(&self, answer: &Answer, now: i64) -> bool {
        let most = match &answer.content {
            Content::Record(_) | Content::Forgotten => PRESENCE,
            Content::Absent => i64::try_from(self.absence.as_secs()).unwrap_or(i64::MAX),
        };
        // A time in the future means that the clock was changed.
        (0..=most).contains(&(now - answer.at))
    }
}

impl Drop for Known {
    fn drop(&mut self) {
        self.save();
    }
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn name(text: &str) -> Key {
        Key::derive("test", text.as_bytes())
    }

    fn sealed(text: &str) -> Vec<u8> {
        store::seal(&text).unwrap()
    }

    #[test]
    fn answers_survive_in_the_file_and_damage_costs_only_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x/known");
        let open = |absence| Known::new(path.clone(), Duration::from_secs(absence));
        let known = open(60);
        known.remember(&name("a"), Some(&sealed("record\n\"a\"")));
        known.remember(&name("b"), None);
        known.remember(&name("c"), Some(b"\xff"));
        drop(known);

        let known = open(60);
        assert_eq!(known.get(&name("a")), Some(Some(sealed("record\n\"a\""))));
        assert_eq!(known.get(&name("b")), Some(None));
        assert_eq!(known.get(&name("c")), None);
        known.forget(&name("a"));
        drop(known);
        let known = open(60);
        assert_eq!(known.get(&name("a")), None);
        known.remember(&name("a"), Some(&sealed("a")));
        drop(known);

        let text = fs::read_to_string(&path).unwrap();
        let damaged = text.replacen("[\"", "[x", 1) + "torn";
        fs::write(&path, damaged).unwrap();
        let known = open(60);
        let left = [name("a"), name("b")].map(|name| known.get(&name).is_some());
        assert_eq!(left.iter().filter(|is_known| **is_known).count(), 1);

        // A changed byte of a record.
        fs::write(&path, text.replacen("\\\"a", "\\\"x", 1)).unwrap();
        assert_eq!(open(60).get(&name("a")), None);

        fs::write(&path, b"\0\xff").unwrap();
        assert_eq!(open(60).get(&name("b")), None);
    }

    #[test]
    fn old_and_future_answers_do_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known");
        let line = |name: &Key, age: i64, record: Option<&str>| {
            serde_json::to_string(&(name.to_string(), now() - age, record)).unwrap()
        };
        let record = String::from_utf8(sealed("r")).unwrap();
        let names: Vec<_> = (0..6).map(|i| name(&i.to_string())).collect();
        let lines = [
            FIRST_LINE.to_owned(),
            line(&names[0], 30, None),
            line(&names[1], 90, None),
            line(&names[2], 90, Some(&record)),
            line(&names[3], PRESENCE + 60, Some(&record)),
            line(&names[4], -3600, Some(&record)),
        ];
        fs::write(&path, lines.join("\n")).unwrap();
        let known = Known::new(path, Duration::from_secs(60));
        let found: Vec<_> = names.iter().map(|name| known.get(name).is_some()).collect();
        assert_eq!(found, [true, false, true, false, false, false]);
    }

    /// Two processes that write the file keep each other's answers if they do not write at the same moment.
    #[test]
    fn answers_of_others_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("known");
        let [one, two] = [0, 1].map(|_| Known::new(path.clone(), Duration::from_secs(60)));
        assert_eq!((one.get(&name("a")), two.get(&name("b"))), (None, None));
        one.remember(&name("a"), Some(&sealed("a")));
        two.remember(&name("b"), Some(&sealed("b")));
        one.save();
        two.save();
        let known = Known::new(path, Duration::from_secs(60));
        assert!(known.get(&name("a")).is_some() && known.get(&name("b")).is_some());
    }
}
