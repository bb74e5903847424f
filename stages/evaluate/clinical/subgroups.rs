//! The tables of subgroups.

use std::collections::BTreeMap;

use contract::analysis::{HomogeneityTest, Subgroup, SubgroupEstimate, Subgroups};

use super::super::report::Report;
use super::operating::{Counts, share};
use super::{Asked, is_positive};
use crate::metrics::{
    Bootstrap, Placements, Units, equal_estimates, equal_shares, holm, intervals, wilson,
};

/// Number of images of a class below which the results of a subgroup are named in a warning.
const FEW: u64 = 10;

/// Reason why a measure is not tested.
const UNDEFINED: &str = "it is undefined for one of the values";

/// Reason why shares of more than two values are not tested.
const TOO_FEW: &str = "a value has too few images for the chi-square test: with the share of all images, at least 5 of \
                       them must be right and at least 5 wrong";

/// Number of subgroups that a warning names.
const NAMED: usize = 4;

/// A division of the images, with the value of each image.
pub(in super::super) struct Assigned {
    pub by: String,
    /// `None` for images that are in no part.
    pub values: Vec<Option<String>>,
}

/// A part of the images, with what tests need.
struct Part {
    subgroup: Subgroup,
    members: Vec<usize>,
    /// The area under the ROC curve and its variance; `None` if the variance is unknown.
    area: Option<(f64, f64)>,
    counts: Counts,
}

/// A measure of a part that is a quotient of counts.
type Quotient = fn(&Counts) -> [u64; 2];

/// The quotients, in the order of [`Subgroup::MEASURES`] from the second on.
const QUOTIENTS: [Quotient; 5] = [
    Counts::sensitivity,
    Counts::specificity,
    Counts::ppv,
    Counts::npv,
    Counts::accuracy,
];

/// Computes the table of each division. P-values are corrected for the tests of all divisions together.
pub(super) fn tables(report: &Report<'_>, asked: &Asked<'_>) -> Vec<Subgroups> {
    let mut tables: Vec<Subgroups> = asked
        .divisions
        .iter()
        .map(|division| table(report, asked.bootstrap, division))
        .collect();
    let tests = || tables.iter().flat_map(|division| &division.tests);
    let p_values: Vec<f64> = tests().filter_map(|test| test.p).collect();
    let mut corrected = holm(&p_values).into_iter();
    for test in tables.iter_mut().flat_map(|division| &mut division.tests) {
        test.p_holm = test.p.and_then(|_| corrected.next());
    }
    tables
}

fn table(report: &Report<'_>, bootstrap: &Bootstrap, division: &Assigned) -> Subgroups {
    let mut members: BTreeMap<&String, Vec<usize>> = BTreeMap::new();
    for (image, value) in division.values.iter().enumerate() {
        if let Some(value) = value {
            members.entry(value).or_default().push(image);
        }
    }
    let divided: usize = members.values().map(Vec::len).sum();
    let parts: Vec<Part> = members
        .into_iter()
        .map(|(value, members)| part(report, bootstrap, value, members))
        .collect();
    Subgroups {
        by: division.by.clone(),
        without: (division.values.len() - divided) as u64,
        tests: tested(report, &parts),
        parts: parts.into_iter().map(|part| part.subgroup).collect(),
    }
}

fn part(report: &Report<'_>, bootstrap: &Bootstrap, value: &str, members: Vec<usize>) -> Part {
    let scores = report.predictions.scores(report.positive);
    let all_positive = is_positive(report);
    let all_decided = report.predictions.decide(report.decision);
    let of_members = |all: &[u32]| -> Vec<u32> { members.iter().map(|&i| all[i]).collect() };
    let labels = of_members(report.predictions.labels);
    let decided = of_members(&all_decided);
    let scores: Vec<f32> = members.iter().map(|&i| scores[i]).collect();
    let is_positive: Vec<bool> = members.iter().map(|&i| all_positive[i]).collect();
    let groups: Vec<String> = match report.groups {
        [] => Vec::new(),
        groups => members.iter().map(|&i| groups[i].clone()).collect(),
    };
    let units = match groups.as_slice() {
        [] => Units::images(members.len()),
        groups => Units::groups(groups),
    };
    let counts = |weights: &[u32]| Counts::new(report, &labels, &decided, weights);
    let found = counts(&vec![1; members.len()]);
    let placements = Placements::new(&scores, &is_positive);
    let area = SubgroupEstimate {
        value: placements.as_ref().map(Placements::area),
        interval: placements.as_ref().and_then(|p| p.interval(&units)),
    };
    let resampled = match groups.is_empty() {
        true => Vec::new(),
        false => {
            let bootstrap = Bootstrap {
                units: units.clone(),
                ..bootstrap.clone()
            };
            intervals(&bootstrap, QUOTIENTS.len(), |drawn| {
                let counts = counts(drawn);
                QUOTIENTS.map(|quotient| share(quotient(&counts))).to_vec()
            })
        }
    };
    let quotients = QUOTIENTS.into_iter().enumerate().map(|(place, quotient)| {
        let quotient = quotient(&found);
        let value = share(quotient);
        let interval = match resampled.get(place) {
            // If all groups have the same value, so have all resamples, whatever other groups would have: there are no ends.
            Some(drawn) => drawn.ends,
            None => value.map(|_| wilson(quotient[0], quotient[1])),
        };
        SubgroupEstimate {
            value,
            interval: interval.filter(|_| value.is_some()),
        }
    });
    Part {
        area: placements.and_then(|p| Some((p.area(), p.variance(&units)?))),
        subgroup: Subgroup {
            value: value.to_owned(),
            images: members.len() as u64,
            positives: is_positive.iter().filter(|is| **is).count() as u64,
            measures: std::iter::once(area).chain(quotients).collect(),
        },
        counts: found,
        members,
    }
}

