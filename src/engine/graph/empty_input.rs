//! [`EmptyInput`]: an input that will certainly have no images.

/// An input of an instance that will certainly have no images.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EmptyInput {
    pub role: &'static str,
    /// Reason, as a clause: ``its input `validation` is not connected``.
    pub why: String,
    pub hint: Option<String>,
}
