//! What the table functions that read files have in common: a path and, maybe, a name, looked at
//! when the query runs and never while it is planned.

use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock};

use arrow::datatypes::SchemaRef;
use chrono::Utc;
use datafusion::catalog::streaming::StreamingTable;
use datafusion::catalog::{TableFunctionArgs, TableFunctionImpl, TableProvider};
use datafusion::common::{DataFusionError, Result as DataFusionResult, ScalarValue, plan_err};
use datafusion::execution::TaskContext;
use datafusion::logical_expr::Expr;
use datafusion::physical_plan::SendableRecordBatchStream;
use datafusion::physical_plan::stream::{
    RecordBatchReceiverStreamBuilder, RecordBatchStreamAdapter,
};
use datafusion::physical_plan::streaming::PartitionStream;
use moodlake_udfs::{Parameter, RelationSignature};

use super::Sink;
use super::files::{Found, Input, Unreadable, find};
use super::kind::Kind;
use super::report::{Tallies, is_kept};
use crate::access::Caller;
use crate::engine::FileAccess;
use crate::error::{Error, Result};

/// Batches that may wait for the query.
const BATCHES_AHEAD: usize = 4;

/// A table function that reads files.
pub(super) struct FileFunction {
    pub(super) name: &'static str,
    /// A path and, if there is a second one, a user's name.
    pub(super) parameters: &'static [Parameter],
    pub(super) schema: &'static LazyLock<SchemaRef>,
    pub(super) read: fn(&Call, Sink<'_>) -> Result<Tallies>,
}

impl FileFunction {
    /// How the function is called, with named arguments or without.
    pub(super) fn signature(&self) -> RelationSignature {
        RelationSignature {
            function: self.name,
            parameters: self.parameters,
        }
    }

    /// The function in a session that may read what `access` allows.
    pub(super) fn provider(&'static self, access: &FileAccess) -> Arc<dyn TableFunctionImpl> {
        Arc::new(FileTableFunction {
            function: self,
            access: access.clone(),
        })
    }
}

/// A call under way.
pub(super) struct Call {
    pub(super) function: &'static str,
    pub(super) path: PathBuf,
    pub(super) user_name: Option<String>,
    pub(super) access: FileAccess,
    /// In µs since 1970.
    pub(super) called_at: i64,
}

impl Call {
    /// The files of a kind; if there are none, an error that says what is there instead, or
    /// `nothing`.
    pub(super) fn files(
        &self,
        kind: Kind,
        nothing: &str,
    ) -> Result<impl Iterator<Item = Input> + use<>> {
        let Found { inputs, unreadable } = find(&self.path, &self.access)?;
        if !inputs.iter().any(|input| input.kind == kind) {
            let refusal = inputs.iter().find_map(|input| input.kind.refusal());
            let reason = refusal
                .or_else(|| Some(unreadable.first()?.reason.clone()))
                .unwrap_or_else(|| nothing.to_string());
            let (name, path) = (self.function, self.path.display());
            return Err(Error::Input(format!("{name}: {path}: {reason}")));
        }
        for Unreadable { label, reason } in unreadable {
            tracing::warn!(function = self.function, file = %label, %reason, "file left out");
        }
        Ok(inputs.into_iter().filter(move |input| input.kind == kind))
    }
}

struct FileTableFunction {
    function: &'static FileFunction,
    access: FileAccess,
}

impl fmt::Debug for FileTableFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.function.name)
    }
}

impl TableFunctionImpl for FileTableFunction {
    fn call_with_args(&self, args: TableFunctionArgs) -> DataFusionResult<Arc<dyn TableProvider>> {
        let FileFunction {
            name,
            parameters,
            schema,
            ..
        } = self.function;
        let exprs = args.exprs();
        if exprs.is_empty() || exprs.len() > parameters.len() {
            let expected: Vec<_> = parameters
                .iter()
                .map(|parameter| parameter.name())
                .collect();
            let expected = expected.join(", ");
            return plan_err!(
                "{name}: expected ({expected}), got {} arguments",
                exprs.len()
            );
        }
        let argument = |place: usize| match exprs.get(place) {
            Some(expr) => text(name, parameters[place].name(), expr),
            None => Ok(None),
        };
        let files = Files {
            function: self.function,
            path: argument(0)?.map(PathBuf::from),
            user_name: argument(1)?,
            access: self.access.clone(),
        };
        Ok(Arc::new(StreamingTable::try_new(
            Arc::clone(schema),
            vec![Arc::new(files)],
        )?))
    }
}

/// The text of a constant; `None` for null, which a statement that is only prepared may have.
fn text(function: &str, argument: &str, expr: &Expr) -> DataFusionResult<Option<String>> {
    match expr {
        Expr::Literal(ScalarValue::Null, _) => Ok(None),
        Expr::Literal(value, _) => {
            if let Some(text) = value.try_as_str() {
                Ok(text.map(str::to_string))
            } else {
                plan_err!("{function}: {argument} has to be text, got {value}")
            }
        }
        other => plan_err!("{function}: {argument} has to be a constant text, got {other}"),
    }
}

/// What a call reads once it runs.
#[derive(Clone)]
struct Files {
    function: &'static FileFunction,
    path: Option<PathBuf>,
    user_name: Option<String>,
    access: FileAccess,
}

impl fmt::Debug for Files {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({:?})", self.function.name, self.path)
    }
}

impl PartitionStream for Files {
    fn schema(&self) -> &SchemaRef {
        self.function.schema
    }

    fn execute(&self, ctx: Arc<TaskContext>) -> SendableRecordBatchStream {
        let schema = Arc::clone(self.function.schema);
        if let Err(refusal) = self.refuse_others(&ctx) {
            let refusal = futures::stream::iter([Err(DataFusionError::from(refusal))]);
            return Box::pin(RecordBatchStreamAdapter::new(schema, refusal));
        }
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
    /// Files are for admins only, as their paths are the machine's.
    fn refuse_others(&self, ctx: &TaskContext) -> Result<()> {
        let caller = ctx.session_config().get_extension::<Caller>();
        match caller {
            Some(caller) if caller.is_admin() => Ok(()),
            Some(caller) => Err(Error::Denied(format!(
                "{}: only admins read files; {caller} is none",
                self.function.name
            ))),
            None => Err(Error::Internal("nobody asks for a file".into())),
        }
    }

    fn read(&self, sink: Sink<'_>) -> Result<()> {
        let name = self.function.name;
        let path = self
            .path
            .clone()
            .ok_or_else(|| Error::Input(format!("{name}: path is null")))?;
        let call = Call {
            function: name,
            path,
            user_name: self.user_name.clone(),
            access: self.access.clone(),
            called_at: Utc::now().timestamp_micros(),
        };
        let tallies = (self.function.read)(&call, sink)?;
        for (cause, tally) in tallies.iter().filter(|(cause, _)| !is_kept(&cause.reason)) {
            let position = tally.position.map(|at| at.to_string());
            let (file, reason, rows) = (&cause.file, &cause.reason, tally.rows);
            tracing::warn!(function = name, %file, %reason, rows, position, "rows left out");
        }
        Ok(())
    }
}
