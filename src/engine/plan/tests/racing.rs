//! Sources that are switched while they are read, and switched back.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::thread::{scope, sleep};
use std::time::Duration;

use serde_json::json;

use super::*;

/// Longer than the resolution of file times.
const TICK: Duration = Duration::from_millis(15);
const ROUNDS: u64 = 60;

/// Switches what is read below `root/way/to` between two contents.
type Switch = fn(root: &Path);

fn exchange(root: &Path, one: &str, other: &str) {
    fs::rename(root.join(one), root.join("between")).unwrap();
    fs::rename(root.join(other), root.join(one)).unwrap();
    fs::rename(root.join("between"), root.join(other)).unwrap();
}

fn folder(root: &Path) {
    exchange(root, "real", "spare");
}

fn link_by_renaming(root: &Path) {
    exchange(root, "real/to", "spare/to");
}

fn link_by_replacing(root: &Path) {
    let link = root.join("real/to");
    let target = fs::read_link(&link).unwrap();
    let next = if target == Path::new("one") {
        "other"
    } else {
        "one"
    };
    fs::remove_file(&link).unwrap();
    symlink(next, link).unwrap();
}

fn link_in_the_source(root: &Path) {
    let link = root.join("real/one/file");
    let target = fs::read_link(&link).unwrap();
    let next = if target == Path::new("../1") {
        "../2"
    } else {
        "../1"
    };
    symlink(next, root.join("new")).unwrap();
    fs::rename(root.join("new"), link).unwrap();
}

fn behind_a_link_in_the_source(root: &Path) {
    exchange(root, "1", "2");
}

fn above_what_a_link_in_the_source_leads_to(root: &Path) {
    exchange(root, "p", "q");
}

fn link_behind_a_link_in_the_source(root: &Path) {
    exchange(root, "chain/1", "chain/2");
}

/// Creates a source whose path has a link to a folder and a link inside that folder. The source contains links to
/// files and to a folder, and a link to another link.
fn linked_source() -> Fixture {
    let fixture = Fixture::new();
    let root = fixture.folder.path();
    for folder in ["real", "spare"] {
        for (name, content) in [("one", "1"), ("other", "2")] {
            fs::create_dir_all(root.join(folder).join(name)).unwrap();
            fs::write(root.join(folder).join(content), content).unwrap();
        }
    }
    symlink("../1", root.join("real/one/file")).unwrap();
    symlink("../2", root.join("real/other/file")).unwrap();
    symlink("../2", root.join("spare/one/file")).unwrap();
    symlink("../2", root.join("spare/other/file")).unwrap();
    symlink("one", root.join("real/to")).unwrap();
    symlink("other", root.join("spare/to")).unwrap();
    for (folder, content) in [("1", "1"), ("2", "2")] {
        fs::create_dir_all(root.join(folder)).unwrap();
        fs::write(root.join(folder).join("x"), content).unwrap();
    }
    symlink("../../1", root.join("real/one/more")).unwrap();
    symlink("../../1", root.join("real/other/more")).unwrap();
    symlink("../../1", root.join("spare/one/more")).unwrap();
    symlink("../../1", root.join("spare/other/more")).unwrap();
    for (folder, content) in [("p", "1"), ("q", "2")] {
        fs::create_dir_all(root.join(folder).join("sub")).unwrap();
        fs::write(root.join(folder).join("sub/x"), content).unwrap();
    }
    fs::create_dir(root.join("chain")).unwrap();
    symlink("../1/x", root.join("chain/1")).unwrap();
    symlink("../2/x", root.join("chain/2")).unwrap();
    for folder in ["real/one", "real/other", "spare/one", "spare/other"] {
        symlink("../../p/sub/x", root.join(folder).join("far")).unwrap();
        symlink("../../chain/1", root.join(folder).join("chained")).unwrap();
    }
    symlink("real", root.join("way")).unwrap();
    fixture
}

/// Plans a stage and reads its source, as the stage would, while `switch` is applied and undone. If a read returns
/// the other content, the source must not count as unchanged.
fn race(switch: Switch) {
    let fixture = linked_source();
    let root = fixture.folder.path();
    let source = root.join("way/to");
    let mut stages = Stages::new();
    let node = stages.add("stage", json!({"source": {"path": source}}), &[]);
    let mut wrong = 0;
    for round in 0..ROUNDS {
        sleep(TICK);
        let (planned, read) = scope(|scope| {
            let switcher = scope.spawn(|| {
                sleep(Duration::from_micros(round * 197 % 6_000));
                switch(root);
                sleep(Duration::from_micros(round * 161 % 4_000));
                switch(root);
            });
            // While a link is being replaced, the path does not exist for a moment.
            let planned = plan(&stages.0, &fixture.store, &PlanOptions::default()).ok();
            let mut read = Vec::new();
            while !switcher.is_finished() {
                let files = ["file", "more/x", "far", "chained"].map(|file| source.join(file));
                read.extend(files.iter().flat_map(fs::read_to_string));
            }
            (planned, read)
        });
        let Some(planned) = planned else { continue };
        let action = planned.action(node);
        let state = source_state(&stages.0, &fixture.store, action, &action.stamps);
        if read.iter().any(|content| content == "2") {
            wrong += 1;
            assert_ne!(state.ok(), Some(SourceState::Unchanged), "round {round}");
        }
    }
    assert!(wrong > 0, "no file was ever read during a switch");
}

#[test]
fn switching_a_folder_above_is_noticed() {
    race(folder);
}

#[test]
fn switching_a_link_on_the_path_is_noticed() {
    race(link_by_renaming);
    race(link_by_replacing);
}

#[test]
fn switching_a_link_in_the_source_is_noticed() {
    race(link_in_the_source);
}

#[test]
fn switching_the_target_of_a_link_in_the_source_is_noticed() {
    race(behind_a_link_in_the_source);
    race(above_what_a_link_in_the_source_leads_to);
    race(link_behind_a_link_in_the_source);
}

/// The kernel does not update a file's times at every write through a mapping.
#[test]
fn writes_through_a_mapping_are_noticed() {
    use std::os::fd::AsRawFd;

    let fixture = Fixture::new();
    let path = fixture.source().join("train/NORMAL/a.jpeg");
    fs::write(&path, "a".repeat(4096)).unwrap();
    let mapped = fs::File::options()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    // SAFETY: the kernel chooses where to map a whole page of an open file, which keeps its length.
    let page = unsafe {
        libc::mmap(
            std::ptr::null_mut(),
            4096,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED,
            mapped.as_raw_fd(),
            0,
        )
    };
    assert_ne!(page, libc::MAP_FAILED);
    drop(mapped);
    // SAFETY: the page is mapped until the process ends, and nothing in this process refers to it.
    let write = |byte: u8| unsafe { page.cast::<u8>().write_volatile(byte) };
    write(b'b');
    // Longer than the two seconds after which the index trusts the times of a file.
    sleep(Duration::from_millis(2_200));
    let before = fixture.source_key();
    let mut keys = vec![before];
    for byte in [b'c', b'd'] {
        write(byte);
        let key = fixture.source_key();
        assert!(!keys.contains(&key), "a write was missed");
        keys.push(key);
        sleep(Duration::from_millis(2_200));
        assert_eq!(fixture.source_key(), key);
    }
}
