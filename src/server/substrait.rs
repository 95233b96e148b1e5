//! Substrait plans, through datafusion-flight-sql-server.
//!
//! Its service plans and runs them, each in a session of the engine's; its ticket is kept under ours
//! and its stream goes out through our encoder, so that clients see no difference to SQL.

use arrow::datatypes::{Schema, SchemaRef};
use arrow_flight::{
    FlightDescriptor, FlightInfo, IpcMessage, Ticket,
    flight_service_server::FlightService,
    sql::{CommandStatementSubstraitPlan, server::FlightSqlService},
};
use datafusion::{execution::SessionState, physical_plan::SendableRecordBatchStream};
use datafusion_flight_sql_server::{
    service::FlightSqlService as SubstraitService, session::SessionStateProvider,
};
use tonic::{Code, Request, Response, Status};

use super::{
    service::Service,
    session,
    statement::{Begun, Work},
    wire,
};
use crate::{
    engine::Engine,
    error::{Error, Result},
};

/// A fresh session of the caller's engine for each call.
struct Sessions(Box<dyn Fn() -> Result<SessionState> + Send + Sync>);

#[tonic::async_trait]
impl SessionStateProvider for Sessions {
    async fn new_context(&self, _request: &Request<()>) -> Result<SessionState, Status> {
        Ok((self.0)()?)
    }
}

/// The service that understands Substrait, in sessions of the caller's.
fn understanding(engine: Engine) -> SubstraitService {
    let sessions = Sessions(Box::new(move || engine.session_state()));
    SubstraitService::new_with_provider(Box::new(sessions))
}

/// Runs the plan behind one of that service's tickets.
pub(super) async fn rows(engine: Engine, ticket: Ticket) -> Result<SendableRecordBatchStream> {
    let messages = understanding(engine).do_get(Request::new(ticket)).await;
    let messages = messages.map_err(|status| refused(&status))?;
    wire::decode(messages.into_inner())
        .await?
        .ok_or_else(|| Error::Internal("a Substrait plan gave no schema".into()))
}

impl Service {
    /// `GetFlightInfo` for a Substrait plan.
    pub(super) async fn start_substrait(
        &self,
        command: CommandStatementSubstraitPlan,
        descriptor: FlightDescriptor,
    ) -> Result<Response<FlightInfo>> {
        let begun = self.begin_substrait(command).await?;
        self.finish(begun, descriptor).await
    }

    /// Plans a Substrait plan.
    pub(super) async fn begin_substrait(
        &self,
        command: CommandStatementSubstraitPlan,
    ) -> Result<Begun> {
        session::refuse_transaction(command.transaction_id.as_ref())?;
        let query = self.begin_plan()?;
        let rights = self.engine.rights()?;
        let planning = planned(self.engine.clone(), command);
        let ((schema, ticket), _) = query.work(self.deadline(), planning).await?;
        let work = Work::Substrait { schema, ticket };
        Ok(Begun {
            query,
            rights,
            work,
        })
    }

    /// The schema of a Substrait plan's rows.
    pub(super) async fn schema_of_substrait(
        &self,
        command: CommandStatementSubstraitPlan,
    ) -> Result<SchemaRef> {
        let planning = planned(self.engine.clone(), command);
        let (schema, _) = self.look_at_plan(planning).await?;
        Ok(schema)
    }
}

/// The schema of a plan's rows, and that service's ticket for them.
async fn planned(
    engine: Engine,
    command: CommandStatementSubstraitPlan,
) -> Result<(SchemaRef, Ticket)> {
    let request = Request::new(FlightDescriptor::default());
    let service = understanding(engine);
    let info = service.get_flight_info_substrait_plan(command, request);
    let info = info.await.map_err(|status| refused(&status))?.into_inner();
    let schema = Schema::try_from(IpcMessage(info.schema)).map_err(Error::from)?;
    let mut endpoints = info.endpoint.into_iter();
    let ticket = endpoints.find_map(|endpoint| endpoint.ticket);
    let ticket = ticket.ok_or_else(|| Error::Internal("a Substrait plan gave no ticket".into()))?;
    Ok((wire::result_schema(&schema), ticket))
}

/// That service calls every failure internal; one of its plans is most often the sender's.
fn refused(status: &Status) -> Error {
    let code = match status.code() {
        Code::Internal => Code::InvalidArgument,
        other => other,
    };
    let message = format!("Substrait plan: {}", status.message());
    Error::Remote { code, message }
}
