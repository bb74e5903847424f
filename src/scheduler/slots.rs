use std::num::NonZero;

use stages::gpus::Gpu;

/// What an action takes while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Slots {
    pub cpus: usize,
    pub gpus: usize,
    /// It shares its GPU with others, of which it takes so many bytes. Without it has each of its GPUs
    /// to itself.
    pub gpu_memory: Option<u64>,
}

/// All that there is for running actions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Room {
    pub cpus: usize,
    pub gpus: Vec<Gpu>,
}

/// What is free of a [`Room`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Free {
    cpus: usize,
    gpus: Vec<FreeGpu>,
}

/// What an action was given.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    pub cpus: usize,
    /// Positions in the room's list.
    pub gpus: Vec<usize>,
    memory: Option<u64>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct FreeGpu {
    memory: u64,
    /// Actions that it runs.
    users: usize,
    /// Whether one of them has it alone.
    is_taken: bool,
}

impl Slots {
    /// Threads, and no GPU.
    pub const fn cpus(cpus: usize) -> Self {
        Self {
            cpus,
            gpus: 0,
            gpu_memory: None,
        }
    }

    /// What an action gets that asks for `self` where there is `room` in all: at least one cpu, and
    /// never more cpus than there are. Gpus are not capped, as an action cannot do with fewer.
    pub fn granted_of(self, room: &Room) -> Self {
        Self {
            cpus: self.cpus.clamp(1, room.cpus.max(1)),
            ..self
        }
    }
}

impl Room {
    /// One cpu slot for each core that this process may use, no gpu.
    pub fn of_this_machine() -> Self {
        Self {
            cpus: std::thread::available_parallelism().map_or(1, NonZero::get),
            gpus: Vec::new(),
        }
    }

    /// All of it.
    pub fn free(&self) -> Free {
        let gpus = self.gpus.iter().map(|gpu| FreeGpu {
            memory: gpu.memory,
            users: 0,
            is_taken: false,
        });
        Free {
            cpus: self.cpus,
            gpus: gpus.collect(),
        }
    }
}

impl Free {
    /// Whether nothing can start any more.
    pub fn is_used_up(&self) -> bool {
        self.cpus == 0
    }

    /// Takes what `slots` asks for, if it is there: of GPUs that are shared the one that it fills most,
    /// so that others stay whole.
    pub fn take(&mut self, slots: Slots) -> Option<Grant> {
        if slots.cpus > self.cpus {
            return None;
        }
        let gpus = match slots.gpu_memory {
            _ if slots.gpus == 0 => Vec::new(),
            Some(memory) => {
                let fitting = self.gpus.iter().enumerate();
                let fitting = fitting.filter(|(_, gpu)| !gpu.is_taken && gpu.memory >= memory);
                let (index, _) =
                    fitting.min_by_key(|(index, gpu)| (gpu.users == 0, gpu.memory, *index))?;
                vec![index]
            }
            None => {
                let idle = self.gpus.iter().enumerate();
                let idle = idle.filter(|(_, gpu)| gpu.users == 0);
                let gpus: Vec<usize> = idle.map(|(index, _)| index).take(slots.gpus).collect();
                if gpus.len() < slots.gpus {
                    return None;
                }
                gpus
            }
        };
        self.cpus -= slots.cpus;
        for &index in &gpus {
            let gpu = &mut self.gpus[index];
            gpu.users += 1;
            gpu.memory -= slots.gpu_memory.unwrap_or_default();
            gpu.is_taken = slots.gpu_memory.is_none();
        }
        Some(Grant {
            cpus: slots.cpus,
            gpus,
            memory: slots.gpu_memory,
        })
    }

    /// Whether [`Free::take`] would give something.
    pub fn has(&self, slots: Slots) -> bool {
        if slots.gpus == 0 {
            return slots.cpus <= self.cpus;
        }
        self.clone().take(slots).is_some()
    }

