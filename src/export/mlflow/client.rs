//! [`Client`]: requests to the REST API of a tracking server.

use std::fs::File;
use std::time::Duration;

use contract::one_line;
use engine::error::Error;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body};

use super::server::{Server, credentials_hint};
use crate::names::cut;

/// Longest answer that is read, in bytes.
const LONGEST_ANSWER: u64 = 16 << 20;
/// Longest message of a server that is shown, in characters.
const LONGEST_MESSAGE: usize = 500;
const CONNECT: Duration = Duration::from_secs(10);
/// As with MLflow's own client. A server that removes many runs takes a while.
const ANSWER: Duration = Duration::from_secs(120);

/// Characters of a path that are sent as they are.
const PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~')
    .remove(b'/');

pub(super) struct Client {
    agent: Agent,
    pub(super) server: Server,
}

/// An error that the server reports.
#[derive(Debug, Deserialize)]
struct Report {
    error_code: String,
    #[serde(default)]
    message: String,
}

/// The reason why a request failed.
pub(super) enum Problem {
    /// There is no such experiment or run.
    Absent,
    /// An experiment with this name exists already.
    Exists,
    Other(Error),
}

impl From<Problem> for Error {
    fn from(problem: Problem) -> Self {
        match problem {
            Problem::Absent => {
                Self::System("the MLflow server has removed it meanwhile".to_owned())
            }
            Problem::Exists => Self::System("the MLflow server has it already".to_owned()),
            Problem::Other(error) => error,
        }
    }
}

impl Client {
    pub(super) fn new(server: Server) -> Self {
        #[cfg_attr(not(feature = "https"), expect(unused_mut))]
        let mut config = Agent::config_builder()
            .http_status_as_error(false)
            // A redirected POST would arrive as a GET, and credentials are meant for this server only.
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_connect(Some(CONNECT))
            .timeout_recv_response(Some(ANSWER))
            .timeout_recv_body(Some(ANSWER))
            .user_agent(concat!("runner/", env!("CARGO_PKG_VERSION")));
        #[cfg(feature = "https")]
        if server.is_encrypted() {
            config = config.tls_config(remote::encryption());
        }
        Self {
            agent: config.build().new_agent(),
            server,
        }
    }

    /// Sends a GET request to a path of the API, such as `experiments/get-by-name`.
    pub(super) fn get(&self, path: &str, query: &[(&str, &str)]) -> Result<Value, Problem> {
        let mut request = self.agent.get(self.api(path));
        for (name, value) in query {
            request = request.query(name, value);
        }
        if let Some(secret) = &self.server.authorization {
            request = request.header("Authorization", secret);
        }
        self.answer(request.call())
    }

    /// Sends a POST request with a JSON object.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, Problem> {
        let mut request = self.agent.post(self.api(path));
        if let Some(secret) = &self.server.authorization {
            request = request.header("Authorization", secret);
        }
        let request = request.header("Content-Type", "application/json");
        self.answer(request.send(body.to_string()))
    }

    /// Uploads a file. `path` begins with a `/`.
    pub(super) fn upload(&self, path: &str, content: Content, mime: &str) -> Result<(), Error> {
        let path = utf8_percent_encode(path, PATH);
        let address = format!("{}/api/2.0/mlflow-artifacts/artifacts{path}", self.server);
        let mut request = self.agent.put(address);
        if let Some(secret) = &self.server.authorization {
            request = request.header("Authorization", secret);
        }
        let request = request.header("Content-Type", mime);
        let answer = match content {
            Content::Bytes(bytes) => request.send(bytes),
            Content::File(file) => request.send(file),
        };
        // The answer may be empty.
        self.accepted(answer)?;
        Ok(())
    }

    fn api(&self, path: &str) -> String {
        format!("{}/api/2.0/mlflow/{path}", self.server)
    }

    /// The JSON object that the server answered.
    fn answer(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<Value, Problem> {
        let text = self.accepted(answer)?;
        let answer = serde_json::from_str::<Value>(&text);
        let answer = answer.ok().filter(Value::is_object);
        answer.ok_or_else(|| self.foreign("its answer is not a JSON object"))
    }

    /// The text that the server answered, if it accepted a request.
    fn accepted(&self, answer: Result<Response<Body>, ureq::Error>) -> Result<String, Problem> {
        let mut response = answer.map_err(|error| self.unreachable(&error))?;
        let status = response.status();
        let body = response.body_mut().with_config().limit(LONGEST_ANSWER);
        let text = body
            .read_to_vec()
            .map_err(|error| self.unreachable(&error))?;
        let text = String::from_utf8_lossy(&text).into_owned();
        if status.is_success() {
            return Ok(text);
        }
        let report: Option<Report> = serde_json::from_str(&text).ok();
        let server = &self.server;
        Err(match (status.as_u16(), report) {
            (401 | 403, _) => Problem::Other(Error::System(format!(
                "the MLflow server {server} refuses access (status {status}); {}",
                credentials_hint()
            ))),
            (_, Some(report)) => match &*report.error_code {
                "RESOURCE_DOES_NOT_EXIST" => Problem::Absent,
                "RESOURCE_ALREADY_EXISTS" => Problem::Exists,
                code => Problem::Other(Error::System(format!(
                    "the MLflow server {server} reports {}: {}",
                    one_line(code),
                    shown(&report.message)
                ))),
            },
            (500.., None) => Problem::Other(Error::System(format!(
                "the server {server} failed (status {status}); its log says why"
            ))),
            (_, None) => self.foreign(&format!("status {status}")),
        })
    }

    fn unreachable(&self, error: &ureq::Error) -> Problem {
        let cause = match error {
            ureq::Error::Io(error) => error.to_string(),
            ureq::Error::HostNotFound => "there is no such host".to_owned(),
            other => other.to_string(),
        };
        let hint = match cause.contains("certificate") {
            true => "if the certificate is your own, name it in `SSL_CERT_FILE`",
            false => "is it running? `mlflow server` starts one",
        };
        Problem::Other(Error::System(format!(
            "failed to reach the MLflow server {}: {}; {hint}",
            self.server,
            one_line(&cause)
        )))
    }

    fn foreign(&self, why: &str) -> Problem {
        Problem::Other(Error::Usage(format!(
            "{} is not an MLflow tracking server ({why}); give the address that `mlflow server` prints",
            self.server
        )))
    }
}

