//! Settings of a site: how jobs are submitted on its cluster.
//!
//! They belong in the configuration, not in a pipeline: a pipeline must run on every cluster. Values are quoted
//! wherever they reach a shell, with two exceptions that are the site's own code: `extra` (lines for `sbatch`) and
//! `setup` (lines of shell).

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::Error;

/// Largest value of a time setting, in seconds: one day.
const MOST_SECONDS: f64 = 86_400.0;

/// Settings of a site. All have defaults, with which jobs go to the default partition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Partition to which jobs are submitted. `None` means the site's default.
    pub partition: Option<String>,
    /// Account to which jobs are charged.
    pub account: Option<String>,
    /// Quality of service.
    pub qos: Option<String>,
    /// Features that nodes must have, in the notation of `sbatch --constraint`.
    pub constraint: Option<String>,
    /// Further lines for `sbatch`, each beginning with `#SBATCH`. They are inserted as they are.
    pub extra: Vec<String>,
    /// Environment modules that a job loads first.
    pub modules: Vec<String>,
    /// Lines of shell that a job runs after loading modules. They are inserted as they are.
    pub setup: Vec<String>,
    /// Program and arguments that are put before the binary, such as `["apptainer", "exec", "image.sif"]`.
    pub container: Vec<String>,
    /// Path of the binary on the nodes. `None` means the path of the driver's binary.
    pub binary: Option<PathBuf>,
    /// Kind of processor of the nodes, such as `x86-avx512`. It is part of the keys of stages that compute, and a node of
    /// another kind refuses them. `None` means the kind of the driver's machine.
    pub processor: Option<String>,
    /// Model of the GPUs of the nodes, as `nvidia-smi` names it. It is part of the keys of stages that compute on a GPU,
    /// and a node with another model refuses them. `None` means that stages compute on the CPU.
    pub gpu: Option<String>,
    /// Types of GPUs of the site, with their memory in MiB. Needed for stages that ask for an amount of GPU memory.
    pub gpu_types: Vec<GpuType>,
    /// Largest number of jobs that are submitted at the same time, waiting or running.
    pub max_jobs: u32,
    /// Memory in MiB of a stage that asks for none. `None` means the site's default, which may be small.
    pub memory: Option<u64>,
    /// Longest time limit of a job, in minutes. A longer stage is resumed in the next job. `None` means the limit
    /// that the stage asks for.
    pub time_limit: Option<u32>,
    /// Seconds between the signal to save a checkpoint and the time limit.
    pub grace: u32,
    /// Longest time between two questions to Slurm, in seconds. The first ones follow each other faster.
    pub poll: f64,
    /// Longest time to wait for files of a job that has ended, in seconds: shared file systems show them late.
    pub late: f64,
}

/// A type of GPU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GpuType {
    /// Name in `--gres=gpu:NAME:COUNT`.
    pub name: String,
    /// Memory of one GPU in MiB.
    pub memory: u64,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            partition: None,
            account: None,
            qos: None,
            constraint: None,
            extra: Vec::new(),
            modules: Vec::new(),
            setup: Vec::new(),
            container: Vec::new(),
            binary: None,
            processor: None,
            gpu: None,
            gpu_types: Vec::new(),
            max_jobs: 1000,
            memory: None,
            time_limit: None,
            grace: 120,
            poll: 10.0,
            late: 60.0,
        }
    }
}

impl Settings {
    /// Checks all values.
    ///
    /// # Errors
    /// For each value that cannot be used.
    pub fn check(&self) -> Result<(), Vec<Error>> {
        let mut errors = Vec::new();
        let mut note = |checked: Result<(), Error>| errors.extend(checked.err());
        note(check_name("partition", self.partition.as_deref()));
        note(check_name("account", self.account.as_deref()));
        note(check_name("qos", self.qos.as_deref()));
        note(check_constraint(self.constraint.as_deref()));
        note(check_processor(self.processor.as_deref()));
        self.extra.iter().for_each(|line| note(check_extra(line)));
        self.modules
            .iter()
            .for_each(|name| note(check_module(name)));
        self.setup.iter().for_each(|line| note(check_setup(line)));
        self.gpu_types.iter().for_each(|kind| note(check_gpu(kind)));
        note(self.check_container());
        note(self.check_binary());
        self.check_numbers(&mut note);
        if errors.is_empty() {
            Ok(())
        } else {
            Err(errors)
        }
    }

