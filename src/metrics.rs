//! What is counted for those who watch a server. `server/metrics.rs` serves it.

use std::{
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text},
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::{Registry, Unit},
};

use crate::{
    audit::QueryRow,
    error::{Error, Result},
};

/// Kinds of statements that have a label of their own; there must not be as many as there are words.
const KINDS: [&str; 26] = [
    "select",
    "explain",
    "show",
    "describe",
    "insert",
    "merge",
    "delete",
    "update",
    "ingest",
    "substrait",
    "set",
    "reset",
    "grant",
    "revoke",
    "call",
    "create table",
    "create view",
    "create schema",
    "create model",
    "create row policy",
    "create mask",
    "drop table",
    "drop view",
    "drop model",
    "alter model",
    "retrain",
];
const OTHER: &str = "other";
/// Seconds: from the shortest statement over a network to the longest that most servers allow.
const DURATIONS: [f64; 14] = [
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 15.0, 60.0, 300.0, 1800.0,
];

/// Counters since the server started.
pub struct Metrics {
    registry: Mutex<Registry>,
    statements: Family<Ended, Counter>,
    durations: Family<Kind, Histogram>,
    queued: Histogram,
    rows_out: Counter,
    bytes_out: Counter,
    rows_in: Counter,
    bytes_in: Counter,
    logins_failed: Counter,
    commits: Counter,
    now: Gauges,
}

/// What is so at this moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Now {
    /// Statements that run.
    pub running: u64,
    /// Statements that wait.
    pub waiting: u64,
    /// Bytes of memory that operators hold.
    pub memory: u64,
    /// Bytes that operators spilled and still need.
    pub spilled: u64,
    /// Sessions.
    pub sessions: u64,
    /// Prepared statements.
    pub prepared: u64,
    /// Results that wait to be fetched.
    pub results: u64,
    /// Commits since the start.
    pub commits: u64,
}

#[derive(Default)]
struct Gauges {
    running: Number,
    waiting: Number,
    memory: Number,
    spilled: Number,
    sessions: Number,
    prepared: Number,
    results: Number,
}

type Number = Gauge<u64, AtomicU64>;

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Ended {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

impl Default for Metrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Mutex::new(Registry::with_prefix("moodlake")),
            statements: Family::default(),
            durations: Family::new_with_constructor(durations),
            queued: durations(),
            rows_out: Counter::default(),
            bytes_out: Counter::default(),
            rows_in: Counter::default(),
            bytes_in: Counter::default(),
            logins_failed: Counter::default(),
            commits: Counter::default(),
            now: Gauges::default(),
        };
        metrics.register();
        metrics
    }
}

fn durations() -> Histogram {
    Histogram::new(DURATIONS)
}

impl Metrics {
    /// A statement has ended.
    pub(crate) fn statement(&self, row: &QueryRow) {
        let kind = kind(&row.kind);
        let outcome = row.state.name();
        self.statements
            .get_or_create(&Ended { kind, outcome })
            .inc();
        let durations = self.durations.get_or_create(&Kind { kind });
        durations.observe(seconds(row.elapsed_ms));
        self.queued.observe(seconds(row.queued_ms));
        self.bytes_out.inc_by(row.bytes);
        if row.bytes > 0 {
            self.rows_out.inc_by(row.rows.unwrap_or_default());
        }
    }

    /// A client has sent rows.
    pub fn received(&self, rows: u64, bytes: u64) {
        self.rows_in.inc_by(rows);
        self.bytes_in.inc_by(bytes);
    }

    /// Somebody was refused who said to be a user.
    pub fn login_failed(&self) {
        self.logins_failed.inc();
    }

