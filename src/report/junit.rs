//! A run and its expectations as JUnit XML, which servers that build and test can read.
//!
//! One suite for the pipeline. An instance of a stage is a case of the class that is its stage; so is an
//! expectation of its metrics.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use engine::run::StageReport;
use engine::scheduler::Outcome;
use engine::whole::{self, Flush};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::expectations::{Judgement, Verdict};

/// What the name of a file begins with that is not finished.
const FRESH: &str = ".junit-";

/// The whole of it as XML. `stages` are those of a run; none where results were only looked at.
///
/// # Errors
/// If something cannot be written as XML, which nothing here can bring about.
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

/// Writes a file whole or not at all.
pub fn write(file: &Path, text: &str) -> io::Result<()> {
    whole::write(file, FRESH, Flush::BeforeItIsNamed, |to| {
        to.write_all(text.as_bytes())
    })
}

/// Whether [`write`] can make this file, found out before there is anything to write.
pub fn check(file: &Path) -> io::Result<()> {
    if fs::metadata(file).is_ok_and(|found| found.is_dir()) {
        return Err(io::ErrorKind::IsADirectory.into());
    }
    whole::beside(file, FRESH).map(drop)
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

/// The first line of a message, and below it the whole if there is more.
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
