//! Plans that end when they are told to.
//!
//! DataFusion's plans pause where they read. A join may work for hours between two batches that it reads: so joins pause
//! where they give rows, and their conditions fail once the statement is stopped.

use std::{
    fmt::{self, Display, Formatter},
    hash::{Hash, Hasher},
    sync::Arc,
};

use arrow::{
    array::RecordBatch,
    datatypes::{DataType, FieldRef, Schema},
};
use datafusion::{
    common::{
        Result,
        tree_node::{Transformed, TreeNode},
    },
    logical_expr::ColumnarValue,
    physical_expr::PhysicalExpr,
    physical_plan::{
        ExecutionPlan,
        joins::{
            CrossJoinExec, HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder,
            SortMergeJoinExec, utils::JoinFilter,
        },
    },
};
use tokio_util::sync::CancellationToken;

use super::pausing::PausingExec;
use crate::error::Error;

/// The plan, which ends soon after `stop` is cancelled.
pub(super) fn stoppable(
    plan: Arc<dyn ExecutionPlan>,
    stop: Option<&CancellationToken>,
) -> Result<Arc<dyn ExecutionPlan>> {
    let wrapped = plan.transform_up(|node| {
        let Some(join) = stoppable_join(&node, stop)? else {
            return Ok(Transformed::no(node));
        };
        Ok(Transformed::yes(Arc::new(PausingExec::new(join)) as _))
    })?;
    Ok(wrapped.data)
}

fn stoppable_join(
    node: &Arc<dyn ExecutionPlan>,
    stop: Option<&CancellationToken>,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    let checked = |filter: Option<&JoinFilter>| filter.zip(stop).map(|(f, stop)| check(f, stop));
    if let Some(join) = node.downcast_ref::<HashJoinExec>() {
        return Ok(Some(match checked(join.filter()) {
            Some(filter) => Arc::new(join.builder().with_filter(Some(filter)).build()?),
            None => Arc::clone(node),
        }));
    }
    if let Some(join) = node.downcast_ref::<NestedLoopJoinExec>() {
        return Ok(Some(match checked(join.filter()) {
            Some(filter) => {
                let builder = NestedLoopJoinExecBuilder::from(join);
                Arc::new(builder.with_filter(Some(filter)).build()?)
            }
            None => Arc::clone(node),
        }));
    }
    let is_join = node.is::<CrossJoinExec>() || node.is::<SortMergeJoinExec>();
    Ok(is_join.then(|| Arc::clone(node)))
}

fn check(filter: &JoinFilter, stop: &CancellationToken) -> JoinFilter {
    let condition = UntilStopped {
        inner: Arc::clone(filter.expression()),
        stop: stop.clone(),
    };
    JoinFilter::new(
        Arc::new(condition),
        filter.column_indices().to_vec(),
        Arc::clone(filter.schema()),
    )
}

/// A condition that fails once the statement is stopped.
#[derive(Debug)]
struct UntilStopped {
    inner: Arc<dyn PhysicalExpr>,
    stop: CancellationToken,
}

impl PhysicalExpr for UntilStopped {
    fn data_type(&self, schema: &Schema) -> Result<DataType> {
        self.inner.data_type(schema)
    }

    fn nullable(&self, schema: &Schema) -> Result<bool> {
        self.inner.nullable(schema)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if self.stop.is_cancelled() {
            return Err(Error::Cancelled("the statement was cancelled".into()).into());
        }
        self.inner.evaluate(batch)
    }

    fn return_field(&self, schema: &Schema) -> Result<FieldRef> {
        self.inner.return_field(schema)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.inner]
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        Ok(Arc::new(Self {
            inner: children.pop().unwrap_or_else(|| Arc::clone(&self.inner)),
            stop: self.stop.clone(),
        }))
    }

    fn fmt_sql(&self, f: &mut Formatter<'_>) -> fmt::Result {
        self.inner.fmt_sql(f)
    }
}

impl Display for UntilStopped {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Display::fmt(&self.inner, f)
    }
}

impl PartialEq for UntilStopped {
    fn eq(&self, other: &Self) -> bool {
        self.inner.eq(&other.inner)
    }
}

impl Eq for UntilStopped {}

impl Hash for UntilStopped {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.inner.hash(state);
    }
}
