//! Measures lookups of many records.

use std::time::Instant;

use super::*;
use crate::collect::Policy;
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

/// Counts the requests of each operation, from which docs/remote.md computes what large pipelines cost. A result has
/// one tree of three small blobs, and a record under each of its two keys.
#[test]
fn requests_of_each_operation() {
    let Some(place) = Place::s3() else {
        return;
    };
    let results = cases(50, 2000);
    let machine = Machine::new();
    let names: Vec<Key> = (0..results)
        .flat_map(|i| {
            let own = noise(i as u64, 2000);
            let files: [(&str, &[u8]); 3] = [("a", &own), ("b", &own[..1000]), ("c", &own[..500])];
            let name = machine.record(&i.to_string(), &files);
            let record = machine.store.lookup(&name).unwrap().unwrap();
            [record.content_key, record.action_key]
        })
        .collect();
    let open = |machine: &Machine| {
        machine.remote_with(&place, |settings| settings.limits = Limits::default())
    };
    let measure = |what: &str, remote: &Remote, operation: &dyn Fn(&Remote)| {
        let before = remote.statistics();
        let begun = Instant::now();
        operation(remote);
        let seconds = begun.elapsed().as_secs_f64();
        let after = remote.statistics();
        let requests = after.requests - before.requests;
        assert_eq!((after.retries, remote.problem()), (0, None));
        say(&format!(
            "{results} results, {what}: {requests} requests, {} bytes sent, {} received, {seconds:.2} s",
            after.sent - before.sent,
            after.received - before.received
        ));
        requests
    };
    let count = results as u64;
    let push = |remote: &Remote| {
        let pushed = remote.push(&machine.source(), &names);
        assert!(pushed.iter().all(Result::is_ok));
    };
    // For each result: two looks, three blobs, a tree and two records. In addition, the kind of processor.
    let requests = measure("new, pushed", &open(&machine), &push);
    assert_eq!(requests, 8 * count + 1);
    // Two records, and a tree and looks at three blobs for the first of them; for both if they are examined at once.
    let requests = measure("present, pushed", &open(&machine), &push);
    assert!((6 * count..=10 * count).contains(&requests), "{requests}");
    let reader = open(&Machine::new());
    let requests = measure("looked up", &reader, &|remote| {
        assert!(remote.look_up(&names).iter().all(Option::is_some));
    });
    assert!(requests >= 2 * count);
    let requests = measure("planned a collection of", &reader, &|remote| {
        let plan = remote.plan_collection(&Policy::default()).unwrap();
        assert_eq!(plan.kept_records, names.len());
    });
    // Two records and a tree for each result. The rest are pages of lists.
    assert!(
        (3 * count..3 * count + 600).contains(&requests),
        "{requests}"
    );
}
