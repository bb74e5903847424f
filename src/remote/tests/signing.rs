//! Records that must be signed.

use super::*;
use crate::keys::PrivateKey;

#[test]
fn unsigned_and_wrongly_signed_records_are_absent_for_a_reader_with_a_list() {
    for place in every_place() {
        let [ci, other] = ["ci", "other"].map(|comment| PrivateKey::generate(comment).unwrap());
        let machine = Machine::new();
        let names: Vec<_> = ["signed", "unsigned", "by another"]
            .iter()
            .map(|name| machine.record(name, &[("file", name.as_bytes())]))
            .collect();
        for (name, key) in names.iter().zip([Some(&ci), None, Some(&other)]) {
            let remote = machine.remote_with(&place, |settings| settings.signing = key.cloned());
            remote
                .push(&machine.source(), std::slice::from_ref(name))
                .remove(0)
                .unwrap();
        }
        let everyone = Machine::new();
        let found = everyone.remote(&place).look_up(&names);
        assert!(found.iter().all(Option::is_some));

        // A list applies to answers that are remembered, too.
        let remote = everyone.remote_with(&place, |settings| {
            settings.mode = Mode::Read;
            settings.accepted = Some(vec![ci.public().clone()]);
        });
        let found: Vec<_> = remote.look_up(&names).iter().map(Option::is_some).collect();
        assert_eq!(found, [true, false, false]);
        let problem = remote.problem().unwrap();
        assert!(problem.first.contains("no accepted key"), "{problem:?}");
        assert_eq!((problem.others, problem.is_off), (1, false));
    }
}

/// A record that was copied to another name, or moved between kinds of processors, keeps its signature, which then does
/// not count.
#[test]
fn a_signature_cannot_be_moved_to_another_record() {
    let place = Place::folder();
    let Address::Folder(root) = &place.address else {
        unreachable!("it is a folder");
    };
    let key = PrivateKey::generate("ci").unwrap();
    let machine = Machine::new();
    let name = machine.record("one", &[("file", b"x")]);
    let remote = machine.remote_with(&place, |settings| settings.signing = Some(key.clone()));
    remote
        .push(&machine.source(), std::slice::from_ref(&name))
        .remove(0)
        .unwrap();
    // The record is sound under this name, too.
    let other = Key::derive("content", b"one");
    let path = |name: Key| root.join(crate::names::ObjectName::Record(name).to_string());
    fs::create_dir_all(path(other).parent().unwrap()).unwrap();
    fs::copy(path(name), path(other)).unwrap();
    let reader = Machine::new().remote_with(&place, |settings| {
        settings.mode = Mode::Read;
        settings.accepted = Some(vec![key.public().clone()]);
    });
    let found = reader.look_up(&[name, other]);
    assert!(found[0].is_some() && found[1].is_none());
}

#[test]
fn a_writer_must_accept_its_own_key() {
    let place = Place::folder();
    let machine = Machine::new();
    let [own, other] = ["own", "other"].map(|comment| PrivateKey::generate(comment).unwrap());
    for (signing, part) in [(None, "runner keys new"), (Some(own.clone()), "not among")] {
        let mut settings = Settings::new(place.address.clone(), Mode::ReadWrite, machine.memory());
        settings.accepted = Some(vec![other.public().clone()]);
        settings.signing = signing;
        let error = Remote::open_with(settings, &|_| None)
            .unwrap_err()
            .to_string();
        assert!(error.contains(part), "{error}");
    }
}

/// A record that a writer with a list does not accept is void for it, and is replaced.
#[test]
fn an_unsigned_record_is_replaced_by_a_signed_one() {
    let place = Place::folder();
    let machine = Machine::new();
    let name = machine.record("one", &[("file", b"x")]);
    let push = |remote: &Remote| {
        remote
            .push(&machine.source(), std::slice::from_ref(&name))
            .remove(0)
            .unwrap()
    };
    push(&machine.remote(&place));
    let key = PrivateKey::generate("ci").unwrap();
    let signed = machine.remote_with(&place, |settings| {
        settings.signing = Some(key.clone());
        settings.accepted = Some(vec![key.public().clone()]);
    });
    assert_eq!(push(&signed), crate::Uploaded::Written);
    assert_eq!(push(&signed), crate::Uploaded::Present);
    assert!(signed.look_up(std::slice::from_ref(&name))[0].is_some());
}
