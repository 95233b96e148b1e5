//! Tables that one session sees and no other: kept in memory, against the engine's memory limit, until they are dropped or
//! the session ends.

use std::{
    collections::BTreeMap,
    sync::{Arc, PoisonError, RwLock},
};

use arrow::{
    array::{Array, RecordBatch},
    datatypes::{Schema, SchemaRef},
};
use async_trait::async_trait;
use datafusion::{
    catalog::{MemTable, SchemaProvider, TableProvider},
    common::Result as DataFusionResult,
    execution::{
        SendableRecordBatchStream,
        memory_pool::{MemoryConsumer, MemoryPool, MemoryReservation},
    },
    logical_expr::TableType,
};
use futures::TryStreamExt;

use super::TableName;
use crate::error::{Error, Result};

/// The schema of temporary tables: each session has its own.
pub const TEMPORARY_SCHEMA: &str = "temporary";

/// The temporary tables of a session.
#[derive(Debug, Default)]
pub struct TemporaryTables(RwLock<BTreeMap<String, Arc<TemporaryTable>>>);

/// The rows of a temporary table, as they are when a statement takes them.
#[derive(Debug)]
pub struct TemporaryTable {
    schema: SchemaRef,
    batches: Vec<RecordBatch>,
    /// Held as long as the table is there.
    _memory: MemoryReservation,
}

impl TemporaryTable {
    /// A table of these rows, and those of another before them.
    ///
    /// # Errors
    /// DataFusion's `ResourcesExhausted` when the memory for all statements does not hold them, and whatever ends the rows.
    pub async fn collect(
        name: &str,
        schema: SchemaRef,
        before: Option<&Self>,
        mut rows: SendableRecordBatchStream,
        pool: &Arc<dyn MemoryPool>,
    ) -> Result<Self> {
        let memory = MemoryConsumer::new(format!("temporary table {name}")).register(pool);
        let open = accepting_nulls(&schema);
        let mut batches = before.map_or_else(Vec::new, |before| before.batches.clone());
        for batch in &batches {
            memory.try_grow(batch.get_array_memory_size())?;
        }
        while let Some(batch) = rows.try_next().await? {
            memory.try_grow(batch.get_array_memory_size())?;
            refuse_nulls(name, &schema, &batch)?;
            let columns = batch.columns().to_vec();
            batches.push(RecordBatch::try_new(Arc::clone(&open), columns)?);
        }
        Ok(Self {
            schema,
            batches,
            _memory: memory,
        })
    }

    /// Its columns.
    #[must_use]
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How many rows it has.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

impl TemporaryTables {
    /// The names, sorted.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let tables = self.0.read().unwrap_or_else(PoisonError::into_inner);
        tables.keys().cloned().collect()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let tables = self.0.read().unwrap_or_else(PoisonError::into_inner);
        tables.is_empty()
    }

    /// A table as it is now.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Arc<TemporaryTable>> {
        let tables = self.0.read().unwrap_or_else(PoisonError::into_inner);
        tables.get(name).cloned()
    }

    /// Puts a table under a name, in the place of `old`.
    ///
    /// # Errors
    /// [`Error::Conflict`] when something else is there by now.
    pub fn put(
        &self,
        name: &str,
        old: Option<&Arc<TemporaryTable>>,
        new: TemporaryTable,
    ) -> Result<()> {
        let mut tables = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let is_same = match (tables.get(name), old) {
            (None, None) => true,
            (Some(there), Some(old)) => Arc::ptr_eq(there, old),
            _ => false,
        };
        if !is_same {
            return Err(Error::Conflict(format!(
                "temporary table '{name}' was changed by another statement of this session; run the statement again"
            )));
        }
        tables.insert(name.to_string(), Arc::new(new));
        Ok(())
    }

    /// Takes a table away. Returns whether there was one.
    pub fn remove(&self, name: &str) -> bool {
        let mut tables = self.0.write().unwrap_or_else(PoisonError::into_inner);
        tables.remove(name).is_some()
    }

    /// Takes all away.
    pub fn clear(&self) {
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
    }
}

#[async_trait]
impl SchemaProvider for TemporaryTables {
    fn table_names(&self) -> Vec<String> {
        self.names()
    }

    async fn table(&self, name: &str) -> DataFusionResult<Option<Arc<dyn TableProvider>>> {
        let Some(table) = self.get(name) else {
            return Ok(None);
        };
        // One must reach the check, which names the column, and not fail while it is planned.
        let schema = accepting_nulls(&table.schema);
        let table = MemTable::try_new(schema, vec![table.batches.clone()])?;
        Ok(Some(Arc::new(table)))
    }

    async fn table_type(&self, name: &str) -> DataFusionResult<Option<TableType>> {
        Ok(self.get(name).map(|_| TableType::Temporary))
    }

    fn table_exist(&self, name: &str) -> bool {
        self.get(name).is_some()
    }
}

fn accepting_nulls(schema: &Schema) -> SchemaRef {
    let fields = schema.fields().iter();
    let fields = fields.map(|field| field.as_ref().clone().with_nullable(true));
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

fn refuse_nulls(name: &str, schema: &Schema, rows: &RecordBatch) -> Result<()> {
    let mut columns = schema.fields().iter().zip(rows.columns());
    match columns.find(|(field, column)| !field.is_nullable() && column.null_count() > 0) {
        Some((field, _)) => Err(Error::Constraint(format!(
            "temporary table '{name}': column '{}' is NOT NULL, but a row has NULL there",
            field.name()
        ))),
        None => Ok(()),
    }
}

/// Whether a name is one of a temporary table.
#[must_use]
pub fn is_temporary(name: &TableName) -> bool {
    name.schema == TEMPORARY_SCHEMA
}
