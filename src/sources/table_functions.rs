//! `spotify_history('PATH'[, user_name])` and `tracks_csv('PATH')`: the rows that `import` reads,
//! as tables.
//!
//! - `spotify_history(path, user_name)`: the plays in a folder, archive or file of Spotify's
//!   extended streaming history, with the columns of `bronze.plays_extended`. `user_name` becomes
//!   `user_id`; left out, it is the folder's name or the file's without its extension. Each play
//!   comes once; records that are broken are left out and logged.
//! - `tracks_csv(path)`: the rows of a catalogue of tracks, with the columns of
//!   `bronze.catalogue_tracks`.
//!
//! Files are looked for and read when the query runs, never while it is planned, and only where
//! the server may read.

use std::collections::HashSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use chrono::Utc;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{DataFusionError, Result as DataFusionResult, ScalarValue, plan_err};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::RecordBatchReceiverStreamBuilder;
use datafusion::physical_plan::streaming::PartitionStream;
use moodlake_udfs::{Parameter, RelationSignature};

use super::files::{Found, default_user, find};
use super::kind::Kind;
use super::report::{Tallies, is_kept};
use super::spotify_export::{HistoryFile, read_history};
use super::{catalogue, spotify_export};
use crate::engine::FileAccess;
use crate::error::{Error, Result};

/// Batches that may wait for the query.
const BATCHES_AHEAD: usize = 4;

/// How the functions are called, positional or named.
pub(crate) const SIGNATURES: [RelationSignature; 2] = [
    RelationSignature {
        function: "spotify_history",
        parameters: &[Parameter::Value("path"), Parameter::Value("user_name")],
    },
    RelationSignature {
        function: "tracks_csv",
        parameters: &[Parameter::Value("path")],
    },
];

/// A function that reads files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileFunction {
    /// `spotify_history`
    History,
    /// `tracks_csv`
    Catalogue,
}

impl FileFunction {
    fn name(self) -> &'static str {
        match self {
            Self::History => "spotify_history",
            Self::Catalogue => "tracks_csv",
        }
    }

    fn schema(self) -> &'static SchemaRef {
        match self {
            Self::History => &spotify_export::SCHEMA,
            Self::Catalogue => &catalogue::SCHEMA,
        }
    }
}

/// Every table function of this module, by name.
pub(crate) fn table_functions(
    access: &FileAccess,
) -> impl Iterator<Item = (&'static str, Arc<dyn TableFunctionImpl>)> {
    [FileFunction::History, FileFunction::Catalogue]
        .into_iter()
        .map(|function| {
            let provider = FileTableFunction {
                function,
                access: access.clone(),
            };
            (
                function.name(),
                Arc::new(provider) as Arc<dyn TableFunctionImpl>,
            )
        })
}

#[derive(Debug)]
struct FileTableFunction {
    function: FileFunction,
    access: FileAccess,
}

impl TableFunctionImpl for FileTableFunction {
    fn call_with_args(&self, args: TableFunctionArgs) -> DataFusionResult<Arc<dyn TableProvider>> {
        let name = self.function.name();
        let most = if self.function == FileFunction::History {
            2
        } else {
            1
        };
        let exprs = args.exprs();
        if exprs.is_empty() || exprs.len() > most {
            let usage = if most == 2 {
                "a path and, if wanted, a user name"
            } else {
                "a path"
            };
            return plan_err!("{name}: expected {usage}, got {} arguments", exprs.len());
        }
        let path = text(name, "path", &exprs[0])?;
        let user_name = exprs
            .get(1)
            .map_or(Ok(None), |expr| text(name, "user_name", expr))?;
        let files = Files {
            function: self.function,
            path: path.map(PathBuf::from),
            user_name,
            access: self.access.clone(),
        };
        let schema = Arc::clone(self.function.schema());
        Ok(Arc::new(StreamingTable::try_new(
            schema,
            vec![Arc::new(files)],
        )?))
    }
}

