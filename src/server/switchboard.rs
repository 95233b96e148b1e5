//! The switchboard: Flight SQL's calls, each handed to the room that answers it. No logic here.

use std::sync::Arc;

use arrow_flight::{
    Action, FlightDescriptor, FlightInfo, Ticket,
    flight_service_server::FlightService,
    sql::{
        ActionBeginSavepointRequest, ActionBeginSavepointResult, ActionBeginTransactionRequest,
        ActionBeginTransactionResult, ActionClosePreparedStatementRequest,
        ActionEndSavepointRequest, ActionEndTransactionRequest, CommandGetCatalogs,
        CommandGetCrossReference, CommandGetDbSchemas, CommandGetExportedKeys,
        CommandGetImportedKeys, CommandGetPrimaryKeys, CommandGetSqlInfo, CommandGetTableTypes,
        CommandGetTables, CommandGetXdbcTypeInfo, CommandPreparedStatementQuery,
        CommandPreparedStatementUpdate, CommandStatementIngest, CommandStatementQuery,
        CommandStatementSubstraitPlan, CommandStatementUpdate, DoPutPreparedStatementResult,
        SqlInfo, TicketStatementQuery,
        server::{DoPutError, FlightSqlService, PeekableFlightDataStream},
    },
};
use tonic::{Request, Response, Status};

use super::{actions, keys, metadata, parameters, service::Calls, session, wire};

type Info = Result<Response<FlightInfo>, Status>;
type Data = Result<Response<wire::FlightStream>, Status>;
type Describe = Request<FlightDescriptor>;
type Put = Request<PeekableFlightDataStream>;

/// Flight SQL over what answers its calls.
pub(crate) struct Switchboard(pub(super) Arc<dyn Calls>);

#[tonic::async_trait]
impl FlightSqlService for Switchboard {
    type FlightService = Self;

    // Statements

    async fn get_flight_info_statement(&self, c: CommandStatementQuery, r: Describe) -> Info {
        Ok(self.0.start_statement(c, r.into_inner()).await?)
    }
    async fn get_flight_info_substrait_plan(
        &self,
        command: CommandStatementSubstraitPlan,
        request: Describe,
    ) -> Info {
        Ok(self
            .0
            .start_substrait(command, request.into_inner())
            .await?)
    }
    async fn do_get_statement(&self, ticket: TicketStatementQuery, _: Request<Ticket>) -> Data {
        Ok(self.0.fetch(ticket.statement_handle).await?)
    }
    async fn do_put_statement_update(
        &self,
        command: CommandStatementUpdate,
        _: Put,
    ) -> Result<i64, Status> {
        Ok(self.0.update_statement(command).await?)
    }
    async fn do_put_statement_ingest(
        &self,
        command: CommandStatementIngest,
        request: Put,
    ) -> Result<i64, Status> {
        Ok(self.0.ingest(command, request.into_inner()).await?)
    }
    async fn do_put_error_callback(
        &self,
        _: Put,
        error: DoPutError,
    ) -> Result<Response<<Self as FlightService>::DoPutStream>, Status> {
        Err(parameters::without_command(&error).into())
    }

    // Prepared statements

    async fn do_action_close_prepared_statement(
        &self,
        command: ActionClosePreparedStatementRequest,
        _: Request<Action>,
    ) -> Result<(), Status> {
        self.0.close_prepared(&command.prepared_statement_handle);
        Ok(())
    }
    async fn do_put_prepared_statement_query(
        &self,
        command: CommandPreparedStatementQuery,
        request: Put,
    ) -> Result<DoPutPreparedStatementResult, Status> {
        Ok(self.0.bind(command, request.into_inner()).await?)
    }
    async fn do_put_prepared_statement_update(
        &self,
        command: CommandPreparedStatementUpdate,
        request: Put,
    ) -> Result<i64, Status> {
        Ok(self
            .0
            .update_prepared(command, request.into_inner())
            .await?)
    }
    async fn get_flight_info_prepared_statement(
        &self,
        command: CommandPreparedStatementQuery,
        request: Describe,
    ) -> Info {
        Ok(self.0.start_prepared(command, request.into_inner()).await?)
    }

    // Metadata

