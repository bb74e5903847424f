//! [`PlainServer`]: a small HTTP server that keeps files in memory, like a WebDAV server.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;

use contract::lock;

pub(crate) struct PlainServer {
    address: SocketAddr,
    pub(super) files: Mutex<HashMap<String, Vec<u8>>>,
}

/// A request as it arrived.
pub(super) struct Request {
    pub(super) method: String,
    pub(super) path: String,
    /// Names in lowercase.
    pub(super) headers: HashMap<String, String>,
    pub(super) head: Vec<u8>,
    pub(super) body: Vec<u8>,
}

impl Request {
    /// Reads a request. `None` at the end of the connection, or if the request is incomplete.
    pub(super) fn read(reader: &mut impl BufRead) -> Option<Self> {
        let head = read_head(reader)?;
        let text = String::from_utf8_lossy(&head).into_owned();
        let mut words = text.lines().next()?.split(' ');
        let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
        let headers = headers(&text);
        let length: usize = headers
            .get("content-length")
            .map_or(0, |length| length.parse().unwrap());
        let mut body = vec![0; length];
        reader.read_exact(&mut body).ok()?;
        Some(Self {
            method,
            path,
            headers,
            head,
            body,
        })
    }
}

/// Reads up to and including an empty line.
pub(super) fn read_head(reader: &mut impl BufRead) -> Option<Vec<u8>> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if reader.read_until(b'\n', &mut head).ok()? == 0 {
            return None;
        }
    }
    Some(head)
}

pub(super) fn headers(head: &str) -> HashMap<String, String> {
    let lines = head.lines().skip(1).filter_map(|line| line.split_once(':'));
    lines
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect()
}

impl PlainServer {
    pub(super) fn start() -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            files: Mutex::default(),
        });
        let shared = Arc::clone(&server);
        // Ends with the test process.
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let shared = Arc::clone(&shared);
                thread::spawn(move || {
                    stream.set_nodelay(true)?;
                    shared.serve(stream)
                });
            }
        });
        server
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers the requests of a connection.
    pub(super) fn serve(&self, stream: impl Read + Write) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        while let Some(request) = Request::read(&mut reader) {
            // The client waits for the answer, so nothing is in the buffer.
            reader.get_mut().write_all(&self.answer(&request))?;
            reader.get_mut().flush()?;
        }
        Ok(())
    }

    fn answer(&self, request: &Request) -> Vec<u8> {
        let mut files = lock(&self.files);
        let found = files.get(&request.path);
        let answer = |status: &str, more: &str, body: &[u8]| {
            let mut bytes = format!("HTTP/1.1 {status}\r\n{more}\r\n").into_bytes();
            bytes.extend_from_slice(body);
            bytes
        };
        let length = |bytes: &[u8]| format!("Content-Length: {}\r\n", bytes.len());
        match (request.method.as_str(), found) {
            ("GET", Some(bytes)) => {
                let range = request.headers.get("range");
                let from = range.map(|range| {
                    let digits = range.trim_start_matches("bytes=").trim_end_matches('-');
                    digits.parse::<usize>().unwrap()
                });
                match from {
                    Some(from) if from >= bytes.len() => {
                        answer("416 Range Not Satisfiable", &length(b""), b"")
                    }
                    Some(from) => {
                        let part = &bytes[from..];
                        let range = format!(
                            "Content-Range: bytes {from}-{}/{}\r\n{}",
                            bytes.len() - 1,
                            bytes.len(),
                            length(part)
                        );
                        answer("206 Partial Content", &range, part)
                    }
                    None => answer("200 OK", &length(bytes), bytes),
                }
            }
            ("HEAD", Some(bytes)) => answer("200 OK", &length(bytes), b""),
            ("PUT", Some(_)) if request.headers.contains_key("if-none-match") => {
                answer("412 Precondition Failed", &length(b""), b"")
            }
            ("PUT", _) => {
                files.insert(request.path.clone(), request.body.clone());
                answer("201 Created", &length(b""), b"")
            }
            ("DELETE", Some(_)) => {
                files.remove(&request.path);
                answer("204 No Content", "", b"")
            }
            ("GET" | "HEAD" | "DELETE", None) => answer("404 Not Found", &length(b""), b""),
            _ => answer("405 Method Not Allowed", &length(b""), b""),
        }
    }
}
