//! Uploads in the background.

use std::sync::Arc;

use super::proxy::{Break, Proxy};
use super::*;
use crate::uploader::Uploader;

/// Waits until all is uploaded, and returns how many records are left.
fn finish(uploader: Uploader) -> usize {
    while uploader.waiting() > 0 {
        std::thread::sleep(Duration::from_millis(5));
    }
    uploader.finish()
}

#[test]
fn everything_is_uploaded_before_the_end() {
    for place in every_place() {
        let machine = Machine::new();
        let names: Vec<_> = (0..20)
            .map(|i| machine.record(&i.to_string(), &[("file", &noise(i, 80_000))]))
            .collect();
        let remote = Arc::new(machine.remote(&place));
        let uploader = Uploader::new(Arc::clone(&remote), Box::new(machine.source()));
        for name in &names {
            uploader.add(*name);
        }
        assert_eq!(finish(uploader), 0);
        assert_eq!(remote.pending().unwrap(), []);
        let found = Machine::new().remote(&place).look_up(&names);
        assert!(found.iter().all(Option::is_some));
    }
}

#[test]
fn what_is_not_uploaded_stays_pending_and_can_be_pushed() {
    let place = Place::server();
    let proxy = Proxy::start(&place.host());
    let through = place.through(&proxy.host());
    proxy.set(|_| Some(Break::Hang));
    let machine = Machine::new();
    let names: Vec<_> = (0..12)
        .map(|i| machine.record(&i.to_string(), &[("file", &noise(i, 1000))]))
        .collect();
    let remote = Arc::new(machine.remote(&through));
    let uploader = Uploader::new(Arc::clone(&remote), Box::new(machine.source()));
    for name in &names {
        uploader.add(*name);
    }
    assert_eq!(uploader.finish(), 12);
    remote.stop();

    // A later process. The first one was not told to forget anything.
    proxy.set(|_| None);
    let remote = machine.remote(&through);
    let pending = remote.pending().unwrap();
    assert_eq!(pending.len(), 12);
    for result in remote.push(&machine.source(), &pending) {
        result.unwrap();
    }
    assert_eq!(remote.pending().unwrap(), []);
    let found = Machine::new().remote(&place).look_up(&names);
    assert!(found.iter().all(Option::is_some));
}

/// A record that was collected before its upload is forgotten.
#[test]
fn a_record_that_is_gone_is_not_pending() {
    let place = Place::folder();
    let machine = Machine::new();
    let remote = Arc::new(machine.remote(&place));
    let uploader = Uploader::new(Arc::clone(&remote), Box::new(machine.source()));
    uploader.add(named("never made"));
    assert_eq!(finish(uploader), 0);
    assert_eq!(remote.pending().unwrap(), []);
}
