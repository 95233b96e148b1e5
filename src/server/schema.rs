//! GetSchema: the schema that a command's result would have, without running it.

use arrow::datatypes::{Schema, SchemaRef};
use arrow_flight::sql::{Any, Command};
use prost::Message;

use super::{keys, metadata, service::Service, wire};
use crate::error::{Error, Result};

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
            let prepared = service.engine.prepare(&command.query).await?;
            rows(prepared.is_query, &prepared.schema)
        }
        Command::CommandPreparedStatementQuery(command) => {
            let statement = service.prepared_statement(&command.prepared_statement_handle)?;
            rows(statement.prepared.is_query, &statement.prepared.schema)
        }
        Command::CommandGetCatalogs(command) => command.into_builder().schema(),
        Command::CommandGetDbSchemas(command) => command.into_builder().schema(),
        Command::CommandGetTables(command) => command.into_builder().schema(),
        Command::CommandGetTableTypes(command) => command.into_builder().schema(),
        Command::CommandGetSqlInfo(_) => service.sql_info.schema(),
        Command::CommandGetXdbcTypeInfo(_) => service.xdbc_types.schema(),
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

fn rows(is_query: bool, schema: &Schema) -> SchemaRef {
    if is_query {
        wire::result_schema(schema)
    } else {
        Schema::empty().into()
    }
}
