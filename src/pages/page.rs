//! Renders views as HTML.
//!
//! Templates are in `templates`, and what they share in `assets`. Their markup is well-formed XML as well, so that
//! tests can parse it.

use askama::Template;
use contract::analysis::ThemeColor;
use store::keys::Digest;

use crate::chart::{self, Detail};
use crate::extras::Verdict;
use crate::links::Links;
use crate::picture::Pictures;
use crate::run::RunView;
use crate::stage::StageView;
use crate::sweep::{SweepView, TrialView};

/// A template failed.
pub use askama::Error as Failure;

/// The style sheet of all pages.
pub const STYLE: &str = include_str!("assets/page.css");
/// The script of all pages. Pages can be read without it.
pub const SCRIPT: &str = include_str!("assets/page.js");

/// The content of a run's page, without the document around it.
#[derive(Template)]
#[template(path = "run.html")]
pub struct RunPage<'a> {
    pub view: &'a RunView,
    pub links: &'a Links,
    pub pictures: &'a dyn Pictures,
}

/// A self-contained document. Its policy forbids every request.
#[derive(Template)]
#[template(path = "document.html")]
struct Document<'a> {
    title: &'a str,
    policy: &'a str,
    nonce: &'a str,
    style: &'a str,
    colors: &'a str,
    script: &'a str,
    body: &'a str,
}

/// Place of a document's pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PicturesAre {
    Inside,
    /// In files beside it.
    Beside,
}

/// Renders the report of a run as one document. `colors` are those of its figures.
///
/// # Errors
/// If a template fails, which is a bug.
pub fn report(
    view: &RunView,
    pictures: &dyn Pictures,
    are: PicturesAre,
    colors: &[ThemeColor],
) -> Result<String, Failure> {
    let page = RunPage {
        view,
        links: &Links::OneDocument,
        pictures,
    };
    let body = page.render()?;
    // Only a script with the nonce runs. Nobody who writes a name or a log into the document can know the nonce,
    // because it depends on the whole document.
    let nonce = Digest::derive("runner page nonce v1", body.as_bytes());
    let nonce = nonce.to_string();
    let images = match are {
        PicturesAre::Inside => "data:",
        PicturesAre::Beside => "'self' file:",
    };
    let policy = format!(
        "default-src 'none'; img-src {images}; style-src 'unsafe-inline'; script-src 'nonce-{nonce}'; \
         base-uri 'none'; form-action 'none'"
    );
    let title = format!("{}: {}", view.summary.pipeline, view.summary.run);
    let document = Document {
        title: &title,
        policy: &policy,
        nonce: &nonce,
        style: STYLE,
        colors: &theme(colors),
        script: SCRIPT,
        body: &body,
    };
    document.render()
}

/// The colors of figures as CSS. On paper they are light.
pub fn theme(colors: &[ThemeColor]) -> String {
    let set = |of: fn(&ThemeColor) -> &str| -> String {
        let colors = colors.iter();
        colors
            .map(|color| format!("{}:{};", color.variable, of(color)))
            .collect()
    };
    let light = set(|color| &color.light);
    let dark = set(|color| &color.dark);
    format!(
        ":root{{{light}}}\n\
         @media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}\n\
         @media screen{{:root[data-theme=dark]{{{dark}}}}}"
    )
}