/// Tests whether the area under the ROC curve, the sensitivity and the specificity are the same in all parts. The tests
/// are for independent parts, so a group must not have images in two of them. Those of sensitivity and specificity are
/// for independent images, so there must be no groups.
fn tested(report: &Report<'_>, parts: &[Part]) -> Vec<HomogeneityTest> {
    if parts.len() < 2 {
        return Vec::new();
    }
    let is_grouped = !report.groups.is_empty();
    let areas: Option<Vec<(f64, f64)>> = parts.iter().map(|part| part.area).collect();
    let area = match areas {
        _ if is_grouped && share_a_group(report.groups, parts) => {
            Err("a group has images with different values")
        }
        _ if parts
            .iter()
            .any(|part| part.subgroup.measures[0].value.is_none()) =>
        {
            Err(UNDEFINED)
        }
        Some(areas) => equal_estimates(&areas).ok_or("there is only one value"),
        None => Err("its variance is unknown for one of the values"),
    };
    let quotient = |quotient: Quotient| {
        if is_grouped {
            return Err("images in groups are not independent");
        }
        let shares: Vec<(u64, u64)> = parts
            .iter()
            .map(|part| quotient(&part.counts).into())
            .collect();
        if shares.iter().any(|(_, all)| *all == 0) {
            return Err(UNDEFINED);
        }
        equal_shares(&shares).ok_or(TOO_FEW)
    };
    let tests = [
        (Subgroup::MEASURES[0], area),
        (Subgroup::MEASURES[1], quotient(Counts::sensitivity)),
        (Subgroup::MEASURES[2], quotient(Counts::specificity)),
    ];
    let tests = tests.map(|(measure, p)| HomogeneityTest {
        measure: measure.to_owned(),
        p: p.ok(),
        reason: p.err().map(str::to_owned),
        p_holm: None,
    });
    tests.into()
}

fn share_a_group(groups: &[String], parts: &[Part]) -> bool {
    let mut part_of: BTreeMap<&String, usize> = BTreeMap::new();
    let mut pairs = parts
        .iter()
        .enumerate()
        .flat_map(|(place, part)| part.members.iter().map(move |&image| (place, image)));
    pairs.any(|(place, image)| *part_of.entry(&groups[image]).or_insert(place) != place)
}

/// Names the parts with few images of a class, and the numbers of images that are in no part.
pub(in super::super) fn warnings(tables: &[Subgroups], positive: &str) -> Vec<String> {
    let mut warnings = Vec::new();
    for table in tables {
        let few: Vec<String> = table
            .parts
            .iter()
            .filter_map(|part| {
                let others = part.images - part.positives;
                let (count, class) = match part.positives < FEW {
                    true => (part.positives, positive),
                    false if others < FEW => (others, "other classes"),
                    false => return None,
                };
                Some(format!("`{}` ({count} of {class})", part.value))
            })
            .collect();
        if !few.is_empty() {
            let more = match few.len().saturating_sub(NAMED) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            warnings.push(format!(
                "subgroups `{}`: fewer than {FEW} images of a class in {}{more}: their results say little",
                table.by,
                few[..few.len().min(NAMED)].join(", ")
            ));
        }
        if table.without > 0 {
            warnings.push(format!(
                "subgroups `{}`: {} images have no value, and are in no subgroup",
                table.by, table.without
            ));
        }
    }
    warnings
}
