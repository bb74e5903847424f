//! A shared cache that does not work never makes a run fail or changes its results.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};

use super::*;

/// An HTTP server without objects that answers every `PUT` with one status. It ends with the process.
fn server_that_refuses(status: &'static str) -> Place {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for connection in listener.incoming().flatten() {
            std::thread::spawn(move || answer(&connection, status));
        }
    });
    Place {
        url: format!("http://{address}/cache"),
        variables: Vec::new(),
        folder: None,
    }
}

/// Reads a request, and returns its first line. `None` at the end of the connection.
pub(super) fn read_request(reader: &mut BufReader<&TcpStream>) -> Option<String> {
    let mut first = String::new();
    reader.read_line(&mut first).ok().filter(|read| *read > 0)?;
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|read| *read > 0)?;
        let line = line.trim_end().to_ascii_lowercase();
        if let Some(value) = line.strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
        if line.is_empty() {
            break;
        }
    }
    std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink()).ok()?;
    Some(first)
}

/// Answers the requests of a connection. `None` at its end.
fn answer(connection: &TcpStream, status: &str) -> Option<()> {
    let mut reader = BufReader::new(connection);
    loop {
        let status = match read_request(&mut reader)?.starts_with("PUT") {
            true => status,
            false => "404 Not Found",
        };
        let mut to = connection;
        write!(to, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").ok()?;
    }
}

/// Runs the pipeline, and checks that it succeeds with the right table, and with one warning that contains `part`.
fn check(machine: &Machine, place: &Place, expected: &str, part: &str) -> Finished {
    let ran = machine.runner(place, &["run", "pipeline.yaml"]);
    assert_eq!(ran.code, Some(0), "{part}: {ran:?}");
    assert_eq!(ran.stdout, expected, "{part}");
    let warnings: Vec<&str> = ran
        .stderr
        .lines()
        .filter(|line| line.contains("warning"))
        .collect();
    assert!(
        warnings.len() == 1
            && warnings[0].starts_with("warning: shared cache: ")
            && warnings[0].contains(part),
        "{part}: {warnings:?}"
    );
    ran
}

fn expected() -> String {
    let ran = Machine::new().0.runner(&["run", "pipeline.yaml"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    ran.stdout
}

#[test]
fn a_remote_that_cannot_be_reached_or_written_costs_one_warning() {
    let expected = expected();
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let url = |url: String| Place {
        url,
        variables: Vec::new(),
        folder: None,
    };
    let cases = [
        (url(format!("http://{free}/cache")), "nothing listens"),
        (
            url("http://no-such-host.invalid/cache".to_owned()),
            "no server of this name",
        ),
        (Place::missing(), "does not exist"),
        (server_that_refuses("403 Forbidden"), "use the mode `read`"),
        (server_that_refuses("507 Insufficient Storage"), "full"),
        (server_that_refuses("500 Internal Server Error"), "500"),
    ];
    for (place, part) in cases {
        let machine = Machine::new();
        let ran = check(&machine, &place, &expected, part);
        assert!(ran.stderr.contains("`runner push`"), "{part}: {ran:?}");

        // Nothing is lost: a place that works gets the results later.
        let push = machine.runner(&place, &["push"]);
        assert_eq!(push.code, Some(1), "{part}: {push:?}");
        let works = Place::folder();
        let push = machine.runner(&works, &["push", "pipeline.yaml"]);
        assert_eq!(push.code, Some(0), "{part}: {push:?}");
        assert_eq!(Machine::new().counts(&works), (3, 0));
    }
}

/// What was left to upload is uploaded by `runner push` without a pipeline.
#[test]
fn uploads_that_failed_are_pushed_later() {
    let shared = tempfile::tempdir().unwrap();
    let folder = shared.path().join("mounted-later");
    let place = Place {
        url: format!("file://{}", folder.display()),
        variables: Vec::new(),
        folder: None,
    };
    let machine = Machine::new();
    check(&machine, &place, &expected(), "does not exist");
    fs::create_dir(&folder).unwrap();
    let push = machine.runner(&place, &["push", "--json"]);
    assert_eq!(push.code, Some(0), "{push:?}");
    assert_eq!(push.json()["uploaded"], 3);
    assert_eq!(Machine::new().counts(&place), (3, 0));
    let push = machine.runner(&place, &["push", "--json"]);
    assert_eq!(push.json()["uploaded"], 0);
}

/// Each damage is noticed, the stages run, and their uploads repair the shared cache.
#[test]
fn a_damaged_remote_costs_one_warning_and_is_repaired() {
    let expected = expected();
    let damage = |change: &dyn Fn(&mut Vec<u8>), files: Vec<PathBuf>| {
        for file in files {
            let mut bytes = fs::read(&file).unwrap();
            change(&mut bytes);
            fs::remove_file(&file).unwrap();
            fs::write(&file, bytes).unwrap();
        }
    };
    let flip = |bytes: &mut Vec<u8>| {
        if let Some(byte) = bytes.last_mut() {
            *byte ^= 1;
        }
    };
    let cut = |bytes: &mut Vec<u8>| bytes.truncate(bytes.len() / 2);
    let remove = |files: Vec<PathBuf>| files.iter().for_each(|file| fs::remove_file(file).unwrap());
    let records = |place: &Place| files_below(&place.path().join("v1/actions"));
    type Damage<'a> = &'a dyn Fn(&Place);
    let cases: [(&str, Damage<'_>); 8] = [
        ("damaged", &|place| damage(&flip, place.objects(false))),
        ("damaged", &|place| damage(&cut, place.objects(false))),
        ("damaged", &|place| damage(&flip, place.objects(true))),
        ("damaged", &|place| damage(&cut, place.objects(true))),
        ("damaged", &|place| damage(&flip, records(place))),
        ("damaged", &|place| damage(&cut, records(place))),
        ("outputs are missing", &|place| remove(place.objects(false))),
        ("outputs are missing", &|place| remove(place.objects(true))),
    ];
    let whole = Place::folder();
    Machine::new().table(&whole);
    for (index, (part, damage)) in cases.into_iter().enumerate() {
        let place = Place::folder();
        let copied = Command::new("cp")
            .arg("-r")
            .arg(whole.path().join("v1"))
            .arg(place.path())
            .status();
        assert!(copied.unwrap().success());
        damage(&place);
        let machine = Machine::new();
        check(&machine, &place, &expected, part);
        let verified = machine.0.runner(&["cache", "verify"]);
        assert_eq!(verified.code, Some(0), "{index}: {verified:?}");
        assert_eq!(Machine::new().table(&place), expected, "{index}");
        assert_eq!(Machine::new().counts(&place), (3, 0), "{index}");
    }
}