    /// Everything, in Prometheus' text format.
    ///
    /// # Errors
    /// Never in practice: a string takes everything.
    pub fn text(&self, now: &Now) -> Result<String> {
        let gauges = &self.now;
        for (gauge, value) in [
            (&gauges.running, now.running),
            (&gauges.waiting, now.waiting),
            (&gauges.memory, now.memory),
            (&gauges.spilled, now.spilled),
            (&gauges.sessions, now.sessions),
            (&gauges.prepared, now.prepared),
            (&gauges.results, now.results),
        ] {
            gauge.set(value);
        }
        self.commits.inner().store(now.commits, Ordering::Relaxed);
        let mut written = String::new();
        let registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        text::encode(&mut written, &registry)
            .map_err(|error| Error::Internal(error.to_string()))?;
        Ok(written)
    }

    fn register(&self) {
        let mut registry = self.registry.lock().unwrap_or_else(PoisonError::into_inner);
        let registry = &mut *registry;
        registry.register(
            "statements",
            "Statements that ended, by kind and how",
            self.statements.clone(),
        );
        registry.register_with_unit(
            "statement_duration",
            "How long statements were worked on",
            Unit::Seconds,
            self.durations.clone(),
        );
        registry.register_with_unit(
            "statement_wait",
            "How long statements waited for others",
            Unit::Seconds,
            self.queued.clone(),
        );
        for (name, help, counter) in [
            (
                "rows_sent",
                "Rows of results that were sent",
                &self.rows_out,
            ),
            (
                "bytes_sent",
                "Bytes of results that were sent",
                &self.bytes_out,
            ),
            ("rows_received", "Rows of bulk loads", &self.rows_in),
            ("bytes_received", "Bytes of bulk loads", &self.bytes_in),
            (
                "logins_failed",
                "Logins that were refused",
                &self.logins_failed,
            ),
            ("commits", "Commits to tables", &self.commits),
        ] {
            registry.register(name, help, counter.clone());
        }
        let now = &self.now;
        for (name, help, gauge) in [
            ("statements_running", "Statements that run", &now.running),
            (
                "statements_waiting",
                "Statements that wait for others",
                &now.waiting,
            ),
            ("memory_bytes", "Memory that operators hold", &now.memory),
            (
                "spill_bytes",
                "Files that operators spilled to",
                &now.spilled,
            ),
            ("sessions", "Sessions", &now.sessions),
            ("prepared_statements", "Prepared statements", &now.prepared),
            ("results", "Results that wait to be fetched", &now.results),
        ] {
            registry.register(name, help, gauge.clone());
        }
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

fn kind(words: &str) -> &'static str {
    KINDS
        .into_iter()
        .find(|kind| *kind == words)
        .unwrap_or(OTHER)
}

#[expect(
    clippy::cast_precision_loss,
    reason = "milliseconds of a statement are few"
)]
fn seconds(milliseconds: u64) -> f64 {
    milliseconds as f64 / 1000.0
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;
    use crate::audit::State;

    fn row(kind: &str, state: State) -> QueryRow {
        QueryRow {
            query_id: "1".into(),
            user: "ada".into(),
            proxy: None,
            session: None,
            address: None,
            kind: kind.into(),
            state,
            started_at: Utc::now(),
            queued_ms: 0,
            elapsed_ms: 40,
            rows: Some(3),
            bytes: 100,
            error: None,
            statement: String::new(),
        }
    }

    #[test]
    fn everything_is_written_as_prometheus_reads_it() {
        let metrics = Metrics::default();
        metrics.statement(&row("select", State::Done));
        metrics.statement(&row("select", State::Done));
        metrics.statement(&row("frobnicate", State::Failed));
        metrics.received(7, 70);
        metrics.login_failed();
        let now = Now {
            running: 2,
            ..Now::default()
        };
        let text = metrics.text(&now).unwrap();
        for line in [
            "moodlake_statements_total{kind=\"select\",outcome=\"done\"} 2",
            "moodlake_statements_total{kind=\"other\",outcome=\"failed\"} 1",
            "moodlake_statement_duration_seconds_bucket{le=\"0.05\",kind=\"select\"} 2",
            "moodlake_rows_sent_total 9",
            "moodlake_bytes_sent_total 300",
            "moodlake_rows_received_total 7",
            "moodlake_logins_failed_total 1",
            "moodlake_statements_running 2",
            "moodlake_sessions 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line}\n{text}");
        }
    }
}
