//! What the lake says about itself: which tables it has, who made them, and from what.

use std::collections::BTreeMap;

use arrow::array::{Array, AsArray, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;

use crate::client::Client;
use crate::error::{Error, Result};
use crate::lake::TableName;

const TABLES: &str =
    "select schema_name, table_name, kind, state, statement, reads from system.tables";

/// What is recorded about one table, view or model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Recorded {
    /// Whether it is a view, which holds no data of its own.
    pub(crate) is_view: bool,
    /// Changes with every change of the data.
    pub(crate) state: String,
    /// The statement that made the last commit; `None` where it was an ingest.
    pub(crate) statement: Option<String>,
    /// The tables that the statement read, with the state that it saw.
    pub(crate) reads: BTreeMap<String, String>,
}

/// All tables, views and models of the lake at one moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct LakeState {
    tables: BTreeMap<TableName, Recorded>,
}

impl LakeState {
    /// Reads `system.tables`.
    pub(crate) async fn read(client: &Client) -> Result<Self> {
        let (_, batches) = client.query(TABLES).await?;
        let mut tables = BTreeMap::new();
        for batch in &batches {
            add(&mut tables, batch)?;
        }
        Ok(Self { tables })
    }

    /// What is recorded about `table`, if it exists.
    pub(crate) fn get(&self, table: &TableName) -> Option<&Recorded> {
        self.tables.get(table)
    }

    /// The tables of which `reads` saw another state than the present one, without `system`.
    pub(crate) fn changed_since(&self, reads: &BTreeMap<String, String>) -> Vec<TableName> {
        let named = reads
            .iter()
            .filter_map(|(name, seen)| Some((name.parse().ok()?, seen)));
        named
            .filter(|(table, _): &(TableName, _)| table.schema != "system")
            .filter(|(table, seen)| self.get(table).is_none_or(|now| now.state != **seen))
            .map(|(table, _)| table)
            .collect()
    }
}

#[cfg(test)]
impl FromIterator<(TableName, Recorded)> for LakeState {
    fn from_iter<I: IntoIterator<Item = (TableName, Recorded)>>(tables: I) -> Self {
        Self {
            tables: tables.into_iter().collect(),
        }
    }
}

fn add(tables: &mut BTreeMap<TableName, Recorded>, batch: &RecordBatch) -> Result<()> {
    let schemas = texts(batch, 0)?;
    let names = texts(batch, 1)?;
    let kinds = texts(batch, 2)?;
    let states = texts(batch, 3)?;
    let statements = texts(batch, 4)?;
    let reads = texts(batch, 5)?;
    for row in 0..batch.num_rows() {
        let table = TableName {
            schema: schemas.value(row).into(),
            table: names.value(row).into(),
        };
        let recorded = Recorded {
            is_view: kinds.value(row) == "view",
            state: text(&states, row).unwrap_or_default(),
            statement: text(&statements, row),
            reads: text(&reads, row)
                .map(|json| parse_reads(&table, &json))
                .transpose()?
                .unwrap_or_default(),
        };
        tables.insert(table, recorded);
    }
    Ok(())
}

fn texts(batch: &RecordBatch, column: usize) -> Result<StringArray> {
    Ok(cast(batch.column(column), &DataType::Utf8)?
        .as_string::<i32>()
        .clone())
}

fn text(column: &StringArray, row: usize) -> Option<String> {
    column.is_valid(row).then(|| column.value(row).to_string())
}

fn parse_reads(table: &TableName, json: &str) -> Result<BTreeMap<String, String>> {
    serde_json::from_str(json).map_err(|error| {
        Error::Internal(format!(
            "system.tables: what {table} read is not JSON: {error}"
        ))
    })
}