/// The text of a constant; `None` for null, which a statement that is only prepared may have.
fn text(function: &str, argument: &str, expr: &Expr) -> DataFusionResult<Option<String>> {
    match expr {
        Expr::Literal(ScalarValue::Null, _) => Ok(None),
        Expr::Literal(value, _) if value.is_null() => Ok(None),
        Expr::Literal(value, _) => match value.try_as_str() {
            Some(text) => Ok(text.map(str::to_string)),
            None => plan_err!("{function}: {argument} has to be text, got {value}"),
        },
        other => plan_err!("{function}: {argument} has to be a constant text, got {other}"),
    }
}

/// What a call reads once it runs.
#[derive(Clone)]
struct Files {
    function: FileFunction,
    path: Option<PathBuf>,
    user_name: Option<String>,
    access: FileAccess,
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({:?})", self.function.name(), self.path)
    }
}

impl PartitionStream for Files {
    fn schema(&self) -> &SchemaRef {
        self.function.schema()
    }

    fn execute(&self, _ctx: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(self.function.schema());
        let mut stream = RecordBatchReceiverStreamBuilder::new(schema, BATCHES_AHEAD);
        let (files, sender) = (self.clone(), stream.tx());
        stream.spawn_blocking(move || {
            let mut is_wanted = true;
            let outcome = files.read(&mut |batch| {
                is_wanted = sender.blocking_send(Ok(batch)).is_ok();
                // A query with a limit stops listening; the error only ends the reading.
                if is_wanted {
                    Ok(())
                } else {
                    Err(Error::Internal("nobody listens".to_string()))
                }
            });
            if is_wanted {
                outcome.map_err(DataFusionError::from)
            } else {
                Ok(())
            }
        });
        stream.build()
    }
}

impl Files {
    fn read(&self, sink: &mut dyn FnMut(RecordBatch) -> Result<()>) -> Result<()> {
        let name = self.function.name();
        let path = self
            .path
            .as_ref()
            .ok_or_else(|| Error::Input(format!("{name}: path is null")))?;
        let found = find(path, &self.access)?;
        let ingested_at = Utc::now().timestamp_micros();
        let tallies = match self.function {
            FileFunction::History => {
                let user_id = self.user_name.clone().unwrap_or_else(|| default_user(path));
                let files: Vec<_> = chosen(found, Kind::History, name, path)?
                    .map(|input| HistoryFile {
                        user_id: user_id.clone(),
                        input,
                    })
                    .collect();
                read_history(&files, ingested_at, sink)?
            }
            FileFunction::Catalogue => {
                let (mut tallies, mut seen) = (Tallies::default(), HashSet::new());
                for input in chosen(found, Kind::Catalogue, name, path)? {
                    tallies.merge(catalogue::read_catalogue(
                        &input,
                        ingested_at,
                        &mut seen,
                        sink,
                    )?);
                }
                tallies
            }
        };
        for (cause, tally) in tallies.iter().filter(|(cause, _)| !is_kept(&cause.reason)) {
            let position = tally.position.map(|at| at.to_string());
            let (file, reason, rows) = (&cause.file, &cause.reason, tally.rows);
            tracing::warn!(%file, %reason, rows, position, "rows left out");
        }
        Ok(())
    }
}

/// The files of the wanted kind; an error that says what is there instead if there is none.
fn chosen(
    found: Found,
    kind: Kind,
    function: &str,
    path: &std::path::Path,
) -> Result<impl Iterator<Item = super::files::Input> + use<>> {
    if !found.inputs.iter().any(|input| input.kind == kind) {
        let refusal = found.inputs.iter().find_map(|input| input.kind.refusal());
        let broken = found.unreadable.first().map(|file| file.reason.clone());
        let reason = refusal.or(broken).unwrap_or_else(|| match kind {
            Kind::Catalogue => "no CSV file with tracks and audio features is there".to_string(),
            _ => "no extended streaming history of Spotify is there".to_string(),
        });
        return Err(Error::Input(format!(
            "{function}: {}: {reason}",
            path.display()
        )));
    }
    Ok(found
        .inputs
        .into_iter()
        .filter(move |input| input.kind == kind))
}
