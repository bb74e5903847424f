//! A remote that does not work costs one warning and little time.

use std::net::TcpListener;
use std::time::Instant;

use super::proxy::{Break, Proxy};
use super::*;
use crate::FaultKind;

/// Looks up many records and returns the warning.
fn warning(remote: &Remote) -> crate::Problem {
    let names: Vec<_> = (0..200).map(|i| named(&i.to_string())).collect();
    assert!(remote.look_up(&names).iter().all(Option::is_none));
    remote.problem().unwrap()
}

#[test]
fn an_unreachable_server_is_asked_a_few_times_only() {
    // A port at which nothing listens.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let place = Place::server().through(&format!("127.0.0.1:{port}"));
    let remote = Machine::new().remote(&place);
    let problem = warning(&remote);
    assert!(
        problem.is_off && problem.first.contains("nothing listens"),
        "{problem:?}"
    );
    // Attempts that were under way when the limit was reached still end.
    assert!(
        remote.statistics().retries < 60,
        "{:?}",
        remote.statistics()
    );
    // From now on, nothing is asked.
    let before = remote.statistics().requests;
    remote.look_up(&[named("x")]);
    assert_eq!(remote.statistics().requests, before);
}

/// Without the limits of these tests, it takes 10 seconds, whether one name is looked up or many are.
#[test]
fn a_server_that_never_answers_is_given_up_once() {
    let place = Place::server();
    let proxy = Proxy::start(&place.host());
    let machine = Machine::new();
    let name = machine.record("one", &[("file", b"x")]);
    machine.remote(&place).push(&machine.source(), &[name]);
    for how in [Break::Hang, Break::Stall] {
        proxy.set(move |_| Some(how));
        for names in [vec![name], vec![name; 200]] {
            let remote = Machine::new().remote_with(&place.through(&proxy.host()), |settings| {
                settings.limits.lookups = Duration::from_millis(400);
                settings.limits.each_lookup = Duration::ZERO;
            });
            let begun = Instant::now();
            assert!(remote.look_up(&names).iter().all(Option::is_none));
            let problem = remote.problem().unwrap();
            assert!(problem.is_off, "{how:?} {problem:?}");
            // 200 names with four attempts each would take minutes.
            assert!(begun.elapsed() < Duration::from_secs(30));
            let before = remote.statistics().requests;
            remote.look_up(&[named("x")]);
            assert_eq!(remote.statistics().requests, before);
        }
    }
}

/// Lookups end after a time that depends on their number. What was found by then can still be fetched.
#[test]
fn lookups_of_a_slow_server_end_early() {
    let place = Place::server();
    let proxy = Proxy::start(&place.host());
    let machine = Machine::new();
    let name = machine.record("one", &[("file", b"x")]);
    machine.remote(&place).push(&machine.source(), &[name]);
    proxy.set(|_| Some(Break::Delay));
    let remote = Machine::new().remote_with(&place.through(&proxy.host()), |settings| {
        settings.limits.lookups = Duration::from_millis(400);
        settings.limits.each_lookup = Duration::ZERO;
    });
    let mut names = vec![name];
    names.extend((0..20_000).map(|i| named(&i.to_string())));
    assert!(remote.look_up(&names)[0].is_some());
    assert!(remote.statistics().requests < 10_000);
    let problem = remote.problem().unwrap();
    assert!(
        !problem.is_off && problem.first.contains("is slow"),
        "{problem:?}"
    );
    assert!(fetched(&remote, &name).is_some());
}

/// One file that is too large for a server says nothing about others.
#[test]
fn a_file_that_is_too_large_does_not_end_uploads() {
    let place = Place::server();
    let proxy = Proxy::start(&place.host());
    let machine = Machine::new();
    let names = ["one", "two"].map(|name| machine.record(name, &[("file", name.as_bytes())]));
    proxy.break_once("PUT blob", Break::Status(413));
    let remote = machine.remote(&place.through(&proxy.host()));
    for (name, is_uploaded) in names.iter().zip([false, true]) {
        let pushed = remote.push(&machine.source(), &[*name]).remove(0);
        assert_eq!(pushed.is_ok(), is_uploaded, "{pushed:?}");
    }
    assert_eq!(remote.pending().unwrap(), names[..1]);
    let problem = remote.problem().unwrap();
    assert!(
        !problem.is_off && problem.first.contains("too large"),
        "{problem:?}"
    );
}

#[test]
fn a_pause_that_a_server_asks_for_is_made_or_the_request_fails() {
    let place = Place::server();
    let proxy = Proxy::start(&place.host());
    let through = place.through(&proxy.host());
    proxy.break_once("GET record", Break::Later);
    let remote = Machine::new().remote(&through);
    assert_eq!(remote.look_up(&[named("a")]), [None]);
    assert_eq!((remote.statistics().retries, remote.problem()), (1, None));
}

