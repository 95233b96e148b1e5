//! The Flight SQL server: one file per family of calls, all over one [`Engine`].
//!
//! A statement is planned once and runs once: what writes runs when it is sent, and a ticket only
//! fetches its result. There is no authentication yet, so the server listens to its own machine only.

mod columns;
mod front;
mod handles;
mod ingest;
mod keys;
mod metadata;
mod parameters;
mod prepared;
mod schema;
mod service;
mod session;
mod sql_info;
mod statement;
mod substrait;
mod switchboard;
pub(crate) mod wire;
mod xdbc;

use std::{future::Future, io, net::SocketAddr, path::PathBuf, time::Duration};

use arrow_flight::flight_service_server::FlightServiceServer;
use tokio::net::{TcpListener, lookup_host};
use tonic::transport::{Server, server::TcpIncoming};

use crate::{
    engine::Engine,
    error::{Error, Result},
    wording::plain,
};
use front::Front;

/// How often a quiet connection is asked whether its client is still there.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// HTTP/2 windows that let a bulk load or a large result flow without waiting for each frame.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// JDBC sends every unknown property of its URL as a header.
const MAX_HEADER_BYTES: u32 = 64 << 10;

/// Listens on `address` (`host:port`; port 0 takes a free one), which must be this machine's own.
///
/// # Errors
/// [`Error::Input`] for an address that other machines can reach, [`Error::Io`] when it is taken.
pub async fn bind(address: &str) -> Result<TcpListener> {
    let failed = |source: io::Error| Error::Io {
        path: PathBuf::from(address),
        source,
    };
    let addresses: Vec<SocketAddr> = lookup_host(address).await.map_err(failed)?.collect();
    addresses.iter().try_for_each(refuse_remote)?;
    match TcpListener::bind(addresses.as_slice()).await {
        Err(source) if source.kind() == io::ErrorKind::AddrInUse => Err(Error::Input(format!(
            "{address}: {}; `moodlake serve --listen 127.0.0.1:0` takes a free port",
            plain(&source)
        ))),
        bound => bound.map_err(failed),
    }
}

/// Answers Flight SQL on `listener` until `shutdown` resolves and the calls under way have ended.
///
/// # Errors
/// [`Error::Input`] when the listener can be reached from other machines, [`Error::Io`] when it fails.
pub async fn serve(
    listener: TcpListener,
    engine: Engine,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    let address = listener.local_addr().map_err(Error::io("listener"))?;
    refuse_remote(&address)?;
    let front = Front(service::entrance(engine)?);
    let flight = FlightServiceServer::new(front).max_decoding_message_size(wire::MAX_MESSAGE_BYTES);
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .add_service(flight)
        .serve_with_incoming_shutdown(
            TcpIncoming::from(listener).with_nodelay(Some(true)),
            shutdown,
        )
        .await
        .map_err(|error| Error::io(address.to_string())(io::Error::other(error)))
}

/// Refuses an address that other machines can reach.
pub(crate) fn refuse_remote(address: &SocketAddr) -> Result<()> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    Err(Error::Input(format!(
        "{address} can be reached from other machines, and there is no authentication yet: \
         listen on 127.0.0.1 or [::1]"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_this_machine_can_connect() {
        for open in ["0.0.0.0:0", "[::]:0", "192.0.2.1:50051"] {
            let message = bind(open).await.unwrap_err().to_string();
            assert!(message.contains("no authentication"), "{open}: {message}");
        }
        assert!(bind("127.0.0.1:0").await.is_ok());
    }
}
