//! Statements with parameters: told what they take and give before they have values, bound to values, run for many rows.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};
use datafusion::{
    common::{DataFusionError, ScalarValue, SchemaError},
    logical_expr::LogicalPlan,
    sql::{parser::Statement as DfStatement, sqlparser::ast},
};
use futures::FutureExt;

use super::{
    Outcome, Prepared, Statement, argument_types, bulk, explain, parameter_types,
    parameters::{self, Nulls},
    tokens::has_parameters,
};
use crate::{
    engine::{Engine, Scope},
    error::{Error, Result},
};

impl Engine {
    /// Tells a statement's result and parameters without values for them; runs nothing.
    ///
    /// # Errors
    /// Those of parsing and planning it.
    pub async fn prepare(&self, sql: &str) -> Result<Prepared> {
        self.prepare_one(sql).boxed().await
    }

    async fn prepare_one(&self, sql: &str) -> Result<Prepared> {
        let mut statement = self.parse(sql)?;
        let count = settle(&mut statement, sql)?;
        let Some(tree) = tree_of(&statement) else {
            let planned = self.plan(sql, &[]).await?;
            return Ok(Prepared {
                schema: planned.schema,
                parameters: Arc::new(Schema::empty()),
                is_query: planned.is_query,
            });
        };
        let scope = self.scope().await?;
        let plan = plan_without_values(&scope, &tree, count).await?;
        let parameters = parameters_of(&scope, &tree, plan.as_ref(), count)?;
        let schema = match (&statement, &plan) {
            (Statement::Query(_), Some(plan)) => Arc::clone(plan.schema().inner()),
            (Statement::Query(_), None) => Arc::new(unknown()),
            (Statement::ExplainChange(_), _) => explain::schema(),
            _ => Arc::new(Schema::empty()),
        };
        Ok(Prepared {
            is_query: matches!(statement, Statement::Query(_) | Statement::ExplainChange(_)),
            parameters: Arc::new(parameters),
            schema,
        })
    }

    /// Puts values into a statement. Returns the engine that knows the values which its text only refers to.
    pub(super) fn bind(
        &self,
        statement: &mut Statement,
        sql: &str,
        values: &[ScalarValue],
    ) -> Result<Self> {
        if settle(statement, sql)? == 0 {
            return Ok(self.clone());
        }
        let mut bound = None;
        edit(statement, &mut |tree| {
            bound = Some(parameters::bind(tree, values)?);
            Ok(())
        })?;
        Ok(self.with_bound(bound.unwrap_or_default()))
    }

    /// Runs an update once for each row of parameters: one commit for INSERT … VALUES. Returns how many rows changed.
    ///
    /// # Errors
    /// Those of [`Engine::run`].
    pub async fn run_many(&self, sql: &str, rows: &[Vec<ScalarValue>]) -> Result<u64> {
        let mut statement = self.parse(sql)?;
        settle(&mut statement, sql)?;
        if let Statement::Change(tree) = &statement
            && let Some((insert, bound)) = bulk::of_rows(tree, rows)?
        {
            let insert = Statement::Change(Box::new(insert));
            let engine = self.with_own_memory().with_bound(bound);
            let outcome = engine.carry_out(&insert, sql.trim()).boxed().await?;
            return Ok(changed(&outcome));
        }
        let mut count = 0;
        for row in rows {
            count += changed(&self.run(sql, row).await?);
        }
        Ok(count)
    }
}

fn changed(outcome: &Outcome) -> u64 {
    match outcome {
        Outcome::Changed(count) => *count,
        Outcome::Rows(_) | Outcome::Done => 0,
    }
}

/// Counts a statement's parameters, and names the columns that are computed from them.
fn settle(statement: &mut Statement, sql: &str) -> Result<usize> {
    let mut count = 0;
    let has_tree = edit(statement, &mut |tree| {
        count = parameters::settle(tree)?;
        Ok(())
    })?;
    if !has_tree && has_parameters(sql)? {
        return Err(Error::Input(
            "parameters can stand in queries, INSERT, MERGE, DELETE and CREATE TABLE … AS only; write the value out"
                .into(),
        ));
    }
    Ok(count)
}

