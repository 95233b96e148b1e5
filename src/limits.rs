//! The limits of a server, in one place, with their defaults. What exceeds one is told which one, by how much, and which
//! flag of `serve` moves it.

use std::{fmt, num::NonZeroUsize, path::PathBuf, thread, time::Duration};

use crate::error::Error;

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;
/// What a machine is taken to have that does not say.
const UNKNOWN_MEMORY: u64 = 4 * GIB;
/// The least that sorts and joins work with.
const LEAST_MEMORY: u64 = 256 * MIB;

/// Ten years, lest an end be later than clocks can tell.
const LONGEST_SPAN: Duration = Duration::from_hours(24 * 3650);

/// How much of everything statements may use. A zero means no limit, except for memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of a statement's text.
    pub statement_bytes: u64,
    /// Operators in one expression of a statement.
    pub operators: u64,
    /// Queries and joins in one statement.
    pub queries: u64,
    /// Time that a statement is worked on: planning, running and sending its rows.
    pub statement_time: Duration,
    /// Rows of one result.
    pub result_rows: u64,
    /// Bytes of one result as it is sent.
    pub result_bytes: u64,
    /// Bytes of memory that operators of all statements hold.
    pub memory: u64,
    /// Bytes of memory that operators of one statement hold; what can, spills beyond it.
    pub statement_memory: u64,
    /// Bytes of all files that operators spilled to.
    pub spill: u64,
    /// Where those files are; the system's temporary folder when there is none.
    pub spill_dir: Option<PathBuf>,
    /// Statements that run at once.
    pub running: u64,
    /// Statements of one user that run at once.
    pub running_per_user: u64,
    /// Statements that wait for others to end.
    pub queued: u64,
    /// How long they wait.
    pub queue_time: Duration,
    /// Sessions.
    pub sessions: u64,
    /// Sessions of one user.
    pub sessions_per_user: u64,
    /// How long a session that nobody uses is kept.
    pub session_idle: Duration,
    /// Prepared statements.
    pub prepared: u64,
    /// Prepared statements of one user.
    pub prepared_per_user: u64,
    /// Results that wait to be fetched.
    pub results: u64,
    /// Results of one user that wait to be fetched.
    pub results_per_user: u64,
    /// Bytes of one message that a client sends.
    pub message_bytes: u64,
    /// Days for which `system.queries` and `system.audit` are kept.
    pub audit_days: u64,
}

impl Default for Limits {
    fn default() -> Self {
        let memory = (machine_memory() / 2).max(LEAST_MEMORY);
        let cores = thread::available_parallelism().map_or(1, NonZeroUsize::get);
        // Most statements wait for disk or client part of their time.
        let running = u64::try_from(cores * 4).unwrap_or(8).max(8);
        Self {
            statement_bytes: 4 * MIB,
            operators: 2000,
            queries: 500,
            statement_time: Duration::from_mins(30),
            result_rows: 100_000_000,
            result_bytes: 32 * GIB,
            memory,
            statement_memory: memory / 2,
            spill: 32 * GIB,
            spill_dir: None,
            running,
            running_per_user: running * 3 / 4,
            queued: 256,
            queue_time: Duration::from_mins(1),
            sessions: 1024,
            sessions_per_user: 256,
            session_idle: Duration::from_hours(8),
            prepared: 8192,
            prepared_per_user: 1024,
            results: 8192,
            results_per_user: 1024,
            message_bytes: 256 * MIB,
            audit_days: 90,
        }
    }
}

impl Limits {
    /// Refuses a statement whose text is too long.
    ///
    /// # Errors
    /// [`Error::Exhausted`].
    pub fn check_text(&self, sql: &str) -> Result<(), Error> {
        let length = sql.len() as u64;
        if is_within(length, self.statement_bytes) {
            return Ok(());
        }
        Err(Error::Exhausted(format!(
            "the statement has {}, more than the {} that a statement may have (--max-statement-size); \
             load many rows by bulk ingest or bound parameters",
            Bytes(length),
            Bytes(self.statement_bytes)
        )))
    }

    /// Refuses a result that has grown too large.
    ///
    /// # Errors
    /// [`Error::Exhausted`].
    pub fn check_result(&self, rows: u64, bytes: u64) -> Result<(), Error> {
        if !is_within(rows, self.result_rows) {
            return Err(Error::Exhausted(format!(
                "the result has {rows} rows and more, but {} is the most (--max-result-rows); \
                 aggregate, filter, or keep it as a table",
                self.result_rows
            )));
        }
        if !is_within(bytes, self.result_bytes) {
            return Err(Error::Exhausted(format!(
                "the result has {} and more, but {} is the most (--max-result-size); \
                 aggregate, filter, or keep it as a table",
                Bytes(bytes),
                Bytes(self.result_bytes)
            )));
        }
        Ok(())
    }

    /// What a statement is told that took longer than it may.
    #[must_use]
    pub fn timed_out(&self, taken: Duration) -> Error {
        Error::TimedOut(format!(
            "the statement was stopped after {}, as none may take longer than {} (--statement-timeout)",
            Span(taken),
            Span(self.statement_time)
        ))
    }
}

/// Whether a number keeps to a limit, where zero is none.
pub(crate) fn is_within(number: u64, limit: u64) -> bool {
    limit == 0 || number <= limit
}

