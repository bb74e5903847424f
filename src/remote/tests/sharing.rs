//! Two machines share results.

use std::collections::BTreeSet;
use std::sync::Barrier;
use std::thread;

use super::*;
use crate::Uploaded;
use crate::names::ObjectName;

#[test]
fn another_machine_gets_the_same_bytes() {
    for place in every_place() {
        let [a, b] = [(), ()].map(|()| Machine::new());
        let (small, large) = (noise(1, 1000), noise(2, 300_000));
        let name = a.record(
            "one",
            &[("small", &small), ("large", &large), ("empty", b"")],
        );
        let remote = a.remote(&place);
        let pushed = remote.push(&a.source(), std::slice::from_ref(&name));
        assert_eq!(
            pushed[0].as_ref().unwrap(),
            &Uploaded::Written,
            "{}",
            place.address
        );
        let again = remote.push(&a.source(), std::slice::from_ref(&name));
        assert_eq!(again[0].as_ref().unwrap(), &Uploaded::Present);
        assert_eq!(remote.pending().unwrap(), []);
        assert_eq!(remote.problem(), None);

        let remote = b.remote(&place);
        let own = fs::read(a.store.root().join(format!("v1/actions/{}.json", name)));
        assert_eq!(
            remote.look_up(&[named("x"), name]),
            [None, Some(own.unwrap())]
        );
        let contents = fetched(&remote, &name).unwrap();
        assert!(contents["large"] == large);
        assert!(contents["small"] == small);
        assert_eq!(contents["empty"], b"");
        assert_eq!(remote.problem(), None);
        // A later process on the same machine knows the answers.
        drop(remote);
        let remote = b.remote(&place);
        assert!(remote.look_up(&[name, named("x")])[0].is_some());
        let counts = remote.statistics();
        assert_eq!((counts.known, counts.requests, counts.hits), (2, 0, 1));
    }
}

#[test]
fn equal_blobs_are_uploaded_once() {
    for place in every_place() {
        let machine = Machine::new();
        let large = noise(3, 500_000);
        let names: Vec<_> = (0..6)
            .map(|i| machine.record(&i.to_string(), &[("same", &large), ("own", &[i])]))
            .collect();
        let remote = machine.remote(&place);
        for result in remote.push(&machine.source(), &names) {
            assert_eq!(result.unwrap(), Uploaded::Written);
        }
        let sent = remote.statistics().sent;
        assert!(sent < 600_000, "{sent} bytes on {}", place.address);
    }
}

#[test]
fn two_writers_of_one_record_end_with_one_valid_record() {
    for place in every_place() {
        for round in 0..cases(3, 25) {
            let machines = [(); 4].map(|()| Machine::new());
            // The same action, with another content on each machine.
            let names: Vec<_> = machines
                .iter()
                .enumerate()
                .map(|(i, machine)| {
                    let content = noise((round * 10 + i) as u64, 100_000);
                    machine.record(&format!("round {round}"), &[("file", &content)])
                })
                .collect();
            let start = Barrier::new(machines.len());
            let results: Vec<_> = thread::scope(|scope| {
                let uploads: Vec<_> = machines
                    .iter()
                    .map(|machine| {
                        scope.spawn(|| {
                            let remote = machine.remote_with(&place, |settings| {
                                settings.limits.stall = Duration::from_secs(30);
                            });
                            start.wait();
                            remote.push(&machine.source(), &names[..1]).remove(0)
                        })
                    })
                    .collect();
                uploads
                    .into_iter()
                    .map(|upload| upload.join().unwrap())
                    .collect()
            });
            let written = results
                .iter()
                .filter(|result| matches!(result, Ok(Uploaded::Written)))
                .count();
            assert!(results.iter().all(Result::is_ok), "{results:?}");
            // A plain server need not check the condition: the last one wins.
            if place.server.is_none() {
                assert_eq!(written, 1, "{results:?}");
            }
            let reader = Machine::new();
            let contents = fetched(&reader.remote(&place), &names[0]).unwrap();
            let of = |i: usize| noise((round * 10 + i) as u64, 100_000);
            assert!((0..machines.len()).any(|i| contents["file"] == of(i)));
        }
    }
}

