//! Renders views as HTML.
//!
//! Templates are in `templates`, and what they share in `assets`. Their markup is well-formed XML as well, so that
//! tests can parse it.

use askama::Template;
use contract::analysis::ThemeColor;
use store::keys::Digest;

use crate::links::Links;
use crate::picture::{Pictures, PicturesAre};
use crate::run::RunView;

pub use crate::run_page::RunPage;
/// A template failed.
pub use askama::Error as Failure;

/// The style sheet of all pages.
pub const STYLE: &str = include_str!("assets/page.css");
/// The script of all pages. Pages can be read without it.
pub const SCRIPT: &str = include_str!("assets/page.js");

/// A self-contained document. Its policy forbids every request.
#[derive(Template)]
#[template(path = "document.html")]
struct Document<'a> {
    title: &'a str,
    policy: &'a str,
    nonce: &'a str,
    style: &'a str,
    colors: &'a str,
    script: &'a str,
    body: &'a str,
}

/// Renders the report of a run as one document. `colors` are those of its figures.
///
/// # Errors
/// If a template fails, which is a bug.
pub fn report(
    view: &RunView,
    pictures: &dyn Pictures,
    are: PicturesAre,
    colors: &[ThemeColor],
) -> Result<String, Failure> {
    let page = RunPage {
        view,
        links: &Links::OneDocument,
        pictures,
    };
    let body = page.render()?;
    // Only a script with the nonce runs. Nobody who writes a name or a log into the document can know the nonce,
    // because it depends on the whole document.
    let nonce = Digest::derive("runner page nonce v1", body.as_bytes());
    let nonce = nonce.to_string();
    let images = match are {
        PicturesAre::Inside { .. } => "data:",
        PicturesAre::Beside => "'self' file:",
    };
    let policy = format!(
        "default-src 'none'; img-src {images}; style-src 'unsafe-inline'; script-src 'nonce-{nonce}'; \
         base-uri 'none'; form-action 'none'"
    );
    let title = format!("{}: {}", view.summary.pipeline, view.summary.run);
    let document = Document {
        title: &title,
        policy: &policy,
        nonce: &nonce,
        style: STYLE,
        colors: &theme(colors),
        script: SCRIPT,
        body: &body,
    };
    document.render()
}

/// The colors of figures as CSS. On paper they are light.
pub fn theme(colors: &[ThemeColor]) -> String {
    let set = |of: fn(&ThemeColor) -> &str| -> String {
        let colors = colors.iter();
        colors
            .map(|color| format!("{}:{};", color.variable, of(color)))
            .collect()
    };
    let light = set(|color| &color.light);
    let dark = set(|color| &color.dark);
    format!(
        ":root{{{light}}}\n\
         @media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}}}}}\n\
         @media screen{{:root[data-theme=dark]{{{dark}}}}}"
    )
}

/// The results of a run, for a page of a site that shows how the run goes on by itself.
#[derive(Template)]
#[template(path = "site_results.html")]
pub struct SiteResults<'a>(pub RunPage<'a>);

/// Details of a stage and its results, for a page of a site.
#[derive(Template)]
#[template(path = "site_stage.html")]
pub struct SiteStage<'a> {
    pub page: RunPage<'a>,
    /// Position of the stage.
    pub at: usize,
}

impl<'a> std::ops::Deref for SiteResults<'a> {
    type Target = RunPage<'a>;

    fn deref(&self) -> &RunPage<'a> {
        &self.0
    }
}

impl<'a> std::ops::Deref for SiteStage<'a> {
    type Target = RunPage<'a>;

    fn deref(&self) -> &RunPage<'a> {
        &self.page
    }
}
