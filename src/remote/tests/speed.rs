//! Measures lookups of many records.

use std::time::Instant;

use super::*;
use crate::names::ObjectName;
use crate::objects::{Body, How};

/// Prints how long 10,000 lookups take on S3: a thousand records, and nine thousand names without one.
#[test]
fn many_lookups() {
    let Some(place) = Place::s3() else {
        return;
    };
    let machine = Machine::new();
    let name = machine.record("one", &[("file", b"x")]);
    let remote = machine.remote_with(&place, |settings| settings.limits = Limits::default());
    remote
        .push(&machine.source(), std::slice::from_ref(&name))
        .remove(0)
        .unwrap();
    let bytes = crate::lookup::read(&*remote.objects, &ObjectName::Record(name.clone()), 1 << 20);
    let bytes = bytes.unwrap().unwrap();
    // The same key for other processors, so that the record fits its name.
    let count = cases(2000, 10_000);
    let names: Vec<_> = (0..count)
        .map(|i| RecordName {
            tag: Some(format!("tag-{i}").parse().unwrap()),
            ..name.clone()
        })
        .collect();
    let present: Vec<_> = names.iter().step_by(10).collect();
    crate::lookup::in_parallel(16, &present, |name| {
        let object = ObjectName::Record((**name).clone()).to_string();
        remote
            .objects
            .put(&object, &Body::Bytes(&bytes), How::Replace)
            .unwrap();
    });
    let begun = Instant::now();
    let found = remote.look_up(&names);
    let first = begun.elapsed();
    assert_eq!(found.iter().flatten().count(), present.len());
    assert_eq!(remote.problem(), None);
    let begun = Instant::now();
    let again = machine.remote(&place).look_up(&names);
    let second = begun.elapsed();
    assert_eq!(found, again);
    say(&format!(
        "{count} lookups: {first:.2?}; remembered: {second:.2?}"
    ));
}