/// The content of a file to upload.
pub(super) enum Content {
    Bytes(Vec<u8>),
    File(File),
}

fn shown(message: &str) -> String {
    one_line(&cut(message.trim(), LONGEST_MESSAGE)).into_owned()
}

#[cfg(all(test, feature = "https"))]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::path::Path;
    use std::process::Command;
    use std::sync::Arc;
    use std::{env, thread};

    use rustls::pki_types::pem::PemObject;
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::{ServerConfig, ServerConnection, StreamOwned};

    use super::*;

    const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../remote/tests/tls");

    /// Starts a server with the certificate of the tests, which answers one request. Returns its port.
    fn start() -> u16 {
        let folder = Path::new(FOLDER);
        let certificate = CertificateDer::from_pem_file(folder.join("certificate.pem")).unwrap();
        let key = PrivateKeyDer::from_pem_file(folder.join("key.pem")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        thread::spawn(move || {
            let connection = ServerConnection::new(Arc::new(config)).unwrap();
            let mut stream = StreamOwned::new(connection, listener.accept().unwrap().0);
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                // A client that does not accept the certificate ends the connection.
                let Ok(1) = stream.read(&mut byte) else {
                    return;
                };
                request.extend(byte);
            }
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n{\"a\": 1}";
            stream.write_all(answer).unwrap();
        });
        port
    }

    /// Runs in a process of its own, because the certificates come from an environment variable.
    #[test]
    #[ignore = "run by another test, in a process of its own"]
    fn child() {
        let Ok(expected) = env::var("RUNNER_TEST_EXPECTED") else {
            return;
        };
        let server = Server::parse(&format!("https://localhost:{}", start())).unwrap();
        match (Client::new(server).get("runs/get", &[]), &*expected) {
            (Ok(answer), "trusted") => assert_eq!(answer["a"], 1),
            (Err(Problem::Other(error)), "unknown") => {
                assert!(error.to_string().contains("SSL_CERT_FILE"), "{error}");
            }
            _ => panic!("{expected}"),
        }
    }

    #[test]
    fn encryption_uses_the_certificates_of_the_system_or_the_user() {
        for expected in ["trusted", "unknown"] {
            let mut command = Command::new(env::current_exe().unwrap());
            command
                .args(["--exact", "mlflow::client::tests::child", "--ignored"])
                .env("RUNNER_TEST_EXPECTED", expected)
                .env_remove("SSL_CERT_FILE")
                .env_remove("SSL_CERT_DIR");
            if expected == "trusted" {
                command.env("SSL_CERT_FILE", Path::new(FOLDER).join("certificate.pem"));
            }
            let output = command.output().unwrap();
            let text = String::from_utf8_lossy(&output.stdout);
            assert!(
                output.status.success() && text.contains("1 passed"),
                "{text}"
            );
        }
    }
}