/// A record is void if its outputs are missing. Whoever makes the result again replaces it.
#[test]
fn a_void_record_is_replaced() {
    for place in every_place() {
        for what in ["blob", "tree", "record", "blob of another size"] {
            let [a, b, c] = [(), (), ()].map(|()| Machine::new());
            let content = noise(5, 100_000);
            let name = a.record(what, &[("file", &content)]);
            let remote = a.remote(&place);
            remote
                .push(&a.source(), std::slice::from_ref(&name))
                .remove(0)
                .unwrap();
            let object = match what {
                "record" => ObjectName::Record(name),
                "tree" => {
                    let record = a.store.lookup(&name).unwrap().unwrap();
                    ObjectName::Tree(record.outputs["out0"])
                }
                _ => ObjectName::Blob(blake3::hash(&content).into()),
            };
            let object = object.to_string();
            match what {
                "blob" => remote.objects.delete(&object).unwrap(),
                _ => {
                    let wrong = crate::objects::Body::Bytes(b"wrong");
                    let how = crate::objects::How::Replace;
                    remote.objects.put(&object, &wrong, how).unwrap();
                }
            }
            // A reader finds nothing.
            let remote = b.remote(&place);
            assert_eq!(fetched(&remote, &name), None, "{what}");

            // It makes the result again and uploads it.
            remote.distrust(&name);
            b.record(what, &[("file", &content)]);
            let pushed = remote
                .push(&b.source(), std::slice::from_ref(&name))
                .remove(0);
            assert_eq!(pushed.unwrap(), Uploaded::Written, "{what}");
            assert!(
                fetched(&c.remote(&place), &name).unwrap()["file"] == content,
                "{what}"
            );
        }
    }
}

/// A blob whose bytes are wrong but whose size is right is noticed by the reader, and then replaced by it.
#[test]
fn a_damaged_blob_is_replaced_by_the_reader_that_noticed_it() {
    for place in every_place() {
        let [a, b, c] = [(), (), ()].map(|()| Machine::new());
        let content = noise(6, 100_000);
        let name = a.record("one", &[("file", &content)]);
        let remote = a.remote(&place);
        remote
            .push(&a.source(), std::slice::from_ref(&name))
            .remove(0)
            .unwrap();
        let object = ObjectName::Blob(blake3::hash(&content).into()).to_string();
        let wrong = noise(7, 100_000);
        let (wrong, how) = (
            crate::objects::Body::Bytes(&wrong),
            crate::objects::How::Replace,
        );
        remote.objects.put(&object, &wrong, how).unwrap();

        let remote = b.remote(&place);
        assert_eq!(fetched(&remote, &name), None);
        assert!(remote.problem().unwrap().first.contains("damaged"));
        remote.distrust(&name);
        b.record("one", &[("file", &content)]);
        remote
            .push(&b.source(), std::slice::from_ref(&name))
            .remove(0)
            .unwrap();
        assert!(fetched(&c.remote(&place), &name).unwrap()["file"] == content);
    }
}

/// The whole of a damaged local file never arrives.
#[test]
fn a_damaged_local_blob_is_not_uploaded() {
    for place in every_place() {
        let machine = Machine::new();
        let content = noise(8, 400_000);
        let name = machine.record("one", &[("file", &content)]);
        let digest = blake3::hash(&content).into();
        let path = machine.local(&digest);
        let mut permissions = fs::metadata(&path).unwrap().permissions();
        #[expect(
            clippy::permissions_set_readonly_false,
            reason = "it is a test's own file"
        )]
        permissions.set_readonly(false);
        fs::set_permissions(&path, permissions).unwrap();
        let mut damaged = content.clone();
        damaged[399_999] ^= 1;
        fs::write(&path, &damaged).unwrap();

        let remote = machine.remote(&place);
        let error = remote
            .push(&machine.source(), std::slice::from_ref(&name))
            .remove(0)
            .unwrap_err();
        assert!(error.to_string().contains("cache verify"), "{error}");
        assert_eq!(remote.pending().unwrap(), std::slice::from_ref(&name));
        let object = ObjectName::Blob(digest).to_string();
        assert_eq!(
            remote.objects.stat(&object).unwrap(),
            None,
            "{}",
            place.address
        );
        assert_eq!(remote.look_up(&[name]), [None]);
    }
}

#[test]
fn processors_are_listed() {
    let is_listed = |place: &Place| place.server.is_none();
    for place in every_place().into_iter().filter(is_listed) {
        let machine = Machine::new();
        let name = machine.record("one", &[("file", b"x")]);
        let remote = machine.remote(&place);
        assert_eq!(remote.processors().unwrap(), BTreeSet::new());
        remote.push(&machine.source(), &[name]).remove(0).unwrap();
        assert_eq!(
            remote.processors().unwrap(),
            BTreeSet::from([PROCESSOR.to_owned()])
        );
    }
}
