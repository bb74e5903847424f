//! Pages about runs: what they show, and how they look.
//!
//! [`RunView::read`] collects what there is to show about a run from its folder and from the action records of its
//! stages, so that every run in a store has a page: one that goes on, one that failed, one of a sweep. What only the
//! pipeline file knows (tables, expectations) and what compares runs comes from the caller ([`Extras`]). The templates
//! in [`page`] turn a view into HTML: into one self-contained file, or into pages of a site ([`Links`],
//! [`picture::Pictures`]).
//!
//! All text that templates insert is escaped ([`escape::Markup`]).

#![cfg_attr(
    test,
    allow(clippy::disallowed_methods, reason = "tests read what they wrote")
)]

mod best_evaluation;
pub mod chart;
mod data;
pub mod drawing;
pub mod escape;
mod evaluation;
mod events;
mod explanation;
mod extras;
mod figure;
mod interval;
mod layout;
mod links;
mod metric;
pub mod page;
pub mod picture;
mod reader;
mod run;
mod run_page;
pub mod shortened;
mod size;
mod stage;
mod summary;
mod sweep;
pub mod sweep_figures;
mod training;

pub use data::{
    DataView, GalleryView, GeneratedView, LeakageView, PairView, SampleView, SplitView,
};
pub use evaluation::{
    ClassName, ClinicalView, ConfusionCell, ConfusionView, EvaluationView, HeatMapView,
    HeatMapsView, MistakeView, SubgroupsView,
};
pub use explanation::{ExplainedView, Explanation};
pub use extras::{
    BestRow, CellView, CertaintyView, ChangeView, Comparison, ContrastView, ExpectationView,
    Extras, MetricChangeView, Reference, RowView, TableView, Verdict,
};
pub use figure::FigureView;
pub use links::{Ids, Links};
pub use metric::MetricView;
pub use reader::Reader;
pub use run::RunView;
pub use size::size;
pub use stage::{
    Cause, InputView, OutputView, ParamView, SourceView, StageState, StageView, Start, Why,
    without_output,
};
pub use summary::Summary;
pub use sweep::{ImportanceView, SweepView, TrialView};
pub use training::TrainingView;