    fn check_container(&self) -> Result<(), Error> {
        let is_bad = |word: &String| word.contains(['\n', '\r', '\0']);
        if self.container.iter().any(is_bad) || self.container.first().is_some_and(String::is_empty)
        {
            return Err(Error::setting(
                "container",
                "contains a line break or has no program",
                "give the program and each argument as one string: [\"apptainer\", \"exec\", \"image.sif\"]",
            ));
        }
        Ok(())
    }

    fn check_binary(&self) -> Result<(), Error> {
        match &self.binary {
            Some(path) if !path.is_absolute() => Err(Error::setting(
                "binary",
                format_args!("is not an absolute path: {path:?}"),
                "jobs start in another folder; give the path from the root",
            )),
            Some(path) => crate::quote::one_line_path(path).map(drop),
            None => Ok(()),
        }
    }

    fn check_numbers(&self, note: &mut impl FnMut(Result<(), Error>)) {
        if self.max_jobs == 0 {
            note(Err(Error::setting(
                "max_jobs",
                "is 0",
                "give the number of jobs that may be submitted at the same time",
            )));
        }
        if self.memory == Some(0) {
            note(Err(Error::setting(
                "memory",
                "is 0",
                "give the memory of a stage in MiB, or leave it out",
            )));
        }
        if self.time_limit == Some(0) {
            note(Err(Error::setting(
                "time_limit",
                "is 0",
                "give the limit in minutes, or leave it out",
            )));
        }
        if self.grace > 3600 {
            note(Err(Error::setting(
                "grace",
                format_args!("is {} s", self.grace),
                "a checkpoint is saved in seconds; use at most 3600",
            )));
        }
        let limit = self.time_limit.map(|minutes| minutes.saturating_mul(60));
        if limit.is_some_and(|limit| self.grace >= limit) {
            note(Err(Error::setting(
                "grace",
                format_args!("is {} s, which is all of `slurm.time_limit`", self.grace),
                "use a shorter grace time or a longer limit",
            )));
        }
        for (name, value) in [("poll", self.poll), ("late", self.late)] {
            if !(0.2..=MOST_SECONDS).contains(&value) {
                note(Err(Error::setting(
                    name,
                    format_args!("is {value} s"),
                    "use a number of seconds from 0.2 to 86400",
                )));
            }
        }
    }
}

/// Checks a name that becomes the value of an option of `sbatch`.
fn check_name(setting: &'static str, name: Option<&str>) -> Result<(), Error> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || "_-.,+@".contains(c);
    match name {
        Some(name) if name.is_empty() || !name.chars().all(is_good) => Err(Error::setting(
            setting,
            format_args!("is not a name: {name:?}"),
            "use the name that `sinfo` or `sacctmgr` shows",
        )),
        _ => Ok(()),
    }
}

fn check_constraint(text: Option<&str>) -> Result<(), Error> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || "_-.,+@&|()[]*:".contains(c);
    match text {
        Some(text) if text.is_empty() || !text.chars().all(is_good) => Err(Error::setting(
            "constraint",
            format_args!("is not a constraint: {text:?}"),
            "use features with `&` and `|`, as in `sbatch --constraint`",
        )),
        _ => Ok(()),
    }
}

/// Checks the name of a kind of processor.
fn check_processor(name: Option<&str>) -> Result<(), Error> {
    let is_good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match name {
        Some(name) if name.is_empty() || !name.chars().all(is_good) => Err(Error::setting(
            "processor",
            format_args!("is not a kind of processor: {name:?}"),
            "use the kind that `runner doctor --executor slurm` shows, such as `x86-avx512`",
        )),
        _ => Ok(()),
    }
}

/// Options that this package sets itself, so that a job can be found again. Lines of the site must not change them.
const OWN_OPTIONS: [&str; 13] = [
    "--array",
    "-a",
    "--comment",
    "--job-name",
    "-J",
    "--output",
    "-o",
    "--error",
    "-e",
    "--chdir",
    "-D",
    "--wrap",
    "--wait",
];

