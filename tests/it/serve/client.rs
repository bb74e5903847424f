//! A server in a sandbox, and a client that can send anything.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use crate::sandbox::{Sandbox, signal};

/// A server that ends with the test.
pub(crate) struct Served {
    process: Child,
    pub(crate) port: u16,
    pub(crate) token: String,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Served {
    pub(crate) fn start(sandbox: &Sandbox, args: &[&str]) -> Self {
        Self::at(sandbox, "0", args)
    }

    pub(crate) fn at(sandbox: &Sandbox, port: &str, args: &[&str]) -> Self {
        // A server that cannot start runs needs a store.
        if !args.contains(&"--allow-run") {
            std::fs::create_dir_all(sandbox.path("artifacts/v1")).unwrap();
        }
        let args = [&["serve", "--port", port], args].concat();
        let mut process = sandbox
            .command(&args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut out = BufReader::new(process.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let address = line.trim_end().strip_prefix("http://127.0.0.1:");
        let (port, token) = address.unwrap().split_once("/?token=").unwrap();
        Self {
            process,
            port: port.parse().unwrap(),
            token: token.to_owned(),
        }
    }

    /// Ends the server as Ctrl-C does. Returns its exit code.
    pub(crate) fn interrupt(mut self) -> Option<i32> {
        signal(self.process.id(), Signal::INT).unwrap();
        self.process.wait().unwrap().code()
    }

    pub(crate) fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(60)))
            .unwrap();
        stream
    }

    /// Sends a request with the token, in a connection of its own.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let head = format!(
            "Host: 127.0.0.1:{}\r\nAuthorization: Bearer {}\r\nContent-Length: {}\r\n{headers}",
            self.port,
            self.token,
            body.len()
        );
        self.raw(&format!(
            "{method} {path} HTTP/1.1\r\n{head}Connection: close\r\n\r\n{body}"
        ))
    }

    /// Sends a request that should be refused before it was read to its end. Returns the status of the answer, unless
    /// it was lost.
    pub(crate) fn refusal(
        &self,
        method: &str,
        path: &str,
        headers: &str,
        body: &str,
    ) -> Option<u16> {
        let (port, token, length) = (self.port, &self.token, body.len());
        let head = format!(
            "Host: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n{headers}"
        );
        let answer = self.try_raw(&format!("{method} {path} HTTP/1.1\r\n{head}\r\n{body}"))?;
        Some(answer.status)
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request("GET", path, "", "")
    }

    /// The page of a run, once its results are there.
    pub(super) fn run_page(&self, run: &str, query: &str) -> String {
        loop {
            let results = self.get(&format!("/runs/{run}/results?{query}"));
            match results.status {
                200 => return self.get(&format!("/runs/{run}?{query}")).text(),
                status => assert_eq!(status, 202, "{results:?}"),
            }
        }
    }

    /// Sends bytes as they are.
    pub(crate) fn raw(&self, request: &str) -> Answer {
        self.try_raw(request).expect("there must be an answer")
    }

    /// Like [`Served::raw`]. `None` if the connection was reset: the system may discard an answer that was sent before
    /// everything was read.
    pub(crate) fn try_raw(&self, request: &str) -> Option<Answer> {
        let mut stream = self.connect();
        // The server may answer and close before it has read everything.
        let _ = stream.write_all(request.as_bytes());
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes);
        (!bytes.is_empty()).then(|| Answer::parse(&bytes))
    }

    /// Opens a stream of events. `headers` are added to the request.
    pub(crate) fn events(&self, path: &str, headers: &str) -> Events {
        let mut stream = self.connect();
        let (port, token) = (self.port, &self.token);
        write!(
            stream,
            "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n{headers}\r\n"
        )
        .unwrap();
        let mut lines = BufReader::new(stream);
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            assert!(lines.read_line(&mut head).unwrap() > 0, "{head}");
        }
        assert!(
            head.starts_with("HTTP/1.1 200") && head.contains("text/event-stream"),
            "{head}"
        );
        Events { lines }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n");
        let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Self {
            status,
            head: head.to_lowercase(),
            body: bytes[end + 4..].to_vec(),
        }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Server-sent events.
pub(crate) struct Events {
    lines: BufReader<TcpStream>,
}

/// One event.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Event {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) data: String,
}

impl Events {
    /// The next event; `None` if the stream has ended.
    pub(crate) fn next(&mut self) -> Option<Event> {
        let mut event = Event::default();
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).ok()? == 0 {
                return None;
            }
            let line = line.trim_end();
            match line
                .split_once(": ")
                .unwrap_or((line.trim_end_matches(':'), ""))
            {
                ("id", id) => id.clone_into(&mut event.id),
                ("event", name) => name.clone_into(&mut event.name),
                ("data", data) => data.clone_into(&mut event.data),
                // The end of an event. Lines with the length of a piece, and those after them, are in between.
                _ if !event.name.is_empty() && line.is_empty() => return Some(event),
                _ => {}
            }
        }
    }

    /// The next event with this name.
    pub(crate) fn named(&mut self, name: &str) -> Event {
        loop {
            let event = self.next();
            let event = event.unwrap_or_else(|| panic!("the stream ended without `{name}`"));
            if event.name == name {
                return event;
            }
        }
    }
}
