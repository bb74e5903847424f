//! Broken requests cost time, never a wrong result. `RUNNER_SUITE=full` breaks every kind of request 500 times and more,
//! and otherwise a sample.

use std::collections::{HashMap, HashSet};
use std::time::Instant;

use super::proxy::{BREAKS, Break, Proxy};
use super::*;
use crate::Uploaded;
use crate::collect::Policy;
use crate::health::Side;
use crate::names::ObjectName;

/// Random numbers from a seed.
struct Dice(u64);

impl Dice {
    fn next(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        ((self.0 >> 33) as usize) % sides
    }
}

/// Longest time that the operations of one round may take together. A hang would take far longer: the limit is not about
/// speed.
const PATIENCE: Duration = Duration::from_secs(120);

/// Kinds of requests that the round of [`share`] makes.
const KINDS: [&str; 9] = [
    "GET record",
    "PUT record",
    "GET tree",
    "PUT tree",
    "GET blob",
    "HEAD blob",
    "PUT blob",
    "PUT processor",
    "GET list",
];

/// One machine uploads a record, another one fetches it. Both meet the proxy. Afterwards, without it, nothing is lost.
fn share(place: &Place, through: &Place, round: usize) {
    let [a, b, c] = [(), (), ()].map(|()| Machine::new());
    let (small, large) = (noise(round as u64, 3000), noise(round as u64 + 1, 100_000));
    let name = a.record(
        &format!("round {round}"),
        &[("small", &small), ("large", &large)],
    );
    let check = |contents: BTreeMap<String, Vec<u8>>| {
        assert!(contents["small"] == small && contents["large"] == large);
    };
    let remote = a.remote(through);
    let pushed = remote
        .push(&a.source(), std::slice::from_ref(&name))
        .remove(0);
    // A write that was confirmed is there.
    if pushed.is_ok() {
        check(fetched(&c.patient_remote(place), &name).expect("a confirmed upload is complete"));
    } else {
        assert_eq!(remote.pending().unwrap(), std::slice::from_ref(&name));
    }
    let remote = b.remote(through);
    if let Some(contents) = fetched(&remote, &name) {
        check(contents);
    }
    let _ = remote.processors();
    let _ = remote.plan_collection(&Policy::default());

    // What was not uploaded can be uploaded later.
    let left = a.remote(through).pending().unwrap();
    let remote = a.patient_remote(place);
    let repaired = remote.push(&a.source(), &left);
    assert!(repaired.iter().all(Result::is_ok), "{repaired:?}");
    let remote = Machine::new().patient_remote(place);
    let contents = fetched(&remote, &name);
    assert!(
        contents.is_some(),
        "lost: {pushed:?}, {repaired:?}, {:?}",
        remote.problem()
    );
    check(contents.unwrap());
}

/// A round of operations on a place and, through the proxy, on the same place.
type Round = fn(&Place, &Place, usize);

/// Calls `round` until each of these kinds of requests was broken often enough.
fn break_everything(place: &Place, kinds: &[&str], round: Round) {
    let proxy = Proxy::start(&place.host());
    let through = place.through(&proxy.host());
    let least = cases(6, 500);
    let mut dice = Dice(17);
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut rounds = 0;
    let count =
        |counts: &HashMap<String, usize>, kind: &str| counts.get(kind).copied().unwrap_or(0);
    while kinds.iter().any(|kind| count(&counts, kind) < least) {
        // Breaks one kind of request often, so that rare kinds are reached.
        let rarest = kinds.iter().min_by_key(|kind| count(&counts, kind));
        let chosen = (*rarest.unwrap()).to_owned();
        let mut dice_of_round = Dice(dice.next(1 << 30) as u64);
        proxy.set(move |kind| {
            // An upload in parts is only abandoned if a part is refused.
            if chosen == "DELETE upload" && kind == "PUT part" {
                return Some(Break::Status(400));
            }
            let is_broken = kind == chosen && dice_of_round.next(3) > 0;
            let how = is_broken.then(|| BREAKS[dice_of_round.next(BREAKS.len())])?;
            // Nothing but encryption protects a list from wrong bytes.
            let is_unprotected = kind == "GET list" && how == Break::WrongByte;
            (!is_unprotected).then_some(how)
        });
        let begun = Instant::now();
        // Each round has results of its own, because a collection reads everything.
        let part = rounds.to_string();
        round(&place.below(&part), &through.below(&part), rounds);
        assert!(begun.elapsed() < PATIENCE, "a request hung");
        counts = contract::lock(&proxy.broken).clone();
        rounds += 1;
        assert!(rounds < 200 * least, "{counts:?}");
    }
    say(&format!(
        "{rounds} rounds on {}; broken requests: {counts:?}",
        place.address
    ));
}

