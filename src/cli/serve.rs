//! `moodlake serve`: the lake over Flight SQL, until it is told to stop.

use std::net::ToSocketAddrs;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::engine::{Engine, FileAccess};
use crate::error::{Error, Result};
use crate::server;

use super::Verdict;
use super::progress::Progress;
use super::target::{Folder, open};

/// Where servers listen unless told otherwise.
pub(super) const LISTEN: &str = "127.0.0.1:50051";

/// How long calls under way may take to end.
const GRACE: Duration = Duration::from_secs(10);

const EXAMPLES: &str = "\
Examples:
  moodlake serve
  moodlake serve --dir /data/lake --listen 127.0.0.1:0      any free port; it is printed
  moodlake serve --files ~/exports                          statements may read files in there

There is no authentication yet: only this machine may connect. Ctrl-C ends it.";

/// The arguments of `serve`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Arguments {
    #[command(flatten)]
    folder: Folder,
    /// The address to listen on; port 0 takes a free one
    #[arg(long, value_name = "HOST:PORT", default_value = LISTEN, value_parser = own_address)]
    listen: String,
    /// A folder that `spotify_history()` and `tracks_csv()` may read; can be repeated
    #[arg(long, value_name = "DIR")]
    files: Vec<PathBuf>,
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
    let listener = server::bind(&arguments.listen).await?;
    let engine = open(&arguments.folder.path(), FileAccess::Under(arguments.files)).await?;
    listen(listener, engine).await
}

/// An address of this machine that no other can reach.
fn own_address(text: &str) -> Result<String> {
    let addresses = text.to_socket_addrs().map_err(|_| {
        Error::Input(format!(
            "'{text}' is no address to listen on, expected HOST:PORT such as {LISTEN}"
        ))
    })?;
    for address in addresses {
        server::refuse_remote(&address)?;
    }
    Ok(text.to_string())
}

/// Serves `engine` until Ctrl-C or SIGTERM.
pub(super) async fn listen(listener: tokio::net::TcpListener, engine: Engine) -> Result<Verdict> {
    let address = listener
        .local_addr()
        .map_err(Error::io("listening socket"))?;
    Progress::new().note(&format!("listening on grpc://{address}"));
    tokio::select! {
        served = server::serve(listener, engine, stop_signal()) => served?,
        () = out_of_patience() => {}
    }
    Ok(Verdict::Succeeded)
}

/// Calls under way may end after the signal to stop, but not for ever, and not against a second one.
async fn out_of_patience() {
    stop_signal().await;
    tokio::select! {
        () = tokio::time::sleep(GRACE) => {}
        () = stop_signal() => {}
    }
}

/// Waits for Ctrl-C, or for what service managers send.
async fn stop_signal() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = interrupt => {}
                _ = terminate.recv() => {}
            }
            return;
        }
    }
    let _ = interrupt.await;
}
