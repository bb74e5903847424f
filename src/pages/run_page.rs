//! [`RunPage`]: the content of a run's page, with everything that its templates look up.

use askama::Template;

use crate::chart::{self, Detail};
use crate::evaluation::{EvaluationView, HEADLINE};
use crate::extras::{Comparison, MetricChangeView, Verdict};
use crate::interval::IntervalScale;
use crate::links::Links;
use crate::metric::MetricView;
use crate::picture::Pictures;
use crate::run::RunView;
use crate::stage::StageView;
use crate::sweep::{SweepView, TrialView};

/// The content of a run's page, without the document around it.
#[derive(Template)]
#[template(path = "run.html")]
pub struct RunPage<'a> {
    pub view: &'a RunView,
    pub links: &'a Links,
    pub pictures: &'a dyn Pictures,
}

impl RunPage<'_> {
    /// Ids and titles of the sections that the page has.
    pub(crate) fn sections(&self) -> Vec<(&'static str, &'static str)> {
        let view = self.view;
        let trainings = match view.trained.is_empty() {
            true => "Trainings",
            false => "Other trainings",
        };
        let sections = [
            ("summary", "Summary", true),
            ("results", "Results", self.has_results()),
            ("sweep", "Sweep", view.sweep.is_some()),
            ("evaluations", "Evaluations", !view.evaluations.is_empty()),
            ("trainings", trainings, !view.trainings.is_empty()),
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

    pub(crate) fn has_results(&self) -> bool {
        let extras = &self.view.extras;
        let has_tables = !extras.tables.is_empty() || !extras.expectations.is_empty();
        has_tables || !self.view.programs.is_empty()
    }

    /// Address of the results of a stage: of its evaluation if it is one.
    pub(crate) fn name_link(&self, name: &str) -> Option<String> {
        let stage = self.view.find(name)?;
        Some(match self.view.is_evaluation(stage) {
            true => self.links.evaluation(&stage.id),
            false => self.links.stage(&stage.id),
        })
    }

    /// Address of the first of several stages that is in the run.
    pub(crate) fn result_link(&self, names: &[String]) -> Option<String> {
        names.iter().find_map(|name| self.name_link(name))
    }

    /// `true` if another run made a result of one of these stages.
    pub(crate) fn is_of_other_run(&self, names: &[String]) -> bool {
        let mut found = names.iter().filter_map(|name| self.view.find(name));
        found.any(|stage| stage.is_of_other_run)
    }

    /// Address of the results of the stage that measured the objective of a trial.
    pub(crate) fn trial_link(&self, sweep: &SweepView, trial: &TrialView) -> Option<String> {
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
    pub(crate) fn headline_names(&self) -> Vec<&str> {
        let mut names = Vec::new();
        for metric in self.view.evaluations.iter().flat_map(|one| one.headline()) {
            if !names.contains(&&*metric.name) {
                names.push(&*metric.name);
            }
        }
        names
    }

    /// `5 pass, 1 fail`.
    pub(crate) fn verdicts(&self) -> String {
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

    /// `true` if an expectation failed or could not be checked.
    pub(crate) fn has_unmet(&self) -> bool {
        let mut expectations = self.view.extras.expectations.iter();
        expectations.any(|expectation| expectation.verdict != Verdict::Pass)
    }

    pub(crate) fn has_warnings(&self) -> bool {
        !(self.view.warnings.is_empty() && self.view.extras.warnings.is_empty())
    }

    /// Number of checks that found leakage.
    pub(crate) fn leaking(&self) -> usize {
        let data = self
            .view
            .data
            .iter()
            .filter_map(|data| data.leakage.as_ref());
        let generated = self.view.generated.iter();
        let generated = generated.filter_map(|generated| generated.leakage.as_ref());
        data.chain(generated).filter(|check| check.leaks).count()
    }

    pub(crate) fn chart(&self) -> Option<String> {
        chart::chart(&self.view.stages, self.links, Detail::Stages)
    }

    /// The graph of every instance, if it shows more than that of the stages.
    pub(crate) fn instances(&self) -> Option<String> {
        let stages = &self.view.stages;
        let is_useful = chart::has_instances(stages);
        is_useful.then(|| chart::chart(stages, self.links, Detail::Instances))?
    }

    pub(crate) fn legend(&self) -> Vec<(&'static str, String, usize)> {
        chart::legend(&self.view.stages)
    }

    /// The evaluation that one of these stages is; `None` if there are several stages, such as those of all seeds.
    pub(crate) fn evaluation_of(&self, names: &[String]) -> Option<&EvaluationView> {
        let [name] = names else { return None };
        self.view.evaluation(self.view.find(name)?)
    }

    /// Address of the misclassified images of an evaluation, or of the evaluation if there are none.
    pub(crate) fn mistakes_link(&self, evaluation: &EvaluationView) -> String {
        let id = &self.view.stages[evaluation.stage].id;
        match evaluation.mistakes.is_empty() {
            true => self.links.evaluation(id),
            false => self.links.mistakes(id),
        }
    }

    /// The metrics that differ from those of the run before: first the most important ones of evaluations and those of
    /// programs, then the others. If there are only others, they come first.
    pub(crate) fn changes<'a>(
        &self,
        comparison: &'a Comparison,
    ) -> (Vec<&'a MetricChangeView>, Vec<&'a MetricChangeView>) {
        let is_main = |change: &&MetricChangeView| {
            let stage = self.view.find(&change.stage);
            let is_program = stage.is_some_and(|stage| stage.kind == "command");
            // An evaluation whose results were removed is known only by its kind.
            let is_evaluation = stage
                .is_some_and(|stage| stage.kind == "evaluate" || self.view.is_evaluation(stage));
            is_program || is_evaluation && HEADLINE.contains(&&*change.metric)
        };
        let (main, others): (Vec<_>, Vec<_>) = comparison.metrics.iter().partition(is_main);
        match main.is_empty() {
            true => (others, main),
            false => (main, others),
        }
    }

    /// The images that all evaluations tested: `xrays.test`. `None` if they differ.
    pub(crate) fn common_dataset(&self) -> Option<&str> {
        let (first, rest) = self.view.evaluations.split_first()?;
        let is_common = rest.iter().all(|other| other.dataset == first.dataset);
        is_common.then_some(&first.dataset)
    }

    /// The scale on which the intervals of a metric are drawn in the overview of evaluations; `None` if fewer than two
    /// evaluations have one.
    fn scale(&self, metric: &str) -> Option<IntervalScale> {
        let evaluations = self.view.evaluations.iter();
        let intervals = evaluations.filter_map(|one| one.metric(metric)?.interval);
        IntervalScale::covering(intervals)
    }

    /// `true` if the overview draws the intervals of a metric.
    pub(crate) fn has_plot(&self, metric: &str) -> bool {
        self.scale(metric).is_some()
    }

    /// A metric and its interval as SVG, or an empty string.
    pub(crate) fn plot(&self, metric: &MetricView) -> String {
        let known = metric.value.zip(metric.interval);
        let drawing = self.scale(&metric.name).zip(known);
        drawing.map_or_else(String::new, |(scale, (value, interval))| {
            scale.drawing(value, interval)
        })
    }

    pub(crate) fn has_fact(&self, name: &str) -> bool {
        self.view
            .summary
            .facts
            .iter()
            .any(|(known, _)| *known == name)
    }

    pub(crate) fn fact(&self, name: &str) -> &str {
        let mut facts = self.view.summary.facts.iter();
        let found = facts.find(|(known, _)| *known == name);
        found.map_or("", |(_, value)| value)
    }
}
