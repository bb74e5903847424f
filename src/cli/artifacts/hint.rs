//! Hints for arguments that name no artifact of the store, or one of another type.

use engine::spec::suggest;
use store::Shown;
use store::keys::Digest;

/// A type of artifact that a command takes.
pub(in crate::cli) struct Wanted<'a> {
    /// With an article: `a classifier`.
    pub one: &'static str,
    /// In the plural: `classifiers`.
    pub several: &'static str,
    /// Returns `true` if an artifact is of that type.
    pub is: &'a dyn Fn(&Digest) -> bool,
}

/// Names of artifacts that an argument could mean.
pub(super) struct Known<'a> {
    artifacts: Vec<Name<'a>>,
}

struct Name<'a> {
    stage: &'a str,
    instance: &'a str,
    port: &'a str,
}

impl<'a> Known<'a> {
    /// Collects the names of the artifacts that `latest` shows, or of those of the type that is wanted.
    pub(super) fn of(all: &'a [Shown], wanted: Option<&Wanted<'_>>) -> Self {
        let names = all.iter().flat_map(|shown| {
            let instance = shown.instance.as_str();
            let outputs = shown.outputs.iter();
            let outputs =
                outputs.filter(|(_, digest)| wanted.is_none_or(|wanted| (wanted.is)(digest)));
            outputs.map(move |(port, _)| Name {
                stage: stage(instance),
                instance,
                port,
            })
        });
        Self {
            artifacts: names.collect(),
        }
    }

    /// Suggests a name for `argument`: one that is spelled almost like it, or else the instances of its stage.
    pub(super) fn near(&self, argument: &str) -> Option<String> {
        let begins = |name: &str| {
            let rest = argument.strip_prefix(name);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['[', '.']))
        };
        let of_stage = self.artifacts.iter().filter(|name| begins(name.stage));
        // `base.cnn` is longer than `base`.
        let stage = of_stage.map(|name| name.stage).max_by_key(|s| s.len());
        let instances = self.artifacts.iter().filter(|n| Some(n.stage) == stage);
        let instances = suggest::distinct(instances.map(|name| name.instance));
        // The stage has no axes, but the argument has values.
        let without_values = instances.iter().find(|instance| {
            let rest = argument.strip_prefix(**instance);
            rest.is_some_and(|rest| rest.starts_with('['))
        });
        if let Some(instance) = without_values {
            return Some(format!("did you mean `{instance}`?"));
        }
        match stage {
            Some(stage) if !instances.iter().any(|instance| begins(instance)) => suggest::list(
                &format!("instances of `{stage}`"),
                instances.iter().copied(),
            ),
            Some(_) | None => self.alike(argument),
        }
    }

    fn alike(&self, argument: &str) -> Option<String> {
        let names = self.artifacts.iter().flat_map(|name| {
            let Name {
                stage,
                instance,
                port,
            } = name;
            [
                (*stage).to_owned(),
                (*instance).to_owned(),
                format!("{stage}.{port}"),
                format!("{instance}.{port}"),
            ]
        });
        let names: Vec<String> = names.collect();
        let nearest = suggest::nearest(argument, names.iter().map(String::as_str))?;
        Some(format!("did you mean `{nearest}`?"))
    }

    /// Lists the instances with artifacts of the type that is wanted.
    pub(super) fn listed(&self, wanted: &Wanted<'_>) -> String {
        let instances = self.artifacts.iter().map(|name| name.instance);
        suggest::list(wanted.several, instances).unwrap_or_else(|| {
            format!(
                "there are no {} in this store; `runner run` trains them, `--artifacts` names another store",
                wanted.several
            )
        })
    }
}

fn stage(instance: &str) -> &str {
    instance.split('[').next().unwrap_or_default()
}
