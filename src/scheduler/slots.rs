use std::num::NonZero;

/// Room for running actions: what one takes, or what there is in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Slots {
    pub cpus: usize,
    pub gpus: usize,
}

impl Slots {
    /// One cpu slot for each core that this process may use, no gpu.
    pub fn of_this_machine() -> Self {
        Self {
            cpus: std::thread::available_parallelism().map_or(1, NonZero::get),
            gpus: 0,
        }
    }

    /// What an action gets that asks for `self` where there is `total` in all: at least one cpu, and
    /// never more cpus than there are. Gpus are not capped, as an action cannot do with fewer.
    pub fn granted_of(self, total: Self) -> Self {
        Self {
            cpus: self.cpus.clamp(1, total.cpus.max(1)),
            gpus: self.gpus,
        }
    }

    /// Whether `self` fits into `free`.
    pub fn fits(self, free: Self) -> bool {
        self.cpus <= free.cpus && self.gpus <= free.gpus
    }

    /// Takes `slots`, which must fit.
    pub fn take(&mut self, slots: Self) {
        self.cpus -= slots.cpus;
        self.gpus -= slots.gpus;
    }

    /// Gives `slots` back.
    pub fn give(&mut self, slots: Self) {
        self.cpus += slots.cpus;
        self.gpus += slots.gpus;
    }
}

#[cfg(test)]
mod tests {
    use super::Slots;

    #[test]
    fn a_grant_is_at_least_one_cpu_and_at_most_all() {
        let total = Slots { cpus: 4, gpus: 0 };
        let granted = |cpus| Slots { cpus, gpus: 0 }.granted_of(total).cpus;
        assert_eq!(
            [granted(0), granted(1), granted(4), granted(9)],
            [1, 1, 4, 4]
        );
    }
}
