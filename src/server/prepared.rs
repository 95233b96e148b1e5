//! Prepared statements: made once, bound and executed as often as the client likes.
//!
//! Binding keeps the handle: Java closes with the first one it got, Go with the last, and some
//! clients never look at a new one.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::datatypes::{Schema, SchemaRef};
use arrow_flight::{
    FlightDescriptor, FlightInfo,
    sql::{
        ActionCreatePreparedStatementRequest, ActionCreatePreparedSubstraitPlanRequest,
        CommandPreparedStatementQuery, CommandPreparedStatementUpdate,
        CommandStatementSubstraitPlan, DoPutPreparedStatementResult,
        server::PeekableFlightDataStream,
    },
};
use futures::FutureExt;
use tonic::{Code, Response, Status};

use super::{
    messages::PreparedStatementResult,
    parameters::{self, Bound},
    schema,
    service::Service,
    session,
    statement::{self, Begun, Work},
    wire,
};
use crate::{
    error::{Error, Result},
    statement::Prepared,
};

/// A statement, and the values last bound to it.
pub(crate) struct PreparedStatement {
    text: Text,
    bound: Mutex<Option<Arc<Bound>>>,
}

/// What is run.
enum Text {
    /// SQL, with what it takes and gives.
    Sql { sql: String, prepared: Prepared },
    /// A Substrait plan, which takes nothing.
    Substrait {
        command: CommandStatementSubstraitPlan,
        schema: SchemaRef,
    },
}

impl PreparedStatement {
    fn expected(&self) -> usize {
        match &self.text {
            Text::Sql { prepared, .. } => prepared.parameters.fields().len(),
            Text::Substrait { .. } => 0,
        }
    }

    /// The schema of its rows; empty when it has none.
    pub(super) fn schema(&self) -> SchemaRef {
        match &self.text {
            Text::Sql { prepared, .. } => schema::of_rows(prepared),
            Text::Substrait { schema, .. } => SchemaRef::clone(schema),
        }
    }

    /// The rows to run the statement with; one empty row when it takes no parameters.
    fn bound(&self) -> Result<Arc<Bound>> {
        let bound = self.bound.lock().unwrap_or_else(PoisonError::into_inner);
        match (bound.as_ref(), self.expected()) {
            (Some(bound), _) => Ok(Arc::clone(bound)),
            (None, 0) => Ok(Arc::new(Bound::nothing())),
            (None, expected) => Err(parameters::miscounted(expected, 0)),
        }
    }
}

impl Service {
    /// Makes a prepared statement. The schema of its rows stays empty for an update: that is how
    /// clients tell the two apart.
    pub(super) async fn prepare(
        &self,
        command: ActionCreatePreparedStatementRequest,
    ) -> Result<PreparedStatementResult> {
        session::refuse_transaction(command.transaction_id.as_ref())?;
        let (engine, sql) = (self.engine.clone(), command.query.clone());
        let planning = async move { engine.prepare(&sql).await };
        let prepared = self.plan_only(&command.query, planning).await;
        let prepared = prepared.map_err(understood)?;
        let parameters = wire::result_schema(&prepared.parameters);
        let is_update = !prepared.is_query;
        let sql = command.query;
        self.keep_prepared(Text::Sql { sql, prepared }, &parameters, is_update)
    }

    /// As [`Service::prepare`], for a Substrait plan.
    pub(super) async fn prepare_substrait(
        &self,
        command: ActionCreatePreparedSubstraitPlanRequest,
    ) -> Result<PreparedStatementResult> {
        session::refuse_transaction(command.transaction_id.as_ref())?;
        let command = CommandStatementSubstraitPlan {
            plan: command.plan,
            transaction_id: None,
        };
        let schema = self.schema_of_substrait(command.clone()).await?;
        self.keep_prepared(Text::Substrait { command, schema }, &Schema::empty(), false)
    }

