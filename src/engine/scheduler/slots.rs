//! Resources: those of an action ([`Slots`]), of a run ([`Capacity`]), free ones ([`Free`]) and
//! granted ones ([`Grant`]).

use contract::Gpu;
use serde::{Deserialize, Serialize};

/// Resources that an action takes while it runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(default)]
pub struct Slots {
    pub cpus: usize,
    /// Main memory in bytes; 0 if unknown.
    pub memory: u64,
    pub gpus: usize,
    /// Bytes of memory that it takes of one GPU, which it shares with other actions. `None`:
    /// it has its GPUs to itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_memory: Option<u64>,
    /// 1 if another machine runs it, which takes no other resource here.
    #[serde(skip_serializing_if = "is_zero")]
    pub elsewhere: usize,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
pub(super) fn is_zero(number: &usize) -> bool {
    *number == 0
}

/// Resources that a run may use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Capacity {
    pub cpus: usize,
    /// Main memory in bytes. `None` if unknown; memory then limits no action.
    pub memory: Option<u64>,
    pub gpus: Vec<Gpu>,
    /// Number of actions that other machines may run at once.
    pub elsewhere: usize,
}

/// The free part of a [`Capacity`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Free {
    cpus: usize,
    memory: u64,
    gpus: Vec<FreeGpu>,
    elsewhere: usize,
}

/// Resources that were granted to an action.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    pub cpus: usize,
    /// Indexes into [`Capacity::gpus`].
    pub gpus: Vec<usize>,
    memory: u64,
    gpu_memory: Option<u64>,
    elsewhere: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct FreeGpu {
    memory: u64,
    /// Number of actions that use it.
    users: usize,
    /// `true` if one action has it to itself.
    is_taken: bool,
}

impl Slots {
    /// Returns slots with this many cpus and no GPU.
    pub const fn cpus(cpus: usize) -> Self {
        Self {
            cpus,
            memory: 0,
            gpus: 0,
            gpu_memory: None,
            elsewhere: 0,
        }
    }

    /// Slots of an action that another machine runs.
    pub const ELSEWHERE: Self = Self {
        elsewhere: 1,
        ..Self::cpus(0)
    };

    /// Returns the slots to grant to an action that requests `self` in `capacity`: at least one cpu, and at
    /// most all cpus and memory. So an action that was measured to need more than the machine has runs alone. GPUs
    /// are not capped, because no action can run with fewer.
    pub fn granted_of(self, capacity: &Capacity) -> Self {
        if self.elsewhere > 0 {
            return self;
        }
        Self {
            cpus: self.cpus.clamp(1, capacity.cpus.max(1)),
            memory: self.memory.min(capacity.memory.unwrap_or(u64::MAX)),
            ..self
        }
    }
}

impl Capacity {
    /// Returns the free part while no action runs.
    pub fn free(&self) -> Free {
        let gpus = self.gpus.iter().map(|gpu| FreeGpu {
            memory: gpu.memory,
            users: 0,
            is_taken: false,
        });
        Free {
            cpus: self.cpus,
            memory: self.memory.unwrap_or(u64::MAX),
            gpus: gpus.collect(),
            elsewhere: self.elsewhere,
        }
    }
}

impl Free {
    /// Returns whether no further action can start.
    pub fn is_used_up(&self) -> bool {
        self.cpus == 0 && self.elsewhere == 0
    }

