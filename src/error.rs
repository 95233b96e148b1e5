//! The one error type of the server and its commands, and the one place that picks gRPC codes.

use std::path::PathBuf;

use arrow::error::ArrowError;
use datafusion::common::DataFusionError;
use tonic::{Code, Status};

use crate::{lake::CATALOG, wording::plain};

/// What can go wrong outside the functions crate, one variant per cause.
///
/// `Display` is what users read: it names the thing, the fault and the remedy, without a trace.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The engine refused or failed a statement.
    #[error("{}", readable(.0))]
    DataFusion(#[from] DataFusionError),
    /// Arrow data could not be made or read.
    #[error("{0}")]
    Arrow(#[from] ArrowError),
    /// A Delta table could not be read or written.
    #[error("{0}")]
    Lake(String),
    /// A file could not be read or written.
    #[error("{}: {}", path.display(), plain(source))]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The caller gave something that cannot be used; the message says what and why.
    #[error("{0}")]
    Input(String),
    /// Something named does not exist.
    #[error("{0}")]
    NotFound(String),
    /// Something to be made exists already.
    #[error("{0}")]
    Exists(String),
    /// A statement that is understood but not offered.
    #[error("{0}")]
    Unsupported(String),
    /// Rows that break a constraint of their table; nothing was written.
    #[error("{0}")]
    Constraint(String),
    /// Another writer was faster; the statement can be tried again.
    #[error("{0}")]
    Conflict(String),
    /// The caller may not do this; the message says who can allow it.
    #[error("{0}")]
    Denied(String),
    /// Nobody knows who is calling: the message says how to tell.
    #[error("{0}")]
    Unauthenticated(String),
    /// A limit of the server was met; the message names the limit and the setting.
    #[error("{0}")]
    Exhausted(String),
    /// A statement took longer than it may.
    #[error("{0}")]
    TimedOut(String),
    /// A statement was cancelled by its client or an admin.
    #[error("{0}")]
    Cancelled(String),
    /// The server takes no more statements.
    #[error("{0}")]
    Unavailable(String),
    /// What a remote server answered.
    #[error("{message}")]
    Remote {
        /// Its gRPC code.
        code: Code,
        /// Its message, as it was sent.
        message: String,
    },
    /// A statement of a script failed; those before it are done.
    #[error("statement {number} of {count}: {source}")]
    InScript {
        /// Its place, from 1.
        number: usize,
        /// How many the script has.
        count: usize,
        /// Why it failed.
        source: Box<Error>,
    },
    /// A defect of Moodlake itself.
    #[error("internal error: {0}; please report it")]
    Internal(String),
}

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An [`Error::Io`] for `path`.
    pub fn io(path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { path, source }
    }

    fn code(&self) -> Code {
        match self {
            Self::DataFusion(error) => datafusion_code(error),
            Self::Input(_) | Self::Exists(_) | Self::Constraint(_) | Self::NotFound(_) => {
                Code::InvalidArgument
            }
            Self::Unsupported(_) => Code::Unimplemented,
            Self::Conflict(_) => Code::Aborted,
            Self::Denied(_) => Code::PermissionDenied,
            Self::Unauthenticated(_) => Code::Unauthenticated,
            Self::Exhausted(_) => Code::ResourceExhausted,
            Self::TimedOut(_) => Code::DeadlineExceeded,
            Self::Cancelled(_) => Code::Cancelled,
            Self::Unavailable(_) => Code::Unavailable,
            Self::Remote { code, .. } => *code,
            Self::InScript { source, .. } => source.code(),
            Self::Arrow(error) => arrow_code(error),
            Self::Lake(_) | Self::Io { .. } | Self::Internal(_) => Code::Internal,
        }
    }
}

impl From<Error> for DataFusionError {
    fn from(error: Error) -> Self {
        match error {
            Error::DataFusion(error) => error,
            other => Self::External(Box::new(other)),
        }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        Self::new(error.code(), error.to_string())
    }
}

fn datafusion_code(error: &DataFusionError) -> Code {
    match error.find_root() {
        DataFusionError::External(inner) => inner
            .downcast_ref::<Error>()
            .map_or(Code::Internal, Error::code),
        DataFusionError::ResourcesExhausted(_) => Code::ResourceExhausted,
        root if spill_fault(&root.message()).is_some() => Code::ResourceExhausted,
        DataFusionError::NotImplemented(_) => Code::Unimplemented,
        DataFusionError::ArrowError(error, _) => arrow_code(error),
        DataFusionError::ParquetError(error) if predicate_fault(&error.to_string()).is_some() => {
            Code::InvalidArgument
        }
        DataFusionError::Internal(_)
        | DataFusionError::IoError(_)
        | DataFusionError::ObjectStore(_)
        | DataFusionError::ParquetError(_) => Code::Internal,
        _ => Code::InvalidArgument,
    }
}

