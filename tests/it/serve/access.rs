//! Only the user's own browser and programs get answers, and no client keeps others from getting them.

use std::io::{Read, Write};

use super::client::Served;
use crate::sandbox::Sandbox;

#[test]
fn requests_from_elsewhere_and_without_the_token_are_refused() {
    let sandbox = Sandbox::new("");
    let served = Served::start(&sandbox, &["--allow-run"]);
    let (port, token) = (served.port, served.token.clone());
    let bearer = format!("Authorization: Bearer {token}\r\n");
    let host = format!("Host: 127.0.0.1:{port}\r\n");
    let status = |method: &str, headers: &str| {
        served
            .raw(&format!(
                "{method} / HTTP/1.1\r\n{headers}Connection: close\r\n\r\n"
            ))
            .status
    };
    for method in ["GET", "HEAD"] {
        assert_eq!(status(method, &format!("{host}{bearer}")), 200);
        for wrong in [
            host.clone(),
            bearer.clone(),
            format!("Host: evil.example\r\n{bearer}"),
            format!("Host: 127.0.0.1.evil.example:{port}\r\n{bearer}"),
            format!("{host}{bearer}Origin: http://evil.example\r\n"),
            format!("{host}{bearer}Origin: null\r\n"),
            format!("{host}{bearer}Origin: http://localhost:{port}\r\n"),
            format!("{host}{bearer}Sec-Fetch-Site: cross-site\r\n"),
            format!("{host}{bearer}Sec-Fetch-Site: same-site\r\n"),
            format!("{host}Authorization: Bearer {}\r\n", "0".repeat(32)),
        ] {
            assert_eq!(status(method, &wrong), 403, "{method} {wrong}");
        }
    }
    let own =
        format!("{host}{bearer}Origin: http://127.0.0.1:{port}\r\nSec-Fetch-Site: same-origin\r\n");
    assert_eq!(status("GET", &own), 200);
    for method in [
        "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "NONSENSE",
    ] {
        assert_eq!(status(method, &format!("{host}{bearer}")), 405, "{method}");
    }
    // A form of another page, with the cookie: nothing is started.
    let foreign = format!(
        "POST /runs HTTP/1.1\r\n{host}Cookie: runner-{port}={token}\r\nOrigin: http://127.0.0.1:1\r\n\
         Content-Length: 18\r\nConnection: close\r\n\r\nfile=pipeline.yaml"
    );
    assert_eq!(served.raw(&foreign).status, 403);
    assert!(
        !sandbox
            .path("artifacts/v1/runs")
            .read_dir()
            .unwrap()
            .any(|_| true)
    );
}

#[test]
fn the_token_in_the_address_becomes_a_cookie() {
    let sandbox = Sandbox::new("");
    let served = Served::start(&sandbox, &[]);
    let (port, token) = (served.port, &served.token);
    let host = format!("Host: localhost:{port}\r\nConnection: close\r\n");
    let first = served.raw(&format!(
        "GET /?state=failed&token={token} HTTP/1.1\r\n{host}\r\n"
    ));
    assert_eq!(first.status, 303);
    assert!(
        first.head.contains("location: /?state=failed\r\n"),
        "{}",
        first.head
    );
    let cookie = format!("set-cookie: runner-{port}={token}; path=/; httponly; samesite=strict");
    assert!(first.head.contains(&cookie), "{}", first.head);
    let with = |cookie: &str| {
        let request = format!("GET / HTTP/1.1\r\n{host}Cookie: {cookie}\r\n\r\n");
        served.raw(&request)
    };
    assert_eq!(with(&format!("runner-{port}={token}")).status, 200);
    let refused = with("runner-1=x");
    assert_eq!(refused.status, 403);
    assert!(
        refused.text().contains("open the address"),
        "{}",
        refused.text()
    );
    // An address that begins with two slashes must not lead to another host.
    let outside = served.raw(&format!(
        "GET //evil.example/?token={token} HTTP/1.1\r\n{host}\r\n"
    ));
    assert!(
        outside.head.contains("location: /evil.example/\r\n"),
        "{}",
        outside.head
    );
}

