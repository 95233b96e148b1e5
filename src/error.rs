//! The one error type of the server and its commands, and the one place that picks gRPC codes.

use std::path::PathBuf;

use arrow::error::ArrowError;
use datafusion::common::DataFusionError;
use tonic::{Code, Status};

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
    #[error("{}: {source}", path.display())]
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
    /// A limit on memory, time or size was reached.
    #[error("{0}")]
    Resources(String),
    /// What a remote server answered.
    #[error("{message}")]
    Remote {
        /// Its gRPC code.
        code: Code,
        /// Its message, as it was sent.
        message: String,
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
            Self::Resources(_) => Code::ResourceExhausted,
            Self::Remote { code, .. } => *code,
            Self::Arrow(_) | Self::Lake(_) | Self::Io { .. } | Self::Internal(_) => Code::Internal,
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
        DataFusionError::NotImplemented(_) => Code::Unimplemented,
        DataFusionError::Internal(_)
        | DataFusionError::IoError(_)
        | DataFusionError::ObjectStore(_)
        | DataFusionError::ParquetError(_) => Code::Internal,
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
            let message = root.message().trim().to_string();
            match message.find("\n\nbacktrace:") {
                Some(end) => message[..end].to_string(),
                None => message,
            }
        }
    }
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
        assert_eq!(status.message(), "table 'gold.x' not found");
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