/// Edits the part of a statement that takes parameters, if it has one.
fn edit(
    statement: &mut Statement,
    action: &mut dyn FnMut(&mut DfStatement) -> Result<()>,
) -> Result<bool> {
    match statement {
        Statement::Query(tree) | Statement::Change(tree) => action(tree)?,
        Statement::ExplainChange(explained) => return edit(&mut explained.statement, action),
        Statement::CreateTable(create) => {
            let Some(query) = create.query.take() else {
                return Ok(false);
            };
            let mut tree = DfStatement::Statement(Box::new(ast::Statement::Query(query)));
            action(&mut tree)?;
            if let DfStatement::Statement(query) = tree
                && let ast::Statement::Query(query) = *query
            {
                create.query = Some(query);
            }
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// The part of a statement that takes parameters.
fn tree_of(statement: &Statement) -> Option<DfStatement> {
    let mut found = None;
    let edited = edit(&mut statement.clone(), &mut |tree| {
        found = Some(tree.clone());
        Ok(())
    });
    edited.ok().and(found)
}

/// A plan of a statement whose parameters have no values. None where a function must know one of them: then the result is
/// told when values come.
async fn plan_without_values(
    scope: &Scope,
    tree: &DfStatement,
    count: usize,
) -> Result<Option<LogicalPlan>> {
    match plan_with(scope, tree, Nulls::Arguments).await {
        Ok(plan) => Ok(Some(plan)),
        Err(error) if count == 0 || !may_pass(&error) => Err(error),
        Err(_) => Ok(plan_with(scope, tree, Nulls::All).await.ok()),
    }
}

async fn plan_with(scope: &Scope, tree: &DfStatement, nulls: Nulls) -> Result<LogicalPlan> {
    let mut tree = tree.clone();
    parameters::bind_nulls(&mut tree, nulls)?;
    let plan = scope.state.statement_to_plan(tree).await?;
    analyzed(scope, plan)
}

/// Whether a statement that fails without values may work with some: not if a name is wrong, or something is not allowed.
fn may_pass(error: &Error) -> bool {
    let Error::DataFusion(error) = error else {
        return false;
    };
    match error.find_root() {
        DataFusionError::External(_) => false,
        DataFusionError::SchemaError(error, _) => is_parameter(error),
        DataFusionError::Plan(message) => !message.ends_with("not found"),
        _ => true,
    }
}

/// The plan with the types of its columns settled, as they will be when it runs.
fn analyzed(scope: &Scope, plan: LogicalPlan) -> Result<LogicalPlan> {
    let options = scope.state.config_options();
    let analyzer = scope.state.analyzer();
    Ok(analyzer.execute_and_check(plan, options, |_, _| {})?)
}

/// Whether a parameter was looked for as a column, as it is in GROUP BY.
fn is_parameter(error: &SchemaError) -> bool {
    matches!(error, SchemaError::FieldNotFound { field, .. } if field.name.starts_with('$'))
}

/// The parameters as clients are told. Where a parameter goes through several steps the optimised plan tells more.
fn parameters_of(
    scope: &Scope,
    tree: &DfStatement,
    plan: Option<&LogicalPlan>,
    count: usize,
) -> Result<Schema> {
    let arguments = argument_types::of(tree);
    let Some(plan) = plan.filter(|_| count > 0) else {
        return parameter_types::schema(arguments, [], count);
    };
    if parameter_types::are_known(plan, count)? {
        return parameter_types::schema(arguments, [plan], count);
    }
    match scope.state.optimize(plan) {
        Ok(optimized) => parameter_types::schema(arguments, [plan, &optimized], count),
        Err(_) => parameter_types::schema(arguments, [plan], count),
    }
}

/// A query's result of which nothing is known yet: not without columns, which would tell clients that it is no query.
fn unknown() -> Schema {
    Schema::new(vec![Field::new("unknown", DataType::Utf8, true)])
}
