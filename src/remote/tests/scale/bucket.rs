//! The process that plays an S3 server with the objects of many results, which it makes when they are asked for. It
//! counts what arrives and leaves, and lets each request wait as a distant server would.

use std::collections::BTreeMap;
use std::io::{BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Mutex;
use std::thread;
use std::time::Duration;

use contract::lock;
use serde::{Deserialize, Serialize};
use store::keys::{Digest, Key};

use super::super::plain_server::Request;
use super::super::proxy::kind;
use super::content::Content;
use crate::lookup::PAGE;

/// Settings of the server.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Site {
    pub(super) results: usize,
    /// Time of a request, and of a page of a list, in milliseconds.
    pub(super) request: u64,
    pub(super) page: u64,
}

/// Requests of a kind, and their bytes with all headers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Traffic {
    pub(super) requests: u64,
    pub(super) received: u64,
    pub(super) sent: u64,
}

/// Traffic by kind of request, such as `GET record`.
pub(super) type Counts = BTreeMap<String, Traffic>;

const PORT: &str = "port";

/// A running server. Ends with the test.
pub(super) struct Bucket {
    process: std::process::Child,
    port: u16,
}

impl Bucket {
    pub(super) fn start(site: &Site) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut command = std::process::Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "tests::scale::bucket::bucket"]);
        command.args(["--ignored", "--nocapture", "--quiet"]);
        command.env("STAND_IN_BUCKET", folder.path());
        command.env("STAND_IN_SITE", serde_json::to_string(site).unwrap());
        command.stdout(std::process::Stdio::null());
        let mut process = command.spawn().unwrap();
        let port = folder.path().join(PORT);
        while !port.exists() {
            assert!(process.try_wait().unwrap().is_none(), "the server ended");
            thread::sleep(Duration::from_millis(50));
        }
        let port = std::fs::read_to_string(port).unwrap().parse().unwrap();
        Self { process, port }
    }

    pub(super) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(super) fn counts(&self) -> Counts {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(b"GET /counts HTTP/1.1\r\n\r\n").unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let answer = std::io::read_to_string(stream).unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    }
}

impl Drop for Bucket {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Plays the server.
#[test]
#[ignore = "a program for other tests"]
fn bucket() {
    let Some(folder) = std::env::var_os("STAND_IN_BUCKET") else {
        return;
    };
    let site: Site = serde_json::from_str(&std::env::var("STAND_IN_SITE").unwrap()).unwrap();
    let server = Server::new(site);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let folder = Path::new(&folder);
    std::fs::write(folder.join("port.new"), port).unwrap();
    std::fs::rename(folder.join("port.new"), folder.join(PORT)).unwrap();
    thread::scope(|scope| {
        for stream in listener.incoming().flatten() {
            let server = &server;
            scope.spawn(move || server.serve(&stream));
        }
    });
}

struct Server {
    site: Site,
    /// Names with the numbers of their results, sorted.
    records: Vec<(Key, u32)>,
    objects: Vec<(Object, u32)>,
    counts: Mutex<Counts>,
}

/// An object below `cas`. The order is that of the names.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Object {
    digest: Digest,
    is_tree: bool,
}

impl Server {
    fn new(site: Site) -> Self {
        let (mut records, mut objects) = (Vec::new(), Vec::new());
        for number in 0..site.results {
            let content = Content(number);
            let number = u32::try_from(number).unwrap();
            records.extend(content.keys().map(|key| (key, number)));
            let blobs = content.blobs().map(|digest| (digest, false));
            let all = blobs.into_iter().chain([(content.tree().digest, true)]);
            objects.extend(all.map(|(digest, is_tree)| (Object { digest, is_tree }, number)));
        }
        records.sort_unstable();
        objects.sort_unstable();
        Self {
            site,
            records,
            objects,
            counts: Mutex::default(),
        }
    }

    fn serve(&self, mut stream: &TcpStream) -> Option<()> {
        stream.set_nodelay(true).ok()?;
        let mut reader = BufReader::new(stream);
        loop {
            let request = Request::read(&mut reader)?;
            if request.path == "/counts" {
                let text = serde_json::to_vec(&*lock(&self.counts)).unwrap();
                return stream.write_all(&answer("GET", Some(text))).ok();
            }
            let kind = kind(&request);
            let answer = answer(&request.method, self.body(&request));
            let pause = match kind.ends_with(" list") {
                true => self.site.page,
                false => self.site.request,
            };
            let mut counts = lock(&self.counts);
            let count = counts.entry(kind).or_default();
            count.requests += 1;
            count.received += (request.head.len() + request.body.len()) as u64;
            count.sent += answer.len() as u64;
            drop(counts);
            thread::sleep(Duration::from_millis(pause));
            stream.write_all(&answer).ok()?;
        }
    }