#[test]
fn broken_requests_to_a_plain_server_give_no_wrong_result() {
    // It does not list.
    break_everything(&Place::server(), &KINDS[..KINDS.len() - 1], share);
}

#[test]
fn broken_requests_to_s3_give_no_wrong_result() {
    if let Some(place) = Place::s3() {
        break_everything(&place, &KINDS, share);
    }
}

#[test]
fn broken_requests_of_large_uploads_give_no_wrong_result() {
    if let Some(place) = Place::s3() {
        let kinds = ["POST upload", "PUT part", "DELETE upload"];
        break_everything(&place, &kinds, share_large);
    }
}

#[test]
fn broken_requests_of_collections_lose_nothing() {
    if let Some(place) = Place::s3() {
        let kinds = [
            "GET list",
            "GET record",
            "GET tree",
            "HEAD blob",
            "HEAD tree",
            "PUT copy",
            "DELETE record",
            "DELETE tree",
            "DELETE blob",
        ];
        break_everything(&place, &kinds, collect);
    }
}

/// Uploads and fetches a file that is sent in parts.
fn share_large(place: &Place, through: &Place, round: usize) {
    let [a, b] = [(), ()].map(|()| Machine::new());
    let content = noise(round as u64 + 1_000_000, (5 << 20) + 1000);
    let name = a.record(&format!("large {round}"), &[("file", &content)]);
    let remote = a.remote(through);
    let pushed = remote.push(&a.source(), &[name]).remove(0);
    if pushed.is_err() {
        assert_eq!(remote.pending().unwrap(), [name]);
        let repaired = a.patient_remote(place).push(&a.source(), &[name]).remove(0);
        assert!(repaired.is_ok(), "{pushed:?} {repaired:?}");
    }
    let contents = fetched(&b.patient_remote(place), &name);
    assert!(contents.is_some_and(|contents| contents["file"] == content));
}

/// Renews the times of objects and collects others. What is kept stays complete, and what was deleted can be uploaded
/// again.
fn collect(place: &Place, through: &Place, round: usize) {
    let machine = Machine::new();
    let contents = [0, 1, 2].map(|i| noise((3 * round + i) as u64, 3000));
    let names = [0, 1].map(|i| {
        let files: [(&str, &[u8]); 2] = [("common", &contents[2]), ("own", &contents[i])];
        machine.record(&format!("{i}"), &files)
    });
    for pushed in machine
        .patient_remote(place)
        .push(&machine.source(), &names)
    {
        pushed.unwrap();
    }
    let check =
        |index: usize| {
            let found = fetched(&Machine::new().patient_remote(place), &names[index]);
            assert!(found.is_some_and(
                |found| found["common"] == contents[2] && found["own"] == contents[index]
            ));
        };
    let objects = |index: usize| {
        let record = machine.store.lookup(&names[index]).unwrap().unwrap();
        let own = ObjectName::Blob(blake3::hash(&contents[index]).into());
        [ObjectName::Tree(record.outputs["out0"]), own]
    };
    let remote = machine.remote(through);
    for object in objects(0) {
        let _ = remote.attempt(Side::Write, |o| o.touch(&object.to_string()));
    }
    let policy = Policy {
        most_bytes: Some(0),
        keep: HashSet::from([names[0]]),
        ..Policy::default()
    };
    let Ok(plan) = remote.plan_collection(&policy) else {
        (0..2).for_each(check);
        return;
    };
    assert!(
        plan.records.iter().all(|name| *name == names[1]),
        "{plan:?}"
    );
    // The records are young, so nothing else would be deleted.
    assert_eq!(plan.objects(), 0);
    let is_chosen = !plan.records.is_empty();
    let unneeded = objects(1).map(|object| (object, 1));
    let plan = plan.without_grace(if is_chosen {
        unneeded.to_vec()
    } else {
        Vec::new()
    });
    let collected = machine.remote(through).collect(&plan);
    check(0);
    let reader = Machine::new().patient_remote(place);
    if is_chosen && collected.is_ok() {
        assert_eq!(reader.look_up(&names[1..]), [None]);
    }
    let again = machine.patient_remote(place);
    let uploaded = again.push(&machine.source(), &names[1..]).remove(0);
    assert!(uploaded.is_ok(), "{uploaded:?}");
    (0..2).for_each(check);
}

