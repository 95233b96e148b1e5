//! The read path: the files of one snapshot as DataFusion's own Parquet scan, with the statistics that Delta's log keeps.
//!
//! A plain `DataSourceExec` plans better joins than delta-rs' node (the log's statistics reach the optimiser) and can be
//! shipped to other nodes. Tables with deletion vectors or column mapping are read by delta-rs' own provider.

use std::{any::Any, sync::Arc};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use async_trait::async_trait;
use datafusion::{
    catalog::{Session, TableProvider},
    common::{
        ColumnStatistics, DataFusionError, Result, ScalarValue, Statistics,
        config::TableParquetOptions, stats::Precision,
    },
    datasource::{
        file_format::parquet::transform_schema_to_view,
        listing::PartitionedFile,
        physical_plan::{FileGroup, FileScanConfigBuilder, ParquetSource},
        source::DataSourceExec,
        table_schema::TableSchema,
    },
    execution::object_store::ObjectStoreUrl,
    logical_expr::{Expr, TableProviderFilterPushDown, TableType},
    physical_plan::{ExecutionPlan, empty::EmptyExec},
};
use deltalake::kernel::LogicalFileView;
use object_store::path::Path;

use super::{lake_error, snapshot::Snapshot};

/// A snapshot's files with row counts, sizes and column bounds, made once a version.
#[derive(Debug)]
pub(super) struct ScanFiles {
    table_schema: TableSchema,
    files: Vec<PartitionedFile>,
    statistics: Statistics,
}

/// A read-only view of one snapshot.
#[derive(Debug)]
pub(super) struct SnapshotScan {
    snapshot: Arc<Snapshot>,
    /// The table's columns in the table's order, texts as views.
    schema: SchemaRef,
}

/// The provider of a snapshot.
pub(super) async fn provider(snapshot: Arc<Snapshot>) -> Result<Arc<dyn TableProvider>> {
    if needs_delta_reader(&snapshot)? {
        return snapshot.table.table_provider().await;
    }
    let schema = Arc::new(transform_schema_to_view(snapshot.schema()));
    Ok(Arc::new(SnapshotScan { snapshot, schema }))
}

/// What stands for a table's rows: its snapshot, which everybody who reads that version shares. None where a caller may
/// see fewer rows than are there, or others.
pub(crate) fn rows_of_table(table: &dyn TableProvider) -> Option<Arc<dyn Any + Send + Sync>> {
    let scan = table.downcast_ref::<SnapshotScan>()?;
    Some(Arc::clone(&scan.snapshot) as _)
}

/// The same table for the target of an INSERT: all its columns take NULL.
pub(super) fn accepting_nulls(table: Arc<dyn TableProvider>) -> Arc<dyn TableProvider> {
    let columns = table.schema();
    let nullable = columns
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_nullable(true));
    let schema = Arc::new(Schema::new(nullable.collect::<Vec<_>>()));
    Arc::new(AcceptingNulls { table, schema })
}

/// A table under a schema that takes NULL in every column.
#[derive(Debug)]
struct AcceptingNulls {
    table: Arc<dyn TableProvider>,
    schema: SchemaRef,
}

#[async_trait]
impl TableProvider for AcceptingNulls {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        self.table.table_type()
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        self.table.supports_filters_pushdown(filters)
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.table.scan(session, projection, filters, limit).await
    }
}

fn needs_delta_reader(snapshot: &Snapshot) -> Result<bool> {
    let state = snapshot
        .table
        .snapshot()
        .map_err(|error| lake_error(&snapshot.name, error))?;
    let mapping = state
        .metadata()
        .configuration()
        .get("delta.columnMapping.mode");
    let is_mapped = mapping.is_some_and(|mode| mode != "none");
    Ok(is_mapped
        || state
            .log_data()
            .iter()
            .any(|file| file.deletion_vector_descriptor().is_some()))
}

#[async_trait]
impl TableProvider for SnapshotScan {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let scan = self.scan_files()?;
        if scan.files.is_empty() {
            let schema = projection.map_or(Ok(Arc::clone(&self.schema)), |columns| {
                self.schema.project(columns).map(Arc::new)
            })?;
            return Ok(Arc::new(EmptyExec::new(schema)));
        }
        let mut parquet = session.config_options().execution.parquet.clone();
        parquet.pushdown_filters = true;
        let source = ParquetSource::new(scan.table_schema.clone()).with_table_parquet_options(
            TableParquetOptions {
                global: parquet,
                ..Default::default()
            },
        );
        let groups =
            FileGroup::new(scan.files.clone()).split_files(session.config().target_partitions());
        let config =
            FileScanConfigBuilder::new(ObjectStoreUrl::local_filesystem(), Arc::new(source))
                .with_file_groups(groups)
                .with_statistics(scan.statistics.clone())
                .with_projection_indices(Some(self.scan_columns(scan, projection)?))?
                .with_limit(limit)
                .build();
        Ok(DataSourceExec::from_data_source(config))
    }
}

impl SnapshotScan {
    fn scan_files(&self) -> Result<&Arc<ScanFiles>> {
        if self.snapshot.files.get().is_none() {
            let files = Arc::new(ScanFiles::of(&self.snapshot, &self.schema)?);
            // Two readers may both have made it; either is right.
            let _ = self.snapshot.files.set(files);
        }
        self.snapshot
            .files
            .get()
            .ok_or_else(|| DataFusionError::Internal("a snapshot's files are missing".into()))
    }

