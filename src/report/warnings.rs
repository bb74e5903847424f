//! Groups warnings about results, so that instances of a stage with the same warning share a line.

use std::collections::{BTreeSet, HashMap};

use engine::wording::counted;

/// Warnings in groups. Warnings of one stage's instances form a group if their texts differ only in numbers.
#[derive(Debug, Default)]
pub struct Warnings {
    groups: Vec<Group>,
    /// Index of each group, by stage and message without instance and numbers.
    positions: HashMap<(String, String), usize>,
}

#[derive(Debug)]
struct Group {
    message: String,
    /// The instance that had this message.
    first: String,
    others: BTreeSet<String>,
    /// `true` if the messages of the others have other numbers.
    differs: bool,
}

impl Warnings {
    /// Groups the warnings of some instances.
    pub fn of<'a>(stages: impl IntoIterator<Item = (&'a str, &'a [String])>) -> Self {
        let mut warnings = Self::default();
        for (instance, messages) in stages {
            for message in messages {
                warnings.add(instance, message);
            }
        }
        warnings
    }

    /// Adds a warning. Returns `true` if it is the first of its group.
    pub fn add(&mut self, instance: &str, message: &str) -> bool {
        let stage = instance.split('[').next().unwrap_or(instance);
        let kind = (stage.to_owned(), without_numbers(message));
        if let Some(&position) = self.positions.get(&kind) {
            let group = &mut self.groups[position];
            if group.first != instance {
                group.others.insert(instance.to_owned());
                group.differs |= group.message != message;
            }
            return false;
        }
        self.positions.insert(kind, self.groups.len());
        self.groups.push(Group {
            message: message.to_owned(),
            first: instance.to_owned(),
            others: BTreeSet::new(),
            differs: false,
        });
        true
    }

    /// A line for each group.
    pub fn lines(&self) -> Vec<String> {
        self.groups.iter().map(Group::line).collect()
    }

    /// A line for each group of several instances.
    pub fn repeated(&self) -> Vec<String> {
        let repeated = self.groups.iter().filter(|group| !group.others.is_empty());
        repeated.map(Group::line).collect()
    }
}

impl Group {
    fn line(&self) -> String {
        let Self {
            message,
            first,
            others,
            differs,
        } = self;
        match others.len() {
            0 => format!("{first}: warning: {message}"),
            n => {
                let others = counted(n, "other instance");
                let differs = if *differs { ", with other numbers" } else { "" };
                format!("{first} (and {others}{differs}): warning: {message}")
            }
        }
    }
}

fn without_numbers(message: &str) -> String {
    let mut text = String::with_capacity(message.len());
    for char in message.chars() {
        match char {
            '0'..='9' | '.' if text.ends_with('0') => {}
            '0'..='9' => text.push('0'),
            other => text.push(other),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instances_of_a_stage_share_a_warning_and_other_stages_do_not() {
        let mut warnings = Warnings::default();
        assert!(warnings.add("cnn[4]", "all 20 images got the score 0.5"));
        assert!(!warnings.add("cnn[4]", "all 20 images got the score 0.5"));
        assert!(!warnings.add("cnn[6]", "all 9 images got the score 0.25"));
        assert!(!warnings.add("cnn[8]", "all 9 images got the score 1"));
        assert!(warnings.add("cnn[8]", "no image of `A`"));
        assert!(warnings.add("other", "all 20 images got the score 0.5"));
        assert_eq!(
            warnings.lines(),
            [
                "cnn[4] (and 2 other instances, with other numbers): warning: all 20 images got the score 0.5",
                "cnn[8]: warning: no image of `A`",
                "other: warning: all 20 images got the score 0.5",
            ]
        );
        assert_eq!(warnings.repeated(), warnings.lines()[..1]);
    }
}
