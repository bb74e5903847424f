//! [`Clinical`]: the tables of an evaluation that readers of medical studies expect.

use serde::{Deserialize, Serialize};

use super::three_decimals;
use crate::over::Over;

/// How a classifier performs at the threshold in use, over all thresholds, and in subgroups. Everything is about one
/// class, the positive one, against all others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Clinical {
    /// Name of the positive class.
    pub positive: String,
    /// How an image is classified as positive: `from a probability of 0.62, the threshold stored with the model`.
    pub rule: String,
    /// Numbers of all images and of those of the positive class.
    pub images: u64,
    pub positives: u64,
    /// The prevalence that predictive values and the decision curve are computed for besides, or instead of, that among
    /// the images.
    pub assumed_prevalence: Option<f64>,
    /// Sources of variation that intervals cover.
    pub over: Over,
    pub operating_point: Vec<OperatingMeasure>,
    /// `None` unless there are images of the positive class and of others.
    pub roc_auc: Option<AreaEstimate>,
    /// `None` unless there are images of the positive class and of others.
    pub decision_curve: Option<DecisionCurve>,
    /// One entry for each way to divide the images.
    pub subgroups: Vec<Subgroups>,
}

/// A measure at the threshold in use.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperatingMeasure {
    /// `sensitivity`, or `PPV at a prevalence of 0.05`.
    pub measure: String,
    /// `None` if the images do not define it.
    pub value: Option<f64>,
    /// The counts whose quotient the value is, if it is one.
    pub counts: Option<[u64; 2]>,
    /// 95 % interval from resamples of the images or of their groups.
    pub bootstrap: Option<[f64; 2]>,
    /// `true` if the value is the same for all resamples, so that there is no interval from them.
    pub resamples_agree: bool,
    /// 95 % interval of a share of independent images (Wilson, 1927).
    pub wilson: Option<[f64; 2]>,
}

impl OperatingMeasure {
    /// End of the names of measures that are another one for all of more than two classes.
    pub const ONE_AGAINST_REST: &str = " (one against rest)";
}

/// The area under the ROC curve with its interval for other images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AreaEstimate {
    pub value: f64,
    /// `None` if there are too few images, or if no image says anything about others, as with an area of 1.
    pub interval: Option<[f64; 2]>,
    pub method: AreaMethod,
}

/// The method by which the variance of an area is estimated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AreaMethod {
    /// DeLong, DeLong and Clarke-Pearson (1988), for independent images.
    Delong,
    /// Obuchowski (1997), for images in groups.
    Obuchowski,
}

impl AreaMethod {
    /// Returns the method for images that are drawn as `over` says.
    pub fn of(over: Over) -> Self {
        match over {
            Over::Groups | Over::SeedsAndGroups => Self::Obuchowski,
            Over::Images | Over::Seeds | Over::SeedsAndImages | Over::Reported => Self::Delong,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Delong => "DeLong",
            Self::Obuchowski => "Obuchowski",
        }
    }
}

/// Net benefit over the threshold (Vickers and Elkin, 2006).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DecisionCurve {
    /// Name of the positive class.
    pub positive: String,
    /// Share of images of the positive class that the benefit is computed for.
    pub prevalence: f64,
    /// `true` if it is another one than among the images. The model's probabilities are then shifted to it.
    pub is_shifted: bool,
    /// The threshold in use on the probability of the positive class; shifted like the probabilities. `None` if the most
    /// probable class is decided.
    pub threshold: Option<f64>,
    pub points: Vec<NetBenefit>,
}

/// Net benefit at a threshold, in true positives per image. That of treating none is 0.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetBenefit {
    /// Lowest probability at which images are treated; of shifted probabilities, if the curve is for another prevalence.
    pub threshold: f64,
    pub model: f64,
    /// Net benefit if all images are treated as positive.
    pub all: f64,
}

/// A division of the images, and how the classifier performs in each part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subgroups {
    /// Name of the division, such as `sex`.
    pub by: String,
    pub parts: Vec<Subgroup>,
    /// Number of images that are in no part.
    pub without: u64,
    /// Tests of whether the parts have the same values.
    pub tests: Vec<HomogeneityTest>,
}

