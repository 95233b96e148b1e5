//! The types of parameters that are arguments of relation functions: plans have constants there, and tell nothing.

use std::{collections::BTreeMap, ops::ControlFlow};

use arrow::datatypes::DataType;
use datafusion::sql::{
    parser::Statement as DfStatement,
    sqlparser::ast::{self, FunctionArg, FunctionArgExpr, TableFactor, Value, Visit, Visitor},
};
use moodlake_udfs::relation_parameters;

/// Functions of DataFusion whose arguments are whole numbers, or else times.
const OF_NUMBERS: [&str; 2] = ["generate_series", "range"];

/// The types by the parameters' names, `$1`, `$2`, … .
pub(super) fn of(statement: &DfStatement) -> BTreeMap<String, DataType> {
    let mut arguments = Arguments::default();
    visit(statement, &mut arguments);
    arguments.types
}

fn visit(statement: &DfStatement, arguments: &mut Arguments) {
    match statement {
        DfStatement::Statement(statement) => {
            let _ = Visit::visit(statement, arguments);
        }
        DfStatement::Explain(explain) => visit(&explain.statement, arguments),
        _ => {}
    }
}

#[derive(Default)]
struct Arguments {
    types: BTreeMap<String, DataType>,
}

impl Visitor for Arguments {
    type Break = ();

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
        if let TableFactor::Table {
            name,
            args: Some(call),
            ..
        } = factor
        {
            let function = name.to_string().to_lowercase();
            for (position, argument) in call.args.iter().enumerate() {
                if let Some(parameter) = parameter(argument)
                    && let Some(data_type) = type_of(&function, position, argument)
                {
                    self.types.insert(parameter.to_string(), data_type);
                }
            }
        }
        ControlFlow::Continue(())
    }
}

/// The parameter that an argument is.
fn parameter(argument: &FunctionArg) -> Option<&str> {
    let (FunctionArg::Unnamed(value)
    | FunctionArg::Named { arg: value, .. }
    | FunctionArg::ExprNamed { arg: value, .. }) = argument;
    match value {
        FunctionArgExpr::Expr(ast::Expr::Value(value)) => match &value.value {
            Value::Placeholder(mark) => Some(mark),
            _ => None,
        },
        _ => None,
    }
}

fn type_of(function: &str, position: usize, argument: &FunctionArg) -> Option<DataType> {
    if OF_NUMBERS.contains(&function) {
        return Some(DataType::Int64);
    }
    let parameters = relation_parameters(function)?;
    let called = match argument {
        FunctionArg::Named { name, .. } => {
            let mut parameters = parameters.iter();
            parameters.find(|parameter| name.value.eq_ignore_ascii_case(parameter.name()))
        }
        _ => parameters.get(position),
    };
    called?.data_type()
}
