//! A server with encryption. Its certificate and key were made for these tests only:
//!
//! ```sh
//! openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out certificate.pem -days 36500 \
//!   -subj "/CN=runner test" -addext subjectAltName=DNS:localhost,IP:127.0.0.1 -addext basicConstraints=critical,CA:FALSE
//! ```

use std::net::TcpListener;
use std::process::Command;
use std::sync::Arc;
use std::thread;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::*;
use crate::Uploaded;

/// Starts a server with encryption that passes requests to a plain one. Returns its port.
fn start(place: &Place) -> u16 {
    let certificate = CertificateDer::from_pem_slice(include_bytes!("certificate.pem")).unwrap();
    let key = PrivateKeyDer::from_pem_slice(include_bytes!("key.pem")).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let config = Arc::new(config);
    let server = Arc::clone(place.server.as_ref().unwrap());
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Ends with the test process.
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let server = Arc::clone(&server);
            // A client that does not accept the certificate ends the connection.
            thread::spawn(move || server.serve(StreamOwned::new(connection, stream)));
        }
    });
    port
}

/// Runs in a process of its own, because the certificates come from an environment variable.
#[test]
#[ignore = "run by another test, in a process of its own"]
fn child() {
    let Ok(expected) = std::env::var("RUNNER_TEST_EXPECTED") else {
        return;
    };
    let port = start(&Place::server());
    let mut place = Place::server().with(&[("RUNNER_REMOTE_TOKEN", "secret-token")]);
    place.address = address(&format!("https://localhost:{port}/cache"));
    let machine = Machine::new();
    let content = noise(1, 300_000);
    let name = machine.record("one", &[("file", &content)]);
    let remote = machine.remote(&place);
    let pushed = remote
        .push(&machine.source(), std::slice::from_ref(&name))
        .remove(0);
    if expected == "trusted" {
        assert_eq!(pushed.unwrap(), Uploaded::Written);
        assert!(fetched(&Machine::new().remote(&place), &name).unwrap()["file"] == content);
    } else {
        let problem = remote.problem().unwrap();
        assert!(
            problem.is_off && problem.first.contains("SSL_CERT_FILE"),
            "{problem:?}"
        );
        assert!(pushed.is_err() && !format!("{problem:?}").contains("secret-token"));
    }
}

#[test]
fn encryption_uses_the_certificates_of_the_system_or_the_user() {
    let certificate = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tls/certificate.pem");
    for expected in ["trusted", "unknown"] {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command
            .args(["--exact", "tests::tls::child", "--ignored", "--nocapture"])
            .env("RUNNER_TEST_EXPECTED", expected)
            .env_remove("SSL_CERT_FILE")
            .env_remove("SSL_CERT_DIR");
        if expected == "trusted" {
            command.env("SSL_CERT_FILE", &certificate);
        }
        let output = command.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{text}"
        );
    }
}
