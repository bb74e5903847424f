//! [`GalleryView`]: pictures that stages made for people to look at.

use contract::ArtifactType;

use super::samples::SampleView;
use crate::picture::Picture;
use crate::reader::Reader;
use crate::stage::StageView;

/// Most pictures of a stage that are shown.
const PICTURES: usize = 8;

/// Pictures that a stage made for people to look at.
#[derive(Clone, Debug)]
pub struct GalleryView {
    /// Position of its stage in the run.
    pub stage: usize,
    pub pictures: Vec<SampleView>,
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
