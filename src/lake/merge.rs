//! MERGE and DELETE, through delta-rs' builders.

use std::sync::Arc;

use arrow::{
    array::{RecordBatch, StringArray},
    compute::cast,
    datatypes::{DataType, Schema, SchemaRef},
};
use datafusion::{
    common::{
        Column, DFSchemaRef, ScalarValue, TableReference,
        tree_node::{Transformed, TreeNode, TreeNodeRecursion},
    },
    execution::SessionState,
    logical_expr::{
        Cast, Expr, LogicalPlan,
        expr_rewriter::strip_outer_reference,
        logical_plan::dml::{MergeIntoAction, MergeIntoClause, MergeIntoClauseKind, MergeIntoOp},
    },
    prelude::DataFrame,
};
use deltalake::{DeltaTableError, operations::merge::MergeBuilder};

use super::{
    CommitNote, Lake, columns::partition_value, constraints::Constraints, history::Base,
    lake_error, snapshot::Snapshot, target::Target,
};
use crate::error::{Error, Result};

/// How the two sides of a MERGE are called towards delta-rs.
const TARGET: &str = "target";
const SOURCE: &str = "source";

impl Lake {
    /// Merges a query's rows into a table, which the statement calls `called`. Returns how many rows were inserted,
    /// updated and deleted together.
    ///
    /// # Errors
    /// [`Error::Constraint`] when a row breaks a constraint; [`Error::Input`] for columns that could be of either side;
    /// [`Error::Unsupported`] for clauses that MERGE lacks here.
    pub async fn merge(
        &self,
        target: &Target,
        called: &TableReference,
        source: LogicalPlan,
        merge: &MergeIntoOp,
        state: SessionState,
        note: &CommitNote,
    ) -> Result<u64> {
        let base = target.snapshot()?;
        let sides = Sides::new(base, called, &source)?;
        let mut builder = base
            .table
            .clone()
            .merge(
                DataFrame::new(state.clone(), source),
                sides.either(&merge.on)?,
            )
            .with_source_alias(SOURCE)
            .with_target_alias(TARGET)
            .with_session_state(Arc::new(state.clone()))
            .with_commit_properties(note.properties(Base::Pinned));
        for clause in &merge.clauses {
            builder = sides.add_clause(builder, clause)?;
        }
        let (table, metrics) = builder
            .await
            .map_err(|error| broken_by_merge(base, &state, error))?;
        self.committed(&target.name, table)?;
        let changed = metrics.num_target_rows_inserted
            + metrics.num_target_rows_updated
            + metrics.num_target_rows_deleted;
        Ok(changed as u64)
    }

    /// Deletes the rows that a condition holds for (all without one). Returns how many.
    ///
    /// # Errors
    /// [`Error::NotFound`] when there is no such table.
    pub async fn delete(
        &self,
        target: &Target,
        condition: Option<Expr>,
        state: SessionState,
        note: &CommitNote,
    ) -> Result<u64> {
        let name = &target.name;
        let mut builder = target
            .snapshot()?
            .table
            .clone()
            .delete()
            .with_session_state(Arc::new(state))
            .with_commit_properties(note.properties(Base::Pinned));
        if let Some(condition) = condition {
            builder = builder.with_predicate(with_stored_times(condition)?);
        }
        let (table, metrics) = builder.await.map_err(|error| lake_error(name, error))?;
        self.committed(name, table)?;
        Ok(metrics.num_deleted_rows.unwrap_or_default() as u64)
    }
}

/// The two sides of a MERGE, to tell whose a column is.
struct Sides<'a> {
    base: &'a Snapshot,
    /// How the statement calls the target.
    called: &'a TableReference,
    target: SchemaRef,
    source: DFSchemaRef,
    partition_by: Vec<String>,
}

impl<'a> Sides<'a> {
    fn new(base: &'a Snapshot, called: &'a TableReference, source: &LogicalPlan) -> Result<Self> {
        let source = Arc::clone(source.schema());
        let is_target = |name: &TableReference| name.resolved_eq(called);
        if let Some(name) = source
            .iter()
            .find_map(|(name, _)| name.filter(|name| is_target(name)))
        {
            return Err(Error::Input(format!(
                "MERGE INTO {called}: the source is called '{name}' like the target; give it another name: USING … AS source"
            )));
        }
        Ok(Self {
            base,
            called,
            target: Arc::clone(base.schema()),
            source,
            partition_by: base.partition_columns(),
        })
    }