#[test]
fn the_token_of_a_read_only_server_is_refused_where_runs_can_be_started() {
    let sandbox = Sandbox::new("");
    let shown = Served::start(&sandbox, &[]);
    let running = Served::start(&sandbox, &["--allow-run"]);
    let with = |served: &Served, token: &str| {
        let (port, body) = (served.port, "file=none.yaml");
        let request = format!(
            "POST /runs HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {token}\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        served.raw(&request)
    };
    let refused = with(&running, &shown.token);
    assert_eq!(refused.status, 403);
    assert!(refused.text().contains("token"), "{}", refused.text());
    // With its own token, the server looks for the file.
    assert_eq!(with(&running, &running.token).status, 400);
    assert_eq!(shown.get("/").status, 200);

    // Both tokens are kept.
    let (shown_token, running_token) = (shown.token.clone(), running.token.clone());
    assert_eq!((shown.interrupt(), running.interrupt()), (Some(0), Some(0)));
    assert_eq!(Served::start(&sandbox, &[]).token, shown_token);
    assert_eq!(
        Served::start(&sandbox, &["--allow-run"]).token,
        running_token
    );
}

#[test]
fn every_answer_forbids_what_pages_do_not_need() {
    let sandbox = Sandbox::new("");
    let served = Served::start(&sandbox, &[]);
    for path in [
        "/",
        "/page.css",
        "/page.js",
        "/live.js",
        "/nowhere",
        "/runs/none",
    ] {
        let head = served.get(path).head;
        for header in [
            "content-security-policy: default-src 'none';",
            "x-content-type-options: nosniff",
            "x-frame-options: deny",
            "referrer-policy: same-origin",
            "cross-origin-resource-policy: same-origin",
        ] {
            assert!(head.contains(header), "{path}: {head}");
        }
        assert!(
            !head.contains("access-control-") && !head.contains("unsafe-inline"),
            "{head}"
        );
    }
    // No page has a script or a style that the policy would refuse.
    let page = served.get("/").text();
    assert!(!page.contains("<style") && !page.contains(" style=") && !page.contains("<script>"));
}

#[test]
fn paths_lead_to_no_file() {
    let sandbox = Sandbox::new("");
    std::fs::write(sandbox.path("secret.json"), "the secret").unwrap();
    let served = Served::start(&sandbox, &[]);
    for path in [
        "/..%2f..%2f..%2fsecret.json",
        "/../../../secret.json",
        "/runs/..",
        "/runs/.",
        "/runs/..%2F..%2F..",
        "/runs/%2e%2e%2f%2e%2e%2fv1",
        "/runs/%00",
        "/runs/a%00b",
        "/runs/",
        "/runs/%ff",
        "/runs//stages/x",
        "/runs/..%2fruns/stages/x/log",
        "/pictures/file-..%2f..?name=secret.json",
        "/starts/1",
        "//",
    ] {
        let answer = served.get(path);
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        assert!(!answer.text().contains("the secret"));
    }
    let absolute = format!(
        "GET http://evil.example/ HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {}\r\nConnection: close\r\n\r\n",
        served.port, served.token
    );
    assert_eq!(served.raw(&absolute).status, 403);
}

#[test]
fn requests_that_are_too_large_or_broken_are_refused() {
    let sandbox = Sandbox::new("");
    let served = Served::start(&sandbox, &["--allow-run"]);
    let huge = format!("X: {}\r\n", "y".repeat(100_000));
    assert!(matches!(
        served.refusal("GET", "/", &huge, ""),
        None | Some(431)
    ));
    let many = "X: y\r\n".repeat(1000);
    assert!(matches!(
        served.refusal("GET", "/", &many, ""),
        None | Some(431)
    ));
    let long = format!("/?{}", "q".repeat(70_000));
    assert!(matches!(
        served.refusal("GET", &long, "", ""),
        None | Some(414 | 431)
    ));
    for broken in [
        "\0\0\0\0\r\n\r\n",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nA B: c\r\n\r\n",
    ] {
        assert_eq!(served.raw(broken).status, 400, "{broken:?}");
    }
    let body = format!("file={}", "x".repeat(100_000));
    assert!(matches!(
        served.refusal("POST", "/runs", "", &body),
        None | Some(413)
    ));
    assert_eq!(served.get("/").status, 200);
}

#[test]
fn clients_that_send_nothing_do_not_disturb_others_and_are_closed() {
    let sandbox = Sandbox::new("");
    let served = Served::start(&sandbox, &[]);
    let mut slow: Vec<_> = (0..100).map(|_| served.connect()).collect();
    for stream in &mut slow {
        stream.write_all(b"GET / HTTP/1.1\r\nHost:").unwrap();
    }
    assert_eq!(served.get("/").status, 200);
    for mut stream in slow {
        // The end of the connection, maybe after an answer that says why.
        let mut rest = Vec::new();
        let _ = stream.read_to_end(&mut rest);
        assert!(
            rest.is_empty() || rest.starts_with(b"HTTP/1.1 408"),
            "{rest:?}"
        );
    }
}

#[test]
fn a_port_in_use_is_an_error_with_a_hint() {
    let sandbox = Sandbox::new("");
    let served = Served::start(&sandbox, &[]);
    let failed = sandbox.runner(&["serve", "--port", &served.port.to_string()]);
    assert_eq!(failed.code, Some(2));
    let expected = format!("error: port {} is in use", served.port);
    assert!(
        failed.stderr.starts_with(&expected) && failed.stderr.contains("--port"),
        "{}",
        failed.stderr
    );
}
