//! The types that a statement wants its parameters in, as clients are told.
//!
//! Java's driver sends what it was told and nothing else, and counts times in milliseconds whatever unit it was told: so
//! times are announced in milliseconds, and cast to the unit of their column when they come.

use std::collections::BTreeMap;

use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use datafusion::{
    common::tree_node::{TreeNode, TreeNodeRecursion},
    logical_expr::{Cast, Expr, LogicalPlan, TryCast, expr::Placeholder},
};

use crate::error::Result;

/// The parameters `$1`, `$2`, … with the types that are known before or that plans tell, the earlier plans first; text
/// where none does.
pub(super) fn schema<'a>(
    mut types: BTreeMap<String, DataType>,
    plans: impl IntoIterator<Item = &'a LogicalPlan>,
    count: usize,
) -> Result<Schema> {
    for plan in plans {
        for (name, data_type) in types_in(plan)? {
            types.entry(name).or_insert(data_type);
        }
    }
    let fields = (1..=count).map(|place| {
        let name = format!("${place}");
        let data_type = types.get(&name).map_or(DataType::Utf8, announced);
        Field::new(name, data_type, true)
    });
    Ok(Schema::new(fields.collect::<Vec<_>>()))
}

/// Whether plans tell the type of every parameter.
pub(super) fn are_known(plan: &LogicalPlan, count: usize) -> Result<bool> {
    Ok(types_in(plan)?.len() == count)
}

/// What the parameters of a plan are compared with, added to or cast to.
fn types_in(plan: &LogicalPlan) -> Result<BTreeMap<String, DataType>> {
    let mut types = BTreeMap::new();
    plan.apply_with_subqueries(|node| {
        node.apply_expressions(|expression| {
            expression.apply(|part| {
                if let Some((name, data_type)) = type_at(part)
                    && !data_type.is_null()
                {
                    types.entry(name.to_string()).or_insert(data_type);
                }
                Ok(TreeNodeRecursion::Continue)
            })
        })
    })?;
    Ok(types)
}

fn type_at(part: &Expr) -> Option<(&str, DataType)> {
    match part {
        Expr::Placeholder(Placeholder {
            id,
            field: Some(field),
        }) => Some((id, field.data_type().clone())),
        Expr::Cast(Cast { expr, field }) | Expr::TryCast(TryCast { expr, field }) => {
            match expr.as_ref() {
                Expr::Placeholder(Placeholder { id, field: None }) => {
                    Some((id, field.data_type().clone()))
                }
                _ => None,
            }
        }
        _ => None,
    }
}

/// The type that clients are told.
fn announced(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, values) => announced(values),
        DataType::Timestamp(_, zone) => DataType::Timestamp(TimeUnit::Millisecond, zone.clone()),
        DataType::Time32(_) | DataType::Time64(_) => DataType::Time32(TimeUnit::Millisecond),
        other => other.clone(),
    }
}
