//! Bulk ingest: the batches of one `DoPut` become one commit.

use arrow_flight::sql::{
    CommandStatementIngest, TableDefinitionOptions, TableExistsOption, TableNotExistOption,
    server::PeekableFlightDataStream,
};

use super::{limits, service::Service, session, wire};
use crate::{
    error::{Error, Result},
    lake::{CATALOG, TEMPORARY_SCHEMA, TableName},
    statement::IngestMode,
};

impl Service {
    /// `DoPut` of a bulk load; returns the number of rows written.
    pub(super) async fn ingest(
        &self,
        command: CommandStatementIngest,
        messages: PeekableFlightDataStream,
    ) -> Result<i64> {
        session::refuse_transaction(command.transaction_id.as_ref())?;
        let target = target(&command, &self.engine.session().settings().schema)?;
        let mode = match mode(command.table_definition_options)? {
            IngestMode::Append if command.options.contains_key(wire::ONLY_IF_EMPTY) => {
                IngestMode::Fill
            }
            mode => mode,
        };
        let query = self.begin_ingest(&target.to_string())?;
        let engine = self.engine.clone();
        let load = async move {
            let batches = wire::decode(messages).await?.ok_or_else(|| {
                Error::Input(format!(
                    "ingest: the data for {target} came without a schema"
                ))
            })?;
            let rows = engine
                .ingest(&target, mode, limits::received(batches, &engine))
                .await?;
            i64::try_from(rows).map_err(|_| Error::Internal(format!("{rows} rows are too many")))
        };
        self.change(&query, load).await
    }
}

fn target(command: &CommandStatementIngest, schema: &str) -> Result<TableName> {
    let named = |part: &Option<String>| part.clone().filter(|name| !name.is_empty());
    if let Some(catalog) = named(&command.catalog).filter(|name| name != CATALOG) {
        return Err(Error::NotFound(format!(
            "ingest: no catalogue '{catalog}', the only one is '{CATALOG}'"
        )));
    }
    let schema = match named(&command.schema) {
        Some(schema) if command.temporary && schema != TEMPORARY_SCHEMA => {
            return Err(Error::Input(format!(
                "ingest: the temporary table '{}' belongs to no schema, but '{schema}' is given",
                command.table
            )));
        }
        Some(schema) => schema,
        None if command.temporary => TEMPORARY_SCHEMA.to_string(),
        None => schema.to_string(),
    };
    TableName::new(schema, command.table.clone())
}

fn mode(options: Option<TableDefinitionOptions>) -> Result<IngestMode> {
    use {TableExistsOption as Exists, TableNotExistOption as Missing};
    // Without options nothing that exists may be touched.
    let Some(options) = options else {
        return Ok(IngestMode::Create);
    };
    match (options.if_not_exist(), options.if_exists()) {
        (Missing::Create, Exists::Fail) => Ok(IngestMode::Create),
        (Missing::Fail, Exists::Append) => Ok(IngestMode::Append),
        (Missing::Create, Exists::Append) => Ok(IngestMode::CreateAppend),
        (Missing::Create, Exists::Replace) => Ok(IngestMode::Replace),
        (missing, exists) => Err(Error::Unsupported(format!(
            "ingest: {} with {} is not offered, choose create, append, replace or create_append",
            missing.as_str_name(),
            exists.as_str_name()
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_modes_of_adbc_are_known() {
        use {TableExistsOption as Exists, TableNotExistOption as Missing};
        let mode_of = |missing: TableNotExistOption, exists: TableExistsOption| {
            mode(Some(TableDefinitionOptions {
                if_not_exist: missing.into(),
                if_exists: exists.into(),
            }))
        };
        let create = mode_of(Missing::Create, Exists::Fail).unwrap();
        assert!(matches!(create, IngestMode::Create));
        let append = mode_of(Missing::Fail, Exists::Append).unwrap();
        assert!(matches!(append, IngestMode::Append));
        assert!(mode_of(Missing::Fail, Exists::Fail).is_err());
    }

    #[test]
    fn a_target_is_in_the_schema_that_is_named_or_that_of_the_session() {
        let mut command = CommandStatementIngest {
            table: "plays".into(),
            ..CommandStatementIngest::default()
        };
        let name = |command: &_| target(command, "silver").unwrap().to_string();
        assert_eq!(name(&command), "silver.plays");
        command.temporary = true;
        assert_eq!(name(&command), "temporary.plays");
        command.schema = Some("gold".into());
        assert!(target(&command, "silver").is_err());
        command.temporary = false;
        assert_eq!(name(&command), "gold.plays");
        command.catalog = Some("elsewhere".into());
        assert!(target(&command, "silver").is_err());
    }
}