#[test]
fn refusals_of_s3_are_explained_without_credentials() {
    let Some(place) = Place::s3() else {
        return;
    };
    let secret = [("AWS_SECRET_ACCESS_KEY", "wrong-secret-value")];
    let key = [("AWS_ACCESS_KEY_ID", "unknown-key-value")];
    let reader = [
        ("AWS_ACCESS_KEY_ID", "runner-test-reader"),
        ("AWS_SECRET_ACCESS_KEY", "runner-test-secret-reader"),
    ];
    for (set, part) in [(&secret, "AWS_SECRET_ACCESS_KEY"), (&key, "access key")] {
        let remote = Machine::new().remote(&place.with(set));
        let problem = warning(&remote);
        assert!(
            problem.is_off && problem.first.contains(part),
            "{problem:?}"
        );
        for shown in [
            format!("{problem:?}"),
            format!("{remote:?} {:?}", remote.settings()),
        ] {
            for hidden in [
                "wrong-secret-value",
                "unknown-key-value",
                "Signature=",
                "runner-test",
            ] {
                assert!(!shown.contains(hidden), "{shown}");
            }
        }
    }
    // Who may only read gets one warning for writing, and goes on reading.
    let machine = Machine::new();
    let name = machine.record("one", &[("file", b"x")]);
    let remote = machine.remote(&place.with(&reader));
    let error = remote
        .push(&machine.source(), std::slice::from_ref(&name))
        .remove(0)
        .unwrap_err();
    assert_eq!(error.kind, FaultKind::Refused);
    assert!(error.to_string().contains("use the mode `read`"), "{error}");
    machine
        .remote(&place)
        .push(&machine.source(), std::slice::from_ref(&name))
        .remove(0)
        .unwrap();
    let remote_of_reader = Machine::new().remote(&place.with(&reader));
    assert!(fetched(&remote_of_reader, &name).is_some());

    let missing = place.with(&[]);
    let remote = Machine::new().remote_with(&missing, |settings| {
        settings.address = address("s3://no-such-bucket/x");
    });
    let problem = warning(&remote);
    assert!(problem.first.contains("no such bucket"), "{problem:?}");
}

#[test]
fn credentials_are_needed_to_write_only() {
    let Some(place) = Place::s3() else {
        return;
    };
    let anonymous = place.with(&[("AWS_ACCESS_KEY_ID", ""), ("AWS_SECRET_ACCESS_KEY", "")]);
    let machine = Machine::new();
    let settings = |mode| Settings::new(place.address.clone(), mode, machine.memory());
    Remote::open_with(settings(Mode::Read), &anonymous.variables()).unwrap();
    let error = Remote::open_with(settings(Mode::ReadWrite), &anonymous.variables());
    assert!(
        error
            .unwrap_err()
            .to_string()
            .contains("use the mode `read`")
    );
}

#[test]
fn credentials_are_not_sent_without_encryption() {
    let place = Place::server().with(&[("RUNNER_REMOTE_TOKEN", "secret")]);
    let machine = Machine::new();
    let settings = Settings::new(place.address.clone(), Mode::Read, machine.memory());
    let error = Remote::open_with(settings, &place.variables())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("https://") && !error.contains("secret"),
        "{error}"
    );
}

#[test]
fn a_wrong_clock_is_explained() {
    let place = Place::server();
    let proxy = Proxy::start(&place.host());
    proxy.set(|_| Some(Break::Skewed));
    let problem = warning(&Machine::new().remote(&place.through(&proxy.host())));
    assert!(
        problem.is_off && problem.first.contains("ahead of the server's"),
        "{problem:?}"
    );
}

/// A server that answers everything with a page, such as one of a hotel.
#[test]
fn a_captive_portal_gives_no_result() {
    let place = Place::server();
    let proxy = Proxy::start(&place.host());
    proxy.set(|_| Some(Break::Foreign));
    let problem = warning(&Machine::new().remote(&place.through(&proxy.host())));
    assert!(
        problem.is_off && problem.first.contains("damaged"),
        "{problem:?}"
    );
}

#[test]
fn a_remote_that_is_stopping_ends_pauses() {
    let place = Place::server();
    let proxy = Proxy::start(&place.host());
    proxy.set(|_| Some(Break::Status(503)));
    let remote = Machine::new().remote_with(&place.through(&proxy.host()), |settings| {
        settings.limits.pause = Duration::from_secs(600);
        settings.limits.longest_pause = Duration::from_secs(600);
    });
    let begun = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| remote.look_up(&[named("a")]));
        std::thread::sleep(Duration::from_millis(100));
        remote.stop();
    });
    assert!(begun.elapsed() < Duration::from_secs(60));
}
