//! A run and its expectations as JUnit XML, which CI servers can read.
//!
//! The pipeline is one suite. Each stage instance is a test case in a class named after the stage, and so
//! is each expectation about its metrics.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use engine::atomic_file::{self, Flush};
use engine::event::StageReport;
use engine::scheduler::Outcome;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::expectations::{Judgement, Verdict};

/// Prefix of the names of unfinished files.
const FRESH: &str = ".junit-";

/// Renders the XML document. `stages` are those of a run; empty if there was no run.
///
/// # Errors
/// If something cannot be represented in XML, which does not happen with these values.
pub fn document(
    pipeline: &str,
    stages: &[StageReport],
    judgements: &[Judgement],
) -> Result<String, String> {
    let mut suite = TestSuite::new(pipeline);
    let spent: f64 = stages.iter().filter_map(|stage| stage.seconds).sum();
    suite.set_time(duration(spent));
    suite.add_test_cases(stages.iter().map(of_stage));
    suite.add_test_cases(judgements.iter().map(of_judgement));
    let mut report = Report::new("runner");
    report.set_time(duration(spent));
    report.add_test_suite(suite);
    report.to_string().map_err(|error| error.to_string())
}

/// Writes the whole file, or leaves it unchanged.
pub fn write(file: &Path, text: &str) -> io::Result<()> {
    atomic_file::write(file, FRESH, Flush::BeforeRename, |to| {
        to.write_all(text.as_bytes())
    })
}

/// Checks in advance that [`write`] can create this file.
pub fn check(file: &Path) -> io::Result<()> {
    if fs::metadata(file).is_ok_and(|found| found.is_dir()) {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    atomic_file::create_beside(file, FRESH).map(drop)
}

fn of_stage(stage: &StageReport) -> TestCase {
    let status = match stage.outcome {
        Outcome::Cached | Outcome::Succeeded => TestCaseStatus::success(),
        Outcome::Failed => {
            let error = stage.error.as_deref().unwrap_or("failed");
            failure(NonSuccessKind::Failure, "stage", error)
        }
        outcome @ (Outcome::Skipped | Outcome::Cancelled) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(outcome.to_string());
            status
        }
    };
    let class = stage.name.split('[').next().unwrap_or(&stage.name);
    let mut case = TestCase::new(stage.name.as_str(), status);
    case.set_classname(class);
    case.set_time(duration(stage.seconds.unwrap_or_default()));
    if !stage.warnings.is_empty() {
        case.set_system_err(stage.warnings.join("\n"));
    }
    case
}

fn of_judgement(judgement: &Judgement) -> TestCase {
    let status = match judgement.verdict {
        Verdict::Pass => TestCaseStatus::success(),
        Verdict::Fail => failure(
            NonSuccessKind::Failure,
            "expectation",
            &judgement.in_words(),
        ),
        Verdict::NotKnown => failure(
            NonSuccessKind::Error,
            "not-known",
            &format!("not known: {}", judgement.in_words()),
        ),
    };
    let name = format!("{}: {}", judgement.subject, judgement.bounds);
    let mut case = TestCase::new(name, status);
    case.set_classname(judgement.subject.instance.stage.as_str());
    case
}

/// Uses the first line as the message, and the whole text as the description if there is more.
fn failure(kind: NonSuccessKind, what: &str, message: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    let first = message.lines().next().unwrap_or_default();
    status.set_message(first).set_type(what);
    if first != message {
        status.set_description(message);
    }
    status
}

fn duration(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}
