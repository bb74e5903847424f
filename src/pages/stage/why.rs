//! [`Why`]: why a stage ran, or why it did not.
//!
//! A stage that ran because stages before it ran says so in its event (`after xrays`). For such a stage, the cause is
//! found upstream: the stages that ran for reasons of their own.

use std::collections::BTreeSet;

use super::StageState;

/// Beginning of the reason of a stage that ran because others ran.
const AFTER: &str = "after ";
/// Most causes that a short text names.
const NAMED: usize = 2;

/// The start of a stage, as its events record it.
#[derive(Clone, Debug, Default)]
pub struct Start {
    /// Reason for its execution: `params.epochs 2 → 1`.
    pub reason: String,
    /// A sentence that says where it resumed, or why it started over; may be empty.
    pub resumption: String,
}

/// The reason why a stage ran, or why it did not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Why {
    /// `Why it ran` or `Why it did not run`.
    pub question: &'static str,
    /// `params.epochs 2 → 1`; empty if it is not known.
    pub answer: String,
    /// The stages that caused it.
    pub causes: Vec<Cause>,
    /// The same in a few words, for a table; may be empty.
    pub short: String,
}

/// A stage that caused another one to run, or not to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    /// Its position in the run.
    pub stage: usize,
    /// `first run`, or `failed`.
    pub text: String,
}

/// Facts about a stage that explain others.
pub(super) struct Known<'a> {
    pub name: &'a str,
    pub state: StageState,
    /// The reason why it was executed; empty if it was not.
    pub reason: &'a str,
    /// Positions of the makers of its inputs.
    pub makers: Vec<usize>,
}

impl Known<'_> {
    fn has_own_reason(&self) -> bool {
        !self.reason.is_empty() && !self.reason.starts_with(AFTER)
    }

    /// Stages after it cannot run.
    fn blocks(&self) -> bool {
        use StageState::{Cancelled, Failed, Killed};
        matches!(self.state, Failed | Killed | Cancelled)
    }
}

