//! Describes this host for `runner doctor`.

use std::path::Path;

use super::Places;
use crate::forecast::{Machine, StoreFolder, processor_model};
use crate::graph::Catalogue;
use crate::launch::ssh::{HostFacts, HostGpu};

/// Returns the facts about this machine. `setting` is the store, if it is not at its default place.
pub(super) fn facts(setting: Option<&str>, catalogue: &Catalogue, places: &Places) -> HostFacts {
    let place = places.store(setting);
    let found = place.map(|folder| StoreFolder::probe(&folder));
    let (store, machine) = found.unwrap_or_else(|why| {
        let store = StoreFolder {
            why_not_writable: Some(why.to_string()),
            ..StoreFolder::default()
        };
        (store, Machine::current(Path::new("/")))
    });
    let (gpus, without_gpu) = match (catalogue.gpus)() {
        Ok(found) => (found.as_slice(), None),
        Err(why) => (&[][..], Some(why.to_string())),
    };
    let gpus = gpus.iter().map(|gpu| HostGpu {
        name: gpu.name.clone(),
        memory: gpu.memory,
    });
    HostFacts {
        processor: (catalogue.processor)().to_owned(),
        model: processor_model(),
        cpus: machine.cpus,
        memory: machine.memory,
        free_memory: machine.free_memory,
        gpus: gpus.collect(),
        without_gpu,
        store,
    }
}
