//! [`LeakageView`]: the results of a check for leakage.

use contract::analysis::{Comparison, Leakage, Likeness, Similarities};

use crate::metric::number;
use crate::reader::Reader;
use crate::stage::StageView;

/// Most copies and groups that are listed.
const FINDINGS: usize = 20;

/// The results of a check for leakage.
#[derive(Clone, Debug)]
pub struct LeakageView {
    /// A row for each comparison: the sets, copies, shared groups, and how similar the nearest images are.
    pub rows: Vec<[String; 4]>,
    /// `true` if any row has similarities.
    pub has_similarities: bool,
    /// `true` if anything leaks.
    pub leaks: bool,
    /// The first findings, as sentences.
    pub findings: Vec<String>,
    pub more: usize,
}

/// Reads the check of a stage; `None` if it made none.
pub(super) fn leakage(reader: Reader<'_>, stage: &StageView) -> Option<LeakageView> {
    let name = reader.analysis.leakage_file();
    let has = |files: &[(String, String)]| files.iter().any(|(known, _)| known == name);
    let output = stage.outputs.iter().find(|output| has(&output.files))?;
    let content = reader.file(&output.digest, name)?;
    let found = reader.analysis.read_leakage(&content);
    let found = found.inspect_err(|error| tracing::warn!("{}: {error}", stage.name));
    Some(leakage_view(&found.ok()?))
}

fn leakage_view(found: &Leakage) -> LeakageView {
    let row = |compared: &Comparison| {
        let sets = if compared.set == compared.original {
            format!("within {}", compared.set)
        } else {
            format!("{} against {}", compared.set, compared.original)
        };
        let similar = |of: &Option<Similarities>| {
            of.map(|of| format!("median {}, highest {}", number(of.median), number(of.max)))
        };
        let nearest = match (
            similar(&compared.nearest),
            similar(&compared.nearest_among_originals),
        ) {
            (Some(nearest), Some(among)) => format!("{nearest} (among the originals: {among})"),
            (Some(nearest), None) => nearest,
            _ => String::new(),
        };
        [
            sets,
            compared.copies.len().to_string(),
            compared.groups.len().to_string(),
            nearest,
        ]
    };
    let leaking = found.comparisons.iter().filter(|compared| compared.leaks());
    let findings = leaking.flat_map(|compared| {
        let copies = compared.copies.iter().map(|copy| {
            let likeness = match copy.likeness {
                Likeness::SameBytes => "the same bytes".to_owned(),
                Likeness::SamePixels => "the same pixels".to_owned(),
                Likeness::Near => format!("similarity {}", number(copy.similarity)),
            };
            format!(
                "{} of {} is a copy of {} of {} ({likeness})",
                copy.image, compared.set, copy.copy_of, compared.original
            )
        });
        let groups = compared.groups.iter().map(|group| {
            format!(
                "group {} has images in {} and in {}",
                group.group, compared.set, compared.original
            )
        });
        copies.chain(groups).collect::<Vec<_>>()
    });
    let findings: Vec<String> = findings.collect();
    let rows: Vec<[String; 4]> = found.comparisons.iter().map(row).collect();
    LeakageView {
        has_similarities: rows.iter().any(|row| !row[3].is_empty()),
        rows,
        leaks: !findings.is_empty(),
        more: findings.len().saturating_sub(FINDINGS),
        findings: findings.into_iter().take(FINDINGS).collect(),
    }
}
