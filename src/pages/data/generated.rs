//! [`GeneratedView`]: generated images beside real ones.

use std::sync::Arc;

use contract::ArtifactType;
use contract::analysis::DatasetView;
use store::keys::Digest;

use super::leakage::{LeakageView, leakage};
use super::samples::{SAMPLES, SampleView, of_class, sample};
use crate::picture::Datasets;
use crate::reader::Reader;
use crate::stage::StageView;

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
