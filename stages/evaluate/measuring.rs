//! Measures the predictions of a model or of another program, and writes tables and figures.

use contract::{Artifact, Context, Failure, Invalid, positive_not_chosen};
use ops::Backend;

use super::calibration::{self, Before};
use super::clinical::{self, Asked, clinical};
use super::external::External;
use super::report::Report;
use super::tested::{Tested, groups, labels_for};
use super::{Evaluate, Threshold, heat_maps, warnings};
use crate::data::Dataset;
use crate::device::Computation;
use crate::leakage::trained_on;
use crate::metrics::{Bootstrap, Predictions, Units, measure};
use crate::nets::Classifier;

/// One run of the stage.
pub(super) struct Measuring<'a> {
    pub(super) stage: &'a Evaluate,
    pub(super) context: &'a Context<'a>,
}

/// A model with the images that it was applied to.
struct Applied<B: Backend> {
    classifier: Classifier<B>,
    dataset: Dataset,
    /// Its probabilities before calibration.
    uncalibrated: Vec<f32>,
}

impl<B: Backend> Applied<B> {
    /// Returns the probabilities before calibration, if the model has one.
    fn before(&self) -> Option<Before<'_>> {
        Some(Before {
            probabilities: &self.uncalibrated,
            calibration: self.classifier.calibration()?,
            fitted_on: self.classifier.validation_images(),
        })
    }
}

impl Computation for Measuring<'_> {
    type Output = ();

    fn on<B: Backend>(self, device: B) -> Result<(), Failure> {
        let context = self.context;
        let (tested, applied) = match context.optional_input("model") {
            Some(model) => {
                let (tested, applied) = self.predicted(model, device)?;
                (tested, Some(applied))
            }
            None => (self.read()?, None),
        };
        self.report(&tested, applied)
    }
}