fn check_extra(line: &str) -> Result<(), Error> {
    let options = line
        .strip_prefix("#SBATCH ")
        .filter(|options| options.starts_with(['-', ' ']) && !options.contains(['\n', '\r', '\0']));
    let Some(options) = options else {
        return Err(Error::setting(
            "extra",
            format_args!("has a line that is not an option: {line:?}"),
            "write each line as in a batch script: \"#SBATCH --exclusive\"",
        ));
    };
    let own = options.split_whitespace().find_map(|word| {
        let name = word.split('=').next().unwrap_or(word);
        // The value of a short option may follow without a space.
        let is = |own: &str| own == name || (own.len() == 2 && name.starts_with(own));
        OWN_OPTIONS.into_iter().find(|own| is(own))
    });
    match own {
        Some(own) => Err(Error::setting(
            "extra",
            format_args!("sets `{own}`, which runner sets itself"),
            "remove the line; the names and logs of jobs are needed to find them again",
        )),
        None => Ok(()),
    }
}

fn check_module(name: &str) -> Result<(), Error> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || "_-.+/:@=".contains(c);
    if name.is_empty() || name.starts_with('-') || !name.chars().all(is_good) {
        return Err(Error::setting(
            "modules",
            format_args!("has an entry that is not a module: {name:?}"),
            "use one string for each module, as in `module load`; put other commands into `setup`",
        ));
    }
    Ok(())
}

fn check_setup(line: &str) -> Result<(), Error> {
    if line.contains(['\n', '\r', '\0']) {
        return Err(Error::setting(
            "setup",
            format_args!("has an entry of several lines: {line:?}"),
            "use one string for each line",
        ));
    }
    if line.trim_start().starts_with("#SBATCH") {
        return Err(Error::setting(
            "setup",
            "has a line for `sbatch`, which would be ignored there",
            "move the line to `extra`",
        ));
    }
    Ok(())
}

fn check_gpu(kind: &GpuType) -> Result<(), Error> {
    let is_good = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    if kind.name.is_empty() || !kind.name.chars().all(is_good) || kind.memory == 0 {
        return Err(Error::setting(
            "gpu_types",
            format_args!(
                "has an unusable entry: {:?} with {} MiB",
                kind.name, kind.memory
            ),
            "give the type as in `sinfo -o %G`, and its memory in MiB",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn errors(settings: &Settings) -> Vec<String> {
        let errors = settings.check().unwrap_err();
        assert!(errors.iter().all(|error| error.hint().is_some()));
        errors.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn defaults_are_good_and_unknown_keys_are_refused() {
        let settings: Settings = serde_json::from_str("{}").unwrap();
        assert_eq!(settings, Settings::default());
        settings.check().unwrap();
        let error = serde_json::from_str::<Settings>(r#"{"partiton":"gpu"}"#).unwrap_err();
        assert!(error.to_string().contains("unknown field `partiton`"));
    }

    #[test]
    fn all_bad_values_are_reported_at_once() {
        let strings = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let settings = Settings {
            partition: Some("a b".to_owned()),
            account: Some(String::new()),
            constraint: Some("$(x)".to_owned()),
            extra: strings(&["--exclusive", "#SBATCH --exclusive\nrm", "#SBATCH -Jname"]),
            modules: strings(&["cuda/12; rm", "-f"]),
            setup: strings(&["a\nb", "#SBATCH --exclusive"]),
            container: strings(&[""]),
            binary: Some("bin/runner".into()),
            processor: Some("AVX 512".to_owned()),
            gpu_types: vec![GpuType {
                name: "a100:2".to_owned(),
                memory: 40960,
            }],
            max_jobs: 0,
            memory: Some(0),
            time_limit: Some(1),
            poll: f64::NAN,
            late: 0.0,
            ..Settings::default()
        };
        let found = errors(&settings);
        assert_eq!(found.len(), 19, "{found:#?}");
        assert!(found.contains(&"`slurm.extra` sets `-J`, which runner sets itself".to_owned()));
        assert!(found.contains(&"`slurm.poll` is NaN s".to_owned()));
    }

    #[test]
    fn good_values_of_a_site_pass() {
        let text = r##"{
            "partition": "gpu,long", "account": "lab_1", "constraint": "[a100|h100]&ib",
            "extra": ["#SBATCH --exclusive", "#SBATCH  --mail-user=a@b.c"], "modules": ["cuda/12.4", "gcc"],
            "setup": ["source ~/env && true"], "container": ["apptainer", "exec", "my image.sif"],
            "binary": "/opt/runner", "processor": "x86-avx512", "gpu_types": [{"name": "a100", "memory": 40960}], "time_limit": 60
        }"##;
        let settings: Settings = serde_json::from_str(text).unwrap();
        settings.check().unwrap();
    }
}
