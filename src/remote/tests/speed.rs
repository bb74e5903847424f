//! Measures lookups of many records.

use std::time::Instant;

use super::*;
use crate::keys::Envelope;
use crate::lookup::in_parallel;
use crate::names::ObjectName;
use crate::objects::{Body, How};

/// Prints how long many lookups take on S3: 10,000 with `RUNNER_SUITE=full`. First, a tenth of the names have records;
/// then all of them have.
#[test]
fn many_lookups() {
    let Some(place) = Place::s3() else {
        return;
    };
    let count = cases(2000, 10_000);
    let names: Vec<_> = (0..count).map(|i| i.to_string()).collect();
    let put = |remote: &Remote, names: &[&String]| {
        in_parallel(16, names, |name| {
            let record = store::seal(&action_record(name, &[])).unwrap();
            let envelope = Envelope::new(&named(name), record, None).unwrap().encode();
            let object = ObjectName::Record(named(name)).to_string();
            remote
                .objects
                .put(&object, &Body::Bytes(&envelope), How::Replace)
                .unwrap();
        });
    };
    let record_names: Vec<_> = names.iter().map(|name| named(name)).collect();
    for share in [10, 1] {
        let machine = Machine::new();
        let open = || machine.remote_with(&place, |settings| settings.limits = Limits::default());
        let remote = open();
        let present: Vec<_> = names.iter().step_by(share).collect();
        put(&remote, &present);
        let requests = remote.statistics().requests;
        let begun = Instant::now();
        let found = remote.look_up(&record_names);
        let first = begun.elapsed();
        let requests = remote.statistics().requests - requests;
        assert_eq!(found.iter().flatten().count(), present.len());
        assert_eq!(remote.problem(), None);
        let begun = Instant::now();
        assert!(found == open().look_up(&record_names));
        let second = begun.elapsed();
        say(&format!(
            "{count} lookups, {} hits: {first:.2?}, {requests} requests; remembered: {second:.2?}",
            present.len()
        ));
    }
}
