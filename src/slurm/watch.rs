//! Asks Slurm about jobs: one question for all of them.
//!
//! 1. `squeue` lists all jobs of this user, including those that ended within the last minutes (`MinJobAge`).
//! 2. `scontrol` is asked about jobs that `squeue` did not list. An answer of `squeue` that is empty by mistake is
//!    noticed here.
//! 3. `sacct` may know the outcome of a job that the controller has forgotten. It is asked only if the site has
//!    accounting, and nothing depends on it.
//!
//! If a question has no answer, the state is [`State::Unknown`], never an ending.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use crate::client::Client;
use crate::state::{JobId, Seen, State};
use crate::{Error, answers, tag};

/// Jobs or arrays about which `scontrol` is asked at once, one call for each. The others are unknown until the next
/// time.
const MOST_DETAILS: usize = 50;
/// Time for which a job must have the same permanent reason. Slurm shows some of them briefly while nodes come up.
const HOLD: Duration = Duration::from_secs(15);

/// Time between questions. It grows from [`Pace::FIRST`] to a maximum.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    pause: Duration,
    most: Duration,
}

impl Pace {
    pub const FIRST: Duration = Duration::from_millis(200);

    /// Returns a pace that grows to `most` seconds.
    pub fn up_to(most: f64) -> Self {
        let most = Duration::try_from_secs_f64(most).unwrap_or(Self::FIRST);
        Self {
            pause: Self::FIRST,
            most: most.max(Self::FIRST),
        }
    }

    /// Returns the pause until the next question, and lengthens the one after it.
    pub fn pause(&mut self) -> Duration {
        let pause = self.pause;
        self.pause = pause.mul_f64(1.5).min(self.most);
        pause
    }

    /// Starts again with short pauses.
    pub fn reset(&mut self) {
        self.pause = Self::FIRST;
    }
}

/// Asks Slurm about jobs.
#[derive(Debug)]
pub struct Watch {
    client: Client,
    /// Permanent reasons of jobs, and since when they are seen.
    held: HashMap<JobId, (String, Instant)>,
    hold: Duration,
    /// `false` once `sacct` has failed because there is no accounting.
    has_accounting: bool,
}

impl Watch {
    pub fn new(client: Client) -> Self {
        Self {
            client,
            held: HashMap::new(),
            hold: HOLD,
            has_accounting: true,
        }
    }

    /// Shortens the time for which a job must have the same permanent reason.
    #[cfg(test)]
    pub(crate) fn with_hold(mut self, hold: Duration) -> Self {
        self.hold = hold;
        self
    }

    /// Returns the state of each job. `jobs` has the tags of their submissions.
    pub fn ask(&mut self, jobs: &BTreeMap<JobId, String>) -> HashMap<JobId, State> {
        if jobs.is_empty() {
            return HashMap::new();
        }
        let mut states = HashMap::new();
        match self.client.queue() {
            Ok(seen) => note(&mut states, seen, jobs),
            Err(error) => {
                tracing::debug!(%error, "no answer about the queue");
                let unknown = || State::Unknown(error.to_string());
                return jobs.keys().map(|id| (*id, unknown())).collect();
            }
        }
        self.ask_about_missing(jobs, &mut states);
        self.held.retain(|id, _| jobs.contains_key(id));
        let patient = |(id, state)| (id, self.patient(id, state));
        states.into_iter().map(patient).collect()
    }

    fn ask_about_missing(
        &mut self,
        jobs: &BTreeMap<JobId, String>,
        states: &mut HashMap<JobId, State>,
    ) {
        let missing: Vec<JobId> = jobs
            .keys()
            .filter(|id| !states.contains_key(id))
            .copied()
            .collect();
        let mut numbers: Vec<u32> = missing.iter().map(|id| id.job).collect();
        numbers.dedup();
        let mut unanswered: HashMap<u32, String> = HashMap::new();
        for (count, number) in numbers.into_iter().enumerate() {
            if count >= MOST_DETAILS {
                unanswered.insert(number, "not asked yet".to_owned());
                continue;
            }
            match self.client.details(number) {
                Ok(seen) => note(states, seen, jobs),
                Err(error) => drop(unanswered.insert(number, error.to_string())),
            }
        }
        for id in missing {
            if states.contains_key(&id) {
                continue;
            }
            let state = match unanswered.get(&id.job) {
                Some(why) => State::Unknown(why.clone()),
                None => self.ask_accounting(id).unwrap_or(State::Forgotten),
            };
            states.insert(id, state);
        }
    }

    /// Returns the outcome of a forgotten job from accounting, if there is any.
    fn ask_accounting(&mut self, id: JobId) -> Option<State> {
        if !self.has_accounting {
            return None;
        }
        match self.client.accounting(id) {
            // Accounting may be late. A job that the controller has forgotten does not run.
            Ok(state) => state.filter(State::is_over),
            Err(error @ Error::NoAnswer { .. }) => {
                tracing::debug!(%error, "no answer of accounting");
                None
            }
            Err(error) => {
                tracing::debug!(%error, "this site has no accounting");
                self.has_accounting = false;
                None
            }
        }
    }

