//! The host's side of a stage that is run over SSH: `runner node --ssh`.
//!
//! The node talks with the driver over its standard input and output (`ssh/protocol.rs`). It takes the inputs into a
//! store of its own, runs the stage as a process of its own, and sends everything that the stage makes. It ends with its
//! connection: when standard input closes, or nothing comes for [`SILENCE`], the stage is killed. It keeps no records
//! and no checkpoints, only blobs.

mod reports;
mod survey;
#[cfg(test)]
mod tests;
mod watch;

use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use contract::{Artifact, Failure, Folder, Request, Resume, ShowPath};

use super::node::version;
use super::ssh::protocol::{
    self, Ended, FromDriver, FromHost, HostInput, HostWork, Listing, Outgoing, check_checkpoint,
    copy_exactly,
};
use super::ssh::this_program;
use super::this_node::{processor_for, with_log};
use super::{Ending, Launch, Launcher, Local, Placement, Work};
use crate::error::Error;
use crate::graph::{Catalogue, Limits};
use reports::Reports;
use store::{Blob, Deadline, Store, Tree, receive_file};
use watch::Watch;

/// Runs the stage that the driver at the other end of standard input and output asks for.
///
/// # Errors
/// If the connection is lost. Failures of the stage are sent to the driver.
pub fn serve(catalogue: &Catalogue) -> Result<(), Error> {
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let places = Places { home, cache };
    let served = converse(io::stdin(), io::stdout(), catalogue, &places);
    served.map_err(|error| Error::System(format!("lost the connection to the driver: {error}")))
}

/// Folders of the user on this machine.
struct Places {
    home: Option<PathBuf>,
    cache: Option<PathBuf>,
}

fn converse<R: Read + Send + 'static, W: Write + Send>(
    from: R,
    to: W,
    catalogue: &Catalogue,
    places: &Places,
) -> io::Result<()> {
    let mut from = BufReader::new(from);
    let to = Outgoing::new(to);
    let hello = this_program(version().map_err(io::Error::other)?);
    to.send(&FromHost::Hello(hello))?;
    let work = loop {
        match protocol::read(&mut from)? {
            Some(FromDriver::Ping) => to.send(&FromHost::Pong)?,
            Some(FromDriver::Survey { store }) => {
                let facts = survey::facts(store.as_deref(), catalogue, places);
                to.send(&FromHost::Facts(Box::new(facts)))?;
            }
            Some(FromDriver::Run(work)) => break *work,
            // The driver hung up: its version differs, or it has all the facts that it asked for.
            None => return Ok(()),
            Some(_) => return Err(protocol::invalid("the first message is not a stage")),
        }
    };
    let prepared = prepare(&work, catalogue, places);
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(failure) => return to.send(&FromHost::Ended(Box::new(failed(failure)))),
    };
    let resumed = prepared.receive(&work, &mut from, &to)?;
    let local: Arc<dyn Launcher> = Arc::new(Local::default());
    let watch = Watch::start(from, Arc::clone(&local))?;
    let ending = prepared.run(&work, resumed, &*local, catalogue, &to)?;
    watch.end();
    let Ending {
        result,
        seconds,
        usage,
    } = ending;
    match result.and_then(|_| prepared.outputs()) {
        Ok(tree) => {
            let listing = Listing {
                files: tree.files.clone(),
                folders: tree.folders.clone(),
            };
            let ended = FromHost::Ended(Box::new(Ended {
                result: Ok(listing),
                seconds,
                usage,
            }));
            to.send_with(&ended, |to| {
                let mut blobs = tree.files.values();
                blobs.try_for_each(|blob| send_blob(&prepared.store, blob, to))
            })
        }
        Err(failure) => to.send(&FromHost::Ended(Box::new(Ended {
            result: Err(with_log(failure, &prepared.log, &work.log)),
            seconds,
            usage,
        }))),
    }
}

fn failed(failure: Failure) -> Ended {
    Ended {
        result: Err(failure),
        seconds: 0.0,
        usage: super::Usage::default(),
    }
}

fn send_blob(store: &Store, blob: &Blob, to: &mut dyn Write) -> io::Result<()> {
    let file = store.open_blob(&blob.digest)?;
    let mut file = file.ok_or(io::ErrorKind::NotFound)?;
    copy_exactly(&mut file, blob.bytes, to)
}