    /// Takes the resources in `slots`. `None` if they are not free. Of the GPUs with enough free memory to
    /// share, it prefers one that is in use and then the fullest, so that other GPUs stay unused.
    pub fn take(&mut self, slots: Slots) -> Option<Grant> {
        if slots.cpus > self.cpus || slots.memory > self.memory || slots.elsewhere > self.elsewhere
        {
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
        self.memory -= slots.memory;
        self.elsewhere -= slots.elsewhere;
        for &index in &gpus {
            let gpu = &mut self.gpus[index];
            gpu.users += 1;
            gpu.memory -= slots.gpu_memory.unwrap_or_default();
            gpu.is_taken = slots.gpu_memory.is_none();
        }
        Some(Grant {
            cpus: slots.cpus,
            gpus,
            memory: slots.memory,
            gpu_memory: slots.gpu_memory,
            elsewhere: slots.elsewhere,
        })
    }

    /// Returns whether [`Free::take`] would succeed.
    pub fn has(&self, slots: Slots) -> bool {
        if slots.gpus == 0 {
            return slots.cpus <= self.cpus
                && slots.memory <= self.memory
                && slots.elsewhere <= self.elsewhere;
        }
        self.clone().take(slots).is_some()
    }

    /// Returns whether an action with `slots` would take a resource that `waiting` lacks. Call this only if `waiting`
    /// does not fit now.
    pub fn competes(&self, slots: Slots, waiting: Slots) -> bool {
        let lacks_cpus = waiting.cpus > self.cpus;
        let lacks_memory = waiting.memory > self.memory;
        let needs_gpus = |cpus, memory| Slots {
            cpus,
            memory,
            ..waiting
        };
        let lacks_gpus = waiting.gpus > 0 && !self.has(needs_gpus(0, 0));
        let lacks_place = waiting.elsewhere > self.elsewhere;
        (lacks_cpus && slots.cpus > 0)
            || (lacks_place && slots.elsewhere > 0)
            || (lacks_memory && slots.memory > 0)
            || (lacks_gpus && slots.gpus > 0)
    }

    /// Frees the resources of a grant.
    pub fn give_back(&mut self, grant: &Grant) {
        self.cpus += grant.cpus;
        self.memory += grant.memory;
        self.elsewhere += grant.elsewhere;
        for &index in &grant.gpus {
            let gpu = &mut self.gpus[index];
            gpu.users -= 1;
            gpu.memory += grant.gpu_memory.unwrap_or_default();
            gpu.is_taken = false;
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::*;

    pub(crate) fn capacity(cpus: usize, memories: &[u64]) -> Capacity {
        let gpus = memories.iter().enumerate().map(|(index, &memory)| Gpu {
            index,
            name: String::new(),
            uuid: format!("GPU-{index}"),
            compute_capability: (9, 0),
            memory,
        });
        Capacity {
            cpus,
            memory: None,
            gpus: gpus.collect(),
            elsewhere: 2,
        }
    }

    const fn whole(gpus: usize) -> Slots {
        Slots {
            gpus,
            ..Slots::cpus(1)
        }
    }

    const fn share(memory: u64) -> Slots {
        Slots {
            gpus: 1,
            gpu_memory: Some(memory),
            ..Slots::cpus(1)
        }
    }

    #[test]
    fn an_action_gets_at_most_all_cpus_and_at_least_one() {
        let capacity = capacity(4, &[]);
        let granted = |cpus| Slots::cpus(cpus).granted_of(&capacity).cpus;
        assert_eq!([granted(0), granted(3), granted(9)], [1, 3, 4]);
    }

    #[test]
    fn an_action_that_needs_more_memory_than_there_is_gets_all_of_it() {
        let bytes = |memory| Slots {
            memory,
            ..Slots::cpus(1)
        };
        let known = Capacity {
            memory: Some(100),
            ..capacity(4, &[])
        };
        let granted = [0, 60, 101].map(|memory| bytes(memory).granted_of(&known));
        assert_eq!(granted.map(|slots| slots.memory), [0, 60, 100]);
        let mut free = known.free();
        let first = free.take(granted[1]).unwrap();
        assert_eq!(free.take(granted[1]), None);
        assert!(free.has(granted[0]));
        free.give_back(&first);
        assert!(free.take(granted[2]).is_some());
        // Where the memory is unknown, it is not counted.
        let mut unknown = capacity(4, &[]).free();
        assert!(unknown.take(bytes(u64::MAX >> 1)).is_some() && unknown.has(bytes(1)));
    }

    #[test]
    fn actions_compete_only_for_what_the_waiting_one_lacks() {
        let capacity = Capacity {
            memory: Some(100),
            ..capacity(4, &[10])
        };
        let mut free = capacity.free();
        free.take(Slots {
            memory: 50,
            ..whole(1)
        })
        .unwrap();
        let waits_for_gpu = whole(1);
        assert!(!free.competes(
            Slots {
                memory: 50,
                ..Slots::cpus(3)
            },
            waits_for_gpu
        ));
        assert!(free.competes(share(1), waits_for_gpu));
        let waits_for_memory = Slots {
            memory: 60,
            ..Slots::cpus(1)
        };
        assert!(!free.competes(Slots::cpus(3), waits_for_memory));
        assert!(free.competes(
            Slots {
                memory: 1,
                ..Slots::cpus(1)
            },
            waits_for_memory
        ));
        let waits_for_cpus = Slots::cpus(4);
        assert!(free.competes(Slots::cpus(1), waits_for_cpus));
    }

    #[test]
    fn an_exclusive_gpu_is_not_shared() {
        let mut free = capacity(9, &[10, 10]).free();
        let first = free.take(whole(1)).unwrap();
        assert_eq!(first.gpus, [0]);
        assert_eq!(free.take(share(1)).unwrap().gpus, [1]);
        assert_eq!(free.take(whole(1)), None);
        free.give_back(&first);
        assert_eq!(free.take(whole(1)).unwrap().gpus, [0]);
        assert_eq!(free.take(share(10)), None);
    }

    #[test]
    fn shares_fill_a_used_gpu_before_an_unused_one() {
        let mut free = capacity(9, &[10, 10]).free();
        let gpus: Vec<usize> = [4, 4, 4, 2, 6]
            .map(|memory| free.take(share(memory)).unwrap().gpus[0])
            .to_vec();
        assert_eq!(gpus, [0, 0, 1, 0, 1]);
        assert!(!free.has(share(1)));
    }

    /// Generates any kind of slots.
    fn any_slots() -> impl Strategy<Value = Slots> {
        let slots = prop_oneof![
            (1..4_usize).prop_map(Slots::cpus),
            (1..3_usize).prop_map(whole),
            (1..=20_u64).prop_map(share),
            Just(Slots::ELSEWHERE),
        ];
        (slots, 0..50_u64).prop_map(|(slots, memory)| match slots.elsewhere {
            0 => Slots { memory, ..slots },
            _ => slots,
        })
    }

    proptest! {
        /// The free resources depend on what runs, not on the order in which the others ended.
        #[test]
        fn free_resources_depend_only_on_the_running_actions(
            asked in prop::collection::vec(any_slots(), 0..16),
            shuffled in Just((0..16_usize).collect::<Vec<_>>()).prop_shuffle(),
            kept in 0..16_usize,
        ) {
            let capacity = Capacity { memory: Some(100), ..capacity(9, &[10, 20, 10]) };
            let mut free = capacity.free();
            let grants: Vec<Grant> = asked.iter().filter_map(|slots| free.take(*slots)).collect();
            let ending: Vec<usize> = shuffled.into_iter().filter(|&index| index < grants.len()).skip(kept).collect();
            let mut forwards = free.clone();
            ending.iter().for_each(|&index| forwards.give_back(&grants[index]));
            let mut backwards = free;
            ending.iter().rev().for_each(|&index| backwards.give_back(&grants[index]));
            prop_assert_eq!(&forwards, &backwards);
            let running = (0..grants.len()).filter(|index| !ending.contains(index));
            running.for_each(|index| forwards.give_back(&grants[index]));
            prop_assert_eq!(forwards, capacity.free());
        }

        /// No action waits for a GPU that could take it.
        #[test]
        fn an_action_is_refused_only_if_no_gpu_fits(asked in prop::collection::vec(any_slots(), 1..16)) {
            let most = usize::MAX >> 1;
            let capacity = Capacity { elsewhere: most, ..capacity(most, &[10, 20]) };
            let mut free = capacity.free();
            let mut users: Vec<Vec<Option<u64>>> = vec![Vec::new(); capacity.gpus.len()];
            for slots in asked {
                let fits = |gpu: &usize| match slots.gpu_memory {
                    None => users[*gpu].is_empty(),
                    Some(memory) => {
                        let others: Option<u64> = users[*gpu].iter().copied().sum();
                        others.is_some_and(|others| others + memory <= capacity.gpus[*gpu].memory)
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
