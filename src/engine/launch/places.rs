//! [`Places`]: all places where the stages of a run may run.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};

use contract::{Failure, StageEvent, lock};

use super::slurm::Slurm;
use super::ssh::Ssh;
use super::{Ending, Executors, Launch, Launcher, Local};
use crate::spec::Executor;
use store::Store;
use store::keys::Key;

/// Runs each stage where its executor says. A place is prepared when the first stage runs there.
pub struct Places {
    local: Local,
    executors: Executors,
    elsewhere: Mutex<BTreeMap<Executor, Place>>,
}

/// A place that is prepared once, or the reason why it cannot be used.
type Place = Arc<OnceLock<Result<Arc<dyn Launcher>, String>>>;

impl Places {
    pub fn new(executors: Executors) -> Self {
        Self {
            local: Local::default(),
            executors,
            elsewhere: Mutex::default(),
        }
    }

    fn elsewhere(&self, executor: &Executor, store: &Store) -> Result<Arc<dyn Launcher>, Failure> {
        let place = Arc::clone(lock(&self.elsewhere).entry(executor.clone()).or_default());
        let prepared = place.get_or_init(|| self.prepare(executor, store));
        prepared.clone().map_err(Failure::System)
    }

    fn prepare(&self, executor: &Executor, store: &Store) -> Result<Arc<dyn Launcher>, String> {
        let executors = &self.executors;
        match executor {
            Executor::Local => Err("this machine is always prepared".to_owned()),
            Executor::Slurm => {
                let settings = executors.slurm.as_ref().map_err(String::clone)?;
                let slurm = Slurm::new(store, settings, executors.on_interrupt)?;
                Ok(Arc::new(slurm))
            }
            Executor::Ssh(host) => {
                let hosts = executors.ssh.as_ref().map_err(String::clone)?;
                let settings = hosts.get(host).cloned().unwrap_or_default();
                Ok(Arc::new(Ssh::new(host, &settings)?))
            }
        }
    }

    /// The places that stages have used, apart from this machine.
    fn used(&self) -> Vec<Arc<dyn Launcher>> {
        let places: Vec<Place> = lock(&self.elsewhere).values().cloned().collect();
        let prepared = places.iter().filter_map(|place| place.get()?.as_ref().ok());
        prepared.map(Arc::clone).collect()
    }
}

impl Launcher for Places {
    fn run(&self, launch: &Launch<'_>, on_event: &dyn Fn(StageEvent)) -> Ending {
        let executor = &launch.placement.executor;
        if executor.is_local() {
            return self.local.run(launch, on_event);
        }
        match self.elsewhere(executor, launch.store) {
            Ok(_) if self.is_stopping() => Ending::failed(Failure::Cancelled),
            Ok(launcher) => launcher.run(launch, on_event),
            Err(failure) => Ending::failed(failure),
        }
    }

    fn recorded(&self, executor: &Executor, key: &Key) {
        for launcher in self.used() {
            launcher.recorded(executor, key);
        }
    }

    fn stopping(&self) -> &AtomicBool {
        self.local.stopping()
    }

    fn stop(&self) {
        self.local.stop();
        self.used().iter().for_each(|launcher| launcher.stop());
    }

    fn kill_programs(&self) {
        self.local.kill_programs();
    }

    fn kill(&self) {
        self.local.kill();
        self.used().iter().for_each(|launcher| launcher.kill());
    }

    fn finish(&self) -> Option<String> {
        for launcher in self.used() {
            launcher.finish();
        }
        self.local.finish()
    }
}