/// Every way to break a request, for every kind, is survived if it happens once: the next attempt succeeds. Refusals are
/// the exception.
#[test]
fn one_broken_request_is_repaired_by_the_next_attempt() {
    let Some(place) = Place::s3() else {
        return;
    };
    let proxy = Proxy::start(&place.host());
    let through = place.through(&proxy.host());
    for (round, how) in BREAKS.into_iter().enumerate() {
        if matches!(how, Break::Status(302 | 400 | 403 | 404 | 412 | 416)) {
            continue;
        }
        for kind in [
            "PUT record",
            "PUT tree",
            "PUT blob",
            "HEAD blob",
            "GET record",
            "GET blob",
        ] {
            let [a, b] = [(), ()].map(|()| Machine::new());
            let content = noise(round as u64, 100_000);
            let name = a.record(&format!("{how:?} {kind}"), &[("file", &content)]);
            if kind.starts_with("GET") {
                let remote = a.patient_remote(&place);
                remote
                    .push(&a.source(), std::slice::from_ref(&name))
                    .remove(0)
                    .unwrap();
                proxy.break_once(kind, how);
            } else {
                proxy.break_once(kind, how);
                let remote = a.remote(&through);
                let pushed = remote
                    .push(&a.source(), std::slice::from_ref(&name))
                    .remove(0);
                assert!(
                    matches!(pushed, Ok(Uploaded::Written | Uploaded::Present)),
                    "{how:?} {kind}: {pushed:?}"
                );
            }
            let remote = b.remote(&through);
            let contents = fetched(&remote, &name);
            assert!(
                contents.is_some_and(|contents| contents["file"] == content),
                "{how:?} {kind}: {:?}",
                remote.problem()
            );
        }
    }
}

/// A large upload in parts survives a break of each of its requests, and its content is verified before the parts become
/// an object.
#[test]
fn a_large_upload_is_sent_in_parts() {
    let Some(place) = Place::s3() else {
        return;
    };
    let proxy = Proxy::start(&place.host());
    let through = place.through(&proxy.host());
    let content = noise(10, (5 << 20) + 17);
    let kinds = ["PUT part", "POST upload"];
    let breaks = [
        Break::Close,
        Break::CutRequest,
        Break::LoseAnswer,
        Break::Status(500),
        Break::Foreign,
    ];
    let all = breaks.iter().flat_map(|how| kinds.map(|kind| (kind, *how)));
    for (round, (kind, how)) in all.enumerate().take(cases(4, 10)) {
        let machine = Machine::new();
        let name = machine.record(
            &format!("{round}"),
            &[("file", &content), ("own", &[round as u8])],
        );
        proxy.break_once(kind, how);
        let remote = machine.remote(&through);
        let pushed = remote
            .push(&machine.source(), std::slice::from_ref(&name))
            .remove(0);
        assert!(pushed.is_ok(), "{kind} {how:?}: {pushed:?}");
        assert!(fetched(&Machine::new().patient_remote(&place), &name).unwrap()["file"] == content);
        let object = ObjectName::Blob(blake3::hash(&content).into()).to_string();
        remote.objects.delete(&object).unwrap();
    }
    let machine = Machine::new();
    let name = machine.record("damaged", &[("file", &content)]);
    let digest = blake3::hash(&content).into();
    let path = machine.local(&digest);
    fs::remove_file(&path).unwrap();
    let mut damaged = content;
    damaged[3] ^= 1;
    fs::write(&path, damaged).unwrap();
    let remote = machine.patient_remote(&place);
    let error = remote
        .push(&machine.source(), &[name])
        .remove(0)
        .unwrap_err();
    assert!(error.to_string().contains("cache verify"), "{error}");
    let object = ObjectName::Blob(digest).to_string();
    assert_eq!(remote.objects.stat(&object).unwrap(), None);
}

/// A transfer that breaks goes on where it broke.
#[test]
fn a_large_download_is_continued() {
    for place in [Some(Place::server()), Place::s3()].into_iter().flatten() {
        let proxy = Proxy::start(&place.host());
        let through = place.through(&proxy.host());
        let machine = Machine::new();
        let content = noise(9, 5_000_000);
        let name = machine.record("large", &[("file", &content)]);
        let remote = machine.patient_remote(&place);
        remote
            .push(&machine.source(), std::slice::from_ref(&name))
            .remove(0)
            .unwrap();
        proxy.break_once("GET blob", Break::CutAnswer);
        let remote = Machine::new().remote(&through);
        assert!(fetched(&remote, &name).unwrap()["file"] == content);
        let counts = remote.statistics();
        assert_eq!(counts.retries, 1);
        assert!(counts.received < 5_100_000, "{counts:?}");
        assert_eq!(remote.problem(), None);
    }
}