    fn add_clause(&self, builder: MergeBuilder, clause: &MergeIntoClause) -> Result<MergeBuilder> {
        let side = |expression: &Expr| match clause.kind {
            MergeIntoClauseKind::Matched => self.either(expression),
            _ => self.source_only(expression),
        };
        let predicate = clause.predicate.as_ref().map(side).transpose()?;
        let added = match (clause.kind, &clause.action) {
            (MergeIntoClauseKind::Matched, MergeIntoAction::Update(assignments)) => {
                let values =
                    self.values(assignments.iter().map(|(name, value)| (name, value)), side)?;
                builder.when_matched_update(|mut update| {
                    for (column, value) in values {
                        update = update.update(column, value);
                    }
                    match predicate {
                        Some(predicate) => update.predicate(predicate),
                        None => update,
                    }
                })
            }
            (MergeIntoClauseKind::Matched, MergeIntoAction::Delete) => {
                builder.when_matched_delete(|delete| match predicate {
                    Some(predicate) => delete.predicate(predicate),
                    None => delete,
                })
            }
            (
                MergeIntoClauseKind::NotMatched | MergeIntoClauseKind::NotMatchedByTarget,
                MergeIntoAction::Insert { columns, values },
            ) => {
                // Without a list the values are for all columns, in the table's order.
                let all = self.target.fields().iter().map(|field| field.name());
                let columns: Vec<&String> = match columns.as_slice() {
                    [] => all.collect(),
                    named => named.iter().collect(),
                };
                let values = self.values(columns.into_iter().zip(values), side)?;
                builder.when_not_matched_insert(|mut insert| {
                    for (column, value) in values {
                        insert = insert.set(column, value);
                    }
                    match predicate {
                        Some(predicate) => insert.predicate(predicate),
                        None => insert,
                    }
                })
            }
            _ => {
                return Err(Error::Unsupported(
                    "MERGE: only WHEN MATCHED THEN UPDATE or DELETE and WHEN NOT MATCHED THEN INSERT are offered"
                        .into(),
                ));
            }
        };
        added.map_err(|error| lake_error(&self.base.name, error))
    }

    /// Values for columns of the target.
    fn values<'b>(
        &self,
        values: impl Iterator<Item = (&'b String, &'b Expr)>,
        side: impl Fn(&Expr) -> Result<Expr>,
    ) -> Result<Vec<(String, Expr)>> {
        values
            .map(|(column, value)| {
                let data_type = self.target.field_with_name(column)?.data_type();
                let value = partition_value(side(value)?, column, data_type, &self.partition_by);
                Ok((column.clone(), value))
            })
            .collect()
    }

    /// An expression over both sides: columns of the target become `target.x`, the others `source.x`.
    fn either(&self, expression: &Expr) -> Result<Expr> {
        rewritten(expression, |column| {
            let in_target = self.target.field_with_name(&column.name).is_ok();
            let in_source = self.source.has_column_with_unqualified_name(&column.name);
            match (&column.relation, in_target, in_source) {
                (Some(relation), ..) if relation == self.called => Ok(TARGET),
                (Some(_), ..) | (None, false, true) => Ok(SOURCE),
                (None, true, false) => Ok(TARGET),
                (None, true, true) => Err(Error::Input(format!(
                    "MERGE: column '{0}' is in both tables; write whose it is, such as {1}.{0}",
                    column.name,
                    self.source_name(&column.name)
                ))),
                (None, false, false) => Err(unknown(column)),
            }
        })
    }

    /// An expression over the source, which alone is there where nothing matched.
    fn source_only(&self, expression: &Expr) -> Result<Expr> {
        rewritten(expression, |column| match &column.relation {
            Some(relation) if relation == self.called => Err(Error::Input(format!(
                "MERGE: WHEN NOT MATCHED sees the source only, and {}.{} is of the target",
                self.called.table(),
                column.name
            ))),
            None if !self.source.has_column_with_unqualified_name(&column.name) => {
                Err(unknown(column))
            }
            _ => Ok(SOURCE),
        })
    }

    fn source_name(&self, column: &str) -> String {
        let found = self.source.iter().find(|(_, field)| field.name() == column);
        let name = found.and_then(|(name, _)| name.map(|name| name.table().to_string()));
        name.unwrap_or_else(|| "source".to_string())
    }
}

fn unknown(column: &Column) -> Error {
    Error::Input(format!(
        "MERGE: column '{}' is in neither table",
        column.name
    ))
}

/// The expression with each column under the name of its side.
fn rewritten(expression: &Expr, side: impl Fn(&Column) -> Result<&'static str>) -> Result<Expr> {
    if has_subquery(expression)? {
        return Err(Error::Unsupported(
            "MERGE with a subquery in a condition or value is not offered; join it into the source: USING (SELECT …)"
                .into(),
        ));
    }
    let expression = strip_outer_reference(expression.clone());
    let rewritten = expression.transform(|node| match node {
        Expr::Column(column) => {
            let side = side(&column)?;
            Ok(Transformed::yes(Expr::Column(Column::new(
                Some(side),
                column.name,
            ))))
        }
        other => Ok(Transformed::no(other)),
    })?;
    with_stored_times(rewritten.data)
}

