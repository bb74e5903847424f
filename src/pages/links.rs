//! [`Links`]: the addresses of parts of a run's page.

/// Kind of addresses by which pages refer to each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Links {
    /// Everything is in one document; links are anchors.
    OneDocument,
    /// A site with a page for every run, and one for every stage of a run, below this address: `/runs/20261123-…`.
    Site { run: String },
}

impl Links {
    /// Address of the details of a stage. `id` is that of its view.
    pub fn stage(&self, id: &str) -> String {
        match self {
            Self::OneDocument => format!("#{id}"),
            Self::Site { run } => format!("{run}/stages/{id}"),
        }
    }

    /// Address of the evaluation that a stage made.
    pub fn evaluation(&self, id: &str) -> String {
        match self {
            Self::OneDocument => format!("#{id}-evaluation"),
            Self::Site { run } => format!("{run}/stages/{id}#{id}-evaluation"),
        }
    }

    /// Address of the misclassified images of the evaluation that a stage made.
    pub fn mistakes(&self, id: &str) -> String {
        match self {
            Self::OneDocument => format!("#{id}-mistakes"),
            Self::Site { run } => format!("{run}/stages/{id}#{id}-mistakes"),
        }
    }

    /// Address of a section of the run's page.
    pub fn section(&self, name: &str) -> String {
        match self {
            Self::OneDocument => format!("#{name}"),
            Self::Site { run } => format!("{run}#{name}"),
        }
    }
}

/// Gives every name an id that is unique, stable, and safe in HTML and in addresses: `stage-cnn-model1`.
#[derive(Debug, Default)]
pub struct Ids(std::collections::HashSet<String>);

impl Ids {
    /// The id of a name, which begins with `prefix`. Another call with the same name returns another id.
    pub fn id(&mut self, prefix: &str, name: &str) -> String {
        let mut slug = String::new();
        for char in name.chars().take(60) {
            match char {
                'a'..='z' | '0'..='9' => slug.push(char),
                'A'..='Z' => slug.push(char.to_ascii_lowercase()),
                _ if slug.ends_with('-') => {}
                _ => slug.push('-'),
            }
        }
        let slug = format!("{prefix}-{}", slug.trim_matches('-'));
        let numbered = (2..).map(|number| format!("{slug}-{number}"));
        let mut candidates = std::iter::once(slug.clone()).chain(numbered);
        let free = candidates.find(|id| !self.0.contains(id));
        let id = free.unwrap_or(slug);
        self.0.insert(id.clone());
        id
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_contain_only_safe_characters() {
        let mut ids = Ids::default();
        let names = [
            "cnn[Model1]",
            "cnn[model1]",
            "\"><script>",
            "<script>",
            "画像",
            "",
        ];
        let ids: Vec<String> = names.iter().map(|name| ids.id("stage", name)).collect();
        let expected = [
            "stage-cnn-model1",
            "stage-cnn-model1-2",
            "stage-script",
            "stage-script-2",
            "stage-",
            "stage--2",
        ];
        assert_eq!(ids, expected);
    }
}
