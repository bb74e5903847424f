//! Pages with a message: errors, and what became of a run that was started here.

use askama::Template;

use super::rendered;

/// A page with a message.
#[derive(Default)]
pub(crate) struct Message {
    pub(crate) title: String,
    pub(crate) message: String,
    /// Text that a program printed.
    pub(crate) output: Option<String>,
    /// Address and text.
    pub(crate) link: Option<(String, String)>,
    /// `true` if the page loads itself again every few seconds.
    pub(crate) refresh: bool,
}

#[derive(Template)]
#[template(path = "message.html")]
struct MessageTemplate {
    title: String,
    message: String,
    output: Option<String>,
    link: Option<(String, String)>,
    refresh: bool,
}

impl MessageTemplate {
    fn title(&self) -> &str {
        &self.title
    }

    fn events(&self) -> Option<&str> {
        None
    }
}

pub(crate) fn message(message: Message) -> String {
    rendered(&MessageTemplate {
        title: message.title,
        message: message.message,
        output: message.output,
        link: message.link,
        refresh: message.refresh,
    })
}