/// A number of bytes as people write it: `4 MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bytes(
    /// How many.
    pub u64,
);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(GIB, "GiB"), (MIB, "MiB"), (KIB, "KiB")];
        match units.into_iter().find(|(size, _)| self.0 >= *size) {
            Some((size, unit)) => {
                let tenths = self.0.saturating_mul(10) / size;
                match tenths % 10 {
                    0 => write!(f, "{} {unit}", tenths / 10),
                    rest => write!(f, "{}.{rest} {unit}", tenths / 10),
                }
            }
            None => write!(f, "{} bytes", self.0),
        }
    }
}

impl std::str::FromStr for Bytes {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || {
            Error::Input(format!(
                "'{text}' is no size, expected a number of bytes or one such as 512MiB or 4GiB"
            ))
        };
        let (digits, unit) = number_and_unit(text);
        let unit = match unit.to_ascii_lowercase().as_str() {
            "" | "b" => 1,
            "k" | "kb" | "kib" => KIB,
            "m" | "mb" | "mib" => MIB,
            "g" | "gb" | "gib" => GIB,
            _ => return Err(wrong()),
        };
        let number: u64 = digits.parse().map_err(|_| wrong())?;
        number.checked_mul(unit).map(Self).ok_or_else(wrong)
    }
}

/// A time as people write it: `30s`, `10m`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(
    /// How long.
    pub Duration,
);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.0.as_millis();
        let seconds = self.0.as_secs();
        match (milliseconds, seconds) {
            (0, _) => f.write_str("0s"),
            (1..1000, _) => write!(f, "{milliseconds}ms"),
            (_, seconds) if seconds % 3600 == 0 => write!(f, "{}h", seconds / 3600),
            (_, seconds) if seconds % 60 == 0 => write!(f, "{}m", seconds / 60),
            (_, seconds) => write!(f, "{seconds}s"),
        }
    }
}

impl std::str::FromStr for Span {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let wrong = || {
            Error::Input(format!(
                "'{text}' is no time, expected a number of seconds or one such as 500ms, 30s, 10m or 2h"
            ))
        };
        let (digits, unit) = number_and_unit(text);
        let number: u64 = digits.parse().map_err(|_| wrong())?;
        let milliseconds = match unit {
            "ms" => 1,
            "" | "s" => 1000,
            "m" | "min" => 60_000,
            "h" => 3_600_000,
            _ => return Err(wrong()),
        };
        let span = Duration::from_millis(number.saturating_mul(milliseconds));
        if span > LONGEST_SPAN {
            return Err(Error::Input(format!(
                "'{text}' is too long a time, expected {} at most; 0 is no limit where there may be none",
                Self(LONGEST_SPAN)
            )));
        }
        Ok(Self(span))
    }
}

fn number_and_unit(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit());
    let (digits, unit) = text.split_at(end.unwrap_or(text.len()));
    (digits, unit.trim())
}

/// The machine's memory, or the part of it that this process's group may use.
fn machine_memory() -> u64 {
    let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
    let machine = read("/proc/meminfo");
    let machine = machine
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.strip_suffix("kB"))
        .and_then(|kib| kib.trim().parse::<u64>().ok())
        .map_or(UNKNOWN_MEMORY, |kib| kib * KIB);
    let group = ["memory.max", "memory/memory.limit_in_bytes"]
        .iter()
        .filter_map(|file| read(&format!("/sys/fs/cgroup/{file}")).trim().parse().ok());
    group.fold(machine, u64::min)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_read_as_they_are_written() {
        for (text, bytes) in [("0", 0), ("512", 512), ("4KiB", 4096), ("2 GB", 2 << 30)] {
            assert_eq!(text.parse::<Bytes>().unwrap(), Bytes(bytes), "{text}");
        }
        for (text, milliseconds) in [
            ("500ms", 500),
            ("30", 30_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
        ] {
            let span = text.parse::<Span>().unwrap();
            assert_eq!(span.0.as_millis(), milliseconds, "{text}");
        }
        for wrong in ["", "-1", "4TB", "ten", "99999999999G"] {
            assert!(wrong.parse::<Bytes>().is_err(), "{wrong}");
        }
        assert!("5 days".parse::<Span>().is_err());
        assert!("87600h".parse::<Span>().is_ok());
        for long in [
            "87601h",
            "5000000000000000h",
            "18446744073709551615h",
            "9999999999999ms",
        ] {
            let message = long.parse::<Span>().unwrap_err().to_string();
            assert!(message.contains("expected 87600h at most"), "{message}");
        }
    }

    #[test]
    fn a_limit_is_told_with_its_value_and_its_flag() {
        let limits = Limits {
            statement_bytes: 8,
            result_rows: 10,
            ..Limits::default()
        };
        let message = limits.check_text("select 100").unwrap_err().to_string();
        assert!(
            message.starts_with("the statement has 10 bytes, more than the 8 bytes"),
            "{message}"
        );
        assert!(message.contains("--max-statement-size"), "{message}");
        assert!(limits.check_result(10, 1 << 20).is_ok());
        let message = limits.check_result(11, 0).unwrap_err().to_string();
        assert!(
            message.contains("11 rows") && message.contains("--max-result-rows"),
            "{message}"
        );
    }

    #[test]
    fn sizes_and_times_are_written_short() {
        let written = [Bytes(1536), Bytes(4 << 20), Bytes(7)].map(|bytes| bytes.to_string());
        assert_eq!(written, ["1.5 KiB", "4 MiB", "7 bytes"]);
        let written = [90, 120, 7200].map(|seconds| Span(Duration::from_secs(seconds)).to_string());
        assert_eq!(written, ["90s", "2m", "2h"]);
    }
}
