//! Statements: started once, fetched as often as the client likes.
//!
//! `GetFlightInfo` plans a query and keeps the plan; what writes it runs at once and keeps that it is
//! done. A ticket is a handle to what was kept, so that fetching it again can never write again.

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};
use arrow_flight::{
    FlightDescriptor, FlightEndpoint, FlightInfo, Ticket,
    sql::{CommandStatementQuery, CommandStatementUpdate, ProstMessageExt, TicketStatementQuery},
};
use bytes::Bytes;
use datafusion::{
    common::DataFusionError,
    physical_plan::{SendableRecordBatchStream, stream::RecordBatchStreamAdapter},
    scalar::ScalarValue,
};
use futures::{StreamExt, TryStreamExt, stream};
use prost::Message;
use tonic::Response;

use super::{service::Service, session, wire};
use crate::{
    error::{Error, Result},
    statement::{Outcome, Planned},
};

/// What a ticket leads to.
pub(crate) struct Answer {
    /// The schema that was announced, and that the stream has.
    pub(super) schema: SchemaRef,
    pub(super) source: Source,
}

/// Where the rows of an answer come from.
pub(crate) enum Source {
    /// A query, planned once for each row of parameters; each fetch runs the same plans.
    Plans(Arc<[Planned]>),
    /// A statement that has run and has no rows.
    Done,
    /// A Substrait plan, under the ticket that datafusion-flight-sql-server gave for it.
    Substrait(Ticket),
}

/// Says that nobody counted.
pub(super) const UNCOUNTED: i64 = -1;

impl Service {
    /// `GetFlightInfo` for SQL text.
    pub(super) async fn start_statement(
        &self,
        command: CommandStatementQuery,
        descriptor: FlightDescriptor,
    ) -> Result<Response<FlightInfo>> {
        session::refuse_transaction(command.transaction_id.as_ref())?;
        let planned = self.engine.plan(&command.query, &[]).await?;
        if planned.is_query {
            let schema = wire::result_schema(&planned.schema);
            return self.announce_query(schema, vec![planned], descriptor);
        }
        let changed = changed_rows(planned.run().await?).await?;
        self.announce_done(changed, descriptor)
    }

    /// `DoPut` for SQL text: runs it and says how many rows it changed.
    pub(super) async fn update_statement(&self, command: CommandStatementUpdate) -> Result<i64> {
        session::refuse_transaction(command.transaction_id.as_ref())?;
        let outcome = self.engine.run(&command.query, &[]).await?;
        // An update that counts nothing (DDL) has changed no rows: JDBC takes -1 for "no more results".
        Ok(changed_rows(outcome).await?.max(0))
    }

    /// `DoGet` for a ticket.
    pub(super) async fn fetch(&self, handle: &[u8]) -> Result<Response<wire::FlightStream>> {
        let answer = self.shared.answers.get(handle).ok_or_else(|| {
            Error::NotFound("this result has expired or never was: run the statement again".into())
        })?;
        let rows = match &answer.source {
            Source::Plans(plans) => run_plans(Arc::clone(plans), &answer.schema).await?,
            Source::Done => no_rows(&answer.schema),
            Source::Substrait(ticket) => self.substrait_rows(ticket.clone()).await?,
        };
        let rows = wire::conforming(rows, &answer.schema);
        Ok(Response::new(wire::encode(rows)))
    }

    /// Keeps planned queries of one schema and says where to fetch their rows.
    pub(super) fn announce_query(
        &self,
        schema: SchemaRef,
        plans: Vec<Planned>,
        descriptor: FlightDescriptor,
    ) -> Result<Response<FlightInfo>> {
        let source = Source::Plans(plans.into());
        self.announce(Answer { schema, source }, UNCOUNTED, descriptor)
    }

    /// Says that an update is done, with its count of rows, and leaves an empty result to fetch.
    pub(super) fn announce_done(
        &self,
        changed: i64,
        descriptor: FlightDescriptor,
    ) -> Result<Response<FlightInfo>> {
        let schema = Arc::new(Schema::empty());
        let source = Source::Done;
        self.announce(Answer { schema, source }, changed, descriptor)
    }

    /// Keeps an answer and says where to fetch it.
    pub(super) fn announce(
        &self,
        answer: Answer,
        records: i64,
        descriptor: FlightDescriptor,
    ) -> Result<Response<FlightInfo>> {
        let info = FlightInfo::new().try_with_schema(&answer.schema)?;
        let ticket = TicketStatementQuery {
            statement_handle: self.shared.answers.insert(answer),
        };
        let ticket = Ticket::new(Bytes::from(ticket.as_any().encode_to_vec()));
        let info = info
            .with_descriptor(descriptor)
            .with_endpoint(FlightEndpoint::new().with_ticket(ticket))
            .with_total_records(records)
            .with_total_bytes(UNCOUNTED);
        Ok(Response::new(info))
    }

    /// Runs an update once for each row of parameters; rows for an `INSERT … VALUES` make one commit.
    pub(super) async fn update(&self, sql: &str, rows: &[Vec<ScalarValue>]) -> Result<i64> {
        match rows {
            [] => Ok(0),
            [row] => changed_rows(self.engine.run(sql, row).await?).await,
            rows => count(self.engine.run_many(sql, rows).await?),
        }
    }
}

/// Runs plans of one schema one after the other, the next when the one before has no more rows.
async fn run_plans(plans: Arc<[Planned]>, schema: &SchemaRef) -> Result<SendableRecordBatchStream> {
    let Some(first) = plans.first() else {
        return Ok(no_rows(schema));
    };
    // The first runs now, so that what fails at once is the answer to the call.
    let first = query_rows(first).await?;
    if plans.len() == 1 {
        return Ok(first);
    }
    let schema = first.schema();
    let rest = stream::iter(1..plans.len()).then(move |index| {
        let plans = Arc::clone(&plans);
        async move {
            query_rows(&plans[index])
                .await
                .map_err(DataFusionError::from)
        }
    });
    let batches = first.chain(rest.try_flatten());
    Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
}

async fn query_rows(planned: &Planned) -> Result<SendableRecordBatchStream> {
    match planned.run().await? {
        Outcome::Rows(rows) => Ok(rows),
        Outcome::Changed(_) | Outcome::Done => Ok(no_rows(&planned.schema)),
    }
}

fn no_rows(schema: &SchemaRef) -> SendableRecordBatchStream {
    let nothing = stream::empty::<Result<_, DataFusionError>>();
    Box::pin(RecordBatchStreamAdapter::new(Arc::clone(schema), nothing))
}

/// The number of rows that a statement changed; a query sent as an update is run to its end.
pub(super) async fn changed_rows(outcome: Outcome) -> Result<i64> {
    match outcome {
        Outcome::Changed(rows) => count(rows),
        Outcome::Done => Ok(UNCOUNTED),
        Outcome::Rows(mut rows) => {
            while rows.try_next().await?.is_some() {}
            Ok(UNCOUNTED)
        }
    }
}

fn count(rows: u64) -> Result<i64> {
    i64::try_from(rows).map_err(|_| Error::Internal(format!("{rows} rows are too many to report")))
}
