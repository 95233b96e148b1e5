//! An operator that pauses now and then, so that other work gets its turn and an end is seen.
//!
//! DataFusion's `CooperativeExec` asks tokio before each batch whether it may go on. Under more than a hundred joins, one
//! over the other, the answer at the lowest is always no: so this one counts batches by itself, and never asks.

use std::{
    fmt::{self, Formatter},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use arrow::{array::RecordBatch, datatypes::SchemaRef};
use datafusion::{
    common::{Result, internal_err, tree_node::TreeNodeRecursion},
    execution::{RecordBatchStream, SendableRecordBatchStream, TaskContext},
    physical_expr::PhysicalExpr,
    physical_plan::{DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties},
};
use futures::{Stream, StreamExt};

/// So many batches are given between two pauses: a few milliseconds of most joins.
const BATCHES: u32 = 8;

/// The same rows, with pauses.
#[derive(Debug)]
pub(super) struct PausingExec {
    input: Arc<dyn ExecutionPlan>,
}

impl PausingExec {
    pub(super) fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        Self { input }
    }
}

impl DisplayAs for PausingExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl ExecutionPlan for PausingExec {
    fn name(&self) -> &'static str {
        "PausingExec"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        self.input.properties()
    }

    fn maintains_input_order(&self) -> Vec<bool> {
        vec![true]
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(
        self: Arc<Self>,
        mut children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        if let (Some(input), true) = (children.pop(), children.is_empty()) {
            return Ok(Arc::new(Self::new(input)));
        }
        internal_err!("PausingExec has one input")
    }

    fn execute(
        &self,
        partition: usize,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        Ok(Box::pin(Pausing {
            rows: self.input.execute(partition, context)?,
            since_pause: 0,
        }))
    }
}

struct Pausing {
    rows: SendableRecordBatchStream,
    since_pause: u32,
}

impl Stream for Pausing {
    type Item = Result<RecordBatch>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.since_pause >= BATCHES {
            self.since_pause = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let next = self.rows.poll_next_unpin(context);
        match next {
            Poll::Ready(Some(_)) => self.since_pause += 1,
            Poll::Ready(None) | Poll::Pending => self.since_pause = 0,
        }
        next
    }
}

impl RecordBatchStream for Pausing {
    fn schema(&self) -> SchemaRef {
        self.rows.schema()
    }
}