/// A stage whose inputs are known, and the folders in which it will run.
struct Prepared {
    store: Store,
    /// Trees of the inputs, in the order of the request.
    inputs: Vec<Tree>,
    gpus: Vec<String>,
    staging: PathBuf,
    folder: Folder,
    /// A fresh folder for checkpoints.
    checkpoints: PathBuf,
    log: PathBuf,
    _owned: Owned,
}

/// Keeps the fresh folders, and the blobs, which no record names, until the stage has ended.
struct Owned {
    _guard: store::Guard,
    _staging: store::Staging,
    _scratch: store::Staging,
}

/// Checks what the driver asks for, and opens the store.
fn prepare(work: &HostWork, catalogue: &Catalogue, places: &Places) -> Result<Prepared, Failure> {
    check_processor(work, catalogue)?;
    let refused = |error: io::Error| Failure::Data(format!("the driver sent {error}"));
    if let Some(files) = &work.checkpoint {
        check_checkpoint(files).map_err(refused)?;
    }
    let inputs = work.inputs.values().flatten();
    let inputs = inputs.map(|input| input.tree().map_err(refused));
    let inputs = inputs.collect::<Result<Vec<_>, _>>()?;
    let system = |error: store::Error| Failure::System(error.to_string());
    let store = Store::open(&places.store(work.store.as_deref())?).map_err(system)?;
    let guard = store.guard().map_err(system)?;
    let staging = store.staging().map_err(system)?;
    let scratch = store.staging().map_err(system)?;
    let checkpoints = scratch.path().join("checkpoints");
    std::fs::create_dir(&checkpoints)
        .map_err(|error| Failure::io("create", &checkpoints, error))?;
    let folder = Folder::open(staging.path());
    Ok(Prepared {
        folder: folder.map_err(|error| Failure::io("open", staging.path(), error))?,
        staging: staging.path().to_owned(),
        log: scratch.path().join("log"),
        checkpoints,
        inputs,
        gpus: gpus(work, catalogue)?,
        store,
        _owned: Owned {
            _guard: guard,
            _staging: staging,
            _scratch: scratch,
        },
    })
}

