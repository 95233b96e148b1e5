//! Columns as Delta has them: types that it knows, rows brought into a table's order, partition columns that it can name.
//!
//! An empty text in a partition column is NULL: Delta's log writes both as the same empty value.

use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, TimeUnit};
use datafusion::{
    common::Column,
    functions::expr_fn::nullif,
    logical_expr::{Expr, LogicalPlan, LogicalPlanBuilder, cast, lit},
};
use deltalake::kernel::{StructField, engine::arrow_conversion::TryIntoKernel};

use super::{TableName, snapshot::Snapshot};
use crate::error::{Error, Result};

/// A query's rows in types that Delta has: signed integers, microseconds, UTC.
pub(super) fn storable(
    name: &TableName,
    query: LogicalPlan,
    partition_by: &[String],
) -> Result<LogicalPlan> {
    let columns = query.schema().columns();
    let stored = columns
        .into_iter()
        .zip(query.schema().fields())
        .map(|(column, field)| {
            let data_type = stored_type(name, field)?;
            let value = cast_to(Expr::Column(column), field.data_type(), &data_type);
            let value = partition_value(value, field.name(), &data_type, partition_by);
            Ok(value.alias(field.name()))
        })
        .collect::<Result<Vec<_>>>()?;
    Ok(LogicalPlanBuilder::from(query).project(stored)?.build()?)
}

/// Rows as a table has its columns: found by name, cast, NULL where they are missing.
pub(super) fn conforming(rows: LogicalPlan, snapshot: &Snapshot) -> Result<LogicalPlan> {
    let schema = snapshot.schema();
    let given = rows.schema();
    let unknown: Vec<&str> = given
        .fields()
        .iter()
        .map(|field| field.name().as_str())
        .filter(|column| schema.field_with_name(column).is_err())
        .collect();
    if !unknown.is_empty() {
        return Err(Error::Input(format!(
            "{}: no such column: {}; the columns are {}",
            snapshot.name,
            unknown.join(", "),
            list(schema.fields())
        )));
    }
    let partition_by = snapshot.partition_columns();
    let columns = schema
        .fields()
        .iter()
        .map(|field| {
            let value = match given.index_of_column_by_name(None, field.name()) {
                Some(at) => cast_to(
                    Expr::Column(Column::from(given.qualified_field(at))),
                    given.field(at).data_type(),
                    field.data_type(),
                ),
                None => cast(
                    lit(datafusion::common::ScalarValue::Null),
                    field.data_type().clone(),
                ),
            };
            partition_value(value, field.name(), field.data_type(), &partition_by)
                .alias(field.name())
        })
        .collect::<Vec<_>>();
    Ok(LogicalPlanBuilder::from(rows).project(columns)?.build()?)
}

/// The value for a column: a text that partitions the table is never empty.
pub(super) fn partition_value(
    value: Expr,
    column: &str,
    data_type: &DataType,
    partition_by: &[String],
) -> Expr {
    if data_type.is_string() && partition_by.iter().any(|name| name == column) {
        nullif(value, lit(""))
    } else {
        value
    }
}

/// Refuses columns that cannot partition a table.
pub(super) fn check_partitions(
    name: &TableName,
    fields: &Fields,
    partition_by: &[String],
) -> Result<()> {
    let columns = partition_by.join(", ");
    for column in partition_by {
        if fields.find(column).is_none() {
            return Err(Error::Input(format!(
                "{name}: PARTITIONED BY ({columns}): no such column: {column}; the columns are {}",
                list(fields)
            )));
        }
    }
    if !partition_by.is_empty() && partition_by.len() >= fields.len() {
        return Err(Error::Input(format!(
            "{name}: PARTITIONED BY ({columns}): a table needs a column that does not partition it"
        )));
    }
    Ok(())
}

/// A new table's columns.
pub(super) fn delta_columns(name: &TableName, schema: &Schema) -> Result<Vec<StructField>> {
    let column = |field: &FieldRef| {
        let stored = Field::new(field.name(), stored_type(name, field)?, field.is_nullable());
        (&stored)
            .try_into_kernel()
            .map_err(|_| unstorable(name, field))
    };
    schema.fields().iter().map(column).collect()
}

fn stored_type(name: &TableName, field: &FieldRef) -> Result<DataType> {
    Ok(match field.data_type() {
        DataType::UInt8 => DataType::Int16,
        DataType::UInt16 => DataType::Int32,
        DataType::UInt32 | DataType::UInt64 => DataType::Int64,
        DataType::Float16 => DataType::Float32,
        DataType::Null => DataType::Utf8,
        DataType::Timestamp(_, None) => DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(_, Some(_)) => {
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into()))
        }
        DataType::Time32(_)
        | DataType::Time64(_)
        | DataType::Duration(_)
        | DataType::Interval(_) => return Err(unstorable(name, field)),
        other => {
            let stored: Result<StructField, _> = field.as_ref().try_into_kernel();
            if stored.is_err() {
                return Err(unstorable(name, field));
            }
            other.clone()
        }
    })
}

fn unstorable(name: &TableName, field: &Field) -> Error {
    let (kind, instead) = match field.data_type() {
        DataType::Time32(_) | DataType::Time64(_) => ("TIME".into(), "VARCHAR or TIMESTAMP"),
        DataType::Duration(_) | DataType::Interval(_) => ("INTERVAL".into(), "BIGINT or VARCHAR"),
        other => (other.to_string(), "VARCHAR"),
    };
    Error::Unsupported(format!(
        "{name}: column '{}' is {kind}, which a table cannot hold; use {instead}",
        field.name()
    ))
}

/// Kinds of text and of bytes are the same to Delta.
fn cast_to(value: Expr, from: &DataType, to: &DataType) -> Expr {
    let is_same =
        from == to || (from.is_string() && to.is_string()) || (from.is_binary() && to.is_binary());
    if is_same {
        value
    } else {
        cast(value, to.clone())
    }
}

fn list(fields: &Fields) -> String {
    let names: Vec<&str> = fields.iter().map(|field| field.name().as_str()).collect();
    names.join(", ")
}
