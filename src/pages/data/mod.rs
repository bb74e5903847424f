//! Views of the data: datasets, leakage between them, and generated images beside real ones.

mod galleries;
mod generated;
mod leakage;
mod samples;

use contract::ArtifactType;
use contract::analysis::{Bars, DatasetView, Figure, Group};

use crate::figure::FigureView;
use crate::picture::Datasets;
use crate::reader::Reader;
use crate::stage::StageView;
use leakage::leakage;
use samples::{SAMPLES, of_class, sample};

pub use galleries::GalleryView;
pub(crate) use galleries::galleries;
pub(crate) use generated::generated;
pub use generated::{GeneratedView, PairView};
pub use leakage::LeakageView;
pub use samples::SampleView;

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
            let caption = classes[class as usize].clone();
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
    let caption = "Images by class and split".to_owned();
    let id = format!("{}-counts", stage.id);
    FigureView::new(reader, id, caption, &Figure::Bars(&bars))
}

fn shape_text(dataset: &dyn DatasetView) -> String {
    let shape = dataset.shape();
    let color = if shape.channels == 1 { "gray" } else { "color" };
    format!("{} × {} pixels, {color}", shape.width, shape.height)
}
