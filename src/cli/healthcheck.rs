//! `moodlake healthcheck`: whether a server takes statements, for container runtimes.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tokio::time::timeout;

use crate::client::check_health;
use crate::error::{Error, Result};
use crate::server::tls;

use super::Verdict;

/// How long the server may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The arguments of `healthcheck`.
#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The server, such as `grpc+tls://localhost:50051`
    #[arg(
        long,
        value_name = "URL",
        env = "MOODLAKE_SERVER",
        default_value = "grpc://127.0.0.1:50051"
    )]
    server: String,
    /// The certificate (PEM) of whoever signed the server's [default: those that the system trusts]
    #[arg(long, value_name = "FILE")]
    ca: Option<PathBuf>,
}

/// Runs the command.
pub(super) async fn run(arguments: Arguments) -> Result<Verdict> {
    let authority = arguments.ca.map(|path| tls::pem(&path, "CERTIFICATE"));
    let authority = authority.transpose()?;
    let asked = check_health(&arguments.server, authority.as_deref());
    let late = |_| {
        let (url, patience) = (&arguments.server, PATIENCE.as_secs());
        Error::TimedOut(format!("{url} did not answer within {patience} s"))
    };
    timeout(PATIENCE, asked).await.map_err(late)??;
    Ok(Verdict::Succeeded)
}
