//! Joins that do not fit into memory. A hash join is the faster one, but one of its sides must fit; when it does not, the
//! statement is run again with sort-merge joins, which spill.

use std::sync::Arc;

use datafusion::{
    common::{
        DataFusionError,
        tree_node::{TreeNode, TreeNodeRecursion},
    },
    execution::{SendableRecordBatchStream, SessionState, TaskContext, runtime_env::RuntimeEnv},
    logical_expr::LogicalPlan,
    physical_plan::{
        ExecutionPlan, execute_stream, joins::HashJoinExec, stream::RecordBatchStreamAdapter,
    },
};
use futures::{StreamExt, TryStreamExt, stream};

use crate::{
    engine::memory,
    error::{Error, Result},
};

/// Runs a query; also gives the plan, which shows how far it is.
pub(super) async fn run(
    plan: &LogicalPlan,
    state: &SessionState,
) -> Result<(SendableRecordBatchStream, Arc<dyn ExecutionPlan>)> {
    let memory = memory::for_one_statement(state.runtime_env());
    let physical = physical(plan, state).await?;
    let rows = execute(Arc::clone(&physical), state, &memory)?;
    if !has_hash_join(&physical)? {
        return Ok((rows, physical));
    }
    let (plan, state) = (plan.clone(), state.clone());
    let schema = rows.schema();
    let rows = stream::once(or_sorted(rows, plan, state, memory)).try_flatten();
    let rows = RecordBatchStreamAdapter::new(schema, rows);
    Ok((Box::pin(rows), physical))
}

/// Whether a statement failed because it may not hold more memory.
pub(super) fn is_short_of_memory(error: &Error) -> bool {
    matches!(error, Error::DataFusion(error) if is_short(error))
}

/// Lets no join need memory for a whole side.
pub(crate) fn sort_joins(state: &mut SessionState) {
    let options = state.config_mut().options_mut();
    options.optimizer.prefer_hash_join = false;
    // One partition would be joined by hash all the same.
    options.execution.target_partitions = options.execution.target_partitions.max(2);
}

async fn or_sorted(
    mut rows: SendableRecordBatchStream,
    plan: LogicalPlan,
    mut state: SessionState,
    memory: Arc<RuntimeEnv>,
) -> Result<SendableRecordBatchStream, DataFusionError> {
    let schema = rows.schema();
    // Joins take their memory before they give a row.
    match rows.next().await {
        Some(Err(error)) if is_short(&error) => {
            drop(rows);
            tracing::debug!(%error, "running again with joins that spill");
            memory::given_back(&memory).await;
            let memory = memory::for_one_statement(state.runtime_env());
            sort_joins(&mut state);
            Ok(execute(physical(&plan, &state).await?, &state, &memory)?)
        }
        first => {
            let rows = stream::iter(first).chain(rows);
            Ok(Box::pin(RecordBatchStreamAdapter::new(schema, rows)))
        }
    }
}

async fn physical(plan: &LogicalPlan, state: &SessionState) -> Result<Arc<dyn ExecutionPlan>> {
    let planner = state.query_planner();
    Ok(planner.create_physical_plan(plan, state).await?)
}

fn execute(
    plan: Arc<dyn ExecutionPlan>,
    state: &SessionState,
    memory: &Arc<RuntimeEnv>,
) -> Result<SendableRecordBatchStream> {
    let task = TaskContext::from(state).with_runtime(Arc::clone(memory));
    Ok(execute_stream(plan, Arc::new(task))?)
}

fn has_hash_join(plan: &Arc<dyn ExecutionPlan>) -> Result<bool> {
    let mut found = false;
    plan.apply(|node| {
        found |= node.is::<HashJoinExec>();
        Ok(if found {
            TreeNodeRecursion::Stop
        } else {
            TreeNodeRecursion::Continue
        })
    })?;
    Ok(found)
}

fn is_short(error: &DataFusionError) -> bool {
    matches!(error.find_root(), DataFusionError::ResourcesExhausted(_))
}