/// The expression with its literal times in microseconds, as tables have them: DataFusion reads `timestamp '…'` in
/// nanoseconds, which a table's log has no words for. A time that is finer stays as it is.
fn with_stored_times(expression: Expr) -> Result<Expr> {
    let stored = |value: ScalarValue| match value {
        ScalarValue::TimestampSecond(Some(time), zone) => {
            ScalarValue::TimestampMicrosecond(time.checked_mul(1_000_000), zone)
        }
        ScalarValue::TimestampMillisecond(Some(time), zone) => {
            ScalarValue::TimestampMicrosecond(time.checked_mul(1000), zone)
        }
        ScalarValue::TimestampNanosecond(Some(time), zone) if time % 1000 == 0 => {
            ScalarValue::TimestampMicrosecond(Some(time / 1000), zone)
        }
        other => other,
    };
    let rewritten = expression.transform_up(|node| match node {
        Expr::Cast(Cast { expr, field }) => match (*expr, field.data_type()) {
            (Expr::Literal(value, metadata), time @ DataType::Timestamp(..)) => {
                let value = stored(value.cast_to(time)?);
                Ok(Transformed::yes(Expr::Literal(value, metadata)))
            }
            (expr, _) => Ok(Transformed::no(Expr::Cast(Cast {
                expr: Box::new(expr),
                field,
            }))),
        },
        Expr::Literal(value, metadata) => {
            Ok(Transformed::yes(Expr::Literal(stored(value), metadata)))
        }
        other => Ok(Transformed::no(other)),
    })?;
    Ok(rewritten.data)
}

/// Whether an expression asks for rows of its own.
pub(crate) fn has_subquery(expression: &Expr) -> Result<bool> {
    let mut found = false;
    expression.apply(|node| {
        found |= matches!(
            node,
            Expr::InSubquery(_)
                | Expr::Exists(_)
                | Expr::ScalarSubquery(_)
                | Expr::SetComparison(_)
        );
        Ok(TreeNodeRecursion::Continue)
    })?;
    Ok(found)
}

/// delta-rs shows the rows that break a constraint, but not which: the rows that it shows are held against them again.
fn broken_by_merge(base: &Snapshot, state: &SessionState, error: DeltaTableError) -> Error {
    let message = error.to_string();
    let Some(preview) = message.find("Preview of invalid data:") else {
        return lake_error(&base.name, error);
    };
    let rows = &message[preview..];
    let named = shown_rows(rows, base.schema()).map(|batch| {
        let constraints = Constraints::of(base, batch.schema_ref(), state)?;
        Ok(constraints.check(&batch)?)
    });
    match named {
        Some(Err(broken)) => broken,
        _ => Error::Constraint(format!(
            "{}: a constraint is broken by these rows; nothing was written\n{}",
            base.name,
            rows.lines().skip(2).collect::<Vec<_>>().join("\n")
        )),
    }
}

/// The rows of a printed table, such as `| 1 | pen |`; an empty cell is NULL.
fn shown_rows(printed: &str, schema: &Schema) -> Option<RecordBatch> {
    let mut lines = printed
        .lines()
        .filter_map(|line| Some(line.strip_prefix('|')?.split('|').map(str::trim)));
    let names: Vec<&str> = lines.next()?.collect();
    let rows: Vec<Vec<&str>> = lines.map(Iterator::collect).collect();
    let columns = schema.fields().iter().map(|field| {
        let at = names.iter().position(|name| name == field.name())?;
        let cells = rows.iter().map(|row| row.get(at).copied());
        let texts: StringArray = cells
            .map(|cell| cell.filter(|text| !text.is_empty()))
            .collect();
        let values = cast(&texts, field.data_type()).ok()?;
        Some((field.name(), values, true))
    });
    RecordBatch::try_from_iter_with_nullable(columns.collect::<Option<Vec<_>>>()?).ok()
}

#[cfg(test)]
mod tests {
    use arrow::{
        array::AsArray,
        datatypes::{DataType, Field, Float64Type},
    };

    use super::*;

    #[test]
    fn printed_rows_are_read_back() {
        let item = Field::new("item", DataType::Utf8, false);
        let schema = Schema::new(vec![item, Field::new("price", DataType::Float64, true)]);
        let printed = "Preview:\n\n+-------+------+\n| price | item |\n+-------+------+\n| -1.5  |      |\n+--+--+";
        let batch = shown_rows(printed, &schema).unwrap();
        assert_eq!(batch.column(0).null_count(), 1);
        let prices = batch.column(1).as_primitive::<Float64Type>();
        assert!((prices.value(0) + 1.5).abs() < f64::EPSILON);
    }
}
