//! EXPLAIN of what writes: the plan of its rows, under what would be done with them. Nothing is written.

use std::sync::Arc;

use arrow::{
    array::{RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema, SchemaRef},
};
use datafusion::{
    common::format::{ExplainFormat, ExplainStatementOptions},
    execution::SessionState,
    logical_expr::{
        LogicalPlan, WriteOp,
        dml::{MergeIntoAction, MergeIntoClause},
    },
    physical_plan::displayable,
    sql::{parser::Statement as DfStatement, sqlparser::ast},
};

use super::{Planned, Statement, ddl, folders::without_folders, parse::CreateTable};
use crate::{
    engine::{Engine, Scope},
    error::{Error, Result},
};

/// EXPLAIN of a statement that writes.
#[derive(Debug, Clone)]
pub(crate) struct ExplainChange {
    pub(super) statement: Statement,
    is_verbose: bool,
}

impl ExplainChange {
    pub(super) fn new(statement: Statement, options: &ExplainStatementOptions) -> Result<Self> {
        if options.analyze {
            return Err(Error::Unsupported(
                "EXPLAIN ANALYZE of a statement that writes would write; EXPLAIN shows its plan"
                    .into(),
            ));
        }
        if !matches!(options.format, None | Some(ExplainFormat::Indent)) {
            return Err(Error::Unsupported(
                "EXPLAIN of a statement that writes has no FORMAT but INDENT".into(),
            ));
        }
        let is_explained = match &statement {
            Statement::Change(_) => true,
            Statement::CreateTable(create) => create.query.is_some(),
            _ => false,
        };
        if !is_explained {
            return Err(Error::Unsupported(
                "EXPLAIN is for queries, INSERT, MERGE, DELETE and CREATE TABLE … AS".into(),
            ));
        }
        Ok(Self {
            statement,
            is_verbose: options.verbose,
        })
    }
}

/// The columns of EXPLAIN.
pub(super) fn schema() -> SchemaRef {
    let text = |name| Field::new(name, DataType::Utf8, false);
    Arc::new(Schema::new(vec![text("plan_type"), text("plan")]))
}

impl Engine {
    /// Plans a statement that writes, for showing.
    pub(super) async fn plan_explained(&self, explained: &ExplainChange) -> Result<Planned> {
        let (action, rows, scope) = match &explained.statement {
            Statement::Change(tree) => self.explained_change(tree, &explained.statement).await?,
            Statement::CreateTable(create) => self.explained_table(create).await?,
            _ => return Err(Error::Internal("EXPLAIN of what writes nothing".into())),
        };
        let state = scope.state;
        let (logical, physical) = plans(&rows, &state, explained.is_verbose).await?;
        let kinds = StringArray::from(vec!["logical_plan", "physical_plan"]);
        let texts = [logical, physical].map(|plan| format!("{action}\n{}", indented(&plan)));
        let texts = StringArray::from(texts.to_vec());
        let mut batch = RecordBatch::try_new(schema(), vec![Arc::new(kinds), Arc::new(texts)])?;
        if !self.caller().is_admin() {
            batch = without_folders(&batch)?;
        }
        Ok(Planned::query(ddl::batch_plan("explained", batch)?, state))
    }

    async fn explained_change(
        &self,
        tree: &DfStatement,
        statement: &Statement,
    ) -> Result<(String, LogicalPlan, Scope)> {
        let change = Box::pin(self.plan_change(tree, statement)).await?;
        let action = match &change.operation {
            WriteOp::MergeInto(merge) => {
                let clauses = merge.clauses.iter();
                let clauses: Vec<String> = clauses.map(clause).collect();
                format!(
                    "MergeInto: table={}, on={}, {}",
                    change.target.name,
                    merge.on,
                    clauses.join(", ")
                )
            }
            operation => format!(
                "{}: table={}",
                operation.name().replace(' ', ""),
                change.target.name
            ),
        };
        Ok((action, change.rows, change.scope))
    }

    async fn explained_table(&self, create: &CreateTable) -> Result<(String, LogicalPlan, Scope)> {
        let name = &create.name;
        self.check_new_table(name)?;
        let exists = self.lake().has_table(name);
        self.check_create(name, create.replace && exists)?;
        let query = create.query.clone().map(ast::Statement::Query);
        let query = query.ok_or_else(|| Error::Internal("CREATE TABLE without rows".into()))?;
        let scope = self.scope().await?;
        let query = DfStatement::Statement(Box::new(query));
        let rows = scope.state.statement_to_plan(query).await?;
        let partitions = match create.partition_by.as_slice() {
            [] => String::new(),
            columns => format!(", partitioned_by=[{}]", columns.join(", ")),
        };
        let replace = if create.replace { ", or_replace" } else { "" };
        Ok((
            format!("CreateTable: table={name}{replace}{partitions}"),
            rows,
            scope,
        ))
    }
}

fn clause(clause: &MergeIntoClause) -> String {
    let condition = clause.predicate.as_ref();
    let condition = condition.map_or(String::new(), |condition| format!(" and {condition}"));
    let action = match &clause.action {
        MergeIntoAction::Update(values) => {
            let values = values.iter();
            let values: Vec<String> = values
                .map(|(column, value)| format!("{column}={value}"))
                .collect();
            format!("update=[{}]", values.join(", "))
        }
        MergeIntoAction::Insert { values, .. } => {
            let values: Vec<String> = values.iter().map(ToString::to_string).collect();
            format!("insert=[{}]", values.join(", "))
        }
        MergeIntoAction::Delete => "delete".to_string(),
    };
    format!("when={:?}{condition} {action}", clause.kind)
}

/// The optimised plan of the rows, and how they are made.
async fn plans(
    rows: &LogicalPlan,
    state: &SessionState,
    is_verbose: bool,
) -> Result<(String, String)> {
    let logical = state.optimize(rows)?;
    let planner = state.query_planner();
    let physical = planner.create_physical_plan(&logical, state).await?;
    Ok((
        logical.display_indent().to_string(),
        displayable(physical.as_ref())
            .indent(is_verbose)
            .to_string(),
    ))
}

fn indented(plan: &str) -> String {
    let lines = plan.trim_end().lines();
    lines
        .map(|line| format!("  {line}"))
        .collect::<Vec<_>>()
        .join("\n")
}