/// Explains every stage of a run. `stages` must come after the makers of their inputs; later makers are ignored.
pub(super) fn explained(stages: &[Known<'_>]) -> Vec<Why> {
    let roots = upstream(stages, Known::has_own_reason, |stage| {
        !stage.reason.is_empty()
    });
    let blockers = upstream(stages, Known::blocks, |_| true);
    let failed = stages.iter().position(|stage| stage.blocks());
    let each = stages.iter().zip(&roots).zip(&blockers);
    each.map(|((stage, roots), blockers)| why(stages, stage, roots, blockers, failed))
        .collect()
}

/// For each stage, the nearest stages upstream that are causes. The search goes on beyond stages that only pass a cause
/// on.
fn upstream<'a>(
    stages: &[Known<'a>],
    is_cause: impl Fn(&Known<'a>) -> bool,
    passes_on: impl Fn(&Known<'a>) -> bool,
) -> Vec<BTreeSet<usize>> {
    let mut found: Vec<BTreeSet<usize>> = Vec::with_capacity(stages.len());
    for (at, stage) in stages.iter().enumerate() {
        let mut causes = BTreeSet::new();
        for &maker in stage.makers.iter().filter(|&&maker| maker < at) {
            if is_cause(&stages[maker]) {
                causes.insert(maker);
            } else if passes_on(&stages[maker]) {
                causes.extend(&found[maker]);
            }
        }
        found.push(causes);
    }
    found
}

fn why(
    stages: &[Known<'_>],
    stage: &Known<'_>,
    roots: &BTreeSet<usize>,
    blockers: &BTreeSet<usize>,
    failed: Option<usize>,
) -> Why {
    let because = |at: &usize| Cause {
        stage: *at,
        text: stages[*at].reason.to_owned(),
    };
    let stopped_by = |at: &usize| Cause {
        stage: *at,
        text: stages[*at].state.word().to_owned(),
    };
    let (question, answer, causes): (_, &str, Vec<Cause>) = match stage.state {
        _ if stage.has_own_reason() => ("Why it ran", stage.reason, Vec::new()),
        _ if !stage.reason.is_empty() && roots.is_empty() => {
            ("Why it ran", stage.reason, Vec::new())
        }
        _ if !stage.reason.is_empty() => (
            "Why it ran",
            "its inputs were made in this run",
            roots.iter().map(because).collect(),
        ),
        StageState::Cached => (
            "Why it did not run",
            "nothing changed that can change its result",
            Vec::new(),
        ),
        StageState::Skipped if blockers.is_empty() => (
            "Why it did not run",
            "the run stopped after another stage failed",
            failed.iter().map(stopped_by).collect(),
        ),
        StageState::Skipped => (
            "Why it did not run",
            "its inputs are missing",
            blockers.iter().map(stopped_by).collect(),
        ),
        StageState::Cancelled => ("Why it did not run", "the run was cancelled", Vec::new()),
        _ => return Why::default(),
    };
    Why {
        question,
        answer: answer.to_owned(),
        short: short(stages, stage, answer, &causes),
        causes,
    }
}

fn short(stages: &[Known<'_>], stage: &Known<'_>, answer: &str, causes: &[Cause]) -> String {
    if stage.state == StageState::Cached {
        return String::new();
    }
    if causes.is_empty() {
        return answer.to_owned();
    }
    let named = causes.iter().take(NAMED);
    let named = named.map(|cause| format!("{}: {}", stages[cause.stage].name, cause.text));
    let text = named.collect::<Vec<_>>().join("; ");
    match causes.len().saturating_sub(NAMED) {
        0 => text,
        more => format!("{text}; {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known<'a>(name: &'a str, state: StageState, reason: &'a str, makers: &[usize]) -> Known<'a> {
        Known {
            name,
            state,
            reason,
            makers: makers.to_vec(),
        }
    }

    #[test]
    fn the_cause_is_the_stage_that_ran_for_a_reason_of_its_own() {
        use StageState::{Cached, Succeeded};
        let stages = [
            known("xrays", Succeeded, "params.image_size 32 → 64", &[]),
            known("other", Cached, "", &[]),
            known("cnn", Succeeded, "after xrays", &[0, 1]),
            known("evaluate", Succeeded, "after cnn", &[1, 2]),
            known("lost", Succeeded, "", &[]),
        ];
        let whys = explained(&stages);
        assert_eq!(whys[0].answer, "params.image_size 32 → 64");
        assert_eq!(
            (&*whys[1].short, whys[1].question),
            ("", "Why it did not run")
        );
        for at in [2, 3] {
            assert_eq!(whys[at].short, "xrays: params.image_size 32 → 64");
            assert_eq!(whys[at].causes.len(), 1);
            assert_eq!(whys[at].causes[0].stage, 0);
        }
        assert_eq!(whys[4], Why::default());
    }

    #[test]
    fn a_skipped_stage_names_what_it_waited_for() {
        use StageState::{Failed, Skipped};
        let stages = [
            known("a", Failed, "first run", &[]),
            known("b", Skipped, "", &[0]),
            known("c", Skipped, "", &[1]),
            known("d", Skipped, "", &[]),
        ];
        let whys = explained(&stages);
        for why in &whys[1..3] {
            assert_eq!(why.short, "a: failed");
            assert_eq!(why.answer, "its inputs are missing");
        }
        assert_eq!(whys[3].answer, "the run stopped after another stage failed");
        assert_eq!(whys[3].short, "a: failed");
    }

    #[test]
    fn many_causes_are_counted() {
        use StageState::Succeeded;
        let mut stages: Vec<Known<'_>> = ["a", "b", "c", "d"]
            .map(|name| known(name, Succeeded, "first run", &[]))
            .into();
        stages.push(known("all", Succeeded, "after a, b, c, d", &[0, 1, 2, 3]));
        let whys = explained(&stages);
        assert_eq!(whys[4].short, "a: first run; b: first run; 2 more");
    }
}
