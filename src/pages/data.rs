//! Views of the data: datasets, leakage between them, and generated images beside real ones.

use std::sync::Arc;

use contract::ArtifactType;
use contract::analysis::{Bars, DatasetView, Figure, Group, Leakage, Likeness, Similarities};

use store::keys::Digest;

use crate::figure::FigureView;
use crate::metric::number;
use crate::picture::{Datasets, Picture};
use crate::reader::Reader;
use crate::stage::StageView;

/// Images of a class in a grid of samples.
const SAMPLES: usize = 12;
/// Columns of a grid of samples.
const COLUMNS: usize = 6;
/// Largest side of a sample, in pixels.
const SIDE: u32 = 96;
/// Most copies and groups that are listed.
const FINDINGS: usize = 20;
/// Most pictures of a figure output that are shown.
const PICTURES: usize = 8;

/// The datasets that a stage made.
#[derive(Clone, Debug)]
pub struct DataView {
    /// Position of its stage in the run.
    pub stage: usize,
    pub classes: Vec<String>,
    pub splits: Vec<SplitView>,
    /// Height, width and channels of the images.
    pub shape: String,
    pub bars: Option<FigureView>,
    pub leakage: Option<LeakageView>,
}

/// One dataset of a stage.
#[derive(Clone, Debug)]
pub struct SplitView {
    /// The port: `train`.
    pub name: String,
    /// Number of images of each class.
    pub counts: Vec<u64>,
    /// A grid of samples of each class that has images.
    pub samples: Vec<SampleView>,
}

/// A grid of images.
#[derive(Clone, Debug)]
pub struct SampleView {
    pub caption: String,
    /// Text for those who do not see the picture.
    pub alt: String,
    pub picture: Picture,
}

/// The results of a check for leakage.
#[derive(Clone, Debug)]
pub struct LeakageView {
    /// A row for each comparison: the sets, copies, shared groups, and how similar the nearest images are.
    pub rows: Vec<[String; 4]>,
    /// Whether any row has similarities.
    pub has_similarities: bool,
    /// Whether anything leaks.
    pub leaks: bool,
    /// The first findings, as sentences.
    pub findings: Vec<String>,
    pub more: usize,
}