    /// The scan has partition columns last; the table has them where it was told.
    fn scan_columns(
        &self,
        scan: &ScanFiles,
        projection: Option<&Vec<usize>>,
    ) -> Result<Vec<usize>> {
        let stored = scan.table_schema.table_schema();
        let all: Vec<usize> = (0..self.schema.fields().len()).collect();
        let wanted = projection.unwrap_or(&all);
        wanted
            .iter()
            .map(|at| Ok(stored.index_of(self.schema.field(*at).name())?))
            .collect()
    }
}

impl ScanFiles {
    fn of(snapshot: &Snapshot, schema: &Schema) -> Result<Self> {
        let partitions = snapshot.partition_columns();
        let is_partition = |field: &&Arc<Field>| partitions.contains(field.name());
        let stored: Vec<_> = schema
            .fields()
            .iter()
            .filter(|field| !is_partition(field))
            .cloned()
            .collect();
        let keys = partitions
            .iter()
            .map(|name| Ok(Arc::new(schema.field_with_name(name)?.clone())))
            .collect::<Result<Vec<_>>>()?;
        let stored = Arc::new(Schema::new(stored));
        let table_schema = TableSchema::builder(stored)
            .with_table_partition_cols(keys)
            .build();

        let root = Path::from_url_path(snapshot.table.table_url().path())
            .map_err(|error| DataFusionError::External(Box::new(error)))?;
        let failed = |error| DataFusionError::from(lake_error(&snapshot.name, error));
        let state = snapshot.table.snapshot().map_err(failed)?;
        let actions = state.add_actions_table(true).map_err(failed)?;
        let files = (0..)
            .zip(state.log_data().iter())
            .map(|(row, file)| {
                partitioned_file(
                    &root,
                    &file,
                    &LogRow {
                        actions: &actions,
                        row,
                    },
                    &table_schema,
                )
            })
            .collect::<Result<Vec<_>>>()?;
        let statistics = Statistics::try_merge_iter(
            files.iter().filter_map(|file| file.statistics.as_deref()),
            table_schema.table_schema(),
        )?;
        Ok(Self {
            table_schema,
            files,
            statistics,
        })
    }
}

/// One file's row of the log's statistics.
struct LogRow<'a> {
    actions: &'a RecordBatch,
    row: usize,
}

impl LogRow<'_> {
    /// The value of a column such as `min.energy`, if the log has it.
    fn value(&self, kind: &str, column: &str) -> Option<ScalarValue> {
        let values = self.actions.column_by_name(&format!("{kind}.{column}"))?;
        let value = ScalarValue::try_from_array(values, self.row).ok()?;
        (!value.is_null()).then_some(value)
    }
}

fn partitioned_file(
    root: &Path,
    view: &LogicalFileView,
    log: &LogRow,
    schema: &TableSchema,
) -> Result<PartitionedFile> {
    let size = u64::try_from(view.size()).unwrap_or_default();
    let mut file = PartitionedFile::new(String::new(), size);
    file.object_meta.location = root
        .parts()
        .chain(view.object_store_path().parts())
        .collect();
    file.partition_values = schema
        .table_partition_cols()
        .iter()
        .map(|field| match log.value("partition", field.name()) {
            Some(value) => value.cast_to(field.data_type()),
            None => ScalarValue::try_new_null(field.data_type()),
        })
        .collect::<Result<_>>()?;
    file.statistics = Some(Arc::new(file_statistics(
        view,
        log,
        &file.partition_values,
        schema,
    )));
    Ok(file)
}

fn file_statistics(
    view: &LogicalFileView,
    log: &LogRow,
    keys: &[ScalarValue],
    schema: &TableSchema,
) -> Statistics {
    let rows = view
        .num_records()
        .map_or(Precision::Absent, Precision::Exact);
    let stored = schema
        .file_schema()
        .fields()
        .iter()
        .map(|field| ColumnStatistics {
            null_count: match log.value("null_count", field.name()) {
                Some(ScalarValue::Int64(Some(count))) => {
                    usize::try_from(count).map_or(Precision::Absent, Precision::Exact)
                }
                _ => Precision::Absent,
            },
            min_value: bound(log.value("min", field.name()), field.data_type()),
            max_value: bound(log.value("max", field.name()), field.data_type()),
            ..ColumnStatistics::new_unknown()
        });
    let keys = keys.iter().map(|key| ColumnStatistics {
        null_count: if key.is_null() {
            rows
        } else {
            Precision::Exact(0)
        },
        min_value: if key.is_null() {
            Precision::Absent
        } else {
            Precision::Exact(key.clone())
        },
        max_value: if key.is_null() {
            Precision::Absent
        } else {
            Precision::Exact(key.clone())
        },
        ..ColumnStatistics::new_unknown()
    });
    Statistics {
        num_rows: rows,
        total_byte_size: Precision::Inexact(usize::try_from(view.size()).unwrap_or_default()),
        column_statistics: stored.chain(keys).collect(),
    }
}

/// Numbers, dates and flags only: the log may shorten texts and round times, and a wrong bound loses rows.
fn bound(value: Option<ScalarValue>, data_type: &DataType) -> Precision<ScalarValue> {
    let is_exact = data_type.is_integer()
        || data_type.is_floating()
        || matches!(data_type, DataType::Date32 | DataType::Boolean);
    match value {
        Some(value) if is_exact && value.data_type() == *data_type => Precision::Inexact(value),
        _ => Precision::Absent,
    }
}