/// A part of the images.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Subgroup {
    pub value: String,
    pub images: u64,
    /// Number of images of the positive class.
    pub positives: u64,
    /// In the order of [`Subgroup::MEASURES`].
    pub measures: Vec<SubgroupEstimate>,
}

/// A value in a part of the images; `None` if the images do not define it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SubgroupEstimate {
    pub value: Option<f64>,
    pub interval: Option<[f64; 2]>,
}

/// A test of whether a measure is the same in all parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HomogeneityTest {
    /// One of [`Subgroup::MEASURES`].
    pub measure: String,
    /// `None` if the test does not apply.
    pub p: Option<f64>,
    /// A short reason why the test does not apply; `None` if there is a p-value.
    pub reason: Option<String>,
    /// The p-value, corrected for all tests of the evaluation (Holm, 1979).
    pub p_holm: Option<f64>,
}

impl DecisionCurve {
    /// Returns the threshold in use and the net benefit of the model there, on the line between two points of the curve.
    pub fn operating_point(&self) -> Option<(f64, f64)> {
        let threshold = self.threshold?;
        let pair = self.points.windows(2).find(|pair| {
            let [before, after] = [0, 1].map(|place| pair[place].threshold);
            (before..=after).contains(&threshold)
        })?;
        let [before, after] = [pair[0], pair[1]];
        let share = (threshold - before.threshold) / (after.threshold - before.threshold);
        Some((
            threshold,
            before.model + share * (after.model - before.model),
        ))
    }
}

impl Subgroup {
    /// Names of the measures.
    pub const MEASURES: [&str; 6] = [
        "roc_auc",
        "sensitivity",
        "specificity",
        "ppv",
        "npv",
        "accuracy",
    ];
}

/// Formats `[0.925, 0.969]`, or nothing.
fn ends(interval: Option<[f64; 2]>) -> String {
    interval.map_or(String::new(), |[low, high]| {
        format!("[{low:.3}, {high:.3}]")
    })
}

/// Formats a p-value with three decimals, or `<0.001`.
fn p_value(p: f64) -> String {
    match p {
        p if p < 0.0005 => "<0.001".to_owned(),
        p => format!("{p:.3}"),
    }
}

impl Clinical {
    /// Formats ``PNEUMONIA, from a probability of 0.62, the threshold stored with the model; 390 of 624 images are
    /// PNEUMONIA``.
    pub fn heading(&self) -> String {
        let Self {
            positive,
            rule,
            images,
            positives,
            ..
        } = self;
        format!("{positive}, {rule}; {positives} of {images} images are {positive}")
    }

    /// Returns the titles and the rows of the table of the operating point. The column of Wilson's intervals is left
    /// out if there are none.
    pub fn operating_rows(&self) -> Vec<Vec<String>> {
        let has_wilson = self.operating_point.iter().any(|row| row.wilson.is_some());
        let header = [
            "measure",
            "value",
            "images",
            "95 % (bootstrap)",
            "95 % (Wilson)",
        ];
        let row = |row: &OperatingMeasure| {
            let counts = row.counts.map(|[part, whole]| format!("{part} of {whole}"));
            [
                row.measure.clone(),
                three_decimals(row.value),
                counts.unwrap_or_default(),
                ends(row.bootstrap),
                ends(row.wilson),
            ]
        };
        let shown = if has_wilson { 5 } else { 4 };
        let rows = std::iter::once(header.map(str::to_owned));
        rows.chain(self.operating_point.iter().map(row))
            .map(|row| row[..shown].to_vec())
            .collect()
    }

    /// Formats `ROC AUC 0.967; 95 % interval by DeLong's method [0.953, 0.981]`.
    pub fn area_line(&self) -> Option<String> {
        let area = self.roc_auc.as_ref()?;
        let name = area.method.name();
        Some(match area.interval {
            Some(_) => format!(
                "ROC AUC {:.3}; 95 % interval by {name}'s method {}",
                area.value,
                ends(area.interval)
            ),
            None => format!(
                "ROC AUC {:.3}; no interval by {name}'s method, because the images say nothing about its variance",
                area.value
            ),
        })
    }