    fn keep_prepared(
        &self,
        text: Text,
        parameters: &Schema,
        is_update: bool,
    ) -> Result<PreparedStatementResult> {
        let statement = PreparedStatement {
            text,
            bound: Mutex::default(),
        };
        let dataset_schema = wire::schema_bytes(&statement.schema())?;
        let parameter_schema = wire::schema_bytes(parameters)?;
        let prepared = &self.shared.prepared;
        let issued = prepared.insert(self.engine.caller(), statement)?;
        Ok(PreparedStatementResult {
            prepared_statement_handle: issued.handle,
            dataset_schema,
            parameter_schema,
            is_update: Some(is_update),
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
        let memory = self.engine.memory();
        let bound = parameters::decode(messages, statement.expected(), &memory).await?;
        let mut before = statement
            .bound
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        *before = bound.map(Arc::new);
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
        let begun = self.begin_prepared(&command).await?;
        self.finish(begun, descriptor).await
    }

    /// Plans with the values last bound.
    pub(super) async fn begin_prepared(
        &self,
        command: &CommandPreparedStatementQuery,
    ) -> Result<Begun> {
        let statement = self.prepared_statement(&command.prepared_statement_handle)?;
        let (sql, prepared) = match &statement.text {
            Text::Sql { sql, prepared } => (sql.clone(), prepared),
            Text::Substrait { command, .. } => return self.begin_substrait(command.clone()).await,
        };
        let bound = statement.bound()?;
        let query = self.begin(&sql)?;
        let engine = self.engine.clone();
        let rights = engine.rights()?;
        if !prepared.is_query {
            let change = async move { statement::update(&engine, &sql, &bound.rows).await };
            let work = Work::Change(change.boxed());
            return Ok(Begun {
                query,
                rights,
                work,
            });
        }
        let planning = async move {
            let mut plans = Vec::with_capacity(bound.rows.len());
            for row in &bound.rows {
                plans.push(engine.plan(&sql, row).await?);
            }
            Ok(plans)
        };
        let (plans, _) = query.work(self.deadline(), planning).await?;
        // The values may settle a type that the bare statement leaves open.
        let schema = plans
            .first()
            .map_or(&prepared.schema, |planned| &planned.schema);
        let schema = wire::result_schema(schema);
        let plans = plans.into();
        let work = Work::Query { schema, plans };
        Ok(Begun {
            query,
            rights,
            work,
        })
    }

    /// `DoPut`: executes as an update, with the rows sent along or those bound before.
    pub(super) async fn update_prepared(
        &self,
        command: CommandPreparedStatementUpdate,
        messages: PeekableFlightDataStream,
    ) -> Result<i64> {
        let statement = self.prepared_statement(&command.prepared_statement_handle)?;
        let Text::Sql { sql, .. } = &statement.text else {
            return Err(Error::Unsupported(
                "a Substrait plan cannot write: send the statement as SQL".into(),
            ));
        };
        let query = self.begin(sql)?;
        let (engine, sql) = (self.engine.clone(), sql.clone());
        let sent = Arc::clone(&statement);
        let change = async move {
            let memory = engine.memory();
            let bound = parameters::decode(messages, sent.expected(), &memory).await?;
            let bound = bound.map_or_else(|| sent.bound(), |bound| Ok(Arc::new(bound)))?;
            statement::update(&engine, &sql, &bound.rows).await
        };
        Ok(self.change(&query, change).await?.max(0))
    }

    /// The statement of a handle.
    ///
    /// # Errors
    /// [`Error::NotFound`] when it was closed, has expired or never was.
    pub(super) fn prepared_statement(&self, handle: &[u8]) -> Result<Arc<PreparedStatement>> {
        let prepared = &self.shared.prepared;
        prepared.get(self.engine.caller(), handle).ok_or_else(|| {
            Error::NotFound(
                "this prepared statement was closed or has expired: prepare it again".into(),
            )
        })
    }
}

/// Drivers take UNIMPLEMENTED for a server that cannot prepare, and go on without: what is not offered is told as an error
/// of the statement.
fn understood(error: Error) -> Error {
    let status = Status::from(error);
    let code = match status.code() {
        Code::Unimplemented => Code::InvalidArgument,
        other => other,
    };
    Error::Remote {
        code,
        message: status.message().to_string(),
    }
}