impl Measuring<'_> {
    /// Measures the predictions, and writes everything about them.
    fn report<B: Backend>(
        &self,
        tested: &Tested,
        applied: Option<Applied<B>>,
    ) -> Result<(), Failure> {
        let Self { stage, context } = self;
        let classes = &tested.classes;
        let positive = stage.positive_class(classes)?;
        let decision = stage.decision(classes.len(), positive, tested.threshold)?;
        let divisions = stage.divisions(tested)?;
        let predictions = Predictions {
            probabilities: &tested.probabilities,
            labels: &tested.labels,
            classes: classes.len(),
        };
        let report = Report {
            classes,
            positive,
            decision,
            predictions,
            groups: &tested.groups,
            pixels: tested.pixels.clone(),
            rule: match stage.threshold {
                Threshold::Model => applied.as_ref().and_then(|a| a.classifier.threshold_rule()),
                Threshold::At(_) => None,
            },
        };
        let bootstrap = Bootstrap {
            units: match tested.groups.as_slice() {
                [] => Units::images(tested.names.len()),
                groups => Units::groups(groups),
            },
            resamples: stage.bootstrap,
            seed: context.seed,
        };
        let metrics = measure(&predictions, classes, decision, positive, &bootstrap);
        context.check_cancelled()?;
        let tables = clinical(
            &report,
            &Asked {
                prevalence: stage.prevalence,
                origin: stage.origin(tested.threshold, report.rule.as_deref()),
                divisions: &divisions,
                bootstrap: &bootstrap,
            },
        );
        let before = applied.as_ref().and_then(Applied::before);
        let calibration = calibration::report(
            &predictions,
            &metrics,
            (classes, positive),
            before.as_ref(),
            &bootstrap,
        );
        context.check_cancelled()?;
        let (folder, figure) = (context.output("metrics")?, context.output("figure")?);
        report.write(&metrics, &tested.names, &folder)?;
        clinical::write(&tables, &folder)?;
        report.draw(&metrics, &figure)?;
        clinical::draw(&tables, &figure)?;
        calibration::write(&calibration, &folder, &figure)?;
        if let Some(mut applied) = applied {
            heat_maps::write(
                stage.heat_maps.as_ref(),
                &mut applied.classifier,
                (&applied.dataset, &report),
                stage.batch_size,
                context,
                &figure,
            )?;
        }
        let of_subgroups = clinical::warnings(&tables.subgroups, &classes[positive]);
        let of_metrics = warnings::of_metrics(&report, &metrics, stage.bootstrap);
        let of_calibration = calibration::warning(&calibration);
        let all = of_metrics.into_iter().chain(of_subgroups);
        for warning in all.chain(of_calibration) {
            context.warn(warning);
        }
        context.note(report.summary(&metrics));
        if let Some(note) = calibration::note(&calibration) {
            context.note(note);
        }
        Ok(())
    }

    /// Predicts the images with the model.
    fn predicted<B: Backend>(
        &self,
        model: &Artifact,
        device: B,
    ) -> Result<(Tested, Applied<B>), Failure> {
        let Self { stage, context } = self;
        let images = context.input("images")?;
        let mut classifier = Classifier::load(model, device)?;
        let dataset = Dataset::open(images)?;
        let classes = classifier.classes().to_vec();
        let labels = labels_for((model, &classes), (images, &dataset))?;
        let positive = stage.positive_class(&classes)?;
        // Errors are found before the predictions, which take time.
        stage.decision(classes.len(), positive, classifier.threshold())?;
        self.guard(images, &dataset)?;
        let uncalibrated = classifier.predict_uncalibrated(&dataset, stage.batch_size, context)?;
        if let Some(i) = uncalibrated.iter().position(|p| !p.is_finite()) {
            return Err(Failure::Data(format!(
                "model `{}` gives image `{}` a probability that is not finite: its weights are unusable",
                model.label,
                dataset.names()[i / classes.len()],
            )));
        }
        let tested = Tested {
            names: dataset.names().to_vec(),
            groups: groups(&dataset),
            labels,
            threshold: classifier.threshold(),
            classes,
            probabilities: classifier.calibrated(uncalibrated.clone()),
            pixels: Some(dataset.checksum()),
        };
        let applied = Applied {
            classifier,
            dataset,
            uncalibrated,
        };
        Ok((tested, applied))
    }

    /// Reads the predictions of another program.
    fn read(&self) -> Result<Tested, Failure> {
        let table = match (&self.stage.file, self.context.optional_input("predictions")) {
            (Some(path), _) => External::read(path),
            (None, Some(output)) => External::read_output(output),
            (None, None) => {
                return Err(Failure::Internal("there are no predictions".to_owned()));
            }
        };
        let table = table.map_err(Failure::Data)?;
        let Some(images) = self.context.optional_input("images") else {
            let tested = table.labelled().map_err(Failure::Data)?;
            self.warn_of_positive(&tested.classes);
            return Ok(tested);
        };
        let dataset = Dataset::open(images)?;
        let tested = table.of(images, &dataset).map_err(Failure::Data)?;
        self.guard(images, &dataset)?;
        Ok(tested)
    }

    /// Warns if no positive class was chosen and the names do not imply the last one. The classes in the output of a
    /// program are not known before the run; those of the parameter `file` are, and the pipeline warns about them.
    fn warn_of_positive(&self, classes: &[String]) {
        if self.stage.positive.is_some() || self.stage.file.is_some() {
            return;
        }
        if let Some(Invalid { message, hint, .. }) = positive_not_chosen(classes, "positive") {
            let hint = hint.map_or_else(String::new, |hint| format!("; {hint}"));
            self.context.warn(format!("the stage {message}{hint}"));
        }
    }

    /// Looks for images that are copies of training images.
    fn guard(&self, images: &Artifact, dataset: &Dataset) -> Result<(), Failure> {
        let context = self.context;
        let (tables, figure) = (context.output("metrics")?, context.output("figure")?);
        let train = context.inputs("train");
        trained_on(
            (images, dataset),
            train,
            self.stage.leakage,
            context,
            [&tables, &figure],
        )
    }
}
