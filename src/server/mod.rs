//! The Flight SQL server: one file per family of calls, all over one [`Engine`].
//!
//! A statement is planned once and runs once: what writes runs when it is sent, and a ticket only
//! fetches its result. Every call is somebody's: `auth/` finds out whose before anything is done for it.

mod actions;
mod auth;
mod cancel;
mod clock;
mod columns;
mod command;
mod connection;
mod door;
mod front;
mod handles;
mod health;
mod ingest;
mod keep_alive;
mod keys;
pub(crate) mod limits;
mod messages;
mod metadata;
mod metrics;
mod parameters;
mod poll;
mod prepared;
mod schema;
mod secret;
mod service;
mod session;
mod sql_info;
mod statement;
mod substrait;
mod switchboard;
pub(crate) mod tls;
pub(crate) mod wire;
mod xdbc;

use std::{future::Future, io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use tokio::net::{TcpListener, lookup_host};
use tonic::transport::{Server, server::TcpIncoming};

use crate::{
    engine::Engine,
    error::{Error, Result},
    wording::plain,
};
use auth::Gate;
use door::Door;

pub use auth::{Oidc, Security, UserClaim};
pub use secret::Secret;
pub use tls::Tls;

/// How often a quiet connection is asked whether its client is still there.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);
/// HTTP/2 windows that let a bulk load or a large result flow without waiting for each frame.
const STREAM_WINDOW_BYTES: u32 = 4 << 20;
const CONNECTION_WINDOW_BYTES: u32 = 16 << 20;
/// JDBC sends every unknown property of its URL as a header.
const MAX_HEADER_BYTES: u32 = 64 << 10;
/// Calls of one connection at a time, which may be that of many readers; more wait at the client.
const CALLS_PER_CONNECTION: u32 = 512;

/// What a server is told besides its lake.
#[derive(Debug, Default)]
pub struct Settings {
    /// Who may come in, and how.
    pub security: Security,
    /// Where `/metrics` is served over HTTP, if it is.
    pub metrics: Option<TcpListener>,
}

/// Listens on `address` (`host:port`; port 0 takes a free one). Nobody is answered before [`serve`].
///
/// # Errors
/// [`Error::Io`] when it is taken, or none of this machine.
pub async fn bind(address: &str) -> Result<TcpListener> {
    let failed = |source: io::Error| Error::Io {
        path: PathBuf::from(address),
        source,
    };
    let addresses: Vec<SocketAddr> = lookup_host(address).await.map_err(failed)?.collect();
    match TcpListener::bind(addresses.as_slice()).await {
        Err(source) if source.kind() == io::ErrorKind::AddrInUse => Err(Error::Input(format!(
            "{address}: {}; `moodlake serve --listen 127.0.0.1:0` takes a free port",
            plain(&source)
        ))),
        bound => bound.map_err(failed),
    }
}

/// As [`serve_with`], with the settings of one who was told nothing.
///
/// # Errors
/// As [`serve_with`].
pub async fn serve(
    listener: TcpListener,
    engine: Engine,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    serve_with(listener, engine, Settings::default(), shutdown).await
}

/// Answers Flight SQL on `listener` until `shutdown` resolves and the calls under way have ended.
///
/// # Errors
/// [`Error::Input`] when other machines can reach the listener and must not, [`Error::Io`] when it fails.
pub async fn serve_with(
    listener: TcpListener,
    engine: Engine,
    settings: Settings,
    shutdown: impl Future<Output = ()>,
) -> Result<()> {
    let address = listener.local_addr().map_err(Error::io("listener"))?;
    let security = &settings.security;
    let access = engine.access().current()?;
    security.check_exposure(address, &access)?;
    let gate = Gate::new(security, address, &access)?;
    let (health, _following) = health::service(engine.queries()).await;
    let limits = Arc::clone(engine.limits());
    let entrance = service::entrance(engine.clone(), gate)?;
    let _watched = settings.metrics.map(|listener| {
        let entrance = Arc::clone(&entrance);
        metrics::serve(listener, engine, Arc::new(move || entrance.kept()))
    });
    let incoming = connection::incoming(
        TcpIncoming::from(listener).with_nodelay(Some(true)),
        Arc::downgrade(&entrance),
    );
    let flight = Door::new(entrance, &limits);
    let server = match &security.tls {
        Some(tls) => tls.secure(Server::builder())?,
        None => Server::builder(),
    };
    let serving = server
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_max_header_list_size(MAX_HEADER_BYTES)
        .max_concurrent_streams(CALLS_PER_CONNECTION)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .add_service(health)
        .add_service(flight)
        .serve_with_incoming_shutdown(incoming, shutdown);
    // It is large.
    Box::pin(serving)
        .await
        .map_err(|error| Error::io(address.to_string())(io::Error::other(error)))
}
