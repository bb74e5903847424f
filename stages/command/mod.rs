//! Kind `command`: runs any program as a stage.
//!
//! The program runs in its own scratch folder, which contains only its inputs (each under its role), its code
//! and its files. What it writes to the declared paths becomes the stage's outputs. Any other file that it
//! leaves is an error unless `ignore` has its name, because the folder is deleted after the stage.

mod declared;
mod distinct;
mod environment;
mod metrics;
mod mounts;
mod outputs;
mod params;
mod paths;
mod shell;
mod tools;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use contract::{
    ArtifactType, Context, External, Failure, Folder, Gathered, Invalid, KindInfo, MetricInfo,
    Port, Program, Request, Segment, Signature, Source, Stage, Tool,
};
use serde_json::{Value, json};

use declared::MetricsFile;
pub use params::Params;
pub use shell::{Argv, Shell};

pub const INFO: KindInfo = KindInfo {
    name: "command",
    version: 4,
    doc: "runs a program on declared inputs and keeps its declared outputs",
    inputs: &[],
    outputs: &[],
    has_primary: false,
    model_params: &[],
    text_params: &[
        "argv",
        "code",
        "files",
        "env",
        "outputs",
        "metrics.file",
        "folder",
        "ignore",
        "tools",
    ],
    positive_param: None,
    fold_param: None,
    declares_ports: true,
    computes: false,
};

/// Name of the output port for metrics.
const METRICS_PORT: &str = "metrics";

fn missing_program(name: &str) -> String {
    if name.contains('/') {
        format!("there is no program `{name}`")
    } else {
        format!("there is no program `{name}` in any folder of `PATH`")
    }
}

impl Stage for Params {
    fn canonical(&self) -> Value {
        let code = self.code.iter();
        let code: Vec<Value> = code
            .map(|path| json!({ "path": path, "content": null }))
            .collect();
        let files = self.mounts();
        let files: BTreeMap<PathBuf, &Path> = files.map(|(_, place, path)| (place, path)).collect();
        // `argv` already includes the shell. Empty parameters are left out, because this value is read very
        // often in pipelines with thousands of commands.
        let all = [
            ("argv", json!(self.words())),
            ("code", json!(code)),
            ("env", json!(self.env)),
            ("files", json!(files)),
            ("folder", json!(self.folder)),
            ("ignore", json!(self.ignore)),
            (
                "metrics",
                json!(self.metrics.as_ref().map(MetricsFile::canonical)),
            ),
            ("outputs", json!(self.outputs)),
            ("tools", json!(self.tools)),
        ];
        let is_empty = |value: &Value| match value {
            Value::Null => true,
            Value::Array(items) => items.is_empty(),
            Value::Object(entries) => entries.is_empty(),
            _ => false,
        };
        let given = all.into_iter().filter(|(_, value)| !is_empty(value));
        given
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    fn check(
        &self,
        inputs: &BTreeMap<String, Vec<Signature>>,
    ) -> Result<BTreeMap<String, Signature>, Invalid> {
        // Everything in the scratch folder must have a place of its own.
        let mut places = paths::Places::default();
        for role in inputs.keys() {
            places.take(Path::new(role), "the input", Invalid::new)?;
        }
        for (index, path) in self.code.iter().enumerate() {
            places.take(path, "the code", |m| {
                Invalid::new(m).at(index).under("code")
            })?;
        }
        for name in self.files.keys() {
            let wrong = |m| Invalid::new(m).under(name).under("files");
            places.take(Path::new(name), "the file", wrong)?;
        }
        for (port, path) in &self.outputs {
            let wrong = |m| Invalid::new(m).under(port).under("outputs");
            places.take(path, "the output", wrong)?;
        }
        if let Some(MetricsFile { file, .. }) = &self.metrics {
            places.take(file, "the output", |m| Invalid::new(m).under("metrics"))?;
        }
        let signature = |port: Port| match port.yields {
            ArtifactType::Metrics => (port.name, Signature::Metrics),
            _ => (port.name, Signature::Files),
        };
        Ok(self.outputs().into_iter().map(signature).collect())
    }

    fn sources(&self) -> Vec<Source> {
        let key = |key: &str| Segment::Key(key.to_owned());
        let code = self.code.iter().enumerate().map(|(index, path)| {
            let param = vec![key("code"), Segment::Index(index), key("content")];
            Source::new(param, path).with_empty_folders()
        });
        let files = self.mounts().map(|(name, place, path)| {
            let param = vec![key("files"), key(&place.to_string_lossy())];
            Source::new(param, path)
                .written_at(vec![key("files"), key(name)])
                .with_empty_folders()
        });
        code.chain(files).collect()
    }

    fn tools(&self) -> Vec<Tool> {
        tools::of(&self.words(), &self.tools)
    }

    fn preflight(&self) -> Result<Option<usize>, Invalid> {
        let words = self.words();
        let name = words.first().map_or("", String::as_str);
        let missing = self.tools().into_iter().find(|tool| tool.path.is_none());
        match missing {
            None => Ok(None),
            Some(tool) if tool.name == name => {
                let error = Invalid::new(missing_program(name));
                Err(match &self.argv {
                    Argv::Line(_) => error
                        .hint(
                            "install it, or use `shell: sh` for `/bin/sh`, which has no `pipefail`",
                        )
                        .under("shell"),
                    Argv::Words(_) => error.at(0).under("argv"),
                })
            }
            Some(tool) => Err(Invalid::new(missing_program(&tool.name))
                .under(&tool.name)
                .under("tools")),
        }
    }

    fn outputs(&self) -> Vec<Port> {
        let files = self.outputs.keys().map(|name| Port {
            name: name.clone(),
            yields: ArtifactType::Files,
        });
        let metrics = self.metrics.iter().map(|_| Port {
            name: METRICS_PORT.to_owned(),
            yields: ArtifactType::Metrics,
        });
        files.chain(metrics).collect()
    }

    fn metrics(&self, port: &str) -> Option<Vec<MetricInfo>> {
        let declared = self.metrics.as_ref().filter(|_| port == METRICS_PORT)?;
        declared.infos()
    }

    fn external(&self) -> Option<&dyn External> {
        Some(self)
    }

    fn run(&self, _: &Context<'_>) -> Result<(), Failure> {
        Err(Failure::Internal(
            "a command is run by the engine itself".to_owned(),
        ))
    }
}

impl External for Params {
    fn prepare(&self, request: &Request) -> Result<Program, Failure> {
        let scratch = &request.staging;
        let mounted = mounts::mount(self, request, scratch)?;
        let folder = match &self.folder {
            Some(folder) => scratch.join(folder),
            None => scratch.clone(),
        };
        if self.folder.is_some() {
            contract::files::create_folders(&folder)
                .map_err(|e| Failure::io("create", &folder, e))?;
        }
        let argv = self.words();
        let name = argv.first().map_or("", String::as_str);
        let path = if name.contains('/') {
            folder.join(name)
        } else {
            tools::find(name).ok_or_else(|| Failure::Data(missing_program(name)))?
        };
        Ok(Program {
            path,
            argv,
            env: self.env.of(request),
            folder,
            outputs: self.declared().all().map(Path::to_owned).collect(),
            mounted,
        })
    }

    fn gather(&self, staging: &Folder, program: &Program) -> Result<Gathered, Failure> {
        self.declared().gather(staging, program)
    }
}
