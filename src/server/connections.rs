//! Accepts connections, and limits what each of them can take: anybody on this machine can connect.
//!
//! | a client that | is stopped by |
//! | --- | --- |
//! | sends its request slowly, or nothing | [`HEADER_TIME`], [`BODY_TIME`](crate::site::BODY_TIME) |
//! | sends a large request | hyper's limits on headers (431), [`BODY_BYTES`](crate::site::BODY_BYTES) |
//! | does not read its answer | [`UNREAD_TIME`] |
//! | opens many connections | [`CONNECTIONS`]: others wait until one ends |

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::site::Site;
use crate::stream::stopped;

/// Time for the headers of a request, and longest pause between two requests.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// Time after which a connection is closed whose client does not read, in milliseconds.
const UNREAD_TIME: u32 = 20_000;
/// Number of connections at a time.
const CONNECTIONS: usize = 256;
/// Largest buffer for the headers of a request, in bytes.
const BUFFER: usize = 32 << 10;
/// Time for open connections to end after a request to stop.
const GRACE: Duration = Duration::from_secs(2);

/// Answers connections until `stop` becomes true.
pub(crate) async fn accept(
    listeners: Vec<TcpListener>,
    site: Arc<Site>,
    mut stop: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    for listener in listeners {
        let (site, places, stop) = (Arc::clone(&site), Arc::clone(&places), stop.clone());
        tokio::spawn(accept_from(listener, site, places, stop));
    }
    stopped(&mut stop).await;
    let all = u32::try_from(CONNECTIONS).unwrap_or(u32::MAX);
    let _ = tokio::time::timeout(GRACE, places.acquire_many(all)).await;
}

async fn accept_from(
    listener: TcpListener,
    site: Arc<Site>,
    places: Arc<Semaphore>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            return;
        };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stopped(&mut stop) => return,
        };
        match accepted {
            Ok((stream, _)) => {
                tokio::spawn(serve(stream, Arc::clone(&site), place, stop.clone()));
            }
            Err(error) => {
                // The client was faster than we, or there are too many open files. Neither should end the server.
                tracing::debug!("failed to accept a connection: {error}");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn serve(
    stream: TcpStream,
    site: Arc<Site>,
    place: OwnedSemaphorePermit,
    mut stop: watch::Receiver<bool>,
) {
    if let Err(error) = prepare(&stream) {
        tracing::debug!("failed to limit a connection: {error}");
        return;
    }
    let service = service_fn(|request| {
        let site = Arc::clone(&site);
        async move { Ok::<_, Infallible>(site.answer(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME)
        .max_buf_size(BUFFER)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stopped(&mut stop) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!("a connection ended: {error}");
    }
    drop(place);
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    rustix::net::sockopt::set_tcp_user_timeout(stream, UNREAD_TIME)?;
    Ok(())
}
