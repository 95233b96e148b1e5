//! Columns that are computed from parameters are called as they are written, each by a name of its own: a value must not
//! become part of a name.

use std::{collections::BTreeSet, ops::ControlFlow};

use datafusion::sql::sqlparser::ast::{
    self, Ident, SelectItem, Value, Visit, VisitMut, Visitor, VisitorMut,
};

/// Gives names to the columns of a statement that are computed from parameters and have none.
pub(super) fn settle(statement: &mut ast::Statement) {
    let _ = VisitMut::visit(statement, &mut ColumnNames);
}

struct ColumnNames;

impl VisitorMut for ColumnNames {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut ast::Select) -> ControlFlow<()> {
        let mut taken = BTreeSet::new();
        for item in &select.projection {
            match item {
                SelectItem::ExprWithAlias { alias, .. } => taken.insert(alias.value.clone()),
                SelectItem::UnnamedExpr(expr) => taken.insert(expr.to_string()),
                _ => false,
            };
        }
        let mut named = BTreeSet::new();
        for item in &mut select.projection {
            let SelectItem::UnnamedExpr(expr) = item else {
                continue;
            };
            if Visit::visit(expr, &mut HasParameter).is_continue() {
                continue;
            }
            let name = free_name(&expr.to_string(), &taken, &named);
            let alias = Ident::with_quote('"', &name);
            named.insert(name);
            let expr = std::mem::replace(expr, ast::Expr::value(Value::Null));
            *item = SelectItem::ExprWithAlias { expr, alias };
        }
        ControlFlow::Continue(())
    }
}

/// The name as it is written or, the second time, with a number behind.
fn free_name(written: &str, taken: &BTreeSet<String>, named: &BTreeSet<String>) -> String {
    if !named.contains(written) {
        return written.to_string();
    }
    let numbered = (1..).map(|number| format!("{written}:{number}"));
    let mut free = numbered.filter(|name| !taken.contains(name) && !named.contains(name));
    free.next().unwrap_or_default()
}

struct HasParameter;

impl Visitor for HasParameter {
    type Break = ();

    fn pre_visit_value(&mut self, value: &ast::ValueWithSpan) -> ControlFlow<()> {
        match value.value {
            Value::Placeholder(_) => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}
