//! Substrait plans, through datafusion-flight-sql-server.
//!
//! Its service plans and runs them, each in a session of the engine's; its ticket is kept under ours
//! and its stream goes out through our encoder, so that clients see no difference to SQL.

use std::sync::Arc;

use arrow::datatypes::Schema;
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
    statement::{Answer, Source, UNCOUNTED},
    wire,
};
use crate::error::{Error, Result};

/// A fresh session of the caller's engine for each call.
struct Sessions(Box<dyn Fn() -> Result<SessionState> + Send + Sync>);

#[tonic::async_trait]
impl SessionStateProvider for Sessions {
    async fn new_context(&self, _request: &Request<()>) -> Result<SessionState, Status> {
        Ok((self.0)()?)
    }
}

impl Service {
    /// Runs the plan behind one of that service's tickets.
    pub(super) async fn substrait_rows(&self, ticket: Ticket) -> Result<SendableRecordBatchStream> {
        let messages = self.substrait().do_get(Request::new(ticket)).await;
        let messages = messages.map_err(|status| refused(&status))?;
        wire::decode(messages.into_inner())
            .await?
            .ok_or_else(|| Error::Internal("a Substrait plan gave no schema".into()))
    }

    /// The service that understands Substrait, in sessions of the caller's.
    fn substrait(&self) -> SubstraitService {
        let engine = self.engine.clone();
        let sessions = Sessions(Box::new(move || engine.session_state()));
        SubstraitService::new_with_provider(Box::new(sessions))
    }

    /// `GetFlightInfo` for a Substrait plan.
    pub(super) async fn start_substrait(
        &self,
        command: CommandStatementSubstraitPlan,
        descriptor: FlightDescriptor,
    ) -> Result<Response<FlightInfo>> {
        session::refuse_transaction(command.transaction_id.as_ref())?;
        let request = Request::new(descriptor.clone());
        let substrait = self.substrait();
        let planned = substrait.get_flight_info_substrait_plan(command, request);
        let planned = planned.await.map_err(|status| refused(&status))?;
        let info = planned.into_inner();
        let schema = Schema::try_from(IpcMessage(info.schema)).map_err(Error::from)?;
        let ticket = info
            .endpoint
            .into_iter()
            .find_map(|endpoint| endpoint.ticket)
            .ok_or_else(|| Error::Internal("a Substrait plan gave no ticket".into()))?;
        let answer = Answer {
            schema: wire::result_schema(&Arc::new(schema)),
            source: Source::Substrait(ticket),
        };
        self.announce(answer, UNCOUNTED, descriptor)
    }
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