/// Generated images beside real ones of the same class.
#[derive(Clone, Debug)]
pub struct GeneratedView {
    /// Position of the generating stage in the run.
    pub stage: usize,
    /// Pairs of grids: generated, real.
    pub classes: Vec<PairView>,
    pub leakage: Option<LeakageView>,
    pub notes: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct PairView {
    pub class: String,
    pub generated: SampleView,
    pub real: Option<SampleView>,
}

/// Pictures that a stage made for people to look at.
#[derive(Clone, Debug)]
pub struct GalleryView {
    /// Position of its stage in the run.
    pub stage: usize,
    pub pictures: Vec<SampleView>,
}

impl SplitView {
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// The datasets that stages of the kind `dataset` made.
pub(crate) fn datasets(
    reader: Reader<'_>,
    opened: &Datasets<'_>,
    stages: &[StageView],
) -> Vec<DataView> {
    let stages = stages.iter().enumerate();
    let made = stages.filter(|(_, stage)| stage.kind == "dataset" && reader.shows(&stage.name));
    made.filter_map(|(at, stage)| data(reader, opened, at, stage))
        .collect()
}

fn data(
    reader: Reader<'_>,
    opened: &Datasets<'_>,
    at: usize,
    stage: &StageView,
) -> Option<DataView> {
    let outputs = stage.outputs.iter();
    let outputs = outputs.filter(|output| output.artifact == Some(ArtifactType::Dataset));
    let mut splits = Vec::new();
    let (mut classes, mut shape) = (Vec::new(), String::new());
    for output in outputs {
        let Some(dataset) = opened.open(&output.digest) else {
            continue;
        };
        classes = dataset.classes().to_vec();
        shape = shape_text(&*dataset);
        let counts = dataset.counts();
        let samples = (0..classes.len() as u32).filter_map(|class| {
            let images = of_class(&*dataset, class, SAMPLES);
            let what = format!(
                "{} images of class {}",
                output.port, classes[class as usize]
            );
            let caption = format!("{}, {}", classes[class as usize], output.port);
            sample(output.digest, images, caption, &what)
        });
        splits.push(SplitView {
            name: output.port.clone(),
            samples: samples.collect(),
            counts,
        });
    }
    if splits.iter().all(|split| split.total() == 0) {
        return None;
    }
    Some(DataView {
        stage: at,
        bars: bars(reader, stage, &classes, &splits),
        leakage: leakage(reader, stage),
        classes,
        splits,
        shape,
    })
}

fn bars(
    reader: Reader<'_>,
    stage: &StageView,
    classes: &[String],
    splits: &[SplitView],
) -> Option<FigureView> {
    let groups = classes.iter().enumerate().map(|(class, name)| Group {
        name: name.clone(),
        values: splits.iter().map(|s| s.counts[class] as f64).collect(),
    });
    let bars = Bars {
        title: format!("Images of {}", stage.name),
        measure: "images".to_owned(),
        series: splits.iter().map(|split| split.name.clone()).collect(),
        groups: groups.collect(),
    };
    let caption = format!("Images of each class and split of {}", stage.name);
    let id = format!("{}-counts", stage.id);
    FigureView::new(reader, id, caption, &Figure::Bars(&bars))
}

/// Generated images of stages that make datasets from generators.
pub(crate) fn generated(
    reader: Reader<'_>,
    opened: &Datasets<'_>,
    stages: &[StageView],
) -> Vec<GeneratedView> {
    let made = stages.iter().enumerate();
    let made = made.filter(|(_, stage)| stage.kind == "synthesize" && reader.shows(&stage.name));
    made.filter_map(|(at, stage)| {
        let mut outputs = stage.outputs.iter();
        let output = outputs.find(|o| o.artifact == Some(ArtifactType::Dataset))?;
        let dataset = opened.open(&output.digest)?;
        let real = real(opened, stages, at);
        let classes = dataset.classes().iter().enumerate();
        let classes = classes.filter_map(|(class, name)| {
            let images = of_class(&*dataset, class as u32, SAMPLES);
            let what = format!("generated images of class {name}");
            let generated = sample(output.digest, images, "generated".to_owned(), &what)?;
            let real = real.as_ref().and_then(|(digest, real)| {
                let class = real.classes().iter().position(|known| known == name)?;
                let images = of_class(&**real, class as u32, SAMPLES);
                let what = format!("real training images of class {name}");
                sample(*digest, images, "real".to_owned(), &what)
            });
            Some(PairView {
                class: name.clone(),
                generated,
                real,
            })
        });
        Some(GeneratedView {
            stage: at,
            classes: classes.collect(),
            leakage: leakage(reader, stage),
            notes: stage.notes.clone(),
        })
    })
    .collect()
}

/// The real images that generated ones imitate: those that they are compared with, or those that the generators were
/// trained on.
fn real(
    opened: &Datasets<'_>,
    stages: &[StageView],
    at: usize,
) -> Option<(Digest, Arc<dyn DatasetView>)> {
    let input_of = |stage: &StageView, role: &str| {
        let input = stage.inputs.iter().find(|input| input.role == role)?;
        let maker = &stages[input.maker?];
        Some(maker.output(&input.port)?.digest)
    };
    let stage = &stages[at];
    let digest = input_of(stage, "train").or_else(|| {
        let generator = &stages[stage.maker("generators")?];
        input_of(generator, "images")
    })?;
    Some((digest, opened.open(&digest)?))
}

/// The pictures that programs and augmentations made. Built-in stages of other kinds draw what pages show as SVG.
pub(crate) fn galleries(reader: Reader<'_>, stages: &[StageView]) -> Vec<GalleryView> {
    let made = stages.iter().enumerate();
    let draws = |stage: &StageView| matches!(&*stage.kind, "command" | "augment");
    let made = made.filter(|(_, stage)| draws(stage) && reader.shows(&stage.name));
    made.filter_map(|(at, stage)| {
        let outputs = stage.outputs.iter();
        let outputs = outputs.filter(|o| o.artifact == Some(ArtifactType::Figure));
        let pictures = outputs.flat_map(|output| {
            let tree = reader.tree(&output.digest);
            let names = tree.map(|tree| tree.files.keys().cloned().collect::<Vec<_>>());
            let names = names.unwrap_or_default().into_iter();
            let names = names.filter(|name| name.to_ascii_lowercase().ends_with(".png"));
            names.map(|name| SampleView {
                caption: format!("{}: {name}", stage.name),
                alt: format!("picture {name} that {} made", stage.name),
                picture: Picture::File {
                    output: output.digest,
                    name,
                },
            })
        });
        let pictures: Vec<SampleView> = pictures.take(PICTURES).collect();
        (!pictures.is_empty()).then_some(GalleryView {
            stage: at,
            pictures,
        })
    })
    .collect()
}

/// The first images of a class, spread over the dataset.
fn of_class(dataset: &dyn DatasetView, class: u32, count: usize) -> Vec<usize> {
    let labels = dataset.labels().iter().enumerate();
    let images: Vec<usize> = labels
        .filter(|(_, label)| **label == class)
        .map(|(at, _)| at)
        .collect();
    let shown = images.len().min(count);
    (0..shown)
        .map(|at| images[at * images.len() / shown])
        .collect()
}

fn sample(dataset: Digest, images: Vec<usize>, caption: String, what: &str) -> Option<SampleView> {
    (!images.is_empty()).then(|| SampleView {
        alt: format!("{} {what}", images.len()),
        caption,
        picture: Picture::Sheet {
            dataset,
            columns: COLUMNS.min(images.len()),
            images,
            side: SIDE,
        },
    })
}

fn shape_text(dataset: &dyn DatasetView) -> String {
    let shape = dataset.shape();
    let color = if shape.channels == 1 { "gray" } else { "color" };
    format!("{} × {} pixels, {color}", shape.width, shape.height)
}

fn leakage(reader: Reader<'_>, stage: &StageView) -> Option<LeakageView> {
    let name = reader.analysis.leakage_file();
    let has = |files: &[(String, String)]| files.iter().any(|(known, _)| known == name);
    let output = stage.outputs.iter().find(|output| has(&output.files))?;
    let content = reader.file(&output.digest, name)?;
    let found = reader.analysis.read_leakage(&content);
    let found = found.inspect_err(|error| tracing::warn!("{}: {error}", stage.name));
    Some(leakage_view(&found.ok()?))
}

fn leakage_view(found: &Leakage) -> LeakageView {
    let row = |compared: &contract::analysis::Comparison| {
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
