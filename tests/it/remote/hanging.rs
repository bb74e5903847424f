//! A server that accepts connections, and then hangs: a run gives it up soon, and Ctrl-C ends the run at once.

use std::io::{BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use super::faults::read_request;
use super::*;
use crate::sandbox::signal;

/// What a server does with a request.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reaction {
    Answer,
    /// Sends nothing.
    Hang,
    /// Sends the head of the answer and a byte of the body.
    Stall,
}

/// A server with the objects of a folder. It ends with the process.
struct Server {
    place: Place,
    /// Number of requests that hang or have hung.
    hung: Arc<AtomicUsize>,
}

impl Server {
    fn start(objects: &Path, react: impl Fn(&str) -> Reaction + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let hung = Arc::new(AtomicUsize::new(0));
        let (objects, counter, react) = (objects.to_owned(), Arc::clone(&hung), Arc::new(react));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (objects, counter) = (objects.clone(), Arc::clone(&counter));
                let react = Arc::clone(&react);
                thread::spawn(move || serve(&stream, &objects, &*react, &counter));
            }
        });
        let place = Place {
            url,
            variables: Vec::new(),
            folder: None,
        };
        Self { place, hung }
    }

    /// Waits until a request hangs.
    fn wait(&self) {
        let begun = Instant::now();
        while self.hung.load(Ordering::SeqCst) == 0 {
            assert!(begun.elapsed() < PATIENCE, "no request was sent");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Far longer than any of these runs takes, and far shorter than the four attempts of a request that hangs take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Answers the requests of a connection. `None` at its end.
fn serve(
    mut stream: &TcpStream,
    objects: &Path,
    react: &dyn Fn(&str) -> Reaction,
    hung: &AtomicUsize,
) -> Option<()> {
    let mut reader = BufReader::new(stream);
    loop {
        let first = read_request(&mut reader)?;
        let mut words = first.split(' ');
        let (method, path) = (words.next()?, words.next()?);
        let object = fs::read(objects.join(path.trim_start_matches('/')));
        let (status, body) = match object {
            Ok(bytes) => ("200 OK", bytes),
            Err(_) => ("404 Not Found", Vec::new()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let reaction = react(&first);
        if reaction == Reaction::Stall {
            stream.write_all(head.as_bytes()).ok()?;
            stream.write_all(body.get(..1).unwrap_or_default()).ok()?;
        }
        if reaction != Reaction::Answer {
            hung.fetch_add(1, Ordering::SeqCst);
            let _ = stream.read(&mut [0]);
            return None;
        }
        stream.write_all(head.as_bytes()).ok()?;
        if method == "GET" {
            stream.write_all(&body).ok()?;
        }
    }
}

/// A folder with the results of the pipeline.
fn results() -> Place {
    let place = Place::folder();
    Machine::new().table(&place);
    place
}

#[test]
fn a_server_that_hangs_is_given_up_soon() {
    let objects = results();
    let expected = Machine::new().table(&objects);
    for react in [
        |_: &str| Reaction::Hang,
        |_: &str| Reaction::Stall,
        // Records are found, but their outputs never arrive.
        |request: &str| match request.contains("/cas/") {
            true => Reaction::Stall,
            false => Reaction::Answer,
        },
    ] {
        let server = Server::start(objects.path(), react);
        let machine = Machine::new();
        let begun = Instant::now();
        let ran = machine.runner(
            &server.place,
            &["run", "pipeline.yaml", "--remote-mode", "read"],
        );
        assert_eq!(ran.code, Some(0), "{ran:?}");
        assert_eq!(ran.stdout, expected);
        assert_eq!(
            ran.stderr.matches("warning: shared cache").count(),
            1,
            "{ran:?}"
        );
        assert!(ran.stderr.contains("not used any more"), "{ran:?}");
        assert!(begun.elapsed() < 2 * PATIENCE);
    }
}

/// Interrupts a run that waits for a server, and returns how it ended.
fn interrupted(machine: &Machine, server: &Server, args: &[&str]) -> Finished {
    let running = machine
        .command(&server.place, args)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    server.wait();
    let begun = Instant::now();
    signal(running.id(), Signal::INT).unwrap();
    let ended = finish(running);
    // Without the signal, the request would be given up only now.
    assert!(begun.elapsed() < Duration::from_secs(8), "{ended:?}");
    ended
}

#[test]
fn ctrl_c_ends_a_run_that_waits_for_the_shared_cache() {
    // While the run is planned, it waits for records, and then for the images for a new training.
    let objects = results();
    for react in [
        |_: &str| Reaction::Hang,
        |request: &str| match request.contains("/cas/") {
            true => Reaction::Stall,
            false => Reaction::Answer,
        },
    ] {
        let server = Server::start(objects.path(), react);
        let changed = ["run", "pipeline.yaml", "-S", "widths=[4,5]"];
        let ended = interrupted(&Machine::new(), &server, &changed);
        assert_eq!(ended.code, None, "{ended:?}");
    }

    // Once the images are made, the run looks for a training with these images.
    let machine = Machine::new();
    let runs = machine.0.path("artifacts/v1/runs");
    let empty = tempfile::tempdir().unwrap();
    let has_begun = move || runs.is_dir() && !crate::sandbox::list(&runs).is_empty();
    let server = Server::start(empty.path(), move |_| match has_begun() {
        true => Reaction::Hang,
        false => Reaction::Answer,
    });
    let ended = interrupted(
        &machine,
        &server,
        &["run", "pipeline.yaml", "--remote-mode", "read"],
    );
    assert_eq!(ended.code, Some(130), "{ended:?}");
    assert!(!ended.stderr.contains("warning"), "{ended:?}");
    // The images are kept.
    assert_eq!(machine.counts(&Place::folder()), (1, 2));
}
