//! The flags of `serve` that say how much statements may use, and who may watch.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use crate::error::{Error, Result};
use crate::limits::{Bytes, Limits, Span};

/// Where operators spill to, under the lake's folder.
const SPILL_FOLDER: &str = ".spill";

/// What statements may use.
#[derive(Debug, Args)]
#[command(next_help_heading = "Limits (0 is none)")]
pub(super) struct LimitArguments {
    /// Size of a statement's text [default: 4MiB]
    #[arg(long, value_name = "SIZE", env = "MOODLAKE_MAX_STATEMENT_SIZE")]
    max_statement_size: Option<Bytes>,
    /// Operators in one expression of a statement, at most 10000 [default: 2000]
    #[arg(long, value_name = "NUMBER", env = "MOODLAKE_MAX_OPERATORS")]
    max_operators: Option<u64>,
    /// Queries and joins in one statement, at most 500 [default: 500]
    #[arg(long, value_name = "NUMBER", env = "MOODLAKE_MAX_QUERIES")]
    max_queries: Option<u64>,
    /// Time that a statement is worked on: planning, running, sending its rows [default: 30m]
    #[arg(long, value_name = "TIME", env = "MOODLAKE_STATEMENT_TIMEOUT")]
    statement_timeout: Option<Span>,
    /// Rows of one result [default: 100000000]
    #[arg(long, value_name = "ROWS", env = "MOODLAKE_MAX_RESULT_ROWS")]
    max_result_rows: Option<u64>,
    /// Size of one result [default: 32GiB]
    #[arg(long, value_name = "SIZE", env = "MOODLAKE_MAX_RESULT_SIZE")]
    max_result_size: Option<Bytes>,
    /// Memory for the operators of all statements; never none [default: half of the machine's]
    #[arg(long, value_name = "SIZE", env = "MOODLAKE_MEMORY")]
    memory: Option<Bytes>,
    /// Memory for the operators of one statement; what can, spills beyond it [default: half of --memory]
    #[arg(long, value_name = "SIZE", env = "MOODLAKE_STATEMENT_MEMORY")]
    statement_memory: Option<Bytes>,
    /// Size of all files that operators spill to [default: 32GiB]
    #[arg(long, value_name = "SIZE", env = "MOODLAKE_MAX_SPILL")]
    max_spill: Option<Bytes>,
    /// Where they spill to [default: .spill in the lake's folder]
    #[arg(long, value_name = "DIR", env = "MOODLAKE_SPILL_DIR")]
    spill_dir: Option<PathBuf>,
    /// Statements that run at once [default: 4 for each core, at least 8]
    #[arg(long, value_name = "NUMBER", env = "MOODLAKE_CONCURRENCY")]
    concurrency: Option<u64>,
    /// Statements of one user that run at once [default: three quarters of --concurrency]
    #[arg(long, value_name = "NUMBER", env = "MOODLAKE_USER_CONCURRENCY")]
    user_concurrency: Option<u64>,
    /// Statements that wait for others to end; 0 lets none wait [default: 256]
    #[arg(long, value_name = "NUMBER", env = "MOODLAKE_QUEUE")]
    queue: Option<u64>,
    /// How long a statement waits for others [default: 1m]
    #[arg(long, value_name = "TIME", env = "MOODLAKE_QUEUE_TIMEOUT")]
    queue_timeout: Option<Span>,
    /// Sessions [default: 1024]
    #[arg(long, value_name = "NUMBER", env = "MOODLAKE_MAX_SESSIONS")]
    max_sessions: Option<u64>,
    /// Sessions of one user; one more ends the one unused for longest [default: 256]
    #[arg(long, value_name = "NUMBER", env = "MOODLAKE_USER_SESSIONS")]
    user_sessions: Option<u64>,
    /// How long a session that nobody uses is kept [default: 8h]
    #[arg(long, value_name = "TIME", env = "MOODLAKE_SESSION_TIMEOUT")]
    session_timeout: Option<Span>,
    /// Prepared statements [default: 8192]
    #[arg(long, value_name = "NUMBER", env = "MOODLAKE_MAX_PREPARED")]
    max_prepared: Option<u64>,
    /// Prepared statements of one user [default: 1024]
    #[arg(long, value_name = "NUMBER", env = "MOODLAKE_USER_PREPARED")]
    user_prepared: Option<u64>,
    /// Results that wait to be fetched, and as many statements that are polled for [default: 8192]
    #[arg(long, value_name = "NUMBER", env = "MOODLAKE_MAX_RESULTS")]
    max_results: Option<u64>,
    /// Results of one user that wait to be fetched [default: 1024]
    #[arg(long, value_name = "NUMBER", env = "MOODLAKE_USER_RESULTS")]
    user_results: Option<u64>,
    /// Size of one message that a client sends: a batch of a bulk load [default: 256MiB]
    #[arg(long, value_name = "SIZE", env = "MOODLAKE_MAX_MESSAGE_SIZE")]
    max_message_size: Option<Bytes>,
    /// Days for which `system.queries` and `system.audit` are kept [default: 90]
    #[arg(long, value_name = "DAYS", env = "MOODLAKE_AUDIT_DAYS")]
    audit_days: Option<u64>,
}