    /// Returns an object, or a page of a list. `None` if there is no such object.
    fn body(&self, request: &Request) -> Option<Vec<u8>> {
        let is_read = matches!(&*request.method, "GET" | "HEAD");
        assert!(is_read, "only reads are simulated");
        let (path, query) = request.path.split_once('?')?;
        if query.contains("list-type=2") {
            return Some(self.list(query).into_bytes());
        }
        let (folder, name) = path.rsplit_once('/')?;
        if folder.contains("/v1/actions/") {
            let key: Key = name.parse().ok()?;
            let content = found(&self.records, &key)?;
            return Some(content.record_bytes(&key));
        }
        let digest: Digest = name.strip_suffix(".tree")?.parse().ok()?;
        let is_tree = true;
        let content = found(&self.objects, &Object { digest, is_tree })?;
        Some(content.tree_bytes())
    }

    /// Returns a page of a list: the names with a prefix, after a name.
    fn list(&self, query: &str) -> String {
        let parameter = |name: &str| {
            let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
            let value = pairs.find_map(|(found, value)| (found == name).then_some(value))?;
            Some(value.replace("%2F", "/"))
        };
        let prefix = parameter("prefix").unwrap();
        let after = parameter("continuation-token").unwrap_or_default();
        let (_, below) = prefix.split_once("v1/").unwrap();
        let (folder, part) = below.split_once('/').unwrap();
        let part = part.trim_end_matches('/');
        let root = prefix.strip_suffix(below).unwrap();
        let names: Vec<(String, u64)> = match folder {
            "actions" => {
                let page = page(&self.records, part, &after, |key| key.to_string());
                page.into_iter().map(|name| (name, 1200)).collect()
            }
            "cas" => {
                let name = |object: &Object| match object.is_tree {
                    true => format!("{}.tree", object.digest),
                    false => object.digest.to_string(),
                };
                let page = page(&self.objects, part, &after, name);
                page.into_iter().map(|name| (name, 450_000)).collect()
            }
            _ => Vec::new(),
        };
        let mut text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult \
                        xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Name>runner</Name><MaxKeys>1000</MaxKeys>"
            .to_owned();
        if names.len() > PAGE {
            let last = &names[PAGE - 1].0;
            text += &format!(
                "<IsTruncated>true</IsTruncated><NextContinuationToken>{last}</NextContinuationToken>"
            );
        } else {
            text += "<IsTruncated>false</IsTruncated>";
        }
        for (name, bytes) in names.iter().take(PAGE) {
            text += &format!(
                "<Contents><Key>{root}{folder}/{}/{name}</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified>\
                 <ETag>&quot;d41d8cd98f00b204e9800998ecf8427e&quot;</ETag><Size>{bytes}</Size>\
                 <StorageClass>STANDARD</StorageClass></Contents>",
                &name[..2]
            );
        }
        text + "</ListBucketResult>"
    }
}

/// Finds the result to which a name belongs.
fn found<T: Ord>(sorted: &[(T, u32)], name: &T) -> Option<Content> {
    let at = sorted.binary_search_by(|(found, _)| found.cmp(name)).ok()?;
    Some(Content(sorted[at].1 as usize))
}

/// Returns up to a page and one more of the names that begin with `part` and come after another one.
fn page<T>(
    sorted: &[(T, u32)],
    part: &str,
    after: &str,
    name: impl Fn(&T) -> String,
) -> Vec<String> {
    let begin = sorted.partition_point(|(found, _)| {
        let found = name(found);
        found.as_str() < part || (!after.is_empty() && found.as_str() <= after)
    });
    let names = sorted[begin..].iter().map(|(found, _)| name(found));
    let names = names.take_while(|name| name.starts_with(part));
    names.take(PAGE + 1).collect()
}

/// Returns an answer with the headers that S3 sends.
fn answer(method: &str, body: Option<Vec<u8>>) -> Vec<u8> {
    let (status, body) = match body {
        Some(body) => ("200 OK", body),
        None => (
            "404 Not Found",
            b"<Error><Code>NoSuchKey</Code></Error>".to_vec(),
        ),
    };
    let date = jiff::Timestamp::now().strftime("%a, %d %b %Y %H:%M:%S GMT");
    let mut bytes = format!(
        "HTTP/1.1 {status}\r\nDate: {date}\r\nx-amz-id-2: {0}\r\nx-amz-request-id: {1}\r\nLast-Modified: Thu, 01 Jan 2026 00:00:00 GMT\r\n\
         ETag: \"{1}{1}\"\r\nAccept-Ranges: bytes\r\nContent-Type: binary/octet-stream\r\nServer: AmazonS3\r\n\
         Content-Length: {2}\r\n\r\n",
        "x".repeat(76),
        "0123456789ABCDEF",
        body.len()
    )
    .into_bytes();
    if method != "HEAD" {
        bytes.extend_from_slice(&body);
    }
    bytes
}
