//! The port of the server, on IPv4 and IPv6.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};

/// The port that is taken if it is free.
pub const DEFAULT_PORT: u16 = 7417;

/// Number of ports from [`DEFAULT_PORT`] on that are tried.
const TRIED: u16 = 10;

/// The port to take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// The first that is free from [`DEFAULT_PORT`] on, or else any.
    Default,
    /// This port; 0 for any that is free.
    Only(u16),
}

/// The reason why there is no port.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    #[error("port {0} is in use")]
    InUse(u16),
    #[error("failed to listen on port {port}: {source}")]
    Io {
        port: u16,
        #[source]
        source: io::Error,
    },
}

/// Takes a port. Returns the listeners and the port.
pub(crate) fn bind(ports: Ports) -> Result<(Vec<TcpListener>, u16), BindError> {
    match ports {
        Ports::Only(port) => bind_port(port),
        Ports::Default => {
            for port in DEFAULT_PORT..DEFAULT_PORT + TRIED {
                match bind_port(port) {
                    Err(BindError::InUse(_)) => {}
                    other => return other,
                }
            }
            bind_port(0)
        }
    }
}

fn bind_port(port: u16) -> Result<(Vec<TcpListener>, u16), BindError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AddrInUse => BindError::InUse(port),
        _ => BindError::Io { port, source },
    };
    let first = listen(SocketAddr::from((Ipv4Addr::LOCALHOST, port))).map_err(failed)?;
    let port = first.local_addr().map_err(failed)?.port();
    let mut listeners = vec![first];
    match listen(SocketAddr::from((Ipv6Addr::LOCALHOST, port))) {
        Ok(second) => listeners.push(second),
        // Browsers may use this address for `localhost`, and would reach another program.
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            return Err(BindError::InUse(port));
        }
        // The machine has no IPv6.
        Err(error) => tracing::debug!("not listening on `[::1]:{port}`: {error}"),
    }
    Ok((listeners, port))
}

fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let listener = TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_in_use_is_an_error_and_the_default_falls_back() {
        let (first, port) = bind(Ports::Only(0)).unwrap();
        assert!(matches!(bind(Ports::Only(port)), Err(BindError::InUse(taken)) if taken == port));
        for listener in first {
            let address = listener.local_addr().unwrap();
            assert!(address.ip().is_loopback() && address.port() == port);
        }
        let (one, two) = (bind(Ports::Default).unwrap(), bind(Ports::Default).unwrap());
        assert_ne!(one.1, two.1);
    }
}