/// How the server is watched and ended.
#[derive(Debug, Args)]
#[command(next_help_heading = "Operation")]
pub(super) struct OperationArguments {
    /// Serve Prometheus metrics at http://HOST:PORT/metrics, without authentication
    #[arg(long, value_name = "HOST:PORT", env = "MOODLAKE_METRICS")]
    pub(super) metrics: Option<SocketAddr>,
    /// How long statements may go on after the signal to stop
    #[arg(
        long,
        value_name = "TIME",
        env = "MOODLAKE_GRACE",
        default_value = "8s"
    )]
    grace: Span,
}

impl OperationArguments {
    pub(super) fn grace(&self) -> Duration {
        self.grace.0
    }
}

impl LimitArguments {
    /// The limits for the lake in `dir`.
    pub(super) fn limits(self, dir: &Path) -> Result<Limits> {
        let default = Limits::default();
        let bytes = |given: Option<Bytes>, default: u64| given.map_or(default, |bytes| bytes.0);
        let time = |given: Option<Span>, default: Duration| given.map_or(default, |span| span.0);
        let memory = bytes(self.memory, default.memory);
        let running = self.concurrency.unwrap_or(default.running);
        let limits = Limits {
            statement_bytes: bytes(self.max_statement_size, default.statement_bytes),
            operators: self.max_operators.unwrap_or(default.operators),
            queries: self.max_queries.unwrap_or(default.queries),
            statement_time: time(self.statement_timeout, default.statement_time),
            result_rows: self.max_result_rows.unwrap_or(default.result_rows),
            result_bytes: bytes(self.max_result_size, default.result_bytes),
            memory,
            statement_memory: bytes(self.statement_memory, memory / 2),
            spill: bytes(self.max_spill, default.spill),
            spill_dir: Some(self.spill_dir.unwrap_or_else(|| dir.join(SPILL_FOLDER))),
            running,
            running_per_user: self
                .user_concurrency
                .unwrap_or_else(|| (running * 3).div_ceil(4)),
            queued: self.queue.unwrap_or(default.queued),
            queue_time: time(self.queue_timeout, default.queue_time),
            sessions: self.max_sessions.unwrap_or(default.sessions),
            sessions_per_user: self.user_sessions.unwrap_or(default.sessions_per_user),
            session_idle: time(self.session_timeout, default.session_idle),
            prepared: self.max_prepared.unwrap_or(default.prepared),
            prepared_per_user: self.user_prepared.unwrap_or(default.prepared_per_user),
            results: self.max_results.unwrap_or(default.results),
            results_per_user: self.user_results.unwrap_or(default.results_per_user),
            message_bytes: bytes(self.max_message_size, default.message_bytes),
            audit_days: self.audit_days.unwrap_or(default.audit_days),
        };
        check(&limits)?;
        Ok(limits)
    }
}

/// Refuses what nothing could run with.
fn check(limits: &Limits) -> Result<()> {
    const LEAST: u64 = 32 << 20;
    for (flag, value) in [
        ("--memory", limits.memory),
        ("--statement-memory", limits.statement_memory),
    ] {
        if value < LEAST {
            return Err(Error::Input(format!(
                "{flag} {}: no statement can run with less than {}",
                Bytes(value),
                Bytes(LEAST)
            )));
        }
    }
    if limits.statement_memory > limits.memory {
        return Err(Error::Input(format!(
            "--statement-memory {} is more than the {} of --memory",
            Bytes(limits.statement_memory),
            Bytes(limits.memory)
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Flags {
        #[command(flatten)]
        limits: LimitArguments,
    }

    fn limits(flags: &[&str]) -> Result<Limits> {
        let flags = std::iter::once("serve").chain(flags.iter().copied());
        Flags::parse_from(flags).limits.limits(Path::new("lake"))
    }

    #[test]
    fn what_is_not_said_follows_from_what_is() {
        let limits = limits(&["--memory", "1GiB", "--concurrency", "10"]).unwrap();
        assert_eq!(limits.statement_memory, 512 << 20);
        assert_eq!(limits.running_per_user, 8);
        assert_eq!(limits.spill_dir.as_deref(), Some(Path::new("lake/.spill")));
        assert_eq!(limits.queued, Limits::default().queued);
    }

    #[test]
    fn memory_that_is_none_is_refused() {
        let message = limits(&["--memory", "0"]).unwrap_err().to_string();
        assert!(
            message.starts_with("--memory 0 bytes: no statement"),
            "{message}"
        );
        let flags = ["--memory", "1GiB", "--statement-memory", "2GiB"];
        let message = limits(&flags).unwrap_err().to_string();
        assert!(message.contains("more than the 1 GiB"), "{message}");
    }
}