    async fn get_flight_info_catalogs(&self, c: CommandGetCatalogs, r: Describe) -> Info {
        metadata::info(&c, &c.into_builder().schema(), r)
    }
    async fn do_get_catalogs(&self, c: CommandGetCatalogs, _: Request<Ticket>) -> Data {
        Ok(wire::answer(metadata::catalogs(c)?))
    }
    async fn get_flight_info_schemas(&self, c: CommandGetDbSchemas, r: Describe) -> Info {
        metadata::info(&c, &c.clone().into_builder().schema(), r)
    }
    async fn do_get_schemas(&self, c: CommandGetDbSchemas, _: Request<Ticket>) -> Data {
        Ok(wire::answer(self.0.db_schemas(c).await?))
    }
    async fn get_flight_info_tables(&self, c: CommandGetTables, r: Describe) -> Info {
        metadata::info(&c, &c.clone().into_builder().schema(), r)
    }
    async fn do_get_tables(&self, c: CommandGetTables, _: Request<Ticket>) -> Data {
        Ok(wire::answer(self.0.tables(c).await?))
    }
    async fn get_flight_info_table_types(&self, c: CommandGetTableTypes, r: Describe) -> Info {
        metadata::info(&c, &c.into_builder().schema(), r)
    }
    async fn do_get_table_types(&self, c: CommandGetTableTypes, _: Request<Ticket>) -> Data {
        Ok(wire::answer(metadata::table_types(c)?))
    }
    async fn get_flight_info_sql_info(&self, c: CommandGetSqlInfo, r: Describe) -> Info {
        metadata::info(&c, &self.0.sql_info().schema(), r)
    }
    async fn do_get_sql_info(&self, c: CommandGetSqlInfo, _: Request<Ticket>) -> Data {
        Ok(wire::answer(self.0.sql_info().rows(&c.info)?))
    }
    async fn get_flight_info_xdbc_type_info(&self, c: CommandGetXdbcTypeInfo, r: Describe) -> Info {
        metadata::info(&c, &self.0.xdbc_types().schema(), r)
    }
    async fn do_get_xdbc_type_info(&self, c: CommandGetXdbcTypeInfo, _: Request<Ticket>) -> Data {
        Ok(wire::answer(self.0.xdbc_types().record_batch(c.data_type)?))
    }
    async fn get_flight_info_primary_keys(&self, c: CommandGetPrimaryKeys, r: Describe) -> Info {
        metadata::info(&c, &keys::primary_schema(), r)
    }
    async fn do_get_primary_keys(&self, _: CommandGetPrimaryKeys, _: Request<Ticket>) -> Data {
        Ok(wire::answer(keys::none(keys::primary_schema())))
    }
    async fn get_flight_info_exported_keys(&self, c: CommandGetExportedKeys, r: Describe) -> Info {
        metadata::info(&c, &keys::foreign_schema(), r)
    }
    async fn do_get_exported_keys(&self, _: CommandGetExportedKeys, _: Request<Ticket>) -> Data {
        Ok(wire::answer(keys::none(keys::foreign_schema())))
    }
    async fn get_flight_info_imported_keys(&self, c: CommandGetImportedKeys, r: Describe) -> Info {
        metadata::info(&c, &keys::foreign_schema(), r)
    }
    async fn do_get_imported_keys(&self, _: CommandGetImportedKeys, _: Request<Ticket>) -> Data {
        Ok(wire::answer(keys::none(keys::foreign_schema())))
    }
    async fn get_flight_info_cross_reference(
        &self,
        command: CommandGetCrossReference,
        request: Describe,
    ) -> Info {
        metadata::info(&command, &keys::foreign_schema(), request)
    }
    async fn do_get_cross_reference(
        &self,
        _: CommandGetCrossReference,
        _: Request<Ticket>,
    ) -> Data {
        Ok(wire::answer(keys::none(keys::foreign_schema())))
    }

    // What is not offered, in plain words

    async fn do_put_substrait_plan(
        &self,
        _: CommandStatementSubstraitPlan,
        _: Put,
    ) -> Result<i64, Status> {
        Err(Status::unimplemented(
            "a Substrait plan cannot write: send the statement as SQL",
        ))
    }
    async fn do_action_begin_transaction(
        &self,
        _: ActionBeginTransactionRequest,
        _: Request<Action>,
    ) -> Result<ActionBeginTransactionResult, Status> {
        Err(session::no_transactions().into())
    }
    async fn do_action_end_transaction(
        &self,
        _: ActionEndTransactionRequest,
        _: Request<Action>,
    ) -> Result<(), Status> {
        Err(session::no_transactions().into())
    }
    async fn do_action_begin_savepoint(
        &self,
        _: ActionBeginSavepointRequest,
        _: Request<Action>,
    ) -> Result<ActionBeginSavepointResult, Status> {
        Err(session::no_transactions().into())
    }
    async fn do_action_end_savepoint(
        &self,
        _: ActionEndSavepointRequest,
        _: Request<Action>,
    ) -> Result<(), Status> {
        Err(session::no_transactions().into())
    }
    async fn do_action_fallback(
        &self,
        request: Request<Action>,
    ) -> Result<Response<<Self as FlightService>::DoActionStream>, Status> {
        Err(actions::not_offered(&request.get_ref().r#type).into())
    }

    async fn register_sql_info(&self, _id: i32, _result: &SqlInfo) {}
}
