//! How large a plan may be. A query that names another twice is planned with it twice: twenty such steps make a million.

use std::fmt::{self, Formatter};

use datafusion::{
    common::{Result, config::ConfigOptions, tree_node::TreeNodeRecursion},
    logical_expr::LogicalPlan,
    optimizer::AnalyzerRule,
};

use crate::{
    error::Error,
    limits::{Limits, is_within},
};

/// Refuses plans that are too large, before anything is done with them.
pub(crate) struct SizeLimit {
    queries: u64,
}

impl SizeLimit {
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            queries: limits.queries,
        }
    }
}

impl fmt::Debug for SizeLimit {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("SizeLimit")
    }
}

impl SizeLimit {
    /// Refuses a plan that is too large.
    pub(crate) fn check(&self, plan: &LogicalPlan) -> Result<()> {
        let mut queries = 0;
        plan.apply_with_subqueries(|node| {
            queries += u64::from(node.inputs().is_empty());
            Ok(if is_within(queries, self.queries) {
                TreeNodeRecursion::Continue
            } else {
                TreeNodeRecursion::Stop
            })
        })?;
        if is_within(queries, self.queries) {
            return Ok(());
        }
        Err(Error::Exhausted(format!(
            "the statement reads more than {} times from tables and values, once its views and WITH queries are \
             written out (--max-queries); keep rows in a table and go on from there",
            self.queries
        ))
        .into())
    }
}

impl AnalyzerRule for SizeLimit {
    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        self.check(&plan)?;
        Ok(plan)
    }

    fn name(&self) -> &'static str {
        "size_limit"
    }
}
