//! Prepared statements: made once, bound and executed as often as the client likes.
//!
//! Binding keeps the handle: Java closes with the first one it got, Go with the last, and some
//! clients never look at a new one.

use std::sync::{Mutex, PoisonError};

use arrow_flight::{
    FlightDescriptor, FlightInfo,
    sql::{
        ActionCreatePreparedStatementRequest, ActionCreatePreparedStatementResult,
        CommandPreparedStatementQuery, CommandPreparedStatementUpdate,
        DoPutPreparedStatementResult, server::PeekableFlightDataStream,
    },
};
use datafusion::scalar::ScalarValue;
use tonic::Response;

use super::{parameters, schema, service::Service, session, wire};
use crate::{
    error::{Error, Result},
    statement::Prepared,
};

/// A statement's text, what it takes and gives, and the values last bound to it.
pub(crate) struct PreparedStatement {
    pub(super) sql: String,
    pub(super) prepared: Prepared,
    bound: Mutex<Option<Vec<Vec<ScalarValue>>>>,
}

impl PreparedStatement {
    fn expected(&self) -> usize {
        self.prepared.parameters.fields().len()
    }

    /// The rows to run the statement with; one empty row when it takes no parameters.
    fn rows(&self) -> Result<Vec<Vec<ScalarValue>>> {
        let bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        match (bound.as_ref(), self.expected()) {
            (Some(rows), _) => Ok(rows.clone()),
            (None, 0) => Ok(vec![Vec::new()]),
            (None, expected) => Err(Error::Input(format!(
                "the statement has {expected} parameters, but none were bound"
            ))),
        }
    }
}

impl Service {
    /// Makes a prepared statement. The schema of its rows stays empty for an update: that is how
    /// clients tell the two apart.
    pub(super) async fn prepare(
        &self,
        command: ActionCreatePreparedStatementRequest,
    ) -> Result<ActionCreatePreparedStatementResult> {
        session::refuse_transaction(command.transaction_id.as_ref())?;
        let prepared = self.engine.prepare(&command.query).await;
        // Drivers take UNIMPLEMENTED for a server that cannot prepare, and go on without.
        let prepared = prepared.map_err(|error| match error {
            Error::Unsupported(message) => Error::Input(message),
            other => other,
        })?;
        let dataset_schema = wire::schema_bytes(&schema::of_rows(&prepared))?;
        let parameter_schema = wire::schema_bytes(&wire::result_schema(&prepared.parameters))?;
        let handle = self.shared.prepared.insert(PreparedStatement {
            sql: command.query,
            prepared,
            bound: Mutex::default(),
        });
        Ok(ActionCreatePreparedStatementResult {
            prepared_statement_handle: handle,
            dataset_schema,
            parameter_schema,
        })
    }

    /// Binds rows of parameters to the executions that follow.
    pub(super) async fn bind(
        &self,
        command: CommandPreparedStatementQuery,
        messages: PeekableFlightDataStream,
    ) -> Result<DoPutPreparedStatementResult> {
        let handle = command.prepared_statement_handle;
        let statement = self.prepared_statement(&handle)?;
        let rows = parameters::decode(messages, statement.expected()).await?;
        *statement
            .bound
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = rows;
        Ok(DoPutPreparedStatementResult {
            prepared_statement_handle: Some(handle),
        })
    }

    /// `GetFlightInfo`: executes with the values last bound.
    pub(super) async fn start_prepared(
        &self,
        command: CommandPreparedStatementQuery,
        descriptor: FlightDescriptor,
    ) -> Result<Response<FlightInfo>> {
        let statement = self.prepared_statement(&command.prepared_statement_handle)?;
        let rows = statement.rows()?;
        if !statement.prepared.is_query {
            let changed = self.update(&statement.sql, &rows).await?;
            return self.announce_done(changed, descriptor);
        }
        let mut plans = Vec::with_capacity(rows.len());
        for row in &rows {
            plans.push(self.engine.plan(&statement.sql, row).await?);
        }
        // The values may settle a type that the bare statement leaves open.
        let schema = plans
            .first()
            .map_or(&statement.prepared.schema, |planned| &planned.schema);
        let schema = wire::result_schema(schema);
        self.announce_query(schema, plans, descriptor)
    }

    /// `DoPut`: executes as an update, with the rows sent along or those bound before.
    pub(super) async fn update_prepared(
        &self,
        command: CommandPreparedStatementUpdate,
        messages: PeekableFlightDataStream,
    ) -> Result<i64> {
        let statement = self.prepared_statement(&command.prepared_statement_handle)?;
        let rows = match parameters::decode(messages, statement.expected()).await? {
            Some(rows) => rows,
            None => statement.rows()?,
        };
        Ok(self.update(&statement.sql, &rows).await?.max(0))
    }

    /// The statement of a handle.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it was closed, has expired or never was.
    pub(super) fn prepared_statement(
        &self,
        handle: &[u8],
    ) -> Result<std::sync::Arc<PreparedStatement>> {
        self.shared.prepared.get(handle).ok_or_else(|| {
            Error::NotFound(
                "this prepared statement was closed or has expired: prepare it again".into(),
            )
        })
    }
}
