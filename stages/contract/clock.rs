//! The clock from which the kernel takes the times of files.
//!
//! If a file changes twice within one tick of this clock, both changes have the same time. The functions here
//! tell whether the tick is over.

use std::thread;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

#[cfg(target_os = "linux")]
const CLOCK: ClockId = ClockId::RealtimeCoarse;
#[cfg(not(target_os = "linux"))]
const CLOCK: ClockId = ClockId::Realtime;

/// Interval between looks at the clock, and the maximum number of intervals. The clock ticks every 1 to 10 ms.
const TICK: Duration = Duration::from_millis(1);
const MOST_TICKS: usize = 20;

/// Returns whether the clock has moved past `changed`, a file's time of change in seconds and nanoseconds since 1970.
/// If it has not, changing the file again now would not change its time.
pub fn has_passed(changed: (i64, i64)) -> bool {
    let now = clock_gettime(CLOCK);
    changed < (now.tv_sec, now.tv_nsec)
}

/// Waits until [`has_passed`] is true. Returns `false` if that takes longer than a few ticks, which happens if
/// the clock was set back after the change.
pub fn wait_until_passed(changed: (i64, i64)) -> bool {
    for _ in 0..MOST_TICKS {
        if has_passed(changed) {
            return true;
        }
        thread::sleep(TICK);
    }
    has_passed(changed)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::MetadataExt;

    use super::*;

    #[test]
    fn a_change_after_the_wait_has_another_time() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let changed = || {
            let metadata = fs::metadata(file.path()).unwrap();
            (metadata.ctime(), metadata.ctime_nsec())
        };
        for _ in 0..20 {
            let before = changed();
            assert!(wait_until_passed(before));
            fs::write(file.path(), "x").unwrap();
            assert!(changed() > before);
        }
    }

    #[test]
    fn waiting_for_a_time_in_the_far_future_fails() {
        let now = clock_gettime(CLOCK);
        assert!(!wait_until_passed((now.tv_sec + 3600, 0)));
    }
}
