//! Programs that write through memory mappings, and programs that change timestamps.

use std::fs::{self, File, FileTimes};
use std::io;
use std::path::Path;
use std::ptr;
use std::time::{Duration, SystemTime};

use rustix::fs::{AtFlags, CWD, Timespec, Timestamps, utimensat};
use rustix::mm::{MapFlags, MsyncFlags, ProtFlags, mmap, msync};

use super::Named;
use super::place::{Place, files_below, open_writable, poison};
use super::processes::{harm, leave};
use super::tame;

pub(crate) const PROGRAMS: &[Named] = &[
    ("map-input", |_| map_input("in/large")),
    ("map-small-input", |_| map_input("in/small")),
    ("map-input-late", map_input_late),
    ("map-output-late", map_output_late),
    ("map-and-restore", map_and_restore),
    ("map-latest", map_latest),
    ("map-for-itself", map_for_itself),
    ("truncate-in-turns", truncate_in_turns),
    ("restore-input", |_| input_restored("in/small")),
    ("restore-large-input", |_| input_restored("in/large")),
    ("restore-latest", restore_latest),
    ("restore-blob", restore_blob),
    ("touch-input", touch_input),
    ("far-future", |_| outputs_at(7_258_118_400)),
    ("long-past", |_| outputs_at(-2_000_000_000)),
    ("folders-at-zero", folders_at_zero),
    ("store-at-zero", store_at_zero),
];

/// The first bytes of a file, mapped into memory.
struct Mapping(*mut u8);

impl Mapping {
    const LENGTH: usize = 6;

    fn new(file: &File, flags: MapFlags) -> io::Result<Self> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: the kernel chooses an address that nothing else uses, and the mapping is never removed.
        let start = unsafe { mmap(ptr::null_mut(), Self::LENGTH, access, flags, file, 0) }?;
        Ok(Self(start.cast()))
    }

    fn shared(file: &File) -> io::Result<Self> {
        Self::new(file, MapFlags::SHARED)
    }

    /// Writes to the pages, and has the kernel write them to the file.
    fn poison(&self) -> io::Result<()> {
        // SAFETY: `LENGTH` bytes are mapped there, for writing, and no reference to them exists. If the
        // file was truncated meanwhile, SIGBUS ends this process, which the test allows for.
        unsafe {
            ptr::copy_nonoverlapping(b"MAPPED".as_ptr(), self.0, Self::LENGTH);
            msync(self.0.cast(), Self::LENGTH, MsyncFlags::SYNC)?;
        }
        Ok(())
    }
}

fn map_input(input: &str) -> io::Result<()> {
    tame::outputs()?;
    Mapping::shared(&open_writable(Path::new(input))?)?.poison()
}

/// Keeps its inputs mapped and writes to them after its stage has ended.
fn map_input_late(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    let map = |input| Mapping::shared(&open_writable(Path::new(input))?);
    let maps = [map("in/small")?, map("in/large")?];
    leave(|| harm(20, |_| maps.iter().try_for_each(Mapping::poison)))
}

fn map_output_late(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    let map = |output| Mapping::shared(&open_writable(Path::new(output))?);
    let maps = [map("result")?, map("below/nested")?];
    leave(|| harm(20, |_| maps.iter().try_for_each(Mapping::poison)))
}

/// Writes to an input through a mapping, with no descriptor of it open, and restores its times.
fn map_and_restore(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    let input = Path::new("in/small");
    let times = times(input)?;
    let map = Mapping::shared(&open_writable(input)?)?;
    map.poison()?;
    set_times(input, times)
}

fn map_latest(place: &Place) -> io::Result<()> {
    tame::outputs()?;
    Mapping::shared(&open_writable(&place.latest("small")?)?)?.poison()
}

/// Writes to a private mapping. That is a copy, so it does no harm.
fn map_for_itself(_: &Place) -> io::Result<()> {
    Mapping::new(&File::open("in/large")?, MapFlags::PRIVATE)?.poison()?;
    tame::outputs()
}

/// Grows and shrinks an output while it is taken into the store.
fn truncate_in_turns(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    let output = File::options().write(true).open("result")?;
    leave(|| {
        harm(1, |_| {
            for _ in 0..20 {
                output.set_len(4 << 20)?;
                output.set_len(0)?;
            }
            Ok(())
        })
    })
}

fn times(file: &Path) -> io::Result<FileTimes> {
    let found = fs::metadata(file)?;
    let times = FileTimes::new().set_accessed(found.accessed()?);
    Ok(times.set_modified(found.modified()?))
}

fn set_times(file: &Path, times: FileTimes) -> io::Result<()> {
    File::open(file)?.set_times(times)
}

/// Writes to a file and restores its times.
fn poison_and_restore(file: &Path) -> io::Result<()> {
    let times = times(file)?;
    poison(file)?;
    set_times(file, times)
}

fn input_restored(input: &str) -> io::Result<()> {
    tame::outputs()?;
    poison_and_restore(Path::new(input))
}

fn restore_latest(place: &Place) -> io::Result<()> {
    tame::outputs()?;
    poison_and_restore(&place.latest("small")?)
}

fn restore_blob(place: &Place) -> io::Result<()> {
    tame::outputs()?;
    poison_and_restore(&place.blob_of(Path::new("in/small"))?)
}

/// Changes the times of its inputs, but not their content.
fn touch_input(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    set_times(
        Path::new("in/small"),
        FileTimes::new().set_modified(SystemTime::UNIX_EPOCH),
    )?;
    let hour = SystemTime::now() + Duration::from_secs(3600);
    set_times(Path::new("in/large"), FileTimes::new().set_modified(hour))
}

/// Sets the access and modification times of a file or folder, in seconds since 1970.
fn set_time(path: &Path, seconds: i64) -> io::Result<()> {
    let time = Timespec {
        tv_sec: seconds,
        tv_nsec: 0,
    };
    let times = Timestamps {
        last_access: time,
        last_modification: time,
    };
    Ok(utimensat(CWD, path, &times, AtFlags::empty())?)
}

fn outputs_at(seconds: i64) -> io::Result<()> {
    tame::outputs()?;
    for path in [
        "result",
        "made/a",
        "made/sub",
        "made",
        "below/nested",
        "metrics.json",
        ".",
    ] {
        set_time(Path::new(path), seconds)?;
    }
    Ok(())
}

fn folders_at_zero(_: &Place) -> io::Result<()> {
    tame::outputs()?;
    for path in ["in", "made", "below", ".", ".."] {
        set_time(Path::new(path), 0)?;
    }
    Ok(())
}

/// Sets the times of all files in the store to 1970, without changing the files.
fn store_at_zero(place: &Place) -> io::Result<()> {
    tame::outputs()?;
    for folder in ["cas", "actions", "last"] {
        for file in files_below(&place.store(folder))? {
            set_time(&file, 0)?;
        }
    }
    Ok(())
}
