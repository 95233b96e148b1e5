//! Catalogues, schemas, tables and table types, as `information_schema` lists them.

use std::sync::Arc;

use arrow::{
    array::{Array, AsArray, BooleanArray, RecordBatch, StringArray},
    compute::{and, like},
    datatypes::{Schema, SchemaRef},
};
use arrow_flight::{
    FlightDescriptor, FlightEndpoint, FlightInfo, Ticket,
    sql::{
        CommandGetCatalogs, CommandGetDbSchemas, CommandGetTableTypes, CommandGetTables,
        ProstMessageExt, metadata::GetTablesBuilder,
    },
};
use bytes::Bytes;
use datafusion::catalog::SchemaProvider;
use futures::{StreamExt, TryStreamExt, future, stream};
use prost::Message;
use tonic::{Request, Response, Status};

use super::{columns, service::Service, wire};
use crate::{
    engine::Engine,
    error::{Error, Result},
    lake::CATALOG,
    statement::Outcome,
};

/// Where DataFusion describes itself; part of the catalogue, though no folder of the lake.
const INFORMATION_SCHEMA: &str = "information_schema";
const TABLE_TYPES: [&str; 4] = ["LOCAL TEMPORARY", "SYSTEM TABLE", "TABLE", "VIEW"];
/// What listing columns counts as among statements.
const LISTING: &str = "select * from information_schema.columns";
/// How many tables are planned at a time to learn their schemas.
const SCHEMAS_AT_ONCE: usize = 8;

/// Says that a metadata command's ticket is the command itself: asking twice gives what then is.
pub(crate) fn info(
    command: &impl ProstMessageExt,
    schema: &Schema,
    request: Request<FlightDescriptor>,
) -> Result<Response<FlightInfo>, Status> {
    let ticket = Ticket::new(Bytes::from(command.as_any().encode_to_vec()));
    let info = FlightInfo::new()
        .try_with_schema(schema)
        .map_err(Error::from)?
        .with_descriptor(request.into_inner())
        .with_endpoint(FlightEndpoint::new().with_ticket(ticket));
    Ok(Response::new(info))
}

/// The name of a command without its protobuf package.
pub(crate) fn command_name(type_url: &str) -> &str {
    type_url.rsplit('.').next().unwrap_or(type_url)
}

/// The one catalogue.
pub(crate) fn catalogs(command: CommandGetCatalogs) -> Result<RecordBatch> {
    let mut builder = command.into_builder();
    builder.append(CATALOG);
    builder.build().map_err(wire::flight_error)
}

/// The table types that [`Service::tables`] tells apart.
pub(crate) fn table_types(command: CommandGetTableTypes) -> Result<RecordBatch> {
    let mut builder = command.into_builder();
    for name in TABLE_TYPES {
        builder.append(name);
    }
    builder.build().map_err(wire::flight_error)
}

struct Listed {
    schema: String,
    table: String,
    table_type: &'static str,
}

impl Service {
    /// The schemas that match, empty ones among them.
    pub(super) async fn db_schemas(&self, command: CommandGetDbSchemas) -> Result<RecordBatch> {
        let sql = format!(
            "select schema_name from information_schema.schemata where catalog_name = '{CATALOG}'"
        );
        let mut builder = command.into_builder();
        builder.append(CATALOG, INFORMATION_SCHEMA);
        for batch in self.rows(&sql).await? {
            for name in batch.column(0).as_string::<i32>().iter().flatten() {
                if name != INFORMATION_SCHEMA {
                    builder.append(CATALOG, name);
                }
            }
        }
        builder.build().map_err(wire::flight_error)
    }

    /// The tables that match, each with its columns if they are asked for. A table that cannot be
    /// planned (a view whose table is gone) is left out then, and the others still answer.
    pub(super) async fn tables(&self, command: CommandGetTables) -> Result<RecordBatch> {
        let with_schema = command.include_schema;
        let none: Option<String> = None;
        let mut builder =
            GetTablesBuilder::new(none.clone(), none.clone(), none, [""; 0], with_schema);
        let listed = self.listed(&command).await?;
        let described = if with_schema {
            let engine = self.engine.clone();
            self.plan_only(LISTING, all_described(engine, listed))
                .await?
        } else {
            let listed = listed.into_iter();
            listed.map(|listed| (listed, Schema::empty())).collect()
        };
        for (listed, columns) in described {
            let Listed {
                schema,
                table,
                table_type,
            } = listed;
            builder
                .append(CATALOG, schema, table, table_type, &columns)
                .map_err(wire::flight_error)?;
        }
        builder.build().map_err(wire::flight_error)
    }

