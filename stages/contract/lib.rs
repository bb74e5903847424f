//! Interface between the engine and the stage kinds.
//!
//! The engine knows a kind by its [`KindInfo`]. While the engine plans, it calls methods of a [`Stage`] (a kind
//! with its parsed parameters) that have no side effects. It runs the stage in a worker process from a
//! [`Request`]. This package knows nothing about YAML, keys or schedules.

#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read what they wrote")
)]

pub mod analysis;
mod artifact;
pub mod bare_name;
mod classes;
pub mod clock;
mod context;
mod convolutions;
mod device;
mod event;
mod external;
mod failure;
pub mod files;
mod fold;
mod folder;
mod gpu;
pub mod json;
mod kind;
mod lock;
mod metric_info;
mod metrics;
mod over;
mod parameter;
mod printable;
pub mod random;
pub mod ranges;
mod request;
mod schema;
mod sides;
pub mod sources;
mod stage;
mod tool;
mod work;

pub use artifact::{
    Accepts, Artifact, ArtifactType, FORMAT_VERSION, INDEX_FILE, ImageShape, IndexEntry,
    PRIVATE_BYTES, Signature,
};
pub use classes::{positive_not_chosen, unknown_class};
pub use context::Context;
pub use convolutions::Convolutions;
pub use device::{Device, Precision};
pub use event::{Measurement, Progress, StageEvent};
pub use external::{External, Gathered, Made, Mount, Program};
pub use failure::Failure;
pub use fold::Fold;
pub use folder::Folder;
pub use gpu::{Gpu, GpuCheck, GpuLibrary, NoGpu};
pub use kind::{Input, KindInfo, Output, Port, Usage};
pub use lock::{into_inner, lock};
pub use metric_info::{ANY, Declared, MetricInfo, NOT_NEGATIVE, SHARE, class_of, name_of_class};
pub use metrics::{CONFUSION_FILE, Direction, HISTORY_FILE, METRICS_FILE, Metric, Metrics};
pub use parameter::{Invalid, Segment, Source};
pub use printable::{ShowPath, is_printable, one_line, printable};
pub use request::{Position, Request, Resume};
pub use schema::{Text, schema_of};
pub use sides::Sides;
pub use stage::{Resumable, Stage};
pub use tool::Tool;
pub use work::{Amount, Expected, IMAGES_FILE, Memory, Work};
