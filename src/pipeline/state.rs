//! What the lake says about itself: which tables it has, who made them, and from what.

use std::collections::{BTreeMap, BTreeSet};

use crate::client::{Client, texts};
use crate::error::{Error, Result};
use crate::lake::TableName;
use crate::statement::references;

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
        let (schemas, names) = (texts(&batches, 0)?, texts(&batches, 1)?);
        let (kinds, states) = (texts(&batches, 2)?, texts(&batches, 3)?);
        let (statements, reads) = (texts(&batches, 4)?, texts(&batches, 5)?);
        let mut tables = BTreeMap::new();
        for (row, (schema, table)) in schemas.into_iter().zip(names).enumerate() {
            let (schema, table) = (schema.unwrap_or_default(), table.unwrap_or_default());
            let table = TableName { schema, table };
            let recorded = Recorded {
                is_view: kinds[row].as_deref() == Some("view"),
                state: states[row].clone().unwrap_or_default(),
                statement: statements[row].clone(),
                reads: match &reads[row] {
                    Some(json) => parse_reads(&table, json)?,
                    None => BTreeMap::new(),
                },
            };
            tables.insert(table, recorded);
        }
        Ok(Self { tables })
    }

    /// Changes with every change of what a query on `table` returns: of a view, with what is behind it.
    pub(crate) fn content(&self, table: &TableName) -> String {
        let mut content = String::new();
        let (mut open, mut seen) = (vec![table.clone()], BTreeSet::new());
        while let Some(table) = open.pop() {
            let Some(recorded) = self.get(&table) else {
                continue;
            };
            content.push_str(&recorded.state);
            if recorded.is_view && seen.insert(table) {
                let view = recorded.statement.as_deref().map(references);
                open.extend(view.into_iter().flatten().flat_map(|view| view.reads));
            }
        }
        content
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

fn parse_reads(table: &TableName, json: &str) -> Result<BTreeMap<String, String>> {
    serde_json::from_str(json).map_err(|error| {
        Error::Internal(format!(
            "system.tables: what {table} read is not JSON: {error}"
        ))
    })
}