    /// Takes back what was given.
    pub fn give_back(&mut self, grant: &Grant) {
        self.cpus += grant.cpus;
        for &index in &grant.gpus {
            let gpu = &mut self.gpus[index];
            gpu.users -= 1;
            gpu.memory += grant.memory.unwrap_or_default();
            gpu.is_taken = false;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub fn room(cpus: usize, memories: &[u64]) -> Room {
        let gpus = memories.iter().enumerate().map(|(index, &memory)| Gpu {
            index,
            name: String::new(),
            uuid: format!("GPU-{index}"),
            compute_capability: (9, 0),
            memory,
        });
        Room {
            cpus,
            gpus: gpus.collect(),
        }
    }

    const fn whole(gpus: usize) -> Slots {
        Slots {
            cpus: 1,
            gpus,
            gpu_memory: None,
        }
    }

    const fn share(memory: u64) -> Slots {
        Slots {
            cpus: 1,
            gpus: 1,
            gpu_memory: Some(memory),
        }
    }

    #[test]
    fn an_action_gets_at_most_all_cpus_and_at_least_one() {
        let room = room(4, &[]);
        let granted = |cpus| Slots::cpus(cpus).granted_of(&room).cpus;
        assert_eq!([granted(0), granted(3), granted(9)], [1, 3, 4]);
    }

    #[test]
    fn a_whole_gpu_is_shared_with_nobody() {
        let mut free = room(9, &[10, 10]).free();
        let first = free.take(whole(1)).unwrap();
        assert_eq!(first.gpus, [0]);
        assert_eq!(free.take(share(1)).unwrap().gpus, [1]);
        assert_eq!(free.take(whole(1)), None);
        free.give_back(&first);
        assert_eq!(free.take(whole(1)).unwrap().gpus, [0]);
        assert_eq!(free.take(share(10)), None);
    }

    #[test]
    fn shares_fill_a_gpu_before_they_begin_another() {
        let mut free = room(9, &[10, 10]).free();
        let gpus: Vec<usize> = [4, 4, 4, 2, 6]
            .map(|memory| free.take(share(memory)).unwrap().gpus[0])
            .to_vec();
        assert_eq!(gpus, [0, 0, 1, 0, 1]);
        assert!(!free.has(share(1)));
    }

    /// What actions may ask for.
    fn asked() -> impl Strategy<Value = Slots> {
        prop_oneof![
            (1..4_usize).prop_map(Slots::cpus),
            (1..3_usize).prop_map(whole),
            (1..=20_u64).prop_map(share),
        ]
    }

    proptest! {
        /// What follows depends on what runs, not on which of the others ended first.
        #[test]
        fn what_is_free_follows_from_what_is_still_taken(
            asked in prop::collection::vec(asked(), 0..16),
            shuffled in Just((0..16_usize).collect::<Vec<_>>()).prop_shuffle(),
            kept in 0..16_usize,
        ) {
            let room = room(9, &[10, 20, 10]);
            let mut free = room.free();
            let grants: Vec<Grant> = asked.iter().filter_map(|slots| free.take(*slots)).collect();
            let ending: Vec<usize> = shuffled.into_iter().filter(|&index| index < grants.len()).skip(kept).collect();
            let mut forwards = free.clone();
            ending.iter().for_each(|&index| forwards.give_back(&grants[index]));
            let mut backwards = free;
            ending.iter().rev().for_each(|&index| backwards.give_back(&grants[index]));
            prop_assert_eq!(&forwards, &backwards);
            let running = (0..grants.len()).filter(|index| !ending.contains(index));
            running.for_each(|index| forwards.give_back(&grants[index]));
            prop_assert_eq!(forwards, room.free());
        }

        /// Nobody waits for a GPU that has room.
        #[test]
        fn what_is_refused_has_no_room_anywhere(asked in prop::collection::vec(asked(), 1..16)) {
            let room = room(usize::MAX >> 1, &[10, 20]);
            let mut free = room.free();
            let mut users: Vec<Vec<Option<u64>>> = vec![Vec::new(); room.gpus.len()];
            for slots in asked {
                let fits = |gpu: &usize| match slots.gpu_memory {
                    None => users[*gpu].is_empty(),
                    Some(memory) => {
                        let others: Option<u64> = users[*gpu].iter().copied().sum();
                        others.is_some_and(|others| others + memory <= room.gpus[*gpu].memory)
                    }
                };
                let fitting: Vec<usize> = (0..users.len()).filter(fits).collect();
                let grant = free.take(slots);
                prop_assert_eq!(grant.is_some(), fitting.len() >= slots.gpus, "{:?}", slots);
                for gpu in grant.into_iter().flat_map(|grant| grant.gpus) {
                    prop_assert!(fitting.contains(&gpu));
                    users[gpu].push(slots.gpu_memory);
                }
            }
        }
    }
}
