//! UPDATE, which is carried out as the MERGE that it means.

use std::ops::ControlFlow;

use datafusion::sql::sqlparser::{
    ast::{
        self, Expr, TableFactor, UpdateTableFromKind, Value,
        helpers::attached_token::AttachedToken, visit_expressions,
    },
    dialect::GenericDialect,
    parser::Parser,
};

use crate::error::{Error, Result};

/// The source of an UPDATE without FROM is one row, whose names meet no others.
const ONE_ROW: &str = "(select 1 as \"(one row)\") as \"(one row)\"";

/// Puts the MERGE in the place of an UPDATE.
pub(super) fn rewrite(statement: &mut ast::Statement) -> Result<()> {
    if let ast::Statement::Update(update) = statement {
        *statement = ast::Statement::Merge(merge(update.clone())?);
    }
    Ok(())
}

fn merge(update: ast::Update) -> Result<ast::Merge> {
    refuse_others(&update)?;
    let source = match update.from {
        Some(UpdateTableFromKind::AfterSet(from) | UpdateTableFromKind::BeforeSet(from)) => {
            one(from)?
        }
        None => one_row()?,
    };
    let all = || Expr::Value(Value::Boolean(true).into());
    let action = ast::MergeUpdateExpr {
        update_token: AttachedToken::empty(),
        assignments: update.assignments,
        update_predicate: None,
        delete_predicate: None,
    };
    let matched = ast::MergeClause {
        when_token: AttachedToken::empty(),
        clause_kind: ast::MergeClauseKind::Matched,
        predicate: None,
        action: ast::MergeAction::Update(action),
    };
    Ok(ast::Merge {
        merge_token: AttachedToken::empty(),
        optimizer_hints: Vec::new(),
        into: true,
        table: one(vec![update.table])?,
        source,
        on: Box::new(update.selection.unwrap_or_else(all)),
        clauses: vec![matched],
        output: None,
    })
}

fn one_row() -> Result<TableFactor> {
    let parser = Parser::new(&GenericDialect {}).try_with_sql(ONE_ROW);
    let source = parser.and_then(|mut parser| parser.parse_table_factor());
    source.map_err(|error| Error::Internal(format!("one row: {error}")))
}

fn has_subquery(update: &ast::Update) -> bool {
    let values = update
        .assignments
        .iter()
        .map(|assignment| &assignment.value);
    let mut expressions = values.chain(&update.selection);
    expressions.any(|expression| {
        visit_expressions(expression, |node| match node {
            Expr::Subquery(_) | Expr::Exists { .. } | Expr::InSubquery { .. } => {
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        })
        .is_break()
    })
}

fn refuse_others(update: &ast::Update) -> Result<()> {
    if has_subquery(update) {
        return Err(not_offered(
            "with a subquery",
            "join it: UPDATE … SET … FROM (SELECT …) AS s WHERE …",
        ));
    }
    let others = [
        ("OR", update.or.is_some()),
        ("RETURNING", update.returning.is_some()),
        ("OUTPUT", update.output.is_some()),
        ("ORDER BY", !update.order_by.is_empty()),
        ("LIMIT", update.limit.is_some()),
    ];
    match others.iter().find(|(_, is_used)| *is_used) {
        Some((word, _)) => Err(not_offered(&format!("with {word}"), "leave it away")),
        None => Ok(()),
    }
}

fn one(tables: Vec<ast::TableWithJoins>) -> Result<TableFactor> {
    match <[_; 1]>::try_from(tables) {
        Ok([table]) if table.joins.is_empty() => Ok(table.relation),
        _ => Err(not_offered(
            "with several tables",
            "join them in a query: UPDATE … SET … FROM (SELECT …) AS s WHERE …",
        )),
    }
}

fn not_offered(what: &str, remedy: &str) -> Error {
    Error::Unsupported(format!("UPDATE {what} is not offered; {remedy}"))
}