impl Prepared {
    /// Receives the blobs that the store lacks, and the checkpoint. Returns the checkpoint.
    fn receive<W: Write>(
        &self,
        work: &HostWork,
        from: &mut dyn BufRead,
        to: &Outgoing<W>,
    ) -> io::Result<Option<Artifact>> {
        let blobs = self.inputs.iter().flat_map(|tree| tree.files.values());
        let blobs = self.store.lacking(blobs).map_err(io::Error::other)?;
        let lacks = FromHost::Lacks { blobs };
        to.send(&lacks)?;
        let FromHost::Lacks { blobs } = lacks else {
            return Ok(None);
        };
        match protocol::read(from)? {
            Some(FromDriver::Content) => {}
            Some(_) => return Err(protocol::invalid("an answer is out of order")),
            None => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
        for blob in &blobs {
            self.store.receive(blob, from).map_err(io::Error::other)?;
        }
        let Some(files) = &work.checkpoint else {
            return Ok(None);
        };
        let folder = self.checkpoints.with_file_name("resumed");
        std::fs::create_dir(&folder)?;
        let mut artifact = Artifact {
            label: "checkpoint".to_owned(),
            ..Artifact::default()
        };
        for (name, blob) in files {
            let path = folder.join(name);
            receive_file(&path, blob, from)?;
            artifact.files.insert(name.clone(), path);
        }
        Ok(Some(artifact))
    }

    /// Runs the stage to its end, and sends what it reports.
    fn run<W: Write + Send>(
        &self,
        work: &HostWork,
        resumed: Option<Artifact>,
        local: &dyn Launcher,
        catalogue: &Catalogue,
        to: &Outgoing<W>,
    ) -> io::Result<Ending> {
        let request = self.request(work, resumed);
        let stage = (catalogue.parse)(&request.kind, request.params.clone());
        let refused = match stage {
            Err(invalid) => Some(Failure::Data(invalid.to_string())),
            Ok(stage) if stage.external().is_some() => {
                Some(Failure::Data("programs cannot run over SSH".to_owned()))
            }
            Ok(_) => None,
        };
        if let Some(failure) = refused {
            return Ok(Ending::failed(failure));
        }
        let launch = Launch {
            key: work.key,
            stage: &work.stage,
            placement: &Placement::default(),
            store: &self.store,
            request: &request,
            staging: &self.folder,
            // The checkpoints are sent instead of kept here.
            work: Work::BuiltIn(None),
            limits: Limits {
                timeout: work.timeout,
                memory: work.memory,
                retries: None,
            },
            log: &self.log,
            on_linked: &|| {},
        };
        let reports = Reports {
            to,
            staging: &self.folder,
            checkpoints: &self.checkpoints,
            log: &self.log,
        };
        let ending = thread::scope(|scope| {
            let reporter = reports.start(scope)?;
            Ok(local.run(&launch, &|event| reporter.event(event)))
        });
        local.finish();
        ending
    }

    fn request(&self, work: &HostWork, resumed: Option<Artifact>) -> Request {
        let mut trees = self.inputs.iter();
        let mut inputs = std::collections::BTreeMap::new();
        for (role, list) in &work.inputs {
            let artifacts = list.iter().zip(&mut trees);
            let artifacts = artifacts.map(|(input, tree)| Artifact {
                label: input.label.clone(),
                files: self.store.files_of(tree),
                folders: tree.folders.iter().cloned().collect(),
                entry: input.entry.clone(),
            });
            inputs.insert(role.clone(), artifacts.collect());
        }
        Request {
            inputs,
            staging: self.staging.clone(),
            gpus: self.gpus.clone(),
            resume: work.keeps_checkpoints.then(|| Resume {
                folder: self.checkpoints.clone(),
                kept: resumed.into_iter().collect(),
            }),
            ..work.request.clone()
        }
    }

    /// Takes the outputs into the store, where the next stage may need them.
    fn outputs(&self) -> Result<Tree, Failure> {
        let tree = self
            .store
            .ingest(&self.folder, Path::new(""), &Deadline::NONE);
        tree.map_err(|error| match error {
            store::Error::Unstorable { path, why } => {
                let path = path.shown();
                Failure::Data(format!("its output `{path}` cannot be kept: {why}"))
            }
            error => Failure::System(error.to_string()),
        })
    }
}

impl HostInput {
    fn tree(&self) -> io::Result<Tree> {
        self.content.clone().into_tree()
    }
}

impl Places {
    /// Returns the folder of the store: `setting`, or the default place.
    fn store(&self, setting: Option<&str>) -> Result<PathBuf, Failure> {
        let home = || {
            let home = self.home.clone();
            home.ok_or_else(|| Failure::Data("the host has no `HOME`; set `store`".to_owned()))
        };
        match setting {
            // A relative path starts at the home folder, where SSH starts programs.
            Some(setting) => match setting.strip_prefix("~/") {
                Some(rest) => Ok(home()?.join(rest)),
                None if Path::new(setting).is_absolute() => Ok(PathBuf::from(setting)),
                None => Ok(home()?.join(setting)),
            },
            None => {
                let cache = self.cache.clone().filter(|cache| cache.is_absolute());
                let cache = match cache {
                    Some(cache) => cache,
                    None => home()?.join(".cache"),
                };
                Ok(cache.join("runner/remote-store"))
            }
        }
    }
}

/// Checks that this machine has the kind of processor for which the result will be recorded.
fn check_processor(work: &HostWork, catalogue: &Catalogue) -> Result<(), Failure> {
    let Some(needed) = &work.processor else {
        return Ok(());
    };
    let found = processor_for(work.request.device, catalogue)?;
    if found == *needed {
        return Ok(());
    }
    Err(Failure::Data(format!(
        "the processor of the host is of the kind {found}, and the result is for {needed}; set `processor` or `gpu` of \
         the host to what it has"
    )))
}

/// Returns the GPUs for the stage. Stages that run at once get different ones, as long as there are enough.
fn gpus(work: &HostWork, catalogue: &Catalogue) -> Result<Vec<String>, Failure> {
    if work.gpus == 0 {
        return Ok(Vec::new());
    }
    let found = match (catalogue.gpus)() {
        Ok(found) => found,
        Err(why) => return Err(Failure::Data(format!("no GPU on the host: {why}"))),
    };
    if found.len() < work.gpus {
        return Err(Failure::Data(format!(
            "the host has {} GPUs, and the stage needs {}",
            found.len(),
            work.gpus
        )));
    }
    let first = work.slot.saturating_mul(work.gpus);
    let chosen = (0..work.gpus).map(|i| &found[first.saturating_add(i) % found.len()]);
    Ok(chosen.map(|gpu| gpu.uuid.clone()).collect())
}
