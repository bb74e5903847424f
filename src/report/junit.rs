//! A run and its expectations as JUnit XML, which CI servers can read.
//!
//! The pipeline is one suite. Each stage instance is a test case in a class named after the stage, and so
//! is each expectation about its metrics.

use std::fmt::Write as _;
use std::io;
use std::path::Path;

use engine::atomic_file::{self, Flush};
use engine::event::StageReport;
use engine::scheduler::Outcome;

use super::expectations::{Judgement, Verdict};
use super::xml::escaped;

/// Prefix of the names of unfinished files.
const FRESH: &str = ".junit-";

/// Renders the XML document. `stages` are those of a run; empty if there was no run.
pub fn document(pipeline: &str, stages: &[StageReport], judgements: &[Judgement]) -> String {
    let stages = stages.iter().map(of_stage);
    let cases: Vec<Case> = stages.chain(judgements.iter().map(of_judgement)).collect();
    let count = |element| cases.iter().filter(|case| case.is(element)).count();
    let totals = format!(
        "tests=\"{}\" skipped=\"{}\" failures=\"{}\" errors=\"{}\" time=\"{:.3}\"",
        cases.len(),
        count(SKIPPED),
        count(FAILURE),
        count(ERROR),
        cases.iter().fold(0.0, |sum, case| sum + case.seconds),
    );
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"runner\" {totals}>\n  <testsuite name=\"{}\" {totals}>\n",
        escaped(pipeline)
    );
    for case in &cases {
        case.write(&mut xml);
    }
    xml + "  </testsuite>\n</testsuites>\n"
}

/// Writes the whole file, or leaves it unchanged.
pub fn write(file: &Path, text: &str) -> io::Result<()> {
    let file = atomic_file::destination(file)?;
    atomic_file::write(&file, FRESH, Flush::BeforeRename, |to| {
        to.write_all(text.as_bytes())
    })
}

/// Checks in advance that [`write`] can create this file.
pub fn check(file: &Path) -> io::Result<()> {
    let file = atomic_file::destination(file)?;
    atomic_file::create_beside(&file, FRESH).map(drop)
}

/// An element `testcase`.
struct Case {
    class: String,
    name: String,
    seconds: f64,
    /// `None` if the case succeeded.
    ended: Option<Ended>,
    warnings: Vec<String>,
}

/// An element that says why a case did not succeed.
struct Ended {
    element: &'static str,
    /// Kind of the failure: `stage`, `expectation`, or `not-known` for an expectation that could not be checked.
    kind: &'static str,
    message: String,
}

const SKIPPED: &str = "skipped";
const FAILURE: &str = "failure";
const ERROR: &str = "error";

impl Case {
    /// Returns whether the case ended with this element.
    fn is(&self, element: &str) -> bool {
        let ended = self.ended.as_ref();
        ended.is_some_and(|ended| ended.element == element)
    }

    fn write(&self, xml: &mut String) {
        let (class, name) = (escaped(&self.class), escaped(&self.name));
        let _ = writeln!(
            xml,
            "    <testcase name=\"{name}\" classname=\"{class}\" time=\"{:.3}\">",
            self.seconds
        );
        if let Some(ended) = &self.ended {
            ended.write(xml);
        }
        if !self.warnings.is_empty() {
            let warnings = escaped(&self.warnings.join("\n"));
            let _ = writeln!(xml, "      <system-err>{warnings}</system-err>");
        }
        xml.push_str("    </testcase>\n");
    }
}

impl Ended {
    /// Writes the first line as the message, and the whole text as the content if there is more.
    fn write(&self, xml: &mut String) {
        let Self {
            element,
            kind,
            message,
        } = self;
        let first = message.lines().next().unwrap_or_default();
        let content = if first == message { "" } else { message };
        let (first, content) = (escaped(first), escaped(content));
        let _ = writeln!(
            xml,
            "      <{element} message=\"{first}\" type=\"{kind}\">{content}</{element}>"
        );
    }
}

fn of_stage(stage: &StageReport) -> Case {
    let (element, message) = match stage.outcome {
        Outcome::Cached | Outcome::Succeeded => (None, String::new()),
        Outcome::Failed => {
            let error = stage.error.as_deref().unwrap_or("failed");
            (Some(FAILURE), error.to_owned())
        }
        outcome @ (Outcome::Skipped | Outcome::Cancelled) => (Some(SKIPPED), outcome.to_string()),
    };
    let class = stage.name.split('[').next().unwrap_or(&stage.name);
    Case {
        class: class.to_owned(),
        name: stage.name.clone(),
        seconds: stage.seconds.unwrap_or_default(),
        ended: element.map(|element| Ended {
            element,
            kind: "stage",
            message,
        }),
        warnings: stage.warnings.clone(),
    }
}

fn of_judgement(judgement: &Judgement) -> Case {
    let words = judgement.in_words();
    let ended = match judgement.verdict {
        Verdict::Pass => None,
        Verdict::Fail => Some((FAILURE, "expectation", words)),
        Verdict::NotKnown => Some((ERROR, "not-known", format!("not known: {words}"))),
    };
    Case {
        class: judgement.subject.instance.stage.clone(),
        name: format!("{}: {}", judgement.subject, judgement.bounds),
        seconds: 0.0,
        ended: ended.map(|(element, kind, message)| Ended {
            element,
            kind,
            message,
        }),
        warnings: Vec::new(),
    }
}