    /// States what intervals cover, and the prevalence that predictive values depend on.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = vec![format!(
            "intervals are over {}; PPV and NPV are those at the share of {} among the images, {}",
            self.over,
            self.positive,
            match self.images {
                0 => "which is undefined".to_owned(),
                images => format!("{:.3}", self.positives as f64 / images as f64),
            }
        )];
        if let Some(prevalence) = self.assumed_prevalence {
            notes.push(format!(
                "PPV and NPV at a prevalence of {prevalence} follow from sensitivity and specificity by Bayes' theorem; \
                 the decision curve is for probabilities that are shifted to it in the same way"
            ));
        }
        let mut of_rest = self.operating_point.iter();
        if of_rest.any(|row| row.measure.ends_with(OperatingMeasure::ONE_AGAINST_REST)) {
            notes.push(format!(
                "one against rest: an image is right if it is classified as {0} and is {0}, or is neither; so is `accuracy` \
                 of subgroups",
                self.positive
            ));
        }
        notes.extend(self.missing_intervals());
        notes
    }

    /// Returns the reasons why measures have no interval from resamples. Empty if the images were not resampled.
    fn missing_intervals(&self) -> Vec<String> {
        let rows = &self.operating_point;
        let named = |is_named: &dyn Fn(&OperatingMeasure) -> bool, why: &str| {
            let named = rows.iter().filter(|row| is_named(row));
            let named: Vec<&str> = named.map(|row| row.measure.as_str()).collect();
            let names = named.join(", ");
            (!named.is_empty()).then(|| format!("no bootstrap interval of {names}: {why}"))
        };
        let is_resampled = |row: &OperatingMeasure| row.bootstrap.is_some() || row.resamples_agree;
        let has_resamples = rows.iter().any(is_resampled);
        let agreeing = named(
            &|row| row.resamples_agree,
            "all resamples give the same value",
        );
        let unbounded = named(
            &|row| has_resamples && row.value.is_some() && !is_resampled(row),
            "too many resamples give an infinite value or none",
        );
        [agreeing, unbounded].into_iter().flatten().collect()
    }
}

impl Subgroups {
    /// Returns the titles and a row for each part. Each value is followed by its interval.
    pub fn rows(&self) -> Vec<Vec<String>> {
        let start = [self.by.as_str(), "images", "positive"];
        let header = start.into_iter().chain(Subgroup::MEASURES);
        let header = header.map(str::to_owned).collect();
        let row = |part: &Subgroup| {
            let start = [
                part.value.clone(),
                part.images.to_string(),
                part.positives.to_string(),
            ];
            let measures = part.measures.iter().map(|found| {
                let text = format!("{} {}", three_decimals(found.value), ends(found.interval));
                text.trim_end().to_owned()
            });
            start.into_iter().chain(measures).collect()
        };
        std::iter::once(header)
            .chain(self.parts.iter().map(row))
            .collect()
    }

    /// Formats the tests, and the number of images that are in no part. `tests` is the number of tests that p-values
    /// are corrected for.
    pub fn notes(&self, tests: usize) -> Vec<String> {
        let mut notes = Vec::new();
        if self.without > 0 {
            notes.push(format!("{} images have no `{}`", self.without, self.by));
        }
        notes.extend(self.tests.iter().map(|test| match (test.p, test.p_holm) {
            (Some(p), Some(p_holm)) => format!(
                "difference of {} between values of `{}`: p = {}, p (Holm) = {}, corrected for {tests} tests",
                test.measure,
                self.by,
                p_value(p),
                p_value(p_holm)
            ),
            (Some(p), None) => format!(
                "difference of {} between values of `{}`: p = {}, not corrected for several tests",
                test.measure,
                self.by,
                p_value(p)
            ),
            (None, _) => format!(
                "difference of {} between values of `{}`: not tested, because {}",
                test.measure,
                self.by,
                test.reason.as_deref().unwrap_or("the test does not apply")
            ),
        }));
        notes
    }
}

impl Clinical {
    /// Returns the number of tests that p-values of subgroups are corrected for.
    pub fn subgroup_tests(&self) -> usize {
        let all = self.subgroups.iter().flat_map(|division| &division.tests);
        all.filter(|test| test.p.is_some()).count()
    }
}