impl RunPage<'_> {
    /// Ids and titles of the sections that the page has.
    fn sections(&self) -> Vec<(&'static str, &'static str)> {
        let view = self.view;
        let trainings = match view.trained.is_empty() {
            true => "Trainings",
            false => "Other trainings",
        };
        let sections = [
            ("summary", "Summary", true),
            ("results", "Results", self.has_results()),
            ("evaluations", "Evaluations", !view.evaluations.is_empty()),
            ("trainings", trainings, !view.trainings.is_empty()),
            ("sweep", "Sweep", view.sweep.is_some()),
            ("data", "Data", !view.data.is_empty()),
            ("generated", "Generated images", !view.generated.is_empty()),
            ("pictures", "Pictures of stages", !view.galleries.is_empty()),
            (
                "comparison",
                "Previous run",
                view.extras.comparison.is_some(),
            ),
            ("stages", "Stages", true),
            ("details", "Parameters and lineage", true),
            ("reproduce", "How to reproduce it", true),
        ];
        let present = sections.into_iter().filter(|(.., is_there)| *is_there);
        present.map(|(id, title, _)| (id, title)).collect()
    }

    fn has_results(&self) -> bool {
        let extras = &self.view.extras;
        let has_tables = !extras.tables.is_empty() || !extras.expectations.is_empty();
        has_tables || !self.view.programs.is_empty()
    }

    /// Address of the results of a stage: of its evaluation if it is one.
    fn name_link(&self, name: &str) -> Option<String> {
        let stage = self.view.find(name)?;
        Some(match self.view.is_evaluation(stage) {
            true => self.links.evaluation(&stage.id),
            false => self.links.stage(&stage.id),
        })
    }

    /// Address of the first of several stages that is in the run.
    fn result_link(&self, names: &[String]) -> Option<String> {
        names.iter().find_map(|name| self.name_link(name))
    }

    /// Whether another run made a result of one of these stages.
    fn is_of_other_run(&self, names: &[String]) -> bool {
        let mut found = names.iter().filter_map(|name| self.view.find(name));
        found.any(|stage| stage.is_of_other_run)
    }

    /// Address of the results of the stage that measured the objective of a trial.
    fn trial_link(&self, sweep: &SweepView, trial: &TrialView) -> Option<String> {
        let (objective, _) = sweep.objective.as_ref()?;
        let measures = |stage: &StageView| {
            let metric = objective.strip_prefix(&*stage.stage);
            metric.is_some_and(|metric| metric.starts_with('.'))
        };
        let has = |(axis, value): &(String, String)| {
            let at = sweep.axes.iter().position(|known| known == axis);
            at.is_none_or(|at| {
                let (text, key) = &trial.values[at];
                text == value || key == value
            })
        };
        let mut stages = self.view.stages.iter();
        let found = stages.find(|stage| measures(stage) && stage.axes.iter().all(has))?;
        // Without values on the axes of the sweep, it belongs to all trials.
        let mut axes = found.axes.iter();
        let is_own = axes.any(|(axis, _)| sweep.axes.contains(axis));
        is_own.then(|| self.name_link(&found.name))?
    }

    /// Names of the metrics in the overview of evaluations.
    fn headline_names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for metric in self.view.evaluations.iter().flat_map(|one| one.headline()) {
            if !names.contains(&&*metric.name) {
                names.push(&*metric.name);
            }
        }
        names
    }

    /// `5 pass, 1 fail`.
    fn verdicts(&self) -> String {
        let expectations = &self.view.extras.expectations;
        let count = |verdict| expectations.iter().filter(|e| e.verdict == verdict).count();
        let parts = [Verdict::Pass, Verdict::Fail, Verdict::NotKnown];
        let parts = parts.map(|verdict| (count(verdict), verdict.word()));
        let parts = parts.iter().filter(|(count, _)| *count > 0);
        let parts: Vec<String> = parts
            .map(|(count, word)| format!("{count} {word}"))
            .collect();
        parts.join(", ")
    }

    /// Whether an expectation failed or could not be checked.
    fn has_unmet(&self) -> bool {
        let mut expectations = self.view.extras.expectations.iter();
        expectations.any(|expectation| expectation.verdict != Verdict::Pass)
    }

    fn has_warnings(&self) -> bool {
        !(self.view.warnings.is_empty() && self.view.extras.warnings.is_empty())
    }

    /// Number of checks that found leakage.
    fn leaking(&self) -> usize {
        let data = self
            .view
            .data
            .iter()
            .filter_map(|data| data.leakage.as_ref());
        let generated = self.view.generated.iter();
        let generated = generated.filter_map(|generated| generated.leakage.as_ref());
        data.chain(generated).filter(|check| check.leaks).count()
    }

    fn chart(&self) -> Option<String> {
        chart::chart(&self.view.stages, self.links, Detail::Stages)
    }

    /// The graph of every instance, if it shows more than that of the stages.
    fn instances(&self) -> Option<String> {
        let stages = &self.view.stages;
        let is_useful = chart::has_instances(stages);
        is_useful.then(|| chart::chart(stages, self.links, Detail::Instances))?
    }

    fn legend(&self) -> Vec<(&'static str, String, usize)> {
        chart::legend(&self.view.stages)
    }

    fn has_fact(&self, name: &str) -> bool {
        self.view
            .summary
            .facts
            .iter()
            .any(|(known, _)| *known == name)
    }

    fn fact(&self, name: &str) -> &str {
        let mut facts = self.view.summary.facts.iter();
        let found = facts.find(|(known, _)| *known == name);
        found.map_or("", |(_, value)| value)
    }
}

/// The results of a run, for a page of a site that shows how the run goes on by itself.
#[derive(Template)]
#[template(path = "site_results.html")]
pub struct SiteResults<'a>(pub RunPage<'a>);

/// Details of a stage and its results, for a page of a site.
#[derive(Template)]
#[template(path = "site_stage.html")]
pub struct SiteStage<'a> {
    pub page: RunPage<'a>,
    /// Position of the stage.
    pub at: usize,
}

impl<'a> std::ops::Deref for SiteResults<'a> {
    type Target = RunPage<'a>;

    fn deref(&self) -> &RunPage<'a> {
        &self.0
    }
}

impl<'a> std::ops::Deref for SiteStage<'a> {
    type Target = RunPage<'a>;

    fn deref(&self) -> &RunPage<'a> {
        &self.page
    }
}