    async fn listed(&self, command: &CommandGetTables) -> Result<Vec<Listed>> {
        if command
            .catalog
            .as_deref()
            .is_some_and(|name| name != CATALOG)
        {
            return Ok(Vec::new());
        }
        let sql = format!(
            "select table_schema, table_name, table_type from information_schema.tables \
             where table_catalog = '{CATALOG}'"
        );
        let mut listed = Vec::new();
        for batch in self.rows(&sql).await? {
            let [schemas, tables, types] = [0, 1, 2].map(|i| batch.column(i).as_string::<i32>());
            let matching = and(
                &matching(schemas, command.db_schema_filter_pattern.as_deref())?,
                &matching(tables, command.table_name_filter_pattern.as_deref())?,
            )?;
            for row in (0..batch.num_rows()).filter(|row| matching.value(*row)) {
                let table_type = table_type(schemas.value(row), types.value(row));
                let wanted = &command.table_types;
                if wanted.is_empty() || wanted.iter().any(|name| name == table_type) {
                    listed.push(Listed {
                        schema: schemas.value(row).to_string(),
                        table: tables.value(row).to_string(),
                        table_type,
                    });
                }
            }
        }
        Ok(listed)
    }

    /// Runs a query of ours and collects it in plain types.
    async fn rows(&self, sql: &str) -> Result<Vec<RecordBatch>> {
        let (engine, text) = (self.engine.clone(), sql.to_string());
        let rows = async move {
            let Outcome::Rows(rows) = engine.run(&text, &[]).await? else {
                return Err(Error::Internal(format!("'{text}' gave no rows")));
            };
            let schema: SchemaRef = wire::result_schema(&rows.schema());
            Ok(wire::conforming(rows, &schema).try_collect().await?)
        };
        self.plan_only(sql, rows).await
    }
}

/// The tables with their columns, as one statement sees them; without those that cannot be read.
async fn all_described(engine: Engine, listed: Vec<Listed>) -> Result<Vec<(Listed, Schema)>> {
    let state = engine.session_state()?;
    let catalog = state.catalog_list().catalog(CATALOG);
    let catalog = catalog.ok_or_else(|| Error::Internal("there is no catalogue".into()))?;
    let described = stream::iter(listed).map(|listed| {
        let (engine, provider) = (&engine, catalog.schema(&listed.schema));
        async move {
            match described(engine, provider, &listed).await {
                Ok(schema) => Some((listed, schema)),
                Err(error) => {
                    let Listed { schema, table, .. } = &listed;
                    tracing::warn!(schema, table, %error, "left out of the list of tables");
                    None
                }
            }
        }
    });
    let described = described.buffered(SCHEMAS_AT_ONCE);
    Ok(described.filter_map(future::ready).collect().await)
}

/// A table's columns as they are kept; those of a view are known when it is planned.
async fn described(
    engine: &Engine,
    provider: Option<Arc<dyn SchemaProvider>>,
    Listed {
        schema,
        table,
        table_type,
    }: &Listed,
) -> Result<Schema> {
    if *table_type != "VIEW"
        && let Some(provider) = provider
        && let Some(found) = provider.table(table).await?
    {
        return Ok(columns::described(&found.schema(), schema, table));
    }
    let sql = format!("select * from {}.{}", quoted(schema), quoted(table));
    let prepared = engine.prepare(&sql).await?;
    Ok(columns::described(&prepared.schema, schema, table))
}

/// Which names match a pattern of `%` and `_`, a backslash before one meaning the character itself.
fn matching(names: &StringArray, pattern: Option<&str>) -> Result<BooleanArray> {
    match pattern {
        Some(pattern) => Ok(like(names, &StringArray::new_scalar(pattern))?),
        None => Ok(BooleanArray::from(vec![true; names.len()])),
    }
}

fn table_type(schema: &str, information_schema_type: &str) -> &'static str {
    match information_schema_type {
        _ if schema == INFORMATION_SCHEMA => "SYSTEM TABLE",
        "VIEW" => "VIEW",
        "LOCAL TEMPORARY" => "LOCAL TEMPORARY",
        _ => "TABLE",
    }
}

fn quoted(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_know_wildcards_and_their_escape() {
        let names = StringArray::from(vec!["top_tracks", "topXtracks", "plays"]);
        let matches = |pattern| {
            let mask = matching(&names, pattern).unwrap();
            mask.iter().flatten().collect::<Vec<_>>()
        };
        assert_eq!(matches(None), [true, true, true]);
        assert_eq!(matches(Some("top%")), [true, true, false]);
        assert_eq!(matches(Some("top_tracks")), [true, true, false]);
        assert_eq!(matches(Some("top\\_tracks")), [true, false, false]);
    }

    #[test]
    fn an_identifier_cannot_end_its_quotes() {
        assert_eq!(quoted("a\"; drop"), "\"a\"\"; drop\"");
    }
}
