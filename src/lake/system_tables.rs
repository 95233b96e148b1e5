//! `system.tables`: what there is, at which state, made by which statement from what. The pipeline's only window.

use std::sync::Arc;

use arrow::{
    array::{Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use serde_json::Value;

use super::{Lake, TableName, views};
use crate::error::Result;

/// The name of the virtual table.
pub(super) const TABLES: &str = "tables";

/// One row of `system.tables`.
#[derive(Debug, Clone, Default)]
pub struct Object {
    /// Schema name.
    pub schema: String,
    /// Table, view or model name.
    pub name: String,
    /// `table`, `view` or `model`.
    pub kind: &'static str,
    /// Newest version; none for views.
    pub version: Option<i64>,
    /// Opaque text that changes with the content.
    pub state: Option<String>,
    /// The statement that made the newest content.
    pub statement: Option<String>,
    /// JSON object: what the statement read -> the state that it saw.
    pub reads: Option<String>,
    /// Why it cannot be read, which leaves the others empty.
    pub fault: Option<String>,
}

impl Object {
    fn of(kind: &'static str, name: TableName) -> Self {
        Self {
            schema: name.schema,
            name: name.table,
            kind,
            ..Self::default()
        }
    }
}

/// The columns of `system.tables`.
pub(super) fn schema() -> SchemaRef {
    let text = |name: &str, nullable| Field::new(name, DataType::Utf8, nullable);
    Arc::new(Schema::new(vec![
        text("schema_name", false),
        text("table_name", false),
        text("kind", false),
        Field::new("version", DataType::Int64, true),
        text("state", true),
        text("statement", true),
        text("reads", true),
        text("fault", true),
    ]))
}

impl Lake {
    /// Every table and view of the lake.
    pub(super) async fn objects(&self) -> Result<Vec<Object>> {
        let mut objects = Vec::new();
        for schema in self.schemas()? {
            for table in self.tables(&schema)? {
                let name = TableName::new(&schema, &table)?;
                match self.table_object(&name).await {
                    Ok(found) => objects.extend(found),
                    // One table that cannot be read does not hide the others.
                    Err(error) => objects.push(Object {
                        fault: Some(error.to_string()),
                        ..Object::of("table", name)
                    }),
                }
            }
            for view in self.views(&schema)? {
                let name = TableName::new(&schema, &view)?;
                let (statement, fault) = match self.view(&name) {
                    Ok(statement) => (statement, None),
                    Err(error) => (None, Some(error.to_string())),
                };
                objects.push(Object {
                    state: statement.as_deref().map(views::state),
                    statement,
                    fault,
                    ..Object::of("view", name)
                });
            }
        }
        Ok(objects)
    }

    async fn table_object(&self, name: &TableName) -> Result<Option<Object>> {
        let Some(snapshot) = self.latest(name).await? else {
            return Ok(None);
        };
        let note = snapshot.note().await?;
        let reads = note
            .reads
            .iter()
            .map(|(name, state)| (name.clone(), Value::from(state.as_str())));
        Ok(Some(Object {
            version: i64::try_from(snapshot.version()).ok(),
            state: Some(snapshot.state().to_string()),
            statement: note.statement.clone(),
            reads: Some(Value::Object(reads.collect()).to_string()),
            ..Object::of("table", name.clone())
        }))
    }
}

/// `system.tables` as one batch.
pub(super) fn batch(objects: &[Object]) -> Result<RecordBatch> {
    let text = |value: fn(&Object) -> Option<&str>| -> Arc<StringArray> {
        Arc::new(objects.iter().map(value).collect())
    };
    Ok(RecordBatch::try_new(
        schema(),
        vec![
            text(|object| Some(&object.schema)),
            text(|object| Some(&object.name)),
            text(|object| Some(object.kind)),
            Arc::new(
                objects
                    .iter()
                    .map(|object| object.version)
                    .collect::<Int64Array>(),
            ),
            text(|object| object.state.as_deref()),
            text(|object| object.statement.as_deref()),
            text(|object| object.reads.as_deref()),
            text(|object| object.fault.as_deref()),
        ],
    )?)
}
