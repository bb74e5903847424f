//! Pages that say why there is no other answer.

use hyper::StatusCode;

use crate::answer::{self, Answer};
use crate::page::{self, Message};

/// The answer if the code for it panicked.
pub(super) fn failed() -> Answer {
    let message =
        "This could not be done because of a mistake in runner. The server printed the details.";
    error_page(StatusCode::INTERNAL_SERVER_ERROR, "Error", message)
}

pub(super) fn not_found(message: &str) -> Answer {
    error_page(StatusCode::NOT_FOUND, "Not found", message)
}

pub(super) fn read_only() -> Answer {
    let message = "This server only shows runs. Start it with `runner serve --allow-run` to start and cancel runs here.";
    error_page(StatusCode::FORBIDDEN, "Not allowed", message)
}

pub(super) fn error_page(status: StatusCode, title: &str, message: &str) -> Answer {
    let message = Message {
        title: title.to_owned(),
        message: message.to_owned(),
        link: Some(("/".to_owned(), "All runs".to_owned())),
        ..Message::default()
    };
    answer::html(status, page::message(message))
}
