//! Logs: to standard error, warnings and worse unless `MOODLAKE_LOG` or `RUST_LOG` says otherwise.

use std::io::{self, IsTerminal};

use tracing_subscriber::EnvFilter;

/// delta-rs logs as errors what is tried again with success; whatever fails for good is told to the client.
const DEFAULT_FILTER: &str = "warn,deltalake_core=off,buoyant_kernel=off";

/// Starts logging for the whole process; a second call does nothing.
///
/// The filter is the first of `MOODLAKE_LOG` and `RUST_LOG` that is set and readable, such as
/// `moodlake=debug`.
pub fn init() {
    let filter = ["MOODLAKE_LOG", "RUST_LOG"]
        .into_iter()
        .find_map(|variable| EnvFilter::try_from_env(variable).ok())
        .unwrap_or_else(|| EnvFilter::new(DEFAULT_FILTER));
    // Fails only where a subscriber is set already, which is then the one to keep.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .with_ansi(io::stderr().is_terminal())
        .try_init();
}