    /// Turns a permanent reason into a passing one until it has lasted.
    fn patient(&mut self, id: JobId, state: State) -> State {
        let State::Held(reason) = state else {
            self.held.remove(&id);
            return state;
        };
        let now = Instant::now();
        let (known, since) = self.held.entry(id).or_insert_with(|| (reason.clone(), now));
        if *known != reason {
            (*known, *since) = (reason.clone(), now);
        }
        match since.elapsed() >= self.hold {
            true => State::Held(reason),
            false => State::Pending(reason),
        }
    }
}

/// Adds the states of the jobs that are ours. An id may have been given to a job of another submission.
///
/// Elements of an array that were cancelled while they waited are no longer listed. The array itself is, as cancelled.
fn note(states: &mut HashMap<JobId, State>, seen: Vec<Seen>, jobs: &BTreeMap<JobId, String>) {
    let mut remainders: HashMap<JobId, Seen> = HashMap::new();
    for seen in seen {
        let is_ours = |tag: &String| tag::is_of(&seen, tag);
        if jobs.get(&seen.id).is_some_and(is_ours) {
            states.insert(seen.id, seen.state);
        } else if seen.id.element.is_none() && seen.state.is_over() {
            remainders.insert(seen.id, seen);
        }
    }
    for (id, tag) in jobs {
        let remainder = remainders.get(&id.remainder());
        let remainder = remainder.filter(|seen| tag::is_of(seen, tag));
        if let Some(remainder) = remainder.filter(|_| !states.contains_key(id)) {
            states.insert(*id, remainder.state.clone());
        }
    }
}

impl Client {
    /// Returns all jobs of this user that the controller knows, also those that ended recently.
    pub fn queue(&self) -> Result<Vec<Seen>, Error> {
        let user = rustix::process::getuid().as_raw().to_string();
        let format = answers::squeue_format();
        let arguments = ["-h", "-r", "-t", "all", "-u", &user, "-O", &format];
        let answer = self.run("squeue", &arguments.map(str::to_owned))?;
        Ok(answers::parse_squeue(&answer.text))
    }

    /// Returns a job, or all known elements of an array. An unknown job has none.
    pub fn details(&self, job: u32) -> Result<Vec<Seen>, Error> {
        self.show(&["-o", "show", "job", &job.to_string()])
    }

    /// Returns all jobs that the controller knows, of all users.
    pub(crate) fn everything(&self) -> Result<Vec<Seen>, Error> {
        self.show(&["-o", "show", "job"])
    }

    fn show(&self, arguments: &[&str]) -> Result<Vec<Seen>, Error> {
        let arguments: Vec<String> = arguments.iter().map(|text| (*text).to_owned()).collect();
        match self.run("scontrol", &arguments) {
            Ok(answer) => Ok(answers::parse_scontrol(&answer.text)),
            Err(Error::Refused { said, .. }) if said.contains("Invalid job id") => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn accounting(&self, id: JobId) -> Result<Option<State>, Error> {
        let id_text = id.to_string();
        let arguments = [
            "-n",
            "-P",
            "-X",
            "-j",
            &id_text,
            "-o",
            "JobID,State,ExitCode",
        ];
        let answer = self.run("sacct", &arguments.map(str::to_owned))?;
        Ok(answers::parse_sacct(&answer.text, id))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_maximum() {
        let mut pace = Pace::up_to(1.0);
        let pauses: Vec<u128> = (0..6).map(|_| pace.pause().as_millis()).collect();
        assert_eq!(pauses, [200, 300, 450, 675, 1000, 1000]);
        pace.reset();
        assert_eq!(pace.pause(), Pace::FIRST);
    }

    #[test]
    fn cancelled_elements_have_the_state_of_their_array() {
        let seen = |element, state: State, tag: &str| Seen {
            id: JobId { job: 2, element },
            state,
            restarts: 0,
            nodes: String::new(),
            comment: tag::comment(tag),
            name: String::new(),
        };
        let id = |element| JobId {
            job: 2,
            element: Some(element),
        };
        let jobs = BTreeMap::from([0, 1].map(|element| (id(element), "a".to_owned())));
        let states = |tag: &str| {
            let mut states = HashMap::new();
            let all = [
                seen(Some(0), State::Running, tag),
                seen(None, State::Cancelled(None), tag),
            ];
            note(&mut states, all.to_vec(), &jobs);
            states
        };
        let expected = [(id(0), State::Running), (id(1), State::Cancelled(None))];
        assert_eq!(states("a"), HashMap::from(expected));
        assert_eq!(states("b"), HashMap::new());
    }

    #[test]
    fn a_permanent_reason_must_last() {
        let id = JobId {
            job: 1,
            element: None,
        };
        let held = |reason: &str| State::Held(reason.to_owned());
        let pending = |reason: &str| State::Pending(reason.to_owned());
        let mut watch = Watch::new(Client::default()).with_hold(Duration::from_secs(3600));
        assert_eq!(watch.patient(id, held("a")), pending("a"));
        watch.hold = Duration::ZERO;
        assert_eq!(watch.patient(id, held("a")), held("a"));
        assert_eq!(watch.patient(id, State::Running), State::Running);
        assert!(watch.held.is_empty());
    }
}
