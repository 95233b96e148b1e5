//! `input => tracks` written out as `input => (select * from tracks)`.
//!
//! DataFusion looks up a statement's tables before it plans, and does not take an argument for a table's name. Whoever
//! parses statements calls [`expand_inputs`] first; without it an input is a subquery or a CTE.

use std::ops::ControlFlow;

use datafusion::{
    common::{DataFusionError, Result, plan_err},
    sql::sqlparser::{
        ast::{
            self, Expr, FunctionArg, FunctionArgExpr, Ident, Query, TableFactor, VisitMut,
            VisitorMut,
        },
        dialect::GenericDialect,
        parser::Parser,
    },
};

use crate::relation::{Parameter, RelationSignature};

/// Replaces tables' names by queries wherever one of these functions takes a relation.
pub(crate) fn expand(
    statement: &mut ast::Statement,
    signatures: Vec<RelationSignature>,
) -> Result<()> {
    match VisitMut::visit(statement, &mut Expander { signatures }) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(*error),
    }
}

struct Expander {
    signatures: Vec<RelationSignature>,
}

impl VisitorMut for Expander {
    type Break = Box<DataFusionError>;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<Self::Break> {
        let TableFactor::Table {
            name,
            args: Some(call),
            ..
        } = factor
        else {
            return ControlFlow::Continue(());
        };
        let [part] = name.0.as_slice() else {
            return ControlFlow::Continue(());
        };
        let function = part.as_ident().map(normalised);
        let signature = self
            .signatures
            .iter()
            .find(|signature| function.as_deref() == Some(signature.function));
        let Some(signature) = signature else {
            return ControlFlow::Continue(());
        };
        for (at, argument) in call.args.iter_mut().enumerate() {
            if let Err(error) = expand_argument(signature, at, argument) {
                return ControlFlow::Break(Box::new(error));
            }
        }
        ControlFlow::Continue(())
    }
}

fn expand_argument(
    signature: &RelationSignature,
    at: usize,
    argument: &mut FunctionArg,
) -> Result<()> {
    let (parameter, value) = match argument {
        FunctionArg::Unnamed(value) => (signature.parameters.get(at).copied(), value),
        FunctionArg::Named { name, arg, .. } => {
            let name = normalised(name);
            let mut parameters = signature.parameters.iter().copied();
            (parameters.find(|parameter| parameter.name() == name), arg)
        }
        FunctionArg::ExprNamed { .. } => return Ok(()),
    };
    let table = match (parameter, &*value) {
        (Some(Parameter::Relation(_)), FunctionArgExpr::Expr(Expr::Identifier(name))) => {
            name.to_string()
        }
        (Some(Parameter::Relation(_)), FunctionArgExpr::Expr(Expr::CompoundIdentifier(names))) => {
            names
                .iter()
                .map(Ident::to_string)
                .collect::<Vec<_>>()
                .join(".")
        }
        _ => return Ok(()),
    };
    *value = FunctionArgExpr::Expr(Expr::Subquery(select_all(&table)?));
    Ok(())
}

/// An identifier as DataFusion takes it: lower case unless quoted.
fn normalised(name: &Ident) -> String {
    match name.quote_style {
        Some(_) => name.value.clone(),
        None => name.value.to_ascii_lowercase(),
    }
}

fn select_all(table: &str) -> Result<Box<Query>> {
    let parsed = Parser::parse_sql(&GenericDialect {}, &format!("select * from {table}"))?;
    if let Some(ast::Statement::Query(query)) = parsed.into_iter().next() {
        return Ok(query);
    }
    plan_err!("'{table}' is no table's name")
}