/// Values that cannot be computed or cast are the caller's; the machine's faults are ours.
fn arrow_code(error: &ArrowError) -> Code {
    match error {
        ArrowError::IoError(..) | ArrowError::MemoryError(_) => Code::Internal,
        _ => Code::InvalidArgument,
    }
}

/// One message without DataFusion's wrapping: the root cause, and the context that says where.
fn readable(error: &DataFusionError) -> String {
    match error.find_root() {
        DataFusionError::External(inner) => inner.to_string(),
        DataFusionError::Internal(message) => {
            format!("internal error: {}; please report it", first_line(message))
        }
        DataFusionError::Collection(errors) => {
            errors.iter().map(readable).collect::<Vec<_>>().join("; ")
        }
        root => {
            let message = root.message();
            missing_table(&message)
                .or_else(|| spill_fault(&message))
                .or_else(|| predicate_fault(&message))
                .unwrap_or_else(|| one_line(without_trace(&message)))
        }
    }
}

/// A message without the stack trace that some crates put behind it.
pub(crate) fn without_trace(message: &str) -> &str {
    let end = ["\n\nbacktrace:", "\n   0:"]
        .iter()
        .filter_map(|trace| message.find(trace))
        .min();
    message[..end.unwrap_or(message.len())].trim()
}

fn one_line(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// DataFusion says that a table is missing under the name that it was looked up by, which is not how it was asked for.
fn missing_table(message: &str) -> Option<String> {
    let name = message
        .trim()
        .strip_prefix("table '")?
        .strip_suffix("' not found")?;
    let name = name.split("@v").next().unwrap_or(name);
    let name = name
        .strip_prefix(CATALOG)
        .and_then(|name| name.strip_prefix('.'))
        .unwrap_or(name);
    let schema = name.split_once('.').map(|(schema, _)| schema);
    let remedy = match schema {
        Some("bronze" | "silver" | "ml" | "gold") => "; `moodlake build` makes the tables of sql/",
        _ => "",
    };
    Some(format!("table '{name}' not found{remedy}"))
}

/// The fault of a condition that was evaluated while a file was read, which is told as
/// `… Error evaluating filter predicate: ArrowError(CastError("…"), …)`.
fn predicate_fault(message: &str) -> Option<String> {
    let (_, fault) = message.split_once("Error evaluating filter predicate: ")?;
    let (_, words) = fault.split_once("(\"")?;
    let (words, _) = words.split_once("\")")?;
    Some(words.replace("\\\"", "\""))
}

/// The fault of an operator that may spill no more, which DataFusion tells with a setting that clients cannot set.
fn spill_fault(message: &str) -> Option<String> {
    let (_, limit) =
        message.split_once("during the spilling process has exceeded the allowable limit of ")?;
    let (limit, _) = limit.split_once(". ")?;
    Some(format!(
        "disk: the files that operators spilled to hold more than {limit} together, the most they may (--max-spill); \
         try again when less runs, or sort and group fewer rows"
    ))
}

fn first_line(message: &str) -> &str {
    message.lines().next().unwrap_or(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_statement_is_the_callers_fault_in_plain_words() {
        let error = Error::from(DataFusionError::Plan("table 'gold.x' not found".into()));
        let status = Status::from(error);
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(
            status.message(),
            "table 'gold.x' not found; `moodlake build` makes the tables of sql/"
        );
    }

    #[test]
    fn a_missing_table_is_called_as_it_was_asked_for() {
        for (looked_up, told) in [
            (
                "moodlake.gold.x@v3",
                "table 'gold.x' not found; `moodlake build` makes the tables of sql/",
            ),
            ("moodlake.scratch.x", "table 'scratch.x' not found"),
        ] {
            let message = format!("table '{looked_up}' not found");
            assert_eq!(missing_table(&message).as_deref(), Some(told));
        }
    }

    #[test]
    fn a_condition_that_fails_inside_a_file_is_told_in_its_own_words() {
        let message = "External: Compute error: Error evaluating filter predicate: \
                       ArrowError(CastError(\"Cannot cast string 'one' to value of Int64 type\"), Some(\"\"))";
        assert_eq!(
            predicate_fault(message).as_deref(),
            Some("Cannot cast string 'one' to value of Int64 type")
        );
    }

    #[test]
    fn a_value_that_cannot_be_cast_is_the_callers_fault() {
        let cast = ArrowError::CastError("cannot cast 'x' to Int32".into());
        assert_eq!(
            Status::from(Error::from(cast)).code(),
            Code::InvalidArgument
        );
        let disk = ArrowError::MemoryError("none left".into());
        assert_eq!(Status::from(Error::from(disk)).code(), Code::Internal);
    }

    #[test]
    fn an_error_of_ours_survives_the_way_through_datafusion() {
        let inner = Error::Input("plays: no such file".into());
        let error = Error::from(DataFusionError::from(inner).context("while scanning"));
        let status = Status::from(error);
        assert_eq!(status.code(), Code::InvalidArgument);
        assert_eq!(status.message(), "plays: no such file");
    }
}
