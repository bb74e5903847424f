//! Checks a machine that stages run on over SSH.

mod problems;
mod text;
mod trial;

use engine::error::Error;
use engine::launch::{HostFacts, SshHost, Survey, survey_host};
use serde::Serialize;

use self::problems::{disagreements, fixed_problems};
use self::trial::Trial;
use crate::cli::doctor::say;
use crate::config::Config;
use crate::report::Console;

/// Facts about a host. A fact is `None` if an earlier problem prevented its check.
#[derive(Debug, Serialize)]
pub(super) struct Ssh {
    /// Name of the host, as `ssh` takes it.
    host: String,
    #[serde(flatten)]
    found: Option<Found>,
    /// Kind of processor and model of GPU that stages on this host are expected to compute on.
    expected_processor: String,
    expected_gpu: Option<String>,
    /// `true` if `expected_processor` is the kind of this machine, too, so that both share results.
    is_expected_here: bool,
    /// Number of stages that run there at once.
    jobs: u16,
    /// A small training on the host.
    training: Option<Trial>,
    #[serde(skip)]
    pub(super) problems: Vec<String>,
}

/// Facts about a host that can be reached and has this program.
#[derive(Debug, Serialize)]
struct Found {
    runner: String,
    platform: String,
    seconds_to_connect: f64,
    seconds_of_round_trip: f64,
    #[serde(flatten)]
    facts: HostFacts,
}

impl Ssh {
    /// Connects to a host with the settings of the configuration, and trains a small model there.
    ///
    /// # Errors
    /// If the settings are invalid. Everything else is a finding.
    pub(super) fn detect(host: &str, console: &Console) -> Result<Self, Error> {
        let hosts = Config::load().and_then(|config| config.ssh());
        let settings = hosts.map_err(Error::Invalid)?.remove(host);
        let settings = settings.unwrap_or_default();
        let here = stages::device::processor();
        let expected = settings.processor.as_deref().unwrap_or(here);
        let mut found = Self {
            host: host.to_owned(),
            found: None,
            is_expected_here: expected == here,
            expected_processor: expected.to_owned(),
            expected_gpu: settings.gpu.clone(),
            jobs: settings.jobs,
            training: None,
            problems: Vec::new(),
        };
        match survey_host(host, &settings) {
            Ok(survey) => found.take(survey, &settings, console),
            Err(failure) => found.problems.push(failure.to_string()),
        }
        Ok(found)
    }

    fn take(&mut self, survey: Survey, settings: &SshHost, console: &Console) {
        let facts = &survey.facts;
        let unfit = fixed_problems(&self.host, facts);
        self.problems.extend(disagreements(self, facts));
        if unfit.is_empty() {
            say(console, &format!("training a small model on {}", self.host));
            let is_as_here = facts.processor == stages::device::processor();
            match trial::run(&self.host, settings, &facts.processor, is_as_here) {
                Ok(trial) => {
                    self.problems.extend(trial.problem(&self.host));
                    self.training = Some(trial);
                }
                Err(problem) => self.problems.push(problem),
            }
        }
        self.problems.extend(unfit);
        self.found = Some(Found {
            runner: survey.build,
            platform: survey.platform,
            seconds_to_connect: survey.connecting.as_secs_f64(),
            seconds_of_round_trip: survey.round_trip.as_secs_f64(),
            facts: survey.facts,
        });
    }
}
