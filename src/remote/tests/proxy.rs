//! [`Proxy`]: passes requests on to a server, and breaks some of them.

use std::collections::HashMap;
use std::io::{BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use contract::lock;
use rustix::net::sockopt::set_socket_linger;

use super::plain_server::{Request, headers, read_head};

/// Ways to break a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Break {
    /// Closes the connection without an answer.
    Close,
    /// Resets the connection without an answer.
    Reset,
    /// Passes on half of the request's body, and closes both connections.
    CutRequest,
    /// Passes the request on and does not return the answer.
    LoseAnswer,
    /// Returns half of the answer's body.
    CutAnswer,
    /// Returns half of the answer's body, with a matching length.
    Shorten,
    /// Announces more bytes than it sends, and closes the connection.
    AnnounceMore,
    /// Announces fewer bytes than it sends.
    AnnounceLess,
    /// Changes a byte of the answer.
    WrongByte,
    /// Returns an answer of another request: a page of a gateway.
    Foreign,
    /// Answers with a status instead.
    Status(u16),
    /// Answers 503 and asks for a pause.
    Later,
    /// Answers 403, and has another time.
    Skewed,
    /// Waits a little.
    Delay,
    /// Never answers.
    Hang,
    /// Sends the head of the answer, half of its body, and then nothing.
    Stall,
    /// Sends the answer byte by byte.
    Drip,
}

pub(super) const BREAKS: [Break; 26] = [
    Break::Close,
    Break::Reset,
    Break::CutRequest,
    Break::LoseAnswer,
    Break::CutAnswer,
    Break::Shorten,
    Break::AnnounceMore,
    Break::AnnounceLess,
    Break::WrongByte,
    Break::Foreign,
    Break::Status(400),
    Break::Status(403),
    Break::Status(404),
    Break::Status(408),
    Break::Status(409),
    Break::Status(412),
    Break::Status(416),
    Break::Status(429),
    Break::Status(500),
    Break::Status(503),
    Break::Status(302),
    Break::Later,
    Break::Delay,
    Break::Hang,
    Break::Stall,
    Break::Drip,
];

/// Decides whether and how a request is broken. The text names the kind of request, such as `PUT cas`.
type Decide = dyn FnMut(&str) -> Option<Break> + Send;

pub(super) struct Proxy {
    address: SocketAddr,
    upstream: String,
    decide: Mutex<Box<Decide>>,
    /// Broken requests by kind of request.
    pub(super) broken: Mutex<HashMap<String, usize>>,
}

