//! `GetSchema`: the schema that a command's result would have, without running it.

use arrow::datatypes::{Schema, SchemaRef};
use arrow_flight::sql::{Any, Command};
use prost::Message;

use super::{keys, metadata, service::Service, wire};
use crate::{
    error::{Error, Result},
    statement::Prepared,
};

/// The schema of a command's result; empty for a statement without rows.
///
/// # Errors
/// [`Error::Input`] for bytes that are no Flight SQL command, [`Error::Unsupported`] for a command
/// that has no result, and whatever is wrong with the statement.
pub(crate) async fn of(service: &Service, command: &[u8]) -> Result<SchemaRef> {
    let any = Any::decode(command)
        .map_err(|error| Error::Input(format!("this is no Flight SQL command: {error}")))?;
    let schema = match Command::try_from(any)? {
        Command::CommandStatementQuery(command) => {
            let (engine, sql) = (service.engine.clone(), command.query.clone());
            let planning = async move { engine.prepare(&sql).await };
            let prepared = service.plan_only(&command.query, planning).await?;
            of_rows(&prepared)
        }
        Command::CommandPreparedStatementQuery(command) => {
            let statement = service.prepared_statement(&command.prepared_statement_handle)?;
            statement.schema()
        }
        Command::CommandStatementSubstraitPlan(command) => {
            service.schema_of_substrait(command).await?
        }
        Command::CommandGetCatalogs(command) => command.into_builder().schema(),
        Command::CommandGetDbSchemas(command) => command.into_builder().schema(),
        Command::CommandGetTables(command) => command.into_builder().schema(),
        Command::CommandGetTableTypes(command) => command.into_builder().schema(),
        Command::CommandGetSqlInfo(_) => service.shared.sql_info.schema(),
        Command::CommandGetXdbcTypeInfo(_) => service.shared.xdbc_types.schema(),
        Command::CommandGetPrimaryKeys(_) => keys::primary_schema(),
        Command::CommandGetExportedKeys(_)
        | Command::CommandGetImportedKeys(_)
        | Command::CommandGetCrossReference(_) => keys::foreign_schema(),
        other => {
            let name = metadata::command_name(other.type_url());
            return Err(Error::Unsupported(format!(
                "GetSchema: {name} has no result schema"
            )));
        }
    };
    Ok(schema)
}

/// The schema of a statement's rows: empty when it has none.
pub(crate) fn of_rows(prepared: &Prepared) -> SchemaRef {
    if prepared.is_query {
        wire::result_schema(&prepared.schema)
    } else {
        Schema::empty().into()
    }
}
