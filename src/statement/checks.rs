//! The `CHECK` constraints of CREATE TABLE: each with a name of its own, each a condition on the table's columns.

use arrow::datatypes::{DataType, SchemaRef};
use datafusion::{
    common::DFSchema,
    execution::SessionState,
    sql::sqlparser::ast::{ColumnOption, TableConstraint},
};

use super::parse::CreateTable;
use crate::{
    error::{Error, Result},
    lake::has_subquery,
};

/// A condition, with the name that it was given or one to make its name from.
struct Check {
    name: Option<String>,
    about: String,
    sql: String,
}

/// Name and condition of every `CHECK`; those without a name are called after their column or table.
pub(super) fn of(
    create: &CreateTable,
    schema: &SchemaRef,
    state: &SessionState,
) -> Result<Vec<(String, String)>> {
    let checks = given(create)?;
    let mut names: Vec<String> = Vec::new();
    for name in checks.iter().filter_map(|check| check.name.as_ref()) {
        if is_taken(&names, name) {
            return Err(Error::Input(format!(
                "CREATE TABLE {}: two constraints are called '{name}'",
                create.name
            )));
        }
        names.push(name.clone());
    }
    let df_schema = DFSchema::try_from(schema.as_ref().clone())?;
    let mut complete = Vec::new();
    for Check { name, about, sql } in checks {
        let refused = |fault: &dyn std::fmt::Display| {
            Error::Input(format!(
                "CREATE TABLE {}: CHECK ({sql}): {fault}",
                create.name
            ))
        };
        let expression = state
            .create_logical_expr(&sql, &df_schema)
            .map_err(|error| refused(&Error::from(error)))?;
        if has_subquery(&expression)? {
            return Err(refused(
                &"a condition is about one row, and cannot have a subquery",
            ));
        }
        let expression = state
            .create_physical_expr(expression, &df_schema)
            .map_err(|error| refused(&Error::from(error)))?;
        if expression.data_type(schema)? != DataType::Boolean {
            return Err(refused(&"expected a condition, true or false"));
        }
        let name = name.unwrap_or_else(|| {
            let name = free_name(&names, &about);
            names.push(name.clone());
            name
        });
        complete.push((name, sql));
    }
    Ok(complete)
}

fn given(create: &CreateTable) -> Result<Vec<Check>> {
    let mut checks = Vec::new();
    for column in &create.columns {
        for definition in &column.options {
            match &definition.option {
                ColumnOption::Null | ColumnOption::NotNull => {}
                ColumnOption::Check(check) => checks.push(Check {
                    name: definition
                        .name
                        .as_ref()
                        .or(check.name.as_ref())
                        .map(|name| name.value.clone()),
                    about: column.name.value.clone(),
                    sql: check.expr.to_string(),
                }),
                other => return Err(unsupported(create, other)),
            }
        }
    }
    for constraint in &create.constraints {
        match constraint {
            TableConstraint::Check(check) => checks.push(Check {
                name: check.name.as_ref().map(|name| name.value.clone()),
                about: create.name.table.clone(),
                sql: check.expr.to_string(),
            }),
            other => return Err(unsupported(create, other)),
        }
    }
    Ok(checks)
}

/// `price_check`, or else `price_check2`, …
fn free_name(names: &[String], about: &str) -> String {
    let mut name = format!("{about}_check");
    let mut number = 1;
    while is_taken(names, &name) {
        number += 1;
        name = format!("{about}_check{number}");
    }
    name
}

fn is_taken(names: &[String], name: &str) -> bool {
    names.iter().any(|taken| taken.eq_ignore_ascii_case(name))
}

fn unsupported(create: &CreateTable, constraint: &dyn std::fmt::Display) -> Error {
    Error::Unsupported(format!(
        "CREATE TABLE {}: {constraint} is not offered; NOT NULL and CHECK are",
        create.name
    ))
}
