//! Broken requests cost time, never a wrong result. `RUNNER_SUITE=full` breaks every kind of request 500 times and more,
//! and otherwise a sample.

use std::collections::HashMap;
use std::time::Instant;

use super::proxy::{BREAKS, Break, Proxy};
use super::*;
use crate::Uploaded;
use crate::collect::Policy;

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
    let begun = Instant::now();
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
        check(fetched(&c.remote(place), &name).expect("a confirmed upload is complete"));
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
    let remote = a.remote(place);
    let repaired = remote.push(&a.source(), &left);
    assert!(repaired.iter().all(Result::is_ok), "{repaired:?}");
    let remote = Machine::new().remote(place);
    let contents = fetched(&remote, &name);
    assert!(
        contents.is_some(),
        "lost: {pushed:?}, {repaired:?}, {:?}",
        remote.problem()
    );
    check(contents.unwrap());
    assert!(begun.elapsed() < PATIENCE, "a request hung");
}

fn break_everything(place: &Place, is_s3: bool) {
    let proxy = Proxy::start(&place.host());
    let through = place.through(&proxy.host());
    let least = cases(6, 500);
    let kinds: Vec<&str> = KINDS
        .into_iter()
        .filter(|kind| is_s3 || *kind != "GET list")
        .collect();
    let mut dice = Dice(17);
    let mut counts: HashMap<String, usize> = HashMap::new();
    let mut round = 0;
    while kinds
        .iter()
        .any(|kind| counts.get(*kind).copied().unwrap_or(0) < least)
    {
        // Breaks one kind of request often, so that rare kinds are reached.
        let rarest = kinds
            .iter()
            .min_by_key(|kind| counts.get(**kind).copied().unwrap_or(0));
        let chosen = (*rarest.unwrap()).to_owned();
        let mut dice_of_round = Dice(dice.next(1 << 30) as u64);
        proxy.set(move |kind| {
            let is_broken = kind == chosen && dice_of_round.next(3) > 0;
            is_broken.then(|| BREAKS[dice_of_round.next(BREAKS.len())])
        });
        share(place, &through, round);
        counts = contract::lock(&proxy.broken).clone();
        round += 1;
        assert!(round < 200 * least, "{counts:?}");
    }
    say(&format!(
        "{round} rounds on {}; broken requests: {counts:?}",
        place.address
    ));
}

#[test]
fn broken_requests_to_a_plain_server_give_no_wrong_result() {
    break_everything(&Place::server(), false);
}

#[test]
fn broken_requests_to_s3_give_no_wrong_result() {
    if let Some(place) = Place::s3() {
        break_everything(&place, true);
    }
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
                let remote = a.remote(&place);
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
    let content = noise(10, (13 << 20) + 17);
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
        assert!(fetched(&Machine::new().remote(&place), &name).unwrap()["file"] == content);
        let object = crate::names::ObjectName::Blob(blake3::hash(&content).into()).to_string();
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
    let remote = machine.remote(&place);
    let error = remote
        .push(&machine.source(), &[name])
        .remove(0)
        .unwrap_err();
    assert!(error.to_string().contains("cache verify"), "{error}");
    let object = crate::names::ObjectName::Blob(digest).to_string();
    assert_eq!(remote.objects.stat(&object).unwrap(), None);
}

/// A transfer that breaks goes on where it broke.
#[test]
fn a_large_download_is_continued() {
    for place in [Some(Place::server()), Place::s3()].into_iter().flatten() {
        let proxy = Proxy::start(&place.host());
        let through = place.through(&proxy.host());
        let machine = Machine::new();
        let content = noise(9, 8_000_000);
        let name = machine.record("large", &[("file", &content)]);
        let remote = machine.remote(&place);
        remote
            .push(&machine.source(), std::slice::from_ref(&name))
            .remove(0)
            .unwrap();
        proxy.break_once("GET blob", Break::CutAnswer);
        let remote = Machine::new().remote(&through);
        assert!(fetched(&remote, &name).unwrap()["file"] == content);
        let counts = remote.statistics();
        assert_eq!(counts.retries, 1);
        assert!(counts.received < 8_100_000, "{counts:?}");
        assert_eq!(remote.problem(), None);
    }
}
