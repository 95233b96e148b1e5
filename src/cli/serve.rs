//! `moodlake serve`: the lake over Flight SQL, until it is told to stop.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::net::TcpListener;

use crate::access::Store;
use crate::engine::{self, Engine, FileAccess};
use crate::error::{Error, Result};
use crate::server::{self, Security, Settings};

use super::progress::Progress;
use super::target::Folder;
use super::{Verdict, usage_error};

mod drain;
mod limits;
mod security;

pub(super) use drain::GRACE;
use drain::until_drained;
use limits::{LimitArguments, OperationArguments};
use security::SecurityArguments;

/// Where servers listen unless told otherwise.
pub(super) const LISTEN: &str = "127.0.0.1:50051";

const EXAMPLES: &str = "\
Examples:
  moodlake serve
  moodlake serve --dir /data/lake --listen 127.0.0.1:0      any free port; it is printed
  moodlake serve --files ~/exports                          statements may read files in there
  moodlake user add ada --role admin && \\
  moodlake serve --listen 0.0.0.0:50051 --tls-cert server.pem --tls-key server.key

As long as there are no users (`moodlake user add`), only this machine may connect, and everybody on it is the owner.
$MOODLAKE_SECRET, a text of at least 32 random characters, keeps logins good over a restart. Ctrl-C ends it.";

/// The arguments of `serve`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    folder: Folder,
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = LISTEN, value_parser = address)]
    listen: String,
    /// A folder that `spotify_history()` and `tracks_csv()` may read; can be repeated
    #[arg(long, value_name = "DIR")]
    files: Vec<PathBuf>,
    #[command(flatten)]
    security: SecurityArguments,
    #[command(flatten)]
    limits: LimitArguments,
    #[command(flatten)]
    operation: OperationArguments,
}

/// Runs the command.
pub(super) async fn run(arguments: Arguments) -> Result<Verdict> {
    for folder in &arguments.files {
        if !folder.is_dir() {
            return Err(Error::NotFound(format!(
                "{}: no such folder; --files takes one that is there",
                folder.display()
            )));
        }
    }
    let dir = arguments.folder.path();
    let security = arguments.security.settings()?;
    check_exposure(&arguments.listen, &security, &Store::new(&dir))?;
    let listener = server::bind(&arguments.listen).await?;
    let metrics = match arguments.operation.metrics {
        Some(address) => Some(bind_metrics(address).await?),
        None => None,
    };
    let limits = arguments.limits.limits(&dir)?;
    let files = FileAccess::Under(arguments.files);
    let engine = Engine::open_within(engine::Settings { dir, files }, limits).await?;
    let settings = Settings { security, metrics };
    listen(listener, engine, settings, arguments.operation.grace()).await
}

/// Listens for those who watch.
async fn bind_metrics(address: SocketAddr) -> Result<TcpListener> {
    let failed = || Error::io(address.to_string());
    let listener = TcpListener::bind(address).await.map_err(failed())?;
    let address = listener.local_addr().map_err(failed())?;
    Progress::new().note(&format!("metrics on http://{address}/metrics"));
    Ok(listener)
}

fn address(text: &str) -> Result<String> {
    addresses(text).map(|_| text.to_string())
}

fn addresses(text: &str) -> Result<Vec<SocketAddr>> {
    match text.to_socket_addrs() {
        Ok(addresses) => Ok(addresses.collect()),
        Err(_) => Err(Error::Input(format!(
            "'{text}' is no address to listen on, expected HOST:PORT such as {LISTEN}"
        ))),
    }
}

/// Ends the program, before anything is opened, when others could reach what they must not.
fn check_exposure(listen: &str, security: &Security, store: &Store) -> Result<()> {
    let access = store.current()?;
    for address in addresses(listen)? {
        if let Err(error) = security.check_exposure(address, &access) {
            usage_error("serve", &error.to_string());
        }
    }
    Ok(())
}

/// Serves `engine` until Ctrl-C or SIGTERM.
pub(super) async fn listen(
    listener: TcpListener,
    engine: Engine,
    settings: Settings,
    grace: Duration,
) -> Result<Verdict> {
    let address = listener
        .local_addr()
        .map_err(Error::io("listening socket"))?;
    let scheme = if settings.security.tls.is_some() {
        "grpc+tls"
    } else {
        "grpc"
    };
    Progress::new().note(&format!("listening on {scheme}://{address}"));
    until_drained(engine.clone(), grace, |shutdown| {
        server::serve_with(listener, engine, settings, shutdown)
    })
    .await?;
    Ok(Verdict::Succeeded)
}