impl Proxy {
    pub(super) fn start(upstream: &str) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            upstream: upstream.to_owned(),
            decide: Mutex::new(Box::new(|_: &str| None)),
            broken: Mutex::default(),
        });
        let shared = Arc::clone(&proxy);
        // Ends with the test process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || shared.serve(&stream));
            }
        });
        proxy
    }

    pub(super) fn host(&self) -> String {
        self.address.to_string()
    }

    pub(super) fn set(&self, decide: impl FnMut(&str) -> Option<Break> + Send + 'static) {
        *lock(&self.decide) = Box::new(decide);
    }

    /// Breaks the next request of a kind, and no other.
    pub(super) fn break_once(&self, kind: &str, how: Break) {
        let kind = kind.to_owned();
        let mut left = Some(how);
        self.set(move |found| if found == kind { left.take() } else { None });
    }

    fn serve(&self, stream: &TcpStream) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        let mut reader = BufReader::new(stream);
        loop {
            let request = Request::read(&mut reader)?;
            let kind = kind(&request);
            let how = (lock(&self.decide))(&kind);
            if how.is_some() {
                *lock(&self.broken).entry(kind).or_default() += 1;
            }
            self.pass(stream, &request, how)?;
        }
    }

    /// Passes one request on. `None` closes the connection.
    fn pass(&self, mut stream: &TcpStream, request: &Request, how: Option<Break>) -> Option<()> {
        let is_head = request.method == "HEAD";
        let mut answer = |status: u16, more: &str, body: &str| {
            let text = format!(
                "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n{more}\r\n",
                body.len()
            );
            stream.write_all(text.as_bytes()).ok()?;
            let body = if is_head { "" } else { body };
            stream.write_all(body.as_bytes()).ok()
        };
        match how {
            Some(Break::Close) => return None,
            Some(Break::Reset) => {
                set_socket_linger(stream, Some(Duration::ZERO)).ok()?;
                return None;
            }
            Some(Break::CutRequest) => {
                let mut upstream = TcpStream::connect(&self.upstream).ok()?;
                upstream.write_all(&request.head).ok()?;
                upstream
                    .write_all(&request.body[..request.body.len() / 2])
                    .ok()?;
                return None;
            }
            Some(Break::Status(status @ 302)) => {
                return answer(status, "Location: http://127.0.0.1:9/elsewhere\r\n", "");
            }
            Some(Break::Status(status)) => return answer(status, "", "<html>no</html>"),
            Some(Break::Skewed) => {
                return answer(403, "Date: Mon, 30 Nov 2020 12:00:00 GMT\r\n", "");
            }
            Some(Break::Later) => return answer(503, "Retry-After: 0\r\n", ""),
            Some(Break::Foreign) => return answer(200, "", "<html>please log in</html>"),
            Some(Break::Delay) => thread::sleep(Duration::from_millis(30)),
            Some(Break::Hang) => return wait_for_end(stream),
            _ => {}
        }
        let (head, body) = self.ask(request, is_head)?;
        let half = body.len() / 2;
        let with_length = |length: usize| {
            let text = String::from_utf8_lossy(&head);
            let lines: Vec<String> = text
                .split("\r\n")
                .map(
                    |line| match line.to_ascii_lowercase().starts_with("content-length:") {
                        true => format!("Content-Length: {length}"),
                        false => line.to_owned(),
                    },
                )
                .collect();
            lines.join("\r\n").into_bytes()
        };
        let mut send = |head: &[u8], body: &[u8]| {
            stream.write_all(head).ok()?;
            stream.write_all(body).ok()
        };
        match how {
            Some(Break::LoseAnswer) => None,
            Some(Break::CutAnswer) => {
                send(&head, &body[..half])?;
                None
            }
            Some(Break::Stall) => {
                send(&head, &body[..half])?;
                wait_for_end(stream)
            }
            Some(Break::Shorten) => send(&with_length(half), &body[..half]),
            Some(Break::AnnounceMore) => {
                send(&with_length(body.len() + 10), &body)?;
                None
            }
            Some(Break::AnnounceLess) => {
                send(&with_length(half), &body)?;
                None
            }
            Some(Break::WrongByte) if !body.is_empty() => {
                let mut wrong = body;
                wrong[half] ^= 0x20;
                send(&head, &wrong)
            }
            Some(Break::Drip) => {
                send(&head, b"")?;
                for byte in body {
                    send(&[], &[byte])?;
                    thread::sleep(Duration::from_millis(2));
                }
                Some(())
            }
            _ => send(&head, &body),
        }
    }

    /// Sends a request to the server, and returns its answer.
    fn ask(&self, request: &Request, is_head: bool) -> Option<(Vec<u8>, Vec<u8>)> {
        let mut upstream = TcpStream::connect(&self.upstream).ok()?;
        upstream.set_nodelay(true).ok()?;
        upstream.write_all(&request.head).ok()?;
        upstream.write_all(&request.body).ok()?;
        let mut reader = BufReader::new(upstream);
        let mut head = read_head(&mut reader)?;
        // An interim answer comes before the real one.
        while head.starts_with(b"HTTP/1.1 100") {
            head = read_head(&mut reader)?;
        }
        let text = String::from_utf8_lossy(&head).into_owned();
        let found = headers(&text);
        let is_empty =
            is_head || text.starts_with("HTTP/1.1 204") || text.starts_with("HTTP/1.1 304");
        let mut body = Vec::new();
        if is_empty {
            return Some((head, body));
        }
        if let Some(length) = found.get("content-length") {
            body = vec![0; length.parse().ok()?];
            reader.read_exact(&mut body).ok()?;
            return Some((head, body));
        }
        // Joins chunks, so that the answer can be cut anywhere.
        while let Some(line) = read_line(&mut reader) {
            let length = usize::from_str_radix(line.trim(), 16).ok()?;
            let mut chunk = vec![0; length + 2];
            reader.read_exact(&mut chunk).ok()?;
            body.extend_from_slice(&chunk[..length]);
            if length == 0 {
                break;
            }
        }
        let lines: Vec<&str> = text
            .trim_end()
            .split("\r\n")
            .filter(|line| !line.to_ascii_lowercase().starts_with("transfer-encoding"))
            .collect();
        let head = format!(
            "{}\r\nContent-Length: {}\r\n\r\n",
            lines.join("\r\n"),
            body.len()
        );
        Some((head.into_bytes(), body))
    }
}

fn read_line(reader: &mut impl std::io::BufRead) -> Option<String> {
    let mut line = String::new();
    let read = reader.read_line(&mut line).ok()?;
    (read > 0).then_some(line)
}

/// Waits until the other side gives up.
fn wait_for_end(mut stream: &TcpStream) -> Option<()> {
    let _ = stream.read(&mut [0]);
    None
}

/// Returns the kind of a request: method, and folder or purpose.
pub(super) fn kind(request: &Request) -> String {
    let path = &request.path;
    let what = if path.contains("list-type=2") {
        "list"
    } else if path.contains("uploadId=") && request.method == "PUT" {
        "part"
    } else if path.contains("uploadId=") || path.contains("uploads") {
        "upload"
    } else if request.headers.contains_key("x-amz-copy-source") {
        "copy"
    } else if path.contains("/actions/") {
        "record"
    } else if path.contains(".tree") {
        "tree"
    } else if path.contains("/cas/") {
        "blob"
    } else if path.contains("/processors/") {
        "processor"
    } else {
        "other"
    };
    format!("{} {what}", request.method)
}
